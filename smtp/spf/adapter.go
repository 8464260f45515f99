package spf

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/mailstead/mailstead/mail/dns"
)

// adapter gives the library our resolver. The library tells "not there", which
// it counts as a void lookup (RFC 7208 section 4.6.4), from "not now" by the
// flags of a *net.DNSError.
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
