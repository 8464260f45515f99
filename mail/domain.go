package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of a domain name (RFC 1035 section 2.3.4, RFC 5321 section 4.5.3.1.2).
const (
	maxDomainLength = 253 // octets of the A-label form without a final dot
	maxLabelLength  = 63
	maxUnicodeName  = 4 * maxDomainLength // octets of a name with U-labels
)

// ErrDomainSyntax is returned for text that is neither a domain name nor an
// address literal.
var ErrDomainSyntax = errors.New("domain name is not valid")

// Domain is a domain name in its A-label form, in lower case and without a
// final dot, or an address literal with its brackets (RFC 5321 section 4.1.3).
// It is the form used on the wire and in keys; [Domain.Unicode] is the form
// for people. The zero value names no domain.
type Domain string

// profile maps and checks names the way mail needs it: underscores stay
// allowed (they occur in host names of real MTAs), U-labels are lower-cased
// and normalised, and A-labels must decode.
var profile = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.Transitional(false),
	idna.StrictDomainName(false),
	idna.VerifyDNSLength(false),
)

// ParseDomain reads a domain name or an address literal as it occurs in SMTP
// commands and addresses. U-labels become A-labels. It fails with
// [ErrDomainSyntax].
func ParseDomain(s string) (Domain, error) {
	if strings.HasPrefix(s, "[") {
		return parseLiteral(s)
	}
	s = strings.TrimSuffix(s, ".")
	if len(s) > maxUnicodeName { // converting takes quadratic time
		return "", fmt.Errorf("%w: too long", ErrDomainSyntax)
	}
	if !isASCII(s) || strings.Contains(strings.ToLower(s), "xn--") {
		a, err := profile.ToASCII(s)
		if err == nil { // what the lookup form maps to must be a lookup form itself
			_, err = profile.ToASCII(a)
		}
		if err != nil || !utf8.ValidString(s) {
			return "", fmt.Errorf("%w: %q", ErrDomainSyntax, s)
		}
		s = a
	}
	s = strings.ToLower(s)
	if !validName(s) {
		return "", fmt.Errorf("%w: %q", ErrDomainSyntax, s)
	}
	return Domain(s), nil
}

// parseLiteral reads "[192.0.2.1]" or "[IPv6:2001:db8::1]".
func parseLiteral(s string) (Domain, error) {
	inner, ok := strings.CutSuffix(s[1:], "]")
	if !ok {
		return "", fmt.Errorf("%w: %q", ErrDomainSyntax, s)
	}
	if len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:") {
		if a, err := netip.ParseAddr(inner[5:]); err == nil && a.Is6() && a.Zone() == "" {
			return Domain("[IPv6:" + a.String() + "]"), nil
		}
	} else if a, err := netip.ParseAddr(inner); err == nil && a.Is4() {
		return Domain("[" + a.String() + "]"), nil
	}
	return "", fmt.Errorf("%w: %q", ErrDomainSyntax, s)
}

// validName checks the length and the letters of an A-label name.
func validName(s string) bool {
	if s == "" || len(s) > maxDomainLength {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabelLength || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isLetterDigit(label[i]) && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	return true
}

func isLetterDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// String returns the A-label form.
func (d Domain) String() string { return string(d) }

// Unicode returns the U-label form, for display only.
func (d Domain) Unicode() string {
	if !strings.Contains(string(d), "xn--") {
		return string(d)
	}
	if u, err := profile.ToUnicode(string(d)); err == nil {
		return u
	}
	return string(d)
}

// IsLiteral reports whether d is an address literal, which has no MX.
func (d Domain) IsLiteral() bool { return strings.HasPrefix(string(d), "[") }

// Literal returns the address of an address literal.
func (d Domain) Literal() (netip.Addr, bool) {
	if !d.IsLiteral() {
		return netip.Addr{}, false
	}
	s := strings.TrimSuffix(strings.TrimPrefix(string(d), "["), "]")
	a, err := netip.ParseAddr(strings.TrimPrefix(s, "IPv6:"))
	return a, err == nil
}

// IsSubdomainOf reports whether d is parent or lies below it.
func (d Domain) IsSubdomainOf(parent Domain) bool {
	rest, ok := strings.CutSuffix(string(d), string(parent))
	return ok && parent != "" && (rest == "" || strings.HasSuffix(rest, "."))
}
