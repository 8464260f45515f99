package support

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/mailstead/mailstead/admin/logs"
)

// What is taken out, by the names that the manifest has for it.
const (
	addresses = "addresses"
	domains   = "domains"
	hosts     = "hosts"
	locals    = "ip-addresses"
	subjects  = "subjects"
	secrets   = "secrets"
)

// secret stands for what is one, whichever it is.
const secret = "[redacted]"

// leastSecret is the shortest literal that is looked for, in octets: shorter
// ones would be found in anything.
const leastSecret = 6

// Redactor gives what identifies people and machines a name of its own that is
// the same each time within one bundle, and takes secrets out. It is not for
// concurrent use.
type Redactor struct {
	secrets []string // literal
	names   map[string]map[string]string
	counts  map[string]int
	known   []string // domains, A-labels or as they are written, in lower case
	words   []string // with dots in them, that stay
}

// NewRedactor makes one that knows the domains of a server and the secrets that
// are kept readable: passwords of relays, keys of DNS providers and the like.
// words are names that need not be taken out: of settings, and what everybody has.
func NewRedactor(known, literals, words []string) *Redactor {
	r := &Redactor{names: map[string]map[string]string{}, counts: map[string]int{}, words: words}
	for _, s := range literals {
		if len(s) >= leastSecret {
			r.secrets = append(r.secrets, s)
		}
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, d := range known {
		r.know(d)
	}
	return r
}

// know remembers a domain, so that it is found where no "@" stands before it.
func (r *Redactor) know(d string) {
	d = strings.Trim(strings.ToLower(d), ".")
	if strings.Contains(d, ".") && !slices.Contains(r.known, d) {
		r.known = append(r.known, d)
		slices.SortFunc(r.known, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	}
}

// The forms of what is looked for.
var (
	// An address, also as it is in a path of a request. The local part may be
	// quoted (RFC 5321 section 4.1.2).
	addressForm = regexp.MustCompile(`(?:"(?:[^"\\\r\n]|\\.)+"|[^\s"'<>(),;:=\[\]{}|\\/@]+)(?:@|%40)([\pL\pN][\pL\pN._-]*|\[[^\]\s]+\])`)
	nameForm    = regexp.MustCompile(`[\pL\pN_*][\pL\pN_-]*(?:\.[\pL\pN_-]+)+`)
	fourForm    = regexp.MustCompile(`[0-9]{1,3}(?:\.[0-9]{1,3}){3}`)
	sixForm     = regexp.MustCompile(`[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f.:]*`)
	subjectForm = regexp.MustCompile(`(?i)(subject[\w.-]*=)("(?:[^"\\]|\\.)*"|\S+)`)
	// Keys, tokens and hashes: long and of many kinds of characters.
	longForm = regexp.MustCompile(`\$argon2\S+|[0-9A-Za-z+/=_$.-]{24,}`)
	hexForm  = regexp.MustCompile(`^(?:[0-9a-f]{32,}|[0-9A-F]{32,})$`)
	// oursForm is what pseudonyms look like, also after %40.
	oursForm = regexp.MustCompile(`^(?:40)?(?:host[0-9]+\.)?(?:domain[0-9]+|literal)\.invalid$`)
	codeForm = regexp.MustCompile(`^[A-Z2-7=]{24,}$`)
)

// Learn looks for domains that a text names in addresses.
func (r *Redactor) Learn(text string) {
	for _, m := range addressForm.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "[") {
			r.know(m[1])
		}
	}
}

// Text takes everything out of a text.
func (r *Redactor) Text(s string) string {
	s = r.withoutSecrets(s)
	s = subjectForm.ReplaceAllStringFunc(s, func(m string) string {
		field, value, _ := strings.Cut(m, "=")
		return field + "=" + r.name(subjects, "subject", strings.Trim(value, `"`))
	})
	s = addressForm.ReplaceAllStringFunc(s, r.address)
	s = sixForm.ReplaceAllStringFunc(s, r.ip)
	s = fourForm.ReplaceAllStringFunc(s, r.ip)
	return nameForm.ReplaceAllStringFunc(s, r.host)
}

// withoutSecrets takes out what is known to be a secret, and what looks like one.
func (r *Redactor) withoutSecrets(s string) string {
	for _, literal := range r.secrets {
		if n := strings.Count(s, literal); n > 0 {
			r.counts[secrets] += n
			s = strings.ReplaceAll(s, literal, secret)
		}
	}
	if plain := logs.WithoutSecrets(s); plain != s {
		r.counts[secrets]++
		s = plain
	}
	return longForm.ReplaceAllStringFunc(s, func(m string) string {
		if !secretLike(m) {
			return m
		}
		r.counts[secrets]++
		return secret
	})
}

