package dsn

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailstead/mailstead/mail"
)

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// line makes one bounded line of valid UTF-8 of the text of a stranger.
func line(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// finalRecipient is the value of Final-Recipient. An address that is not ASCII
// has the type utf-8 (RFC 6533 section 3).
func finalRecipient(p mail.Path, allowed bool) string {
	s := line(p.String())
	if isASCII(s) {
		return "rfc822; " + s
	}
	return "utf-8; " + encodeUTF8(s, allowed)
}

// originalRecipient is the value of Original-Recipient, or "" if the sender
// did not give it (RFC 3461 section 6.3).
func originalRecipient(orcpt string, allowed bool) string {
	kind, address, ok := strings.Cut(line(orcpt), ";")
	kind, address = strings.TrimSpace(kind), strings.TrimSpace(address)
	if !ok || kind == "" || address == "" || strings.IndexFunc(kind, notAtom) >= 0 {
		return ""
	}
	return kind + "; " + encodeUTF8(address, allowed)
}

func notAtom(r rune) bool {
	return r <= ' ' || r >= utf8.RuneSelf || strings.ContainsRune(`()<>@,;:\"/[]?=`, r)
}

// encodeUTF8 returns s in the form of RFC 6533 section 3 for ASCII transports,
// utf-8-addr-xtext, unless UTF-8 is allowed.
func encodeUTF8(s string, allowed bool) string {
	if allowed || isASCII(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && r != '\\' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%X}`, r)
		}
	}
	return b.String()
}

// decodeUTF8 undoes encodeUTF8; what is no code stays.
func decodeUTF8(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, `\x{`)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		const longest = len(`\x{10FFFF}`)
		end := strings.IndexByte(s[:min(len(s), longest)], '}')
		if end < 0 {
			b.WriteString(s[:3])
			s = s[3:]
			continue
		}
		if r, err := strconv.ParseUint(s[3:end], 16, 32); err == nil && utf8.ValidRune(rune(r)) {
			b.WriteString(line(string(rune(r))))
		} else {
			b.WriteString(s[:end+1])
		}
		s = s[end+1:]
	}
}
