package spf

import (
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Header returns the value of a Received-SPF field (RFC 7208 section 9.1),
// folded. receiver is the name of this server.
func (r Result) Header(receiver mail.Domain) string {
	var b strings.Builder
	b.Grow(512)
	for _, s := range []string{r.Result, " (", comment(string(receiver)), ": ", comment(r.Comment), ")"} {
		b.WriteString(s)
	}
	pair := func(name, text string) {
		b.WriteString(name)
		b.WriteString(value(text))
	}
	pair("\r\n\treceiver=", string(receiver))
	pair(";\r\n\tclient-ip=", r.client.Addr.String())
	pair(";\r\n\tenvelope-from=", r.client.ReversePath.String())
	pair(";\r\n\thelo=", r.client.Hello)
	pair(";\r\n\tidentity=", string(r.Identity))
	if r.Mechanism != "" {
		pair(";\r\n\tmechanism=", r.Mechanism)
	}
	return b.String()
}

// comment keeps what a peer said from ending the comment or the line.
func comment(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '(' || c == ')' || c == '\\':
			return '_'
		case c < ' ' || c == 0x7f:
			return ' '
		}
		return c
	}, s)
}

// value returns a dot-atom as it is and anything else as a quoted-string.
func value(s string) string {
	if isDotAtom(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// isDotAtom checks RFC 5322 section 3.2.3.
func isDotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && strings.IndexByte(".!#$%&'*+-/=?^_`{|}~", c) < 0 {
			return false
		}
	}
	return true
}