// secretLike reports whether a long word is more likely a key than a name or a
// path.
func secretLike(s string) bool {
	if bare := strings.Trim(s, ".=-_/"); hexForm.MatchString(bare) || codeForm.MatchString(bare) {
		return true
	}
	if strings.HasPrefix(s, "$argon2") || strings.HasPrefix(s, "age1") || strings.HasPrefix(s, "AGE-SECRET-KEY-") {
		return true
	}
	return strings.ContainsAny(s, "0123456789") && strings.ContainsAny(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") && strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyz") &&
		!strings.HasPrefix(s, "/") && strings.Count(s, ".") < 2
}

func (r *Redactor) name(kind, word, of string) string {
	r.counts[kind]++
	if r.names[kind] == nil {
		r.names[kind] = map[string]string{}
	}
	n, ok := r.names[kind][of]
	if !ok {
		n = fmt.Sprintf("%s%d", word, len(r.names[kind])+1)
		r.names[kind][of] = n
	}
	return n
}

// address is the pseudonym of an address: the domain's is that of the domain
// alone, so that both are seen to belong together.
func (r *Redactor) address(s string) string {
	at := strings.LastIndex(s, "@")
	sign := "@"
	if at < 0 {
		at, sign = strings.LastIndex(strings.ToLower(s), "%40"), "%40"
	}
	local, domain := s[:at], s[at+len(sign):]
	end := domain[len(strings.TrimRight(domain, ".-_")):]
	domain = strings.ToLower(strings.TrimSuffix(domain, end))
	person := r.name(addresses, "person", strings.ToLower(local)+"@"+domain)
	if strings.HasPrefix(domain, "[") {
		return person + sign + "literal.invalid" + end
	}
	return person + sign + r.domain(domain) + end
}

// domain is the pseudonym of a domain and what is below it.
func (r *Redactor) domain(d string) string {
	base := r.base(d)
	if base == "" {
		base = d
	}
	alias := r.name(domains, "domain", base) + ".invalid"
	if below := strings.TrimSuffix(strings.TrimSuffix(d, base), "."); below != "" {
		return r.name(hosts, "host", below) + "." + alias
	}
	return alias
}

// host is the pseudonym of a dotted word if that is the name of a host.
func (r *Redactor) host(s string) string {
	if oursForm.MatchString(s) {
		return s
	}
	if slices.Contains(r.words, s) {
		return s
	}
	if r.base(strings.ToLower(s)) == "" {
		return s
	}
	return r.domain(strings.ToLower(s))
}

// private are top-level domains of networks and tests that no registry has.
var private = []string{"test", "example", "local", "localdomain", "lan", "home", "internal", "intranet", "corp", "invalid"}

// base is the domain that a name belongs to: one that is known, or what a
// registry hands out; "" if the word is no name of a host.
func (r *Redactor) base(s string) string {
	for _, d := range r.known {
		if s == d || strings.HasSuffix(s, "."+d) {
			return d
		}
	}
	top := s[strings.LastIndexByte(s, '.')+1:]
	if slices.Contains(private, top) {
		rest := s[:len(s)-len(top)-1]
		return rest[strings.LastIndexByte(rest, '.')+1:] + "." + top
	}
	if _, icann := publicsuffix.PublicSuffix(s); !icann {
		return ""
	}
	org, err := publicsuffix.EffectiveTLDPlusOne(s)
	if err != nil {
		return ""
	}
	return org
}

// ip is the pseudonym of an address of a machine. Addresses of this machine
// stay, and what kind of network it is.
func (r *Redactor) ip(s string) string {
	bare := strings.TrimRight(s, ".")
	addr, err := netip.ParseAddr(bare)
	if err != nil {
		// A port may follow, or a colon that ends a sentence.
		i := strings.LastIndexByte(bare, ':')
		if i < 0 {
			return s
		}
		if addr, err = netip.ParseAddr(bare[:i]); err != nil {
			return s
		}
		bare = bare[:i]
	}
	rest := s[len(bare):]
	addr = addr.Unmap()
	if addr.IsLoopback() || addr.IsUnspecified() {
		return s
	}
	kind := "ip4-"
	if addr.Is6() {
		kind = "ip6-"
	}
	if addr.IsPrivate() || addr.IsLinkLocalUnicast() {
		kind = "private-" + kind
	}
	return r.name(locals, kind, addr.String()) + rest
}
