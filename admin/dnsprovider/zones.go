package dnsprovider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/mailstead/mailstead/mail/dns"
)

// Authority asks the name servers of zones; *dns.Authority.
type Authority interface {
	Zone(ctx context.Context, name string) (dns.Zone, error)
	Ask(ctx context.Context, z dns.Zone, name, qtype string) []dns.Answer
}

// How long a record may take until all name servers of its zone have it, and
// how often they are asked.
const (
	spreadTimeout = 2 * time.Minute
	spreadPoll    = 2 * time.Second
	challengeTTL  = time.Minute
)

// Zones knows which provider changes which zone. It is a certs.DNSChallenge.
type Zones struct {
	// Specs returns the provider of each zone; nil values are none.
	Specs     func() map[string]Spec
	Authority Authority // nil: nobody waits until a record has spread
	Options   Options
}

// Find returns the zone that a name is in, of those that have a provider: the
// longest. It does no I/O.
func (z *Zones) Find(name string) (zone string, spec Spec, ok bool) {
	name = zoneName(name)
	for candidate, s := range z.Specs() {
		if (name == candidate || strings.HasSuffix(name, "."+candidate)) && len(candidate) > len(zone) {
			zone, spec, ok = candidate, s, true
		}
	}
	return zone, spec, ok
}

// Provider returns the zone that a name is in, and what changes it.
func (z *Zones) Provider(name string) (zone string, p Provider, err error) {
	zone, spec, ok := z.Find(name)
	if !ok {
		return "", nil, fmt.Errorf("no DNS provider is set for %s; `mailstead dns-provider add` sets one", name)
	}
	p, err = New(spec, z.Options)
	return zone, p, err
}

// Covers is certs.DNSChallenge.
func (z *Zones) Covers(name string) bool {
	_, _, ok := z.Find(name)
	return ok
}

// Present is certs.DNSChallenge.
func (z *Zones) Present(ctx context.Context, name, value string) error {
	zone, p, err := z.Provider(name)
	if err == nil {
		_, err = p.AppendRecords(ctx, zone, []libdns.Record{challenge(zone, name, value)})
	}
	return provedBy(err)
}

// Remove is certs.DNSChallenge.
func (z *Zones) Remove(ctx context.Context, name, value string) error {
	zone, p, err := z.Provider(name)
	if err == nil {
		_, err = p.DeleteRecords(ctx, zone, []libdns.Record{challenge(zone, name, value)})
	}
	return provedBy(err)
}

func challenge(zone, name, value string) libdns.Record {
	return libdns.TXT{Name: relative(name, zone), TTL: challengeTTL, Text: value}
}

func provedBy(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &challengeError{err}
}

// challengeError is what certs tells people about.
type challengeError struct{ err error }

func (e *challengeError) Error() string { return e.err.Error() }
func (e *challengeError) Unwrap() error { return e.err }

// OfDNSProvider marks it.
func (*challengeError) OfDNSProvider() {}

// Wait is certs.DNSChallenge. When it takes too long the CA is asked all the
// same: it may see what we do not.
func (z *Zones) Wait(ctx context.Context, name, value string) error {
	if z.Authority == nil {
		return nil
	}
	until, cancel := context.WithTimeout(ctx, spreadTimeout)
	defer cancel()
	for {
		if z.spread(until, name, value) {
			return nil
		}
		select {
		case <-until.Done():
			return ctx.Err()
		case <-time.After(spreadPoll):
		}
	}
}

// spread reports whether every name server that answers has a text.
func (z *Zones) spread(ctx context.Context, name, value string) bool {
	zone, err := z.Authority.Zone(ctx, name)
	if err != nil {
		return false
	}
	seen := false
	for _, a := range z.Authority.Ask(ctx, zone, name, "TXT") {
		switch {
		case a.Err != nil:
		case !slices.Contains(a.Values, value):
			return false
		default:
			seen = true
		}
	}
	return seen
}
