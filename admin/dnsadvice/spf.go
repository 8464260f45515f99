package dnsadvice

import (
	"net/netip"
	"slices"
	"strings"
)

// spfVersion begins an SPF record (RFC 7208 section 4.5).
const spfVersion = "v=spf1"

// hasVersion reports whether a text begins with a version and something that
// ends it.
func hasVersion(v, version string) bool {
	if len(v) < len(version) || !strings.EqualFold(v[:len(version)], version) {
		return false
	}
	return len(v) == len(version) || v[len(version)] == ' ' || v[len(version)] == ';'
}

// withVersion returns the texts that begin with a version.
func withVersion(texts []string, version string) []string {
	var found []string
	for _, v := range texts {
		if hasVersion(strings.TrimSpace(v), version) {
			found = append(found, strings.TrimSpace(v))
		}
	}
	return found
}

// spfNames are the mechanisms that name this server, without their qualifier.
type spfNames struct {
	domain, host string
	addrs        []netip.Addr
	mxIsOurs     bool
}

// allows reports whether a record lets this server send by a mechanism that
// names it: then nothing needs to be looked up.
func (n spfNames) allows(record string) bool {
	left := slices.Clone(n.addrs)
	for _, term := range strings.Fields(strings.ToLower(record))[1:] {
		term = strings.TrimPrefix(term, "+")
		name, value, _ := strings.Cut(term, ":")
		switch name {
		case "mx":
			if n.mxIsOurs && (value == "" || value == n.domain) {
				return true
			}
		case "a":
			if value == n.host || value == "" && n.host == n.domain {
				return true
			}
		case "ip4", "ip6":
			left = slices.DeleteFunc(left, func(a netip.Addr) bool { return inNet(a, value) })
		}
	}
	return len(left) == 0 && len(n.addrs) > 0
}

func inNet(a netip.Addr, s string) bool {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Contains(a)
	}
	b, err := netip.ParseAddr(s)
	return err == nil && a == b
}

// allowsAll reports whether a record lets everybody send.
func allowsAll(record string) bool {
	return slices.ContainsFunc(strings.Fields(strings.ToLower(record)), func(t string) bool { return t == "all" || t == "+all" })
}

// mergeSPF makes one record of several, with add in it: every mechanism once,
// in the order in which they stand, and the mildest of their ends. Others who
// are allowed now stay allowed.
func mergeSPF(records []string, add string) string {
	var terms []string
	end := ""
	for _, r := range records {
		for _, t := range strings.Fields(r)[1:] {
			lower := strings.ToLower(t)
			switch {
			case isAll(lower):
				end = milder(end, lower)
				continue
			case strings.HasPrefix(lower, "redirect=") && len(records) > 1:
				t = "include:" + t[len("redirect="):] // a redirect counts only where nothing else does
			case strings.HasPrefix(lower, "redirect="):
				if end == "" {
					end = t
				}
				continue
			case lower == add || lower == "+"+add:
				continue
			}
			if !slices.ContainsFunc(terms, func(have string) bool { return strings.EqualFold(have, t) }) {
				terms = append(terms, t)
			}
		}
	}
	if end == "" {
		end = "~all"
	}
	return strings.Join(slices.Concat([]string{spfVersion, add}, terms, []string{end}), " ")
}

func isAll(term string) bool { return strings.TrimLeft(term, "+-~?") == "all" }

// milder returns the milder of two ends. One that lets everybody send becomes
// "~all".
func milder(a, b string) string {
	rank := map[string]int{"": 0, "-all": 1, "~all": 2, "?all": 3}
	norm := func(s string) string {
		if s == "all" || s == "+all" {
			return "~all"
		}
		return s
	}
	a, b = norm(a), norm(b)
	if rank[b] > rank[a] {
		return b
	}
	return a
}
