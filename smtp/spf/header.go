package spf

import (
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Header returns the value of a Received-SPF field (RFC 7208 section 9.1),
// folded. receiver is the name of this server.
func (r Result) Header(receiver mail.Domain) string {
	pairs := [][2]string{
		{"receiver", string(receiver)},
		{"client-ip", r.client.Addr.Unmap().String()},
		{"envelope-from", r.client.ReversePath.String()},
		{"helo", r.client.Hello},
		{"identity", string(r.Identity)},
	}
	if r.Mechanism != "" {
		pairs = append(pairs, [2]string{"mechanism", r.Mechanism})
	}
	var b strings.Builder
	b.WriteString(r.Result + " (" + comment(string(receiver)+": "+r.Comment) + ")")
	for i, p := range pairs {
		b.WriteString("\r\n\t" + p[0] + "=" + value(p[1]))
		if i < len(pairs)-1 {
			b.WriteByte(';')
		}
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
