package movein

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// errThrottled means that the server wants us to wait.
var errThrottled = errors.New("the server asks to wait")

// throttleError is errThrottled with what the server says.
type throttleError struct{ text string }

func (e *throttleError) Error() string        { return errThrottled.Error() + ": " + printable(e.text) }
func (e *throttleError) Is(target error) bool { return target == errThrottled }

// throttled reports whether a text or code says to slow down (RFC 9051 section
// 7.1 has some of the codes; Gmail and Exchange have others).
func throttled(code, text string) bool {
	switch code {
	case "THROTTLED", "LIMIT", "UNAVAILABLE", "INUSE", "OVERQUOTA":
		return true
	}
	text = strings.ToLower(text)
	for _, sign := range []string{"throttl", "too many", "rate limit", "bandwidth", "backoff time", "try again later", "temporarily"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// backoff is how Exchange Online names the time that it wants us to wait.
var backoff = regexp.MustCompile(`(?i)\bbackoff time:? *([0-9]{1,12}) *(milliseconds|ms|seconds|s|minutes|min)\b`)

// named is the time that the server wants us to wait, at most maxThrottle; 0 if
// it names none.
func (e *throttleError) named() time.Duration {
	m := backoff.FindStringSubmatch(e.text)
	if m == nil {
		return 0
	}
	unit := time.Millisecond
	switch strings.ToLower(m[2]) {
	case "seconds", "s":
		unit = time.Second
	case "minutes", "min":
		unit = time.Minute
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > int64(maxThrottle/unit) {
		return maxThrottle
	}
	return time.Duration(n) * unit
}
