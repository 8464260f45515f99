package spf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail/dns"
)

// Limits of one check (RFC 7208 section 4.6.4).
const (
	maxLookups = 10 // terms that ask the DNS
	maxVoid    = 2  // lookups that find nothing
	maxHosts   = 10 // MX records, or names of an address
)

// maxTold is how much of a term is shown to people.
const maxTold = 200

// Results (RFC 7208 section 2.6).
const (
	none      = "none"
	neutral   = "neutral"
	pass      = "pass"
	fail      = "fail"
	softfail  = "softfail"
	temperror = "temperror"
	permerror = "permerror"
)

var qualifiers = map[byte]string{'+': pass, '-': fail, '~': softfail, '?': neutral}

// outcome is the result of check_host() for one domain.
type outcome struct {
	result string
	term   string // of the domain's record that decided; empty if none did
	inner  string // the same, inside of include and redirect
	domain string // whose record inner is in
	err    error  // why it is temperror or permerror
}

// errPermanent marks what makes a record useless; all other errors are trouble
// of the DNS.
var errPermanent = errors.New("record is not valid")

func permanent(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errPermanent}, args...)...)
}

// evaluation is one check, with its includes and redirects.
type evaluation struct {
	ctx      context.Context
	resolver dns.Resolver
	addr     netip.Addr
	local    string // of the sender
	sender   string // its domain
	hello    string
	lookups  int
	void     int
	names    []string // confirmed ones of the client, once they were asked for
	named    bool
}

func failure(err error) outcome {
	if errors.Is(err, errPermanent) {
		return outcome{result: permerror, err: err}
	}
	return outcome{result: temperror, err: err}
}

// check is check_host() (RFC 7208 section 4).
func (e *evaluation) check(domain string) outcome {
	record, err := e.record(domain)
	switch {
	case err != nil:
		return failure(err)
	case record == "":
		return outcome{result: none}
	}
	redirect := ""
	for term := range strings.SplitSeq(record, " ") {
		if name, value, ok := strings.Cut(term, "="); ok && !strings.ContainsAny(name, ":/") {
			if strings.EqualFold(name, "redirect") {
				redirect = value
			}
			continue
		}
		if term == "" {
			continue
		}
		out, err := e.match(term, domain)
		if err != nil {
			return failure(err)
		}
		if out.result != "" {
			return out
		}
	}
	if redirect != "" {
		return e.redirect(redirect, domain)
	}
	return outcome{result: neutral}
}

