package checks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/mailstead/mailstead/mail/dns"
)

// Test points of blocklists (RFC 5782 sections 5 and 5.1): a list has the
// first, and never the second.
var (
	alwaysListed = netip.MustParseAddr("127.0.0.2")
	neverListed  = netip.MustParseAddr("127.0.0.1")
	alwaysV6     = netip.MustParseAddr("::ffff:7f00:2")
)

// refusals is the net of codes by which lists say that they do not answer this
// resolver: it is no listing.
var refusals = netip.MustParsePrefix("127.255.255.0/24")

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// code is what an answer of a list means.
type code struct {
	text   string
	policy bool // no offence, only what the address is meant for
}

// spamhaus are the return codes of zen.spamhaus.org.
var spamhaus = map[string]code{
	"127.0.0.2": {"SBL: a source of spam", false}, "127.0.0.3": {"CSS: a source of spam", false},
	"127.0.0.4": {"XBL: a hijacked machine", false}, "127.0.0.9": {"DROP: a hijacked net", false},
	"127.0.0.10": {"PBL: the provider says that no mail should come from here", true}, "127.0.0.11": {"PBL: an address for end users", true},
}

// delist is where a listing is looked at and ended.
var delist = map[string]string{
	"zen.spamhaus.org": "https://check.spamhaus.org/", "bl.spamcop.net": "https://www.spamcop.net/bl.shtml",
	"b.barracudacentral.org": "https://www.barracudacentral.org/lookups", "psbl.surriel.com": "https://psbl.org/",
	"bl.mailspike.net": "https://mailspike.org/iplookup.html",
}

// blocklistCheck looks the addresses up in one list. Only a list that answers
// for its test points is believed.
func (s *Server) blocklistCheck(zone string) Check {
	return Check{ID: "blocklist." + zone, Group: Network, Title: "Blocklist " + zone, Want: "the addresses of this server are not on it",
		Why: "Servers that ask this list refuse mail from addresses on it.", After: []string{idResolver}, Every: 6 * hour,
		Run: func(ctx context.Context) Finding { return s.lookUp(ctx, zone) }}
}

func (s *Server) lookUp(ctx context.Context, zone string) Finding {
	if f := s.testList(ctx, zone); f.State != OK {
		return f
	}
	v4, v6 := s.families()
	looked := 0
	for _, a := range append(v4, v6...) {
		if a.Is6() && !s.hasV6(ctx, zone) {
			continue
		}
		codes, err := s.entry(ctx, zone, a)
		switch {
		case err != nil:
			return unknown("the list gave no answer about %v", a)
		case refused(codes):
			return refusal(zone)
		case strange(codes):
			return unknown("the list gave an answer that has no meaning: %s", list(texts(codes)))
		case len(codes) > 0:
			return listed(zone, a, codes)
		}
		looked++
	}
	if looked == 0 {
		return unknown("the list has no IPv6 addresses")
	}
	return ok("not on it")
}

// testList makes sure that a list works and answers us.
func (s *Server) testList(ctx context.Context, zone string) Finding {
	always, err := s.entry(ctx, zone, alwaysListed)
	if err != nil {
		return unknown("the list gave no answer")
	}
	if refused(always) {
		return refusal(zone)
	}
	never, err := s.entry(ctx, zone, neverListed)
	switch {
	case err != nil:
		return unknown("the list gave no answer")
	case len(always) == 0:
		return unknown("the list does not have its own test entry: it is out of service, or does not answer this resolver")
	case strange(always) || len(never) > 0:
		return unknown("the list, or the resolver, gives an answer for everything: it says nothing about this server")
	}
	return ok("")
}

// hasV6 reports whether a list has addresses of IPv6.
func (s *Server) hasV6(ctx context.Context, zone string) bool {
	codes, err := s.entry(ctx, zone, alwaysV6)
	return err == nil && len(codes) > 0 && !refused(codes) && !strange(codes)
}

// entry returns what a list says of an address; nothing if it is not on it.
func (s *Server) entry(ctx context.Context, zone string, a netip.Addr) ([]netip.Addr, error) {
	codes, _, err := s.Resolver.A(ctx, listName(a, zone))
	if errors.Is(err, dns.ErrNotFound) {
		return nil, nil
	}
	return codes, err
}

// listName is where a list has an address (RFC 5782 sections 2.1 and 2.4).
func listName(a netip.Addr, zone string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	if a.Is4() {
		o := a.As4()
		return fmt.Sprintf("%d.%d.%d.%d.%s", o[3], o[2], o[1], o[0], zone)
	}
	o := a.As16()
	for i := len(o) - 1; i >= 0; i-- {
		b.Write([]byte{hex[o[i]&15], '.', hex[o[i]>>4], '.'})
	}
	return b.String() + zone
}

func refused(codes []netip.Addr) bool {
	for _, c := range codes {
		if refusals.Contains(c) {
			return true
		}
	}
	return false
}

// strange reports whether a code cannot come from a list: some resolvers make
// up addresses for names that do not exist.
func strange(codes []netip.Addr) bool {
	for _, c := range codes {
		if !loopback.Contains(c) {
			return true
		}
	}
	return false
}

func refusal(zone string) Finding {
	return unknown("the list refuses to answer this resolver; that says nothing about this server").
		fix("Ask the list through a resolver of your own on this machine. %s does not answer large public ones.", zone)
}

func listed(zone string, a netip.Addr, codes []netip.Addr) Finding {
	state, words := Warn, []string{}
	for _, c := range codes {
		known, ok := spamhaus[c.String()]
		if !ok || zone != "zen.spamhaus.org" {
			known = code{text: c.String()}
		}
		if !known.policy {
			state = Fail
		}
		words = append(words, known.text)
	}
	f := state.because("%v is on it (%s)", a, list(words)).
		fix("Find out why, end it, and then ask for removal there. A new server's address may be listed because of whoever had it before.")
	return f.link(delist[zone])
}
