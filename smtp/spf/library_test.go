package spf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"blitiri.com.ar/go/spf"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// adapter gives another implementation our resolver.
type adapter struct{ resolver dns.Resolver }

func (a adapter) LookupTXT(ctx context.Context, name string) ([]string, error) {
	texts, _, err := a.resolver.TXT(ctx, name)
	return texts, dnsError(name, err)
}

func (a adapter) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mxs, _, err := a.resolver.MX(ctx, name)
	out := make([]*net.MX, len(mxs))
	for i, mx := range mxs {
		out[i] = &net.MX{Host: mx.Host, Pref: mx.Preference}
	}
	return out, dnsError(name, err)
}

func (a adapter) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	addrs, _, err := a.resolver.A(ctx, host)
	out := make([]net.IPAddr, len(addrs))
	for i, addr := range addrs {
		out[i].IP = addr.AsSlice()
	}
	return out, dnsError(host, err)
}

func (a adapter) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	names, _, err := a.resolver.PTR(ctx, ip)
	return names, dnsError(addr, err)
}

func dnsError(name string, err error) error {
	if err == nil {
		return nil
	}
	notFound := errors.Is(err, dns.ErrNotFound)
	return &net.DNSError{Err: err.Error(), Name: name, IsNotFound: notFound, IsTemporary: !notFound}
}

// TestAgreesWithAnother compares results with those of another implementation.
func TestAgreesWithAnother(t *testing.T) {
	z := zones()
	for line := range strings.Lines(zone) {
		domain, _, ok := strings.Cut(line, ".  ")
		if !ok || domain == "late.test" { // it does not look behind a match
			continue
		}
		for _, addr := range []string{"192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1"} {
			ours := CheckMailFrom(t.Context(), z, Client{netip.MustParseAddr(addr), "mail.hello.test", mail.Path{Local: "ana", Domain: mail.Domain(domain)}})
			theirs, err := spf.CheckHostWithSender(net.ParseIP(addr), "mail.hello.test", "ana@"+domain,
				spf.WithContext(t.Context()), spf.WithResolver(adapter{z}))
			if ours.Result != string(theirs) {
				t.Errorf("%s from %s: ours is %s (%s), theirs %s (%v)", domain, addr, ours.Result, ours.Comment, theirs, err)
			}
		}
	}
}
