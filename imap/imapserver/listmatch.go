package imapserver

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Bounds of a pattern. A name has at most 1,000 octets, so a longer pattern
// cannot match; wildcards multiply the work of matching.
const (
	maxPattern   = 1200
	maxWildcards = 100
)

// pattern is a LIST pattern: "*" matches anything, "%" anything without "/".
type pattern struct {
	text  string // without wildcards that follow each other
	empty bool   // matches nothing
}

// newPattern prepares the pattern that reference and name make together, in
// the normal form that names are kept in.
func newPattern(reference, name string) pattern {
	text := norm.NFC.String(reference + name)
	var b strings.Builder
	wildcards := 0
	for i := 0; i < len(text); i++ {
		if text[i] != '%' && text[i] != '*' {
			b.WriteByte(text[i])
			continue
		}
		any := false // "*" takes in all wildcards beside it
		for ; i < len(text) && (text[i] == '%' || text[i] == '*'); i++ {
			any = any || text[i] == '*'
		}
		i--
		wildcards++
		if any {
			b.WriteByte('*')
		} else {
			b.WriteByte('%')
		}
	}
	return pattern{text: b.String(), empty: wildcards > maxWildcards || b.Len() > maxPattern}
}

// matches reports whether the whole of name matches. It follows all ways
// through the pattern at once, in time proportional to the product of the
// lengths, whatever the wildcards.
func (p pattern) matches(name string) bool {
	if p.empty {
		return false
	}
	// INBOX is written in any case (RFC 9051 section 5.1).
	anyCase := 0
	if underInbox(name) {
		anyCase = len("INBOX")
	}
	// now[i]: what was read of name matches text[:i].
	now, next := make([]bool, len(p.text)+1), make([]bool, len(p.text)+1)
	now[0] = true
	p.skipWildcards(now)
	for k := range len(name) {
		any := false
		for i := range len(p.text) {
			if !now[i] {
				continue
			}
			switch c := p.text[i]; {
			case c == '*', c == '%' && name[k] != '/':
				next[i], any = true, true
			case c == name[k] && c != '%', k < anyCase && c|0x20 == name[k]|0x20:
				next[i+1], any = true, true
			}
		}
		if !any {
			return false
		}
		p.skipWildcards(next)
		now, next = next, now
		clear(next)
	}
	return now[len(p.text)]
}

// skipWildcards adds the places after wildcards that match nothing.
func (p pattern) skipWildcards(at []bool) {
	for i := range len(p.text) {
		if at[i] && (p.text[i] == '*' || p.text[i] == '%') {
			at[i+1] = true
		}
	}
}
