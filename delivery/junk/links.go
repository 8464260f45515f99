package junk

import (
	"bytes"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/mailstead/mailstead/mail"
)

// maxURL is how much of a URL is looked at.
const maxURL = 2 << 10

// links is what is known of the URLs of a message.
type links struct {
	hosts    []link // different hosts, at most maxLinks
	count    int
	ip       bool // a host is an address
	userinfo bool // "https://bank.example@evil.example/"
	puny     bool // a host has U-labels
	short    bool // a host makes short names of other URLs
	port     bool // of an unusual number
	foreign  bool // the text of a link names another domain than it leads to
}

// link is a host with the domain it is registered under.
type link struct{ host, org string }

// urlLength returns how many octets of text are a URL it begins with: one of
// http, https, or a name that begins with "www.".
func urlLength(b []byte) int {
	if c := b[0] | 0x20; c != 'h' && c != 'w' || len(b) < len("www.") || b[1]|0x20 != 't' && b[1]|0x20 != 'w' {
		return 0
	}
	n := len("http://")
	switch {
	case hasFoldPrefix(b, "https://"):
		n++
	case hasFoldPrefix(b, "http://"):
	case hasFoldPrefix(b, "www."):
		n = len("www.")
	default:
		return 0
	}
	start := n
	for n < len(b) && b[n] > ' ' && b[n] != 0x7f && strings.IndexByte(`<>"'{}|\^`+"`", b[n]) < 0 {
		n++
	}
	if n == start {
		return 0
	}
	return len(bytes.TrimRight(b[:n], ".,;:!?)]"))
}

func hasFoldPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

// url takes a URL: its host as a token, and what is unusual about it as facts.
// It returns the domain the host is registered under.
func (l *letter) url(b []byte, n *links) (org string) {
	u := splitURL(b[:min(len(b), maxURL)])
	if u.host == "" {
		return ""
	}
	n.count++
	n.userinfo = n.userinfo || u.userinfo
	n.port = n.port || u.port != "" && u.port != "80" && u.port != "443"
	if u.host[0] == '[' || allDigits(u.host) {
		n.ip = true
		l.tokens.addString("u:", "\x00ip")
		return u.host
	}
	for _, known := range n.hosts {
		if known.host == u.host {
			return known.org
		}
	}
	org = orgDomain(u.host)
	if len(n.hosts) < maxLinks {
		n.hosts = append(n.hosts, link{u.host, org})
	}
	n.puny = n.puny || strings.Contains(u.host, "xn--")
	n.short = n.short || shorteners[org]
	l.urlTokens(u, org)
	return org
}

// urlTokens makes tokens of a host, its top-level domain, and how the URL is
// built.
func (l *letter) urlTokens(u urlParts, org string) {
	l.tokens.addString("u:", org)
	l.tokens.addString("us:", u.scheme)
	if org == l.fields.org {
		l.tokens.addString("u:", "\x00own")
	} else {
		l.tokens.addString("u:", "\x00elsewhere")
	}
	l.tokens.addString("ut:", org[strings.LastIndexByte(org, '.')+1:])
	l.tokens.addString("ul:", bucket(strings.Count(u.host, ".")))
	if strings.ContainsAny(org, "0123456789") {
		l.tokens.addString("u:", "\x00digits")
	}
	if strings.Count(org, "-") > 1 {
		l.tokens.addString("u:", "\x00hyphens")
	}
	if u.path != "" {
		l.tokens.addString("up:", bucket(len(u.path)))
	}
	if i := strings.LastIndexByte(u.path, '.'); i >= 0 && len(u.path)-i <= 6 {
		l.tokens.addString("ue:", strings.ToLower(u.path[i:]))
	}
	if u.query > 0 {
		l.tokens.addString("uq:", bucket(u.query))
	}
}

type urlParts struct {
	scheme, host, port, path string
	query                    int // octets
	userinfo                 bool
}

// splitURL takes a URL apart, with or without its scheme.
func splitURL(b []byte) urlParts {
	var u urlParts
	s := string(b)
	if scheme, rest, ok := strings.Cut(s, "://"); ok && len(scheme) <= len("https") {
		u.scheme, s = strings.ToLower(scheme), rest
	}
	authority, rest := s, ""
	if i := strings.IndexAny(s, "/?#\\"); i >= 0 {
		authority, rest = s[:i], s[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority, u.userinfo = authority[i+1:], true
	}
	u.path, _, _ = strings.Cut(rest, "#")
	path, query, _ := strings.Cut(u.path, "?")
	u.path, u.query = path, len(query)
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		authority, u.port = authority[:i], authority[i+1:]
	}
	d, err := mail.ParseDomain(authority)
	switch {
	case err == nil && (strings.Contains(string(d), ".") || allDigits(string(d))):
		u.host = string(d)
	case strings.HasPrefix(authority, "["):
		if _, err := netip.ParseAddr(strings.Trim(authority, "[]")); err == nil {
			u.host = authority
		}
	}
	return u
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}

// orgDomain returns the domain a host is registered under, by the list of
// public suffixes: the host itself where that is a suffix.
func orgDomain(host string) string {
	if org, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return org
	}
	return host
}

// knownSuffix reports whether a host name ends as one does that leads
// somewhere, unlike the name of a file. The names of RFC 2606 count, too.
func knownSuffix(host string) bool {
	suffix, icann := publicsuffix.PublicSuffix(host)
	return suffix != host && (icann || strings.Contains(suffix, ".") || suffix == "test" || suffix == "example")
}

// shorteners are services that hide where a link leads to.
var shorteners = map[string]bool{
	"bit.ly": true, "tinyurl.com": true, "goo.gl": true, "is.gd": true, "ow.ly": true, "cutt.ly": true, "rb.gy": true, "rebrand.ly": true,
	"shorturl.at": true, "t.ly": true, "buff.ly": true, "v.gd": true, "tiny.cc": true, "bl.ink": true, "s.id": true, "lnkd.in": true, "t.co": true,
	"qrco.de": true, "urlz.fr": true, "shorte.st": true, "clck.ru": true, "soo.gd": true, "x.gd": true, "tny.im": true, "u.to": true,
}
