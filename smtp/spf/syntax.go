package spf

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// syntaxError is a term of a record that does not follow the grammar. One is
// enough to make the whole record invalid, also after a term that matches
// (RFC 7208 section 4.6).
type syntaxError struct{ term string }

func (e *syntaxError) Error() string { return fmt.Sprintf("%.60q is no SPF term", e.term) }

// isRecord reports whether a text is an SPF record (RFC 7208 section 4.5).
func isRecord(text string) bool {
	version, _, _ := strings.Cut(text, " ")
	return strings.EqualFold(version, "v=spf1")
}

// checkSyntax checks a record against the grammar of RFC 7208 section 12.
func checkSyntax(record string) error {
	redirects, explanations := 0, 0
	for i, term := range strings.Split(record, " ") {
		if i == 0 || term == "" { // the version; further spaces
			continue
		}
		if !isTerm(term) {
			return &syntaxError{term}
		}
		switch name, _, _ := strings.Cut(strings.ToLower(term), "="); name {
		case "redirect":
			redirects++
		case "exp":
			explanations++
		}
		if redirects > 1 || explanations > 1 { // RFC 7208 section 6
			return &syntaxError{term}
		}
	}
	return nil
}

var modifier = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.-]*)=(.*)$`)

func isTerm(term string) bool {
	for i := range len(term) {
		if term[i] <= ' ' || term[i] >= 0x7f {
			return false
		}
	}
	if m := modifier.FindStringSubmatch(term); m != nil {
		if strings.EqualFold(m[1], "redirect") || strings.EqualFold(m[1], "exp") {
			return isDomainSpec(m[2])
		}
		return isMacroString(m[2])
	}
	return isMechanism(strings.ToLower(strings.TrimLeft(term[:1], "+-?~") + term[1:]))
}

// isMechanism checks a mechanism without its qualifier.
func isMechanism(s string) bool {
	end := strings.IndexAny(s, ":/")
	if end < 0 {
		end = len(s)
	}
	name, rest := s[:end], s[end:]
	value, given := strings.CutPrefix(rest, ":")
	switch name {
	case "all":
		return rest == ""
	case "include", "exists":
		return given && isDomainSpec(value)
	case "ptr":
		return rest == "" || given && isDomainSpec(value)
	case "a", "mx":
		return isHosts(rest)
	case "ip4":
		return given && isNetwork(value, 32)
	case "ip6":
		return given && isNetwork(value, 128)
	}
	return false
}

var hosts = regexp.MustCompile(`^(:.*?)?(?:/([0-9]+))?(?://([0-9]+))?$`)

// isHosts checks [":" domain-spec] [dual-cidr-length].
func isHosts(s string) bool {
	m := hosts.FindStringSubmatch(s)
	return m != nil && (m[1] == "" || isDomainSpec(m[1][1:])) &&
		(m[2] == "" || isPrefixLength(m[2], 32)) && (m[3] == "" || isPrefixLength(m[3], 128))
}

func isPrefixLength(s string, limit int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n <= limit && s == strconv.Itoa(n)
}

// isNetwork checks an address with an optional length.
func isNetwork(s string, bits int) bool {
	addr, length, given := strings.Cut(s, "/")
	a, err := netip.ParseAddr(addr)
	return err == nil && a.Zone() == "" && a.Is4() == (bits == 32) && (!given || isPrefixLength(length, bits))
}

var (
	// macro is one macro-expand; the letters c, r and t are for explanations,
	// which we do not make.
	macro = regexp.MustCompile(`%(?:\{[slodiphvSLODIPHV][0-9]*[rR]?[-.+,/_=]*\}|%|_|-)`)
	// domainEnd is what a domain-spec ends in where it does not end in a macro.
	domainEnd = regexp.MustCompile(`\.(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])\.?$`)
)

// isMacroString reports whether every "%" begins a macro.
func isMacroString(s string) bool { return !strings.Contains(macro.ReplaceAllString(s, ""), "%") }

func isDomainSpec(s string) bool {
	if !isMacroString(s) {
		return false
	}
	all := macro.FindAllStringIndex(s, -1)
	if n := len(all); n > 0 && all[n-1][1] == len(s) {
		return true
	}
	return domainEnd.MatchString(s)
}
