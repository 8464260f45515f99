package dnstest

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	mdns "github.com/mailstead/mailstead/mail/dns"
)

var (
	_ mdns.Resolver = (*Zones)(nil)
	_ mdns.Finder   = (*Zones)(nil)
)

// A implements dns.Resolver.
func (z *Zones) A(ctx context.Context, name string) ([]netip.Addr, bool, error) {
	addrs, a6, err := find(ctx, z, name, dns.TypeAAAA, func(rr *dns.AAAA) netip.Addr { return toAddr(rr.AAAA) })
	if err != nil && !isNotFound(err) {
		return nil, false, err
	}
	v4, a4, err := find(ctx, z, name, dns.TypeA, func(rr *dns.A) netip.Addr { return toAddr(rr.A).Unmap() })
	if err != nil && !isNotFound(err) {
		return nil, false, err
	}
	if addrs = append(addrs, v4...); len(addrs) > 0 {
		return addrs, a4 && a6, nil
	}
	return nil, a4 && a6, err
}

// IPv4 is for dns.IPv4.
func (z *Zones) IPv4(ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, _, err := find(ctx, z, name, dns.TypeA, func(rr *dns.A) netip.Addr { return toAddr(rr.A).Unmap() })
	return addrs, err
}

func toAddr(ip []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a
}

// MX implements dns.Resolver.
func (z *Zones) MX(ctx context.Context, name string) ([]mdns.MX, bool, error) {
	mxs, authentic, err := find(ctx, z, name, dns.TypeMX, func(rr *dns.MX) mdns.MX {
		return mdns.MX{Preference: rr.Preference, Host: plain(rr.Mx)}
	})
	slices.SortStableFunc(mxs, func(a, b mdns.MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return mxs, authentic, err
}

// TXT implements dns.Resolver. The escape \" of the zone text is undone, \DDD
// is not.
func (z *Zones) TXT(ctx context.Context, name string) ([]string, bool, error) {
	return find(ctx, z, name, dns.TypeTXT, func(rr *dns.TXT) string {
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\;`, `;`).Replace(strings.Join(rr.Txt, ""))
	})
}

// PTR implements dns.Resolver.
func (z *Zones) PTR(ctx context.Context, addr netip.Addr) ([]string, bool, error) {
	return find(ctx, z, mdns.ReverseName(addr), dns.TypePTR, func(rr *dns.PTR) string { return plain(rr.Ptr) })
}

// TLSA implements dns.Resolver.
func (z *Zones) TLSA(ctx context.Context, name string) ([]mdns.TLSA, bool, error) {
	return find(ctx, z, name, dns.TypeTLSA, func(rr *dns.TLSA) mdns.TLSA {
		data, _ := hex.DecodeString(rr.Certificate) // the zone parser has checked it
		return mdns.TLSA{Usage: rr.Usage, Selector: rr.Selector, Matching: rr.MatchingType, Data: data}
	})
}

// CNAME implements dns.Resolver.
func (z *Zones) CNAME(ctx context.Context, name string) (string, bool, error) {
	targets, authentic, err := find(ctx, z, name, dns.TypeCNAME, func(rr *dns.CNAME) string { return plain(rr.Target) })
	if err != nil {
		return "", authentic, err
	}
	return targets[0], authentic, nil
}

// NS is for dns.Finder.
func (z *Zones) NS(ctx context.Context, name string) ([]string, bool, error) {
	return find(ctx, z, name, dns.TypeNS, func(rr *dns.NS) string { return plain(rr.Ns) })
}

func plain(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(strings.ToLower(name), ".")
}

func isNotFound(err error) bool { return errors.Is(err, mdns.ErrNotFound) }

// find makes a T of each record of type R.
func find[T any, R dns.RR](ctx context.Context, z *Zones, name string, qtype uint16, value func(R) T) ([]T, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, fmt.Errorf("%w: %w", mdns.ErrTemporary, err)
	}
	mdns.Waiting(ctx) // as a resolver without a cache does
	r := z.lookup(name, qtype)
	switch r.fault {
	case ServFail, Refused:
		return nil, false, fmt.Errorf("%w: %s: server says %s", mdns.ErrTemporary, name, dns.RcodeToString[rcodes[r.fault]])
	case Timeout:
		<-ctx.Done()
		return nil, false, fmt.Errorf("%w: %s: %w", mdns.ErrTemporary, name, ctx.Err())
	}
	var values []T
	for _, rr := range r.rrs {
		if rr, ok := rr.(R); ok {
			values = append(values, value(rr))
		}
	}
	if len(r.rrs) == 0 && !r.exists {
		return nil, r.authentic, fmt.Errorf("%w: %s", mdns.ErrNoSuchName, name)
	}
	if len(values) == 0 {
		return nil, r.authentic, fmt.Errorf("%w: %s %s", mdns.ErrNotFound, name, dns.TypeToString[qtype])
	}
	return values, r.authentic, nil
}
