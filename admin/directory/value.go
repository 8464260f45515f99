package directory

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailstead/mailstead/mail"
)

// kind says how the text of a setting is read.
type kind string

const (
	boolean  kind = "true or false"
	integer  kind = "number"
	size     kind = "size"     // "50 MiB"
	duration kind = "duration" // "5d", "4h30m"
	words    kind = "text"
	address  kind = "address"
)

// maxSettingText bounds texts, in octets.
const maxSettingText = 1000

// parse reads a value.
func (def *definition) parse(s string) (any, error) {
	s = strings.TrimSpace(s)
	switch def.kind {
	case boolean:
		return parseBool(s)
	case integer:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", s)
		}
		return n, def.inRange(n, func(n int64) string { return strconv.FormatInt(n, 10) })
	case size:
		if s == "" && def.initial == "" {
			return int64(0), nil
		}
		n, err := ParseSize(s)
		if err != nil {
			return nil, err
		}
		return n, def.inRange(n, FormatSize)
	case duration:
		d, err := ParseDuration(s)
		if err != nil {
			return nil, err
		}
		return d, def.inRange(int64(d), func(n int64) string { return FormatDuration(time.Duration(n)) })
	case address:
		if s == "" {
			return mail.Path{}, nil
		}
		return mail.ParseAddress(s)
	}
	if len(s) > maxSettingText || !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, fmt.Errorf("it must be one line of at most %d octets", maxSettingText)
	}
	if def.check != nil && s != "" {
		return s, def.check(s)
	}
	return s, nil
}

func (def *definition) inRange(n int64, format func(int64) string) error {
	if n < def.min || n > def.max {
		return fmt.Errorf("it must be from %s to %s", format(def.min), format(def.max))
	}
	return nil
}

