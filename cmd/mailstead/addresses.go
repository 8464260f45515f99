package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// addresses are the public addresses of this server: those that were set, or
// those of the interfaces.
func (n *node) addresses() []netip.Addr {
	if len(n.cfg.Public) > 0 {
		return n.cfg.Public
	}
	if set := parseAddrs(n.directory.Text(directory.ServerAddresses)); len(set) > 0 {
		return set
	}
	return interfaceAddrs()
}

// interfaceAddrs are the public addresses of the network interfaces; none if
// they cannot be found out.
func interfaceAddrs() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	return publicAddrs(list)
}

func parseAddrs(s string) []netip.Addr {
	var list []netip.Addr
	for f := range strings.FieldsSeq(s) {
		if a, err := netip.ParseAddr(f); err == nil {
			list = append(list, a.Unmap())
		}
	}
	return list
}

// publicAddrs picks the addresses that others can reach: at most one of each
// family, as a server sends from one.
func publicAddrs(list []net.Addr) []netip.Addr {
	var v4, v6 []netip.Addr
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(n.IP)
		if addr = addr.Unmap(); !ok || !addr.IsGlobalUnicast() || addr.IsPrivate() || sharedNet.Contains(addr) {
			continue
		}
		if addr.Is4() {
			v4 = append(v4, addr)
		} else {
			v6 = append(v6, addr)
		}
	}
	return append(v4[:min(len(v4), 1)], v6[:min(len(v6), 1)]...)
}

// sharedNet is that of carriers' NAT (RFC 6598).
var sharedNet = netip.MustParsePrefix("100.64.0.0/10")

// newAuthority asks name servers of zones; who they are it learns from
// resolvers, without a cache.
func newAuthority(resolvers []netip.AddrPort, dial func(ctx context.Context, network, addr string) (net.Conn, error), log *slog.Logger) *dns.Authority {
	finder := dns.NewClient(dns.Options{Servers: resolvers, CacheBytes: -1, Dial: dial, Logger: log})
	return dns.NewAuthority(dns.AuthorityOptions{Finder: finder, Dial: dial, Logger: log})
}

// caaName is how CAA records name the authority of our certificates; "" if
// there is none, or it is not known.
func caaName(o certs.Options) string {
	if o.Mode == certs.ACME && len(o.ACME.CAs) == 1 && (o.ACME.CAs[0] == certs.LetsEncrypt || o.ACME.CAs[0] == certs.Staging) {
		return "letsencrypt.org"
	}
	return ""
}

// leadsHere reports whether a name has an address of this server. Where that
// is not known, as behind NAT, the addresses of the host name do.
func (n *node) leadsHere(ctx context.Context, name string) (bool, error) {
	found, _, err := n.cfg.Resolver.A(ctx, name)
	if errors.Is(err, dns.ErrNotFound) || err == nil && len(found) == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ours := n.addresses()
	if host, _, err := n.cfg.Resolver.A(ctx, string(n.cfg.Hostname)); err == nil {
		ours = append(slices.Clone(ours), host...)
	}
	return !slices.ContainsFunc(found, func(a netip.Addr) bool { return !slices.Contains(ours, a.Unmap()) }), nil
}

// domainNames are those of the domains of this server.
func (n *node) domainNames() []mail.Domain {
	all := n.directory.Domains()
	names := make([]mail.Domain, 0, len(all))
	for _, d := range all {
		if !d.Disabled {
			names = append(names, d.Name)
		}
	}
	return names
}
