package signature

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// MaxTagList is how long a field or record may be that is read as tags.
const MaxTagList = 16 << 10

// Tags is a tag=value list (RFC 6376 section 3.2). White space, which means
// nothing in any of the tags that are looked at, is taken out.
type Tags map[string]string

// ParseTags reads a list; the field it stands in may still be folded. Names
// that occur twice, or are none, make the whole list invalid.
func ParseTags(s string) (Tags, *Error) {
	if len(s) > MaxTagList {
		return nil, Permanent("tag list is too large to check")
	}
	t := make(Tags, 12)
	for pair := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(pair, "=")
		name = strings.Trim(name, " \t\r\n")
		switch {
		case !ok && name == "": // after the last ";"
			continue
		case !ok || !isTagName(name):
			return t, Permanent("tag list is not valid")
		}
		if _, twice := t[name]; twice {
			return t, Permanent("tag " + name + "= is given twice")
		}
		t[name] = withoutSpace(value)
	}
	return t, nil
}

func isTagName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if letter := 'a' <= c|0x20 && c|0x20 <= 'z'; !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func withoutSpace(s string) string {
	if s = strings.Trim(s, " \t\r\n"); !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if !isSpace(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// Require returns an error if one of the tags is not there or empty.
func (t Tags) Require(names ...string) *Error {
	for _, name := range names {
		if t[name] == "" {
			return Permanent("tag " + name + "= is missing")
		}
	}
	return nil
}

// Base64 decodes the value of a tag.
func (t Tags) Base64(name string) ([]byte, *Error) {
	b, err := base64.StdEncoding.DecodeString(t[name])
	if err != nil {
		return nil, Permanent("tag " + name + "= is not base64")
	}
	return b, nil
}

// List splits a value at its colons.
func (t Tags) List(name string) []string {
	v, ok := t[name]
	if !ok {
		return nil
	}
	return strings.Split(v, ":")
}

// Number reads an unsigned decimal number of at most 76 digits; what is beyond
// 63 bits is as good as the largest there is.
func (t Tags) Number(name string) (n int64, ok bool, err *Error) {
	v, ok := t[name]
	if !ok {
		return 0, false, nil
	}
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return 0, true, Permanent("tag " + name + "= is not a number")
		}
	}
	if v == "" || len(v) > 76 {
		return 0, true, Permanent("tag " + name + "= is not a number")
	}
	n, _ = strconv.ParseInt(v, 10, 64) // the largest number if it is out of range
	return n, true, nil
}

// CheckTimes checks t= and x= (RFC 6376 section 3.5).
func (t Tags) CheckTimes(now time.Time) *Error {
	signed, _, err := t.Number("t")
	if err != nil {
		return err
	}
	expires, limited, err := t.Number("x")
	switch {
	case err != nil:
		return err
	case limited && expires <= signed:
		return Permanent("signature expires before it was made")
	case limited && now.Unix() > expires:
		return Fail("signature expired on " + time.Unix(expires, 0).UTC().Format("2 January 2006"))
	}
	return nil
}
