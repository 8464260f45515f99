package admin

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

const emptyZone = `
example.org. NS ns1.dns.example.
ns1.dns.example. A 192.0.2.53
`

// dnsOptions are those of a server whose DNS is z.
func dnsOptions(z *dnstest.Zones) Options {
	return Options{
		Hostname: "mail.example.org", Resolver: z, Authority: dns.NewAuthority(dns.AuthorityOptions{Finder: z, Dial: z.Dial}),
		Addresses: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} },
	}
}

// What is published as the advice says is right, and what changes later is
// seen.
func TestCheckDNS(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	z := dnstest.New(emptyZone)
	o := dnsOptions(z)
	clock := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	o.Now = func() time.Time { return clock }
	a := open(t, t.TempDir(), o)
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	if r := must[dnsadvice.Report](t)(a.DomainDNS(ctx, "example.org")); !r.CheckedAt.IsZero() || r.Text != "not checked yet" {
		t.Errorf("before any check: %+v", r)
	}
	listed := func() *DNSState { return must[Page[Domain]](t)(a.Domains(ctx, DomainFilter{})).Items[0].DNS }
	if s := listed(); s != nil {
		t.Errorf("listed before any check: %+v", s)
	}
	r := must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org"))
	if r.Summary.Right != 0 || r.Summary.Failing != 7 {
		t.Errorf("with nothing published: %+v", r.Summary)
	}
	zone := must[string](t)(a.Zone(ctx, "example.org"))
	if err := z.Add(zone + "1.2.0.192.in-addr.arpa. PTR mail.example.org."); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Hour)
	r = must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org"))
	if r.Summary.Right != r.Summary.Of || r.Summary.Failing != 0 || len(r.History) == 0 {
		t.Errorf("with all published: %+v", r.Summary)
	}
	z.Remove("_dmarc.example.org")
	clock = clock.Add(time.Hour)
	a.checkAllDNS(ctx)
	r = must[dnsadvice.Report](t)(a.DomainDNS(ctx, "example.org"))
	if r.CheckedAt != clock || r.History[0].Record != "dmarc" || r.History[0].At != clock || r.Summary.Failing != 1 {
		t.Errorf("after a change: %+v %+v", r.Summary, r.History[0])
	}
	if s := listed(); s == nil || s.CheckedAt != clock || s.Summary != r.Summary {
		t.Errorf("listed after a change: %+v", s)
	}
}

// A report about other keys or another domain of the same name is not shown.
func TestReportOfOldPlan(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), dnsOptions(dnstest.New(emptyZone)))
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org"))
	a.opts.Hostname = "mx.example.org"
	if r := must[dnsadvice.Report](t)(a.DomainDNS(ctx, "example.org")); !r.CheckedAt.IsZero() {
		t.Error("the report is about another host name")
	}
	if err := a.RemoveDomain(ctx, "example.org", true); err != nil {
		t.Fatal(err)
	}
	var m dnsadvice.Memory
	if found, err := a.opts.Directory.State(ctx, dnsState("example.org"), &m); found || err != nil {
		t.Errorf("what was seen is kept: %v, %v", found, err)
	}
	if _, err := a.CheckDNS(ctx, "example.org"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
}
