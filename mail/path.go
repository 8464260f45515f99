package mail

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of a path (RFC 5321 section 4.5.3.1).
const (
	MaxLocalpart = 64  // octets
	MaxPath      = 256 // octets, with the angle brackets
)

// ErrPathSyntax is returned for text that is no reverse-path, forward-path or
// mailbox of RFC 5321 section 4.1.2.
var ErrPathSyntax = errors.New("address is not valid")

// Path is a reverse-path or forward-path: a mailbox without its source route,
// or the null reverse-path. Local is the local-part as it is meant, without
// quotes and escapes, in Unicode NFC; the wire form is made by [Path.Wire].
// A Path with a Local and no Domain is "Postmaster" as RFC 5321 section
// 4.5.1 allows it in RCPT. Paths can be compared with ==, which compares
// local-parts by case; see [Path.Key] for what keys use.
type Path struct {
	Local  string
	Domain Domain
}

// ParsePath reads the argument of MAIL FROM or RCPT TO in its angle brackets.
// A source route is dropped (RFC 5321 appendix C). "<>" is the null
// reverse-path. It fails with [ErrPathSyntax].
func ParsePath(s string) (Path, error) {
	if len(s) < 2 || s[0] != '<' || s[len(s)-1] != '>' {
		return Path{}, fmt.Errorf("%w: put it in angle brackets", ErrPathSyntax)
	}
	if len(s) > MaxPath {
		return Path{}, fmt.Errorf("%w: longer than %d octets", ErrPathSyntax, MaxPath)
	}
	s = s[1 : len(s)-1]
	if s == "" {
		return Path{}, nil
	}
	if strings.EqualFold(s, "postmaster") {
		return Path{Local: s}, nil
	}
	if s[0] == '@' { // @a.example,@b.example:user@c.example
		route, rest, ok := strings.Cut(s, ":")
		if !ok || !validRoute(route) {
			return Path{}, fmt.Errorf("%w: source route", ErrPathSyntax)
		}
		s = rest
	}
	return ParseAddress(s)
}

func validRoute(route string) bool {
	for hop := range strings.SplitSeq(route, ",") {
		name, ok := strings.CutPrefix(hop, "@")
		if _, err := ParseDomain(name); !ok || err != nil {
			return false
		}
	}
	return true
}

// ParseAddress reads a mailbox without brackets, such as a person types it:
// ana@example.org, "a b"@example.org, ana@[192.0.2.1], rené@exämple.org.
// It fails with [ErrPathSyntax] or [ErrDomainSyntax].
func ParseAddress(s string) (Path, error) {
	local, rest, err := parseLocal(s)
	if err != nil {
		return Path{}, err
	}
	name, ok := strings.CutPrefix(rest, "@")
	if !ok {
		return Path{}, fmt.Errorf("%w: %q has no @", ErrPathSyntax, s)
	}
	d, err := ParseDomain(name)
	if err != nil {
		return Path{}, fmt.Errorf("%w: %w", ErrPathSyntax, err)
	}
	return Path{Local: local, Domain: d}, nil
}

// parseLocal reads a Dot-string or Quoted-string at the start of s.
func parseLocal(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		local, rest, err = parseQuoted(s)
	} else {
		i := strings.IndexByte(s, '@')
		if i < 0 {
			i = len(s)
		}
		local, rest = s[:i], s[i:]
		if !isDotString(local) {
			err = fmt.Errorf("%w: local-part %q", ErrPathSyntax, local)
		}
	}
	if err != nil {
		return "", "", err
	}
	if len(local) > MaxLocalpart {
		return "", "", fmt.Errorf("%w: local-part longer than %d octets", ErrPathSyntax, MaxLocalpart)
	}
	return norm.NFC.String(local), rest, nil
}

func parseQuoted(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			if !utf8.ValidString(b.String()) {
				return "", "", fmt.Errorf("%w: local-part is not UTF-8", ErrPathSyntax)
			}
			return b.String(), s[i+1:], nil
		case c == '\\' && i+1 < len(s) && s[i+1] >= ' ' && s[i+1] < 0x7f:
			i++
			b.WriteByte(s[i])
		case c >= ' ' && c != '\\' && c != 0x7f:
			b.WriteByte(c)
		default:
			return "", "", fmt.Errorf("%w: quoted local-part", ErrPathSyntax)
		}
	}
	return "", "", fmt.Errorf("%w: quoted local-part has no end", ErrPathSyntax)
}

// isDotString checks RFC 5321 section 4.1.2 Dot-string with the UTF-8 of
// RFC 6531 section 3.3.
func isDotString(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") || !utf8.ValidString(s) {
		return false
	}
	for i := range len(s) {
		if !isAtext(s[i]) && s[i] != '.' {
			return false
		}
	}
	return true
}

func isAtext(c byte) bool {
	return isLetterDigit(c) || c >= 0x80 || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// IsNull reports whether p is the null reverse-path "<>".
func (p Path) IsNull() bool { return p == Path{} }

// NeedsUTF8 reports whether p can only be sent under SMTPUTF8 (RFC 6531).
func (p Path) NeedsUTF8() bool { return !isASCII(p.Local) }

// String returns the address as it stands in a command or header, with the
// local-part quoted where it must be and the domain in A-labels. The null
// reverse-path is "".
func (p Path) String() string {
	if p.Domain == "" {
		return p.Local
	}
	return quoteLocal(p.Local) + "@" + string(p.Domain)
}

// Wire returns the path in its angle brackets.
func (p Path) Wire() string { return "<" + p.String() + ">" }

// Display returns the address for people, with the domain in U-labels.
func (p Path) Display() string {
	if p.Domain == "" {
		return p.Local
	}
	return quoteLocal(p.Local) + "@" + p.Domain.Unicode()
}

// Key returns the form under which an address of our own domains is stored
// and found: our local-parts do not differ by case.
func (p Path) Key() string { return strings.ToLower(p.Local) + "@" + string(p.Domain) }

// LogValue logs the path in its wire form.
func (p Path) LogValue() slog.Value { return slog.StringValue(p.Wire()) }

func quoteLocal(s string) string {
	if isDotString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}
