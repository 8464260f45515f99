package mail

import "strings"

// AuthResult is one check of where a message came from, in the terms of
// RFC 8601 section 2.2.
type AuthResult struct {
	Method  string // "spf", "dkim", "dmarc", "arc", "iprev", "auth"
	Result  string // "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "policy"
	Comment string // for people, written in parentheses
	Reason  string // reason="…"
	Props   []AuthProp
}

// AuthProp is a property that was looked at, such as smtp.mailfrom=….
type AuthProp struct{ Type, Name, Value string }

// AuthResults is the content of one Authentication-Results field.
type AuthResults struct {
	ServID  Domain // authserv-id: the name of the server that checked
	Results []AuthResult
}

// String returns the value of the field, folded before each result and at
// most one result a line (RFC 8601 section 2.2). No CR or LF of a peer
// survives in it.
func (a AuthResults) String() string {
	var b strings.Builder
	b.Grow(64 + 160*len(a.Results))
	b.WriteString(string(a.ServID))
	if len(a.Results) == 0 {
		b.WriteString("; none")
	}
	for i := range a.Results {
		b.WriteString(";\r\n\t")
		a.Results[i].write(&b)
	}
	return b.String()
}

func (r *AuthResult) write(b *strings.Builder) {
	b.WriteString(r.Method)
	b.WriteByte('=')
	b.WriteString(r.Result)
	if r.Comment != "" {
		b.WriteString(" (")
		b.WriteString(cleanComment(r.Comment))
		b.WriteByte(')')
	}
	if r.Reason != "" {
		b.WriteString(" reason=")
		b.WriteString(authValue(r.Reason, true))
	}
	for _, p := range r.Props {
		b.WriteByte(' ')
		b.WriteString(p.Type)
		b.WriteByte('.')
		b.WriteString(p.Name)
		b.WriteByte('=')
		b.WriteString(authValue(p.Value, false))
	}
}

// cleanComment keeps a peer's text from ending the comment or the field.
func cleanComment(s string) string {
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

// authValue returns s as an RFC 2045 value: a token where it is one (or an
// address, which RFC 8601 section 2.2 allows bare), else a quoted-string.
func authValue(s string, quote bool) string {
	if s == "" {
		return `""`
	}
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>,;:\"[]?=`, c) >= 0 {
			quote = true
		}
		if c == '/' { // not a token character, but bare in no address either
			quote = true
		}
	}
	if !quote {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
