package movein

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errThrottled means that the server wants us to wait.
var errThrottled = errors.New("the server asks to wait")

// throttleError is errThrottled with what the server says.
type throttleError struct{ code, text string }

func (e *throttleError) Error() string        { return errThrottled.Error() + ": " + printable(e.text) }
func (e *throttleError) Is(target error) bool { return target == errThrottled }

// throttled reports whether a text or code says to slow down or to come again
// (RFC 9051 section 7.1 has some of the codes; Gmail and Exchange have others).
func throttled(code, text string) bool {
	switch code {
	case "LIMIT", "UNAVAILABLE", "INUSE":
		return true
	}
	return tooFast(code, text) || hasSign(text, "try again later", "temporarily")
}

// tooFast reports whether a text or code says that all goes too fast. The
// others are also what servers answer that cannot read one message, as long as
// it is asked for (Yahoo: "[UNAVAILABLE] UID FETCH Server error while fetching
// messages").
func tooFast(code, text string) bool {
	return code == "THROTTLED" || code == "OVERQUOTA" || hasSign(text, "throttl", "too many", "rate limit", "bandwidth", "backoff time")
}

// isTooFast reports whether an error is an answer that is tooFast.
func isTooFast(err error) bool {
	asked := new(throttleError)
	return errors.As(err, &asked) && tooFast(asked.code, asked.text)
}

// hasSign reports whether a text has one of these words in it.
func hasSign(text string, signs ...string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(text, sign) })
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
