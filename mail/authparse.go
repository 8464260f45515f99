package mail

import (
	"errors"
	"strings"
)

// ErrAuthResultsSyntax is returned for text that is not the value of an
// Authentication-Results field.
var ErrAuthResultsSyntax = errors.New("authentication results are not valid")

// Bounds of a field that is read.
const (
	maxAuthResults = 100 // results
	maxAuthProps   = 50  // of one result
)

// ParseAuthResults reads the value of an Authentication-Results field (RFC
// 8601 section 2.2), which may be folded. Comments are left out. With
// [ErrAuthResultsSyntax] it returns what stands before the mistake; id is the
// authserv-id as it is written.
func ParseAuthResults(value string) (id string, results []AuthResult, err error) {
	s := authScanner{rest: value}
	id = s.value()
	if s.skip(); s.rest != "" && s.rest[0] != ';' {
		s.value() // the version
	}
	for s.accept(';') {
		if s.rest == "" {
			break
		}
		r, ok := s.result()
		switch {
		case ok && r.Method == "": // "none" says that there are no results
			continue
		case !ok || len(results) == maxAuthResults:
			return id, results, ErrAuthResultsSyntax
		}
		results = append(results, r)
	}
	if id == "" || s.rest != "" {
		return id, results, ErrAuthResultsSyntax
	}
	return id, results, nil
}

// AuthservID returns the name at the beginning of an Authentication-Results
// field, without comments and quotes; "" if there is none.
func AuthservID(value string) string {
	s := authScanner{rest: value}
	return s.value()
}

// Prop returns the value of a property such as "header", "from"; "" if the
// result has none.
func (r AuthResult) Prop(kind, name string) string {
	for _, p := range r.Props {
		if p.Type == kind && p.Name == name {
			return p.Value
		}
	}
	return ""
}

// authScanner reads one field from the front.
type authScanner struct{ rest string }

// skip passes white space and comments, which nest.
func (s *authScanner) skip() {
	depth := 0
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0 && c == '\\':
			i++
		case depth > 0, c == ' ', c == '\t', c == '\r', c == '\n':
		default:
			s.rest = s.rest[i:]
			return
		}
	}
	s.rest = ""
}

// accept passes an octet, and what may be skipped around it.
func (s *authScanner) accept(c byte) bool {
	if s.skip(); s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	s.skip()
	return true
}

// word reads a method, a result or the name of a property, in lower case.
func (s *authScanner) word() string {
	s.skip()
	end := 0
	for end < len(s.rest) && isWordChar(s.rest[end]) {
		end++
	}
	w := s.rest[:end]
	s.rest = s.rest[end:]
	return strings.ToLower(w)
}

func isWordChar(c byte) bool {
	return isLetterDigit(c) || c == '-' || c == '_'
}

// value reads a token, a quoted-string, or an address of both.
func (s *authScanner) value() string {
	s.skip()
	var b strings.Builder
	quoted := false
	i := 0
loop:
	for ; i < len(s.rest); i++ {
		c := s.rest[i]
		switch {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\' && i+1 < len(s.rest):
			i++
			b.WriteByte(s.rest[i])
		case quoted && (c == '\r' || c == '\n'):
		case quoted:
			b.WriteByte(c)
		case c == ';' || c == '(' || c == ' ' || c == '\t' || c == '\r' || c == '\n':
			break loop
		default:
			b.WriteByte(c)
		}
	}
	s.rest = s.rest[i:]
	return b.String()
}

// result reads "method[/version]=result [reason=…] {ptype.property=value}". It
// has no method for the word "none" alone.
func (s *authScanner) result() (r AuthResult, ok bool) {
	r.Method = s.word()
	if s.accept('/') {
		s.word()
	}
	if !s.accept('=') {
		if r.Method == "none" {
			return AuthResult{}, true
		}
		return r, false
	}
	r.Result = s.word()
	for s.skip(); s.rest != "" && s.rest[0] != ';'; s.skip() {
		kind := s.word()
		if kind == "reason" && s.accept('=') {
			r.Reason = s.value()
			continue
		}
		if !s.accept('.') {
			return r, false
		}
		p := AuthProp{Type: kind, Name: s.word()}
		if !s.accept('=') || len(r.Props) == maxAuthProps {
			return r, false
		}
		p.Value = s.value()
		r.Props = append(r.Props, p)
	}
	return r, r.Method != "" && r.Result != ""
}
