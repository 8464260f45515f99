package filter

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mailstead/mailstead/mail/message"
)

// What a filter may do to a header; more is a broken filter.
const (
	maxChanges     = 200
	maxChangedSize = 128 << 10 // octets of all fields together
	maxFieldName   = 76
	maxLine        = 998 // RFC 5322 section 2.1.1, without CRLF
)

var (
	errTooManyChanges = errors.New("it asks for too many changes of the header")
	errReserved       = errors.New("only this server writes it")
)

// changes collects what becomes of a header.
type changes struct {
	header []byte // that Edit is about
	add    []byte
	edit   []message.FieldEdit
	n      int // changes that were asked for
	size   int // of the values
}

// count counts a change against the bounds.
func (c *changes) count(value string) error {
	c.n++
	c.size += len(value)
	if c.n > maxChanges || c.size > maxChangedSize {
		return errTooManyChanges
	}
	return nil
}

// addField puts a field before the message.
func (c *changes) addField(name, value string) error {
	if err := c.count(value); err != nil {
		return err
	}
	raw, err := makeField(name, value)
	c.add = append(c.add, raw...)
	return err
}

// editField replaces the nth field of a name, or adds it if there are fewer;
// an empty value removes the field.
func (c *changes) editField(name string, nth int, value string) error {
	if err := c.count(value); err != nil {
		return err
	}
	if value == "" {
		if err := checkName(name); err != nil {
			return err
		}
		c.edit = append(c.edit, message.FieldEdit{Name: name, Nth: nth})
		return nil
	}
	raw, err := makeField(name, value)
	if err != nil {
		return err
	}
	if n := c.fields(name); nth > n || nth == 0 || -nth > n {
		c.add = append(c.add, raw...)
	} else {
		c.edit = append(c.edit, message.FieldEdit{Name: name, Nth: nth, Raw: raw})
	}
	return nil
}

// fields counts the fields with a name.
func (c *changes) fields(name string) (n int) {
	for range message.FieldValues(c.header, name) {
		n++
	}
	return n
}

// reserved are fields that no filter may write: what they say is this server's
// to say. The first part of a name that ends in "-" stands for all of them.
var reserved = []string{"return-path", "delivered-to", "x-mailstead-"}

// checkName checks the name of a field (RFC 5322 section 3.6.8).
func checkName(name string) error {
	if name == "" || len(name) > maxFieldName || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == ':' }) {
		return fmt.Errorf("%q is no name of a field", clip(name, maxFieldName))
	}
	for _, r := range reserved {
		if l := strings.ToLower(name); l == r || strings.HasSuffix(r, "-") && strings.HasPrefix(l, r) {
			return fmt.Errorf("the field %s: %w", name, errReserved)
		}
	}
	return nil
}

// makeField makes a field that cannot break the header, whatever value is: its
// lines are folded, of printable characters and not too long.
func makeField(name, value string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	b := append([]byte(name), ':')
	value = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", " ").Replace(value)
	start := 0
	for line := range strings.SplitSeq(value, "\n") {
		line = strings.Map(printableRune, strings.ToValidUTF8(line, "?"))
		if strings.TrimSpace(line) == "" {
			continue
		}
		if start > 0 {
			b = append(b, "\r\n"...)
			start = len(b)
		}
		if line[0] != ' ' && line[0] != '\t' {
			b = append(b, ' ')
		}
		b = append(b, strings.TrimRight(line, " \t")...)
		if len(b)-start > maxLine {
			return nil, fmt.Errorf("a line of the field %s is longer than %d octets", name, maxLine)
		}
		start = max(start, 1)
	}
	return append(b, "\r\n"...), nil
}

func printableRune(c rune) rune {
	if c != '\t' && (c < ' ' || c == 0x7f) {
		return ' '
	}
	return c
}

// plain makes one line of printable ASCII, at most n octets, of what a filter
// says: fit for a reply.
func plain(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f {
			return ' '
		}
		return c
	}, s)
	return clip(strings.Join(strings.Fields(s), " "), n)
}

// clip cuts s after n octets at most.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
