package outbound

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Bounds of what the DNS of strangers can make us do in one attempt.
const (
	maxHosts     = 16
	maxAddresses = 8 // of one host
)

// Statuses of RFC 3463 section 3.5.
var (
	statusNoAnswer  = mail.Status{Class: 4, Subject: 4, Detail: 1}
	statusDirectory = mail.Status{Class: 4, Subject: 4, Detail: 3}
	statusNoRoute   = mail.Status{Class: 5, Subject: 4, Detail: 4}
	statusBusy      = mail.Status{Class: 4, Subject: 4, Detail: 5}
	statusTLSPolicy = mail.Status{Class: 4, Subject: 7, Detail: 5}
	statusNeedsTLS  = mail.Status{Class: 5, Subject: 7, Detail: 30} // RFC 8689 section 4.2.1
)

// host is a next hop.
type host struct {
	Host
	port       uint16
	preference uint16
	addrs      []netip.Addr // once they are known
}

// route returns the hosts of a domain in the order in which to try them
// (RFC 5321 section 5.1).
func (t *Transport) route(ctx context.Context, d mail.Domain, relay *Relay) ([]*host, *mail.Error) {
	if relay != nil {
		return relayHost(relay, d)
	}
	if a, ok := d.Literal(); ok {
		h := &host{Host: Host{Domain: d, Name: string(d)}, port: 25, addrs: []netip.Addr{a}}
		return t.withoutSelf(ctx, []*host{h})
	}
	mxs, authentic, err := t.opts.Resolver.MX(ctx, string(d))
	switch {
	case errors.Is(err, dns.ErrNoSuchName):
		return nil, &mail.Error{Status: mail.StatusBadDestination, Text: "the domain " + string(d) + " does not exist", Err: err}
	case errors.Is(err, dns.ErrNotFound):
		mxs = []dns.MX{{Host: string(d)}} // the implicit MX
	case err != nil:
		return nil, lookupError(string(d), err)
	}
	if len(mxs) == 1 && mxs[0].Host == "." {
		return nil, mail.Errorf(mail.StatusNullMX, "the domain %s takes no mail (null MX)", d)
	}
	implicit := err != nil
	hosts := t.sorted(d, mxs, authentic)
	if implicit {
		if err := t.resolve(ctx, hosts[0]); err != nil && err.Status == statusNoRoute {
			return nil, &mail.Error{Status: mail.StatusBadDestination, Text: "the domain " + string(d) + " has neither MX nor address", Err: err}
		}
	}
	return t.withoutSelf(ctx, hosts)
}

// sorted puts equally preferred hosts into random order.
func (t *Transport) sorted(d mail.Domain, mxs []dns.MX, authentic bool) []*host {
	var hosts []*host
	seen := map[string]bool{}
	for _, mx := range mxs {
		name := strings.ToLower(strings.TrimSuffix(mx.Host, "."))
		if name == "" || seen[name] { // a null MX among others means nothing
			continue
		}
		seen[name] = true
		hosts = append(hosts, &host{Host: Host{Domain: d, Name: name, Authentic: authentic}, port: 25, preference: mx.Preference})
	}
	t.opts.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	slices.SortStableFunc(hosts, func(a, b *host) int { return int(a.preference) - int(b.preference) })
	return hosts[:min(len(hosts), maxHosts)]
}

// withoutSelf leaves out this host and those that are not better.
func (t *Transport) withoutSelf(ctx context.Context, hosts []*host) ([]*host, *mail.Error) {
	for i, h := range hosts {
		if !t.isSelf(ctx, h) {
			continue
		}
		better := 0
		for better < i && hosts[better].preference < h.preference {
			better++
		}
		hosts = hosts[:better]
		if better == 0 {
			return nil, mail.Errorf(mail.StatusRoutingLoop, "mail for %s is to come to this server, which does not know the domain", h.Domain)
		}
		break
	}
	if len(hosts) == 0 {
		return nil, mail.Errorf(statusNoRoute, "no usable mail server is known for this domain")
	}
	return hosts, nil
}

func (t *Transport) isSelf(ctx context.Context, h *host) bool {
	if h.Name == string(t.opts.Hostname) {
		return true
	}
	if len(t.opts.Self) == 0 || t.resolve(ctx, h) != nil {
		return false
	}
	return slices.ContainsFunc(h.addrs, func(a netip.Addr) bool {
		return a.IsLoopback() || slices.Contains(t.opts.Self, a)
	})
}

// resolve looks up the addresses of h, once.
func (t *Transport) resolve(ctx context.Context, h *host) *mail.Error {
	if h.addrs != nil {
		return nil
	}
	addrs, _, err := t.opts.Resolver.A(ctx, h.Name)
	if errors.Is(err, dns.ErrNotFound) {
		return &mail.Error{Status: statusNoRoute, Text: "the mail server " + h.Name + " has no address", Err: err}
	}
	if err != nil {
		return lookupError(h.Name, err)
	}
	for _, a := range addrs {
		a = a.Unmap()
		if !a.IsUnspecified() && !a.IsMulticast() && len(h.addrs) < maxAddresses {
			h.addrs = append(h.addrs, a)
		}
	}
	if len(h.addrs) == 0 {
		return mail.Errorf(statusNoRoute, "the mail server %s has no usable address", h.Name)
	}
	return nil
}

func lookupError(name string, err error) *mail.Error {
	return &mail.Error{Status: statusDirectory, Text: "the DNS gave no answer about " + name, Err: err}
}

// relayFor returns the relay that takes a message: its own, or that of all; nil
// if there is none.
func (t *Transport) relayFor(d *queue.Delivery) *Relay {
	if d.Relay == "" {
		return t.opts.RelayTo()
	}
	r := t.opts.Reroute(d.Relay)
	return &r
}

// relayHost is the route to a smarthost.
func relayHost(r *Relay, d mail.Domain) ([]*host, *mail.Error) {
	name, service, err := net.SplitHostPort(r.Addr)
	if err != nil {
		return nil, &mail.Error{Status: statusDirectory, Text: "the address of the smarthost is not valid", Err: err}
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, &mail.Error{Status: statusDirectory, Text: "the port of the smarthost is not valid", Err: err}
	}
	h := &host{Host: Host{Domain: d, Name: name}, port: uint16(port)}
	if a, err := netip.ParseAddr(name); err == nil {
		h.addrs = []netip.Addr{a}
	}
	return []*host{h}, nil
}