// record returns the record of a domain without its version, a space if there is
// nothing else in it; nothing if it has none (RFC 7208 section 4.5).
func (e *evaluation) record(domain string) (string, error) {
	texts, _, err := e.resolver.TXT(e.ctx, domain)
	if errors.Is(err, dns.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	found := ""
	for _, text := range texts {
		if !isRecord(text) {
			continue
		}
		if found != "" {
			return "", permanent("%s has several", domain)
		}
		found = text[len("v=spf1"):] + " "
		if err := checkSyntax(text); err != nil {
			return "", permanent("%w in that of %s", err, domain)
		}
	}
	return found, nil
}

// redirect goes on with another domain's record (RFC 7208 section 6.1).
func (e *evaluation) redirect(spec, domain string) outcome {
	err := e.count()
	if err == nil {
		spec, err = e.expand(spec, domain)
	}
	if err != nil {
		return failure(err)
	}
	out := e.check(spec)
	if out.result == none {
		return failure(permanent("%s, to which it leads, has none", spec))
	}
	out.term = "redirect"
	return out
}

// match evaluates one directive (RFC 7208 section 4.6.2). Without a match the
// outcome has no result.
func (e *evaluation) match(term, domain string) (outcome, error) {
	result, mechanism := pass, term
	if q, ok := qualifiers[term[0]]; ok {
		result, mechanism = q, term[1:]
	}
	end := strings.IndexAny(mechanism, ":/")
	if end < 0 {
		end = len(mechanism)
	}
	name, rest := strings.ToLower(mechanism[:end]), mechanism[end:]
	out := outcome{result: result, term: mechanism[:min(len(mechanism), maxTold)], inner: term[:min(len(term), maxTold)], domain: domain}
	matched, err := false, error(nil)
	switch name {
	case "all":
		matched = true
	case "ip4", "ip6":
		matched = e.inNetwork(rest[1:])
	case "include":
		var in outcome
		if in, err = e.include(rest[1:], domain); in.result == pass {
			matched, out.inner, out.domain = true, in.inner, in.domain
		}
	case "a":
		matched, err = e.matchA(rest, domain)
	case "mx":
		matched, err = e.matchMX(rest, domain)
	case "ptr":
		matched, err = e.matchPTR(strings.TrimPrefix(rest, ":"), domain)
	case "exists":
		matched, err = e.matchExists(rest[1:], domain)
	}
	if err != nil || !matched {
		return outcome{}, err
	}
	return out, nil
}

// count counts a term that asks the DNS.
func (e *evaluation) count() error {
	if e.lookups++; e.lookups > maxLookups {
		return permanent("it takes more than %d lookups", maxLookups)
	}
	return nil
}

// found passes on the error of a lookup, but finding nothing is none, up to a
// limit.
func (e *evaluation) found(err error) error {
	if !errors.Is(err, dns.ErrNotFound) {
		return err
	}
	if e.void++; e.void > maxVoid {
		return permanent("more than %d of its lookups find nothing", maxVoid)
	}
	return nil
}

// target counts a term and expands its domain-spec.
func (e *evaluation) target(spec, domain string) (string, error) {
	if err := e.count(); err != nil {
		return "", err
	}
	if spec == "" {
		return domain, nil
	}
	return e.expand(spec, domain)
}

// include evaluates another record, of which only a pass counts (RFC 7208
// section 5.2).
func (e *evaluation) include(spec, domain string) (outcome, error) {
	target, err := e.target(spec, domain)
	if err != nil {
		return outcome{}, err
	}
	out := e.check(target)
	switch out.result {
	case none:
		return outcome{}, permanent("%s, which it includes, has none", target)
	case temperror, permerror:
		return outcome{}, out.err
	}
	return out, nil
}

// inNetwork matches ip4 and ip6 (RFC 7208 section 5.6).
func (e *evaluation) inNetwork(network string) bool {
	if !strings.Contains(network, "/") {
		a, err := netip.ParseAddr(network)
		return err == nil && a == e.addr
	}
	p, err := netip.ParsePrefix(network)
	return err == nil && p.Contains(e.addr)
}

// cutLengths takes the dual-cidr-length off the end of a term.
func cutLengths(rest string) (spec string, v4, v6 int) {
	m := hosts.FindStringSubmatch(rest)
	v4, v6 = 32, 128
	if n, err := strconv.Atoi(m[2]); err == nil {
		v4 = n
	}
	if n, err := strconv.Atoi(m[3]); err == nil {
		v6 = n
	}
	return strings.TrimPrefix(m[1], ":"), v4, v6
}

// near reports whether the client is in the net of one of addrs.
func (e *evaluation) near(addrs []netip.Addr, v4, v6 int) bool {
	for _, a := range addrs {
		bits := v6
		if a.Is4() {
			bits = v4
		}
		if p, err := a.Prefix(bits); err == nil && p.Contains(e.addr) {
			return true
		}
	}
	return false
}

func (e *evaluation) matchA(rest, domain string) (bool, error) {
	spec, v4, v6 := cutLengths(rest)
	host, err := e.target(spec, domain)
	if err != nil {
		return false, err
	}
	addrs, _, err := e.resolver.A(e.ctx, host)
	return e.near(addrs, v4, v6), e.found(err)
}

func (e *evaluation) matchMX(rest, domain string) (bool, error) {
	spec, v4, v6 := cutLengths(rest)
	target, err := e.target(spec, domain)
	if err != nil {
		return false, err
	}
	mxs, _, err := e.resolver.MX(e.ctx, target)
	switch {
	case err != nil:
		return false, e.found(err)
	case len(mxs) > maxHosts:
		return false, permanent("%s has more than %d MX records", target, maxHosts)
	}
	for _, mx := range mxs {
		addrs, _, err := e.resolver.A(e.ctx, mx.Host)
		if err != nil && !errors.Is(err, dns.ErrNotFound) {
			return false, err
		}
		if e.near(addrs, v4, v6) {
			return true, nil
		}
	}
	return false, nil
}

// matchPTR matches a confirmed name of the client; DNS trouble is no match
// (RFC 7208 section 5.5).
func (e *evaluation) matchPTR(spec, domain string) (bool, error) {
	target, err := e.target(spec, domain)
	if err != nil {
		return false, err
	}
	names, err := e.confirmedNames()
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if isBelow(name, target) {
			return true, nil
		}
	}
	return false, nil
}

// confirmedNames returns those of the client's names that lead back to it. They
// are asked for once, however often a record wants them.
func (e *evaluation) confirmedNames() ([]string, error) {
	if e.named {
		return e.names, nil
	}
	e.named = true
	names, _, err := e.resolver.PTR(e.ctx, e.addr)
	if errors.Is(err, dns.ErrNotFound) {
		return nil, e.found(err)
	}
	for _, name := range names[:min(len(names), maxHosts)] {
		addrs, _, err := e.resolver.A(e.ctx, name)
		if err == nil && e.near(addrs, 32, 128) {
			e.names = append(e.names, name)
		}
	}
	return e.names, nil
}

// isBelow reports whether a name is domain or below it.
func isBelow(name, domain string) bool {
	name, domain = strings.ToLower(strings.TrimSuffix(name, ".")), strings.ToLower(strings.TrimSuffix(domain, "."))
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// matchExists matches any IPv4 address (RFC 7208 section 5.7).
func (e *evaluation) matchExists(spec, domain string) (bool, error) {
	name, err := e.target(spec, domain)
	if err != nil {
		return false, err
	}
	addrs, _, err := e.resolver.A(e.ctx, name)
	for _, a := range addrs {
		if a.Is4() {
			return true, nil
		}
	}
	return false, e.found(err)
}