// normalise checks a value and returns the form in which it is kept.
func (def *definition) normalise(s string) (string, error) {
	v, err := def.parse(s)
	if err != nil {
		if def.secret {
			return "", invalid("%s: the value is not valid", def.name)
		}
		return "", invalid("%s: %v", def.name, err)
	}
	switch v := v.(type) {
	case int64:
		if def.kind == size && strings.TrimSpace(s) == "" {
			return "", nil
		}
		if def.kind == size {
			return FormatSize(v), nil
		}
	case time.Duration:
		return FormatDuration(v), nil
	case mail.Path:
		return v.String(), nil
	case string:
		if v == "" && def.initial != "" {
			return "", invalid("%s cannot be empty; the default is %s", def.name, def.initial)
		}
		return v, nil
	}
	return fmt.Sprint(v), nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

var sizeUnits = []struct {
	name string
	n    int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// ParseSize reads octets: "1048576", "50 MiB", "2G". K, M, G and T count in
// powers of 1,024.
func ParseSize(s string) (int64, error) {
	digits := strings.TrimRight(strings.TrimSpace(s), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := strings.ToUpper(strings.TrimSpace(s)[len(digits):])
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a size; write it as in 50 MiB", s)
	}
	if unit == "" || unit == "B" {
		return n, nil
	}
	for _, u := range sizeUnits {
		if u.name[:1] == unit || strings.EqualFold(u.name, unit) || u.name[:1]+"B" == unit {
			if n > math.MaxInt64/u.n {
				return 0, fmt.Errorf("%q is too large", s)
			}
			return n * u.n, nil
		}
	}
	return 0, fmt.Errorf("%q is not a size; write it as in 50 MiB", s)
}

// FormatSize writes what ParseSize reads, without loss.
func FormatSize(n int64) string {
	for _, u := range sizeUnits {
		if n > 0 && n%u.n == 0 {
			return strconv.FormatInt(n/u.n, 10) + " " + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// maxDuration is the longest that is read: days have 16 bits.
const maxDuration = math.MaxUint16 * day

// ParseDuration is time.ParseDuration with days before the rest: "5d",
// "1d12h", "90m", "0".
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	bad := fmt.Errorf("%q is not a duration; write it as in 5d, 4h30m or 90s", s)
	var days time.Duration
	rest := s
	if before, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(before, 10, 16)
		if err != nil {
			return 0, bad
		}
		days, rest = time.Duration(n)*day, after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > maxDuration-days {
		return 0, bad
	}
	return days + d, nil
}

// FormatDuration writes what ParseDuration reads, without loss.
func FormatDuration(d time.Duration) string {
	var s string
	if d >= day {
		s = strconv.FormatInt(int64(d/day), 10) + "d"
		d %= day
		if d == 0 {
			return s
		}
	}
	if d == 0 {
		return "0"
	}
	rest := d.String()
	if strings.HasSuffix(rest, "m0s") {
		rest = rest[:len(rest)-2]
	}
	if strings.HasSuffix(rest, "h0m") {
		rest = rest[:len(rest)-2]
	}
	return s + rest
}

// maxSchedule bounds the number of times in a schedule.
const maxSchedule = 50

func parseSchedule(s string) ([]time.Duration, error) {
	var times []time.Duration
	for _, f := range strings.Fields(s) {
		d, err := ParseDuration(f)
		if err != nil {
			return nil, err
		}
		if d < 10*time.Second || d > 2*day {
			return nil, fmt.Errorf("the time between attempts must be from 10s to 2d, not %s", f)
		}
		times = append(times, d)
	}
	if len(times) == 0 || len(times) > maxSchedule {
		return nil, fmt.Errorf("it must have from 1 to %d times", maxSchedule)
	}
	return times, nil
}

func checkSchedule(s string) error {
	_, err := parseSchedule(s)
	return err
}

func checkHostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
		return fmt.Errorf("%q is not a server with its port; write it as in smtp.example.com:587", s)
	}
	return nil
}

// maxSockets is how many programs can be named in one setting.
const maxSockets = 8

// maxSocketPath is the longest path of a unix socket (sun_path), in octets.
const maxSocketPath = 107

// ParseSocket reads where a program listens, "unix:/path" or "host:port", and
// returns what net.Dial takes.
func ParseSocket(s string) (network, addr string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !filepath.IsAbs(path) || len(path) > maxSocketPath {
			return "", "", fmt.Errorf("%q is no socket; write it with its whole path, as in unix:/run/clamav/clamd.ctl", s)
		}
		return "unix", path, nil
	}
	if checkHostPort(s) != nil || strings.ContainsAny(s, "/@ ") {
		return "", "", fmt.Errorf("%q is not where a program listens; write it as in 127.0.0.1:3310 or unix:/run/clamav/clamd.ctl", s)
	}
	return "tcp", s, nil
}

func checkSocket(s string) error {
	_, _, err := ParseSocket(s)
	return err
}

func checkSockets(s string) error {
	list := strings.Fields(s)
	if len(list) > maxSockets {
		return fmt.Errorf("it must have at most %d addresses", maxSockets)
	}
	for i, a := range list {
		if err := checkSocket(a); err != nil {
			return err
		}
		if slices.Contains(list[:i], a) {
			return fmt.Errorf("%q is there twice", a)
		}
	}
	return nil
}

// checkURL checks the address of a web server, without a path.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Path != "" {
		return errors.New("it must be a scheme, a host and a port, as in http://127.0.0.1:11333")
	}
	return nil
}

func checkAddresses(s string) error {
	for a := range strings.FieldsSeq(s) {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("%q is not an IP address; write them with spaces between, as in 192.0.2.1 2001:db8::1", a)
		}
	}
	return nil
}

func checkNames(s string) error {
	for n := range strings.FieldsSeq(s) {
		if d, err := mail.ParseDomain(n); err != nil || d.IsLiteral() || !strings.Contains(string(d), ".") {
			return fmt.Errorf("%q is not a host name; write them with spaces between, as in mx.example.org", n)
		}
	}
	return nil
}

// checkForwarders takes domains, addresses and networks.
func checkForwarders(s string) error {
	for w := range strings.FieldsSeq(s) {
		_, netErr := netip.ParsePrefix(w)
		_, addrErr := netip.ParseAddr(w)
		if netErr != nil && addrErr != nil && checkNames(w) != nil {
			return fmt.Errorf("%q is neither a domain nor a network; write them with spaces between, as in lists.example.org 192.0.2.0/24", w)
		}
	}
	return nil
}

func oneOf(choices ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(choices, s) {
			return fmt.Errorf("%q is none of %s", s, strings.Join(choices, ", "))
		}
		return nil
	}
}
