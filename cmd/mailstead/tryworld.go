package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin/certs/acmetest"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// tryWorld is the simulated Internet around the server.
type tryWorld struct {
	zones     *dnstest.Zones
	remotes   *remotes
	authority *acmetest.Server // of certificates
	primary   tryPrimary       // with --setup
	log       *slog.Logger
}

func newTryWorld(c *tryCmd, log *slog.Logger) (*tryWorld, error) {
	signer, err := dkim.GenerateKey(dkim.Ed25519)
	if err != nil {
		return nil, err
	}
	key := dkim.Key{Domain: remoteBig, Selector: "big", Signer: signer}
	w := &tryWorld{zones: dnstest.New(remoteZones(key)), log: log}
	w.remotes = &remotes{key: key, now: time.Now, log: log}
	w.authority, err = acmetest.New(acmetest.Options{Fetch: w.fetch(c.addr(80))})
	return w, err
}

// around sets the node's DNS and network to the simulated world, or to what
// the flags say.
func (w *tryWorld) around(c *tryCmd, cfg *nodeConfig) {
	cfg.Resolver, cfg.Public = w.zones, []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	cfg.Authority = dns.NewAuthority(dns.AuthorityOptions{Finder: w.zones, Dial: w.zones.Dial, Logger: cfg.Log})
	if c.Resolver != "" {
		server := netip.MustParseAddrPort(c.Resolver)
		cfg.Resolver = dns.NewClient(dns.Options{Servers: []netip.AddrPort{server}, Logger: cfg.Log})
		cfg.Authority = newAuthority([]netip.AddrPort{server}, dialLoopback, cfg.Log)
	}
	cfg.Dial, cfg.DialWeb = w.remotes.dial, dialLoopback
	if c.Resolver != "" || c.RelayTo != "" {
		cfg.Dial = dialLoopback
	}
	w.remotes.resolver = cfg.Resolver
}

// dialLoopback connects on this computer and nowhere else.
func dialLoopback(ctx context.Context, network, addr string) (net.Conn, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err == nil && !ap.Addr().IsLoopback() {
		err = fmt.Errorf("%s is not on this computer; `mailstead try` sends nothing elsewhere", addr)
	}
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// start publishes our own records and starts the remotes.
func (w *tryWorld) start(ctx context.Context, g *errgroup.Group, n *node, ls listeners, first bool) error {
	w.remotes.home = ls[portSMTP][0].Addr().String()
	w.remotes.tls = n.certs.TLSConfig()
	publish := w.publish
	if !first {
		publish = w.rename
	}
	if err := publish(ctx, n); err != nil {
		return err
	}
	return w.remotes.start(ctx, g)
}

// publish has the DNS say of us what it should, and of others what checks ask
// for: their mail servers are bigmail.test, the blocklists work and have
// nobody on them.
func (w *tryWorld) publish(ctx context.Context, n *node) error {
	var b strings.Builder
	fmt.Fprintf(&b, "1.0.0.127.in-addr.arpa. 300 IN PTR %s.\nns1.test. 300 IN A 127.0.0.53\n", n.cfg.Hostname)
	for _, d := range n.directory.Domains() {
		zone, err := n.admin.Zone(asTry(ctx), string(d.Name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s. 300 IN NS ns1.test.\n%s", d.Name, zone)
	}
	if len(n.directory.Domains()) == 0 { // registered, and no more
		fmt.Fprintf(&b, "%s. 300 IN NS ns1.test.\n", tryDomain)
	}
	return errors.Join(w.zones.Add(b.String()), w.publishOthers(n.directory))
}

// rename has the address of the server lead to its new name, as its provider
// does when it is asked to, and registers the domains that it has got.
func (w *tryWorld) rename(_ context.Context, n *node) error {
	const ptr = "1.0.0.127.in-addr.arpa."
	w.zones.Remove(ptr)
	text := fmt.Sprintf("%s 300 IN PTR %s.\n", ptr, n.cfg.Hostname)
	for _, d := range n.directory.Domains() {
		if d.Name != tryDomain {
			text += fmt.Sprintf("%s. 300 IN NS ns1.test.\n", d.Name)
		}
	}
	return w.zones.Add(text)
}

func (w *tryWorld) publishOthers(d *directory.Directory) error {
	var b strings.Builder
	for _, name := range strings.Fields(d.Text(directory.ChecksMXHosts)) {
		fmt.Fprintf(&b, "%s. 300 IN A %s\n", name, remoteAddrs[remoteBig])
	}
	for _, list := range strings.Fields(d.Text(directory.ChecksBlocklists)) {
		fmt.Fprintf(&b, "2.0.0.127.%s. 300 IN A 127.0.0.2\n", list)
	}
	b.WriteString(listTestPoints(d))
	signed := d.Text(directory.ChecksSignedName)
	fmt.Fprintf(&b, "%s. 300 IN TXT \"signed\"\n", signed)
	w.zones.SetAuthentic(signed, true)
	return w.zones.Add(b.String())
}

// quoteTXT writes a text as character-strings of at most 255 octets
// (RFC 1035 section 3.3.14).
func quoteTXT(s string) string {
	var parts []string
	for len(s) > 200 {
		parts, s = append(parts, strconv.Quote(s[:200])), s[200:]
	}
	return strings.Join(append(parts, strconv.Quote(s)), " ")
}
