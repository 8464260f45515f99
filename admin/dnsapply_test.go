package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/dnsprovider"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// liveZone is a zone that takes updates, and an admin whose domain is in it.
func liveZone(t *testing.T, text string, change func(*Options)) (ctx context.Context, a *Admin, z *dnstest.Zones) {
	t.Helper()
	z = dnstest.New(emptyZone + text)
	z.AllowUpdates("example.org", "update-key", "c2VjcmV0")
	addr, stop, err := z.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	o := dnsOptions(z)
	if change != nil {
		change(&o)
	}
	a = open(t, t.TempDir(), o)
	ctx = AsOwner(t.Context(), "tester")
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	must[ZoneProvider](t)(a.PutDNSProvider(ctx, "primary", NewZoneProvider{Kind: "rfc2136", Zones: []string{"example.org"}, Server: addr, Login: "update-key", Secret: "c2VjcmV0"}))
	return ctx, a, z
}

func changeOf(t *testing.T, p DNSPlan, record string) ZoneChange {
	t.Helper()
	for _, c := range p.Changes {
		if slices.Contains(c.Records, record) {
			return c
		}
	}
	t.Fatalf("nothing about %s in %+v", record, p)
	return ZoneChange{}
}

// An empty zone gets all that can be published, and then all of it is right.
func TestApplyDNS(t *testing.T) {
	ctx, a, z := liveZone(t, "example.org. TXT \"google-site-verification=x\"\nwww.example.org. A 192.0.2.80\n", nil)
	plan := must[DNSPlan](t)(a.PlanDNS(ctx, "example.org"))
	if plan.Applied || plan.Zone != "example.org" || plan.Provider != "rfc2136" || changeOf(t, plan, "mx").Action != DNSAdd || changeOf(t, plan, "ptr").Action != DNSManual {
		t.Errorf("plan = %+v", plan)
	}
	if r := must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org")); r.Summary.Right != 0 {
		t.Errorf("a plan changed the zone: %+v", r.Summary)
	}
	done := must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{}))
	if !done.Applied || !changeOf(t, done, "mx").Done || !strings.Contains(done.Text, "were changed; 1 by hand") {
		t.Errorf("applied = %+v", done)
	}
	r := must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org"))
	if r.Summary.Right != r.Summary.Of-1 { // PTR
		t.Errorf("after it: %+v", r)
	}
	texts, _, err := z.TXT(ctx, "example.org")
	if err != nil || !slices.Contains(texts, "google-site-verification=x") || len(texts) != 2 {
		t.Errorf("TXT records of others: %q, %v", texts, err)
	}
	again := must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{}))
	if again.Applied || !strings.HasPrefix(again.Text, "nothing to change") {
		t.Errorf("again: %+v", again)
	}
	entry := must[Page[directory.AuditEntry]](t)(a.Audit(ctx, AuditFilter{})).Items[0]
	if entry.Action != "dns.apply" || entry.Object != "example.org" || !strings.Contains(string(entry.After), "10 mail.example.org") {
		t.Errorf("audit: %+v", entry)
	}
}

// What others have published goes only when it is named.
func TestApplyDNSOverOthers(t *testing.T) {
	const others = "example.org. MX 1 mx.other.example.\nexample.org. TXT \"v=spf1 include:news.example -all\"\nexample.org. TXT \"other=1\"\n" +
		"_imaps._tcp.example.org. SRV 0 1 993 old.example.org.\nautoconfig.example.org. A 192.0.2.99\nmail.example.org. A 192.0.2.1\nmail.example.org. A 192.0.2.2\n" +
		""
	ctx, a, z := liveZone(t, others, nil)
	plan := must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{}))
	for record, want := range map[string]string{"mx": DNSForeign, "spf": DNSMerge, "srv-imaps": DNSForeign, "autoconfig": DNSForeign, "a": DNSForeign, "dmarc": DNSAdd} {
		if c := changeOf(t, plan, record); c.Action != want || c.Done != (want == DNSMerge || want == DNSAdd) {
			t.Errorf("%s: %+v, want %s", record, c, want)
		}
	}
	if mxs, _, err := z.MX(ctx, "example.org"); err != nil || len(mxs) != 1 || mxs[0].Host != "mx.other.example" {
		t.Errorf("MX = %+v, %v", mxs, err)
	}
	texts, _, err := z.TXT(ctx, "example.org")
	if want := []string{"other=1", "v=spf1 a:mail.example.org include:news.example -all"}; err != nil || !sameSet(texts, want) {
		t.Errorf("TXT = %q, %v; want %q", texts, err, want)
	}
	plan = must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{Records: []string{"mx", "autoconfig"}, Replace: []string{"mx", "autoconfig"}}))
	if len(plan.Changes) != 2 || changeOf(t, plan, "mx").Action != DNSReplace || !changeOf(t, plan, "autoconfig").Done {
		t.Errorf("named: %+v", plan)
	}
	if mxs, _, err := z.MX(ctx, "example.org"); err != nil || len(mxs) != 1 || mxs[0].Host != "mail.example.org" {
		t.Errorf("MX = %+v, %v", mxs, err)
	}
	if alias, _, err := z.CNAME(ctx, "autoconfig.example.org"); err != nil || alias != "mail.example.org" {
		t.Errorf("autoconfig is %q, %v", alias, err)
	}
	if addrs, _, err := z.A(ctx, "mail.example.org"); err != nil || len(addrs) != 2 {
		t.Errorf("addresses = %v, %v", addrs, err)
	}
	// What this server has published itself it may also change: the MX is its
	// own now.
	z.Remove("example.org")
	if err := z.Add("example.org. NS ns1.dns.example.\nexample.org. MX 10 mail.example.org.\nexample.org. MX 20 backup.example.\n"); err != nil {
		t.Fatal(err)
	}
	if c := changeOf(t, must[DNSPlan](t)(a.PlanDNS(ctx, "example.org")), "mx"); c.Action != DNSForeign || !slices.Equal(c.Remove, []string{"20 backup.example"}) {
		t.Errorf("MX beside ours: %+v", c)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// TLSA records are wanted in a signed zone, of the key that is shown and of
// the next one.
func TestApplyTLSA(t *testing.T) {
	c := &someCerts{list: []certs.Status{{Name: "mail.example.org", Source: string(certs.ACME), State: certs.StateGood}}}
	ctx, a, z := liveZone(t, "mail.example.org. A 192.0.2.1\n_25._tcp.mail.example.org. TLSA 3 1 1 ff\n", func(o *Options) { o.Certificates = c })
	if r := must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org")); strings.Contains(r.Text, "TLSA") || hasRecord(r, "TLSA") {
		t.Error("TLSA records are wanted in a zone without signatures")
	}
	z.SetAuthentic("example.org", true)
	r := must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org"))
	if i := slices.IndexFunc(r.Records(), func(rec dnsadvice.Record) bool { return rec.Type == "TLSA" }); i < 0 || r.Records()[i].State != dnsadvice.Wrong {
		t.Errorf("a stranger's TLSA record: %+v", r.Records())
	}
	must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{Records: []string{"tlsa-00000000"}}))
	records, _, err := z.TLSA(ctx, "_25._tcp.mail.example.org")
	if err != nil || len(records) != 3 {
		t.Errorf("TLSA = %+v, %v; want the shown and the next key beside what was there", records, err)
	}
	if r := must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org")); hasWrong(r, "TLSA") {
		t.Errorf("after it: %+v", r.Records())
	}
}

// After a change of keys the record of the old one may go, when its time has
// come; those of others stay.
func TestApplyOldTLSA(t *testing.T) {
	const name = "_25._tcp.mail.example.org"
	digest := func(c string) string { return strings.Repeat(c, 64) }
	first, second, third := digest("1"), digest("2"), digest("3")
	c := &someCerts{list: []certs.Status{{Name: "mail.example.org", Source: string(certs.ACME), State: certs.StateGood}}}
	c.digests = certs.Digests{Shown: first, Current: first, Next: second}
	ctx, a, z := liveZone(t, "mail.example.org. A 192.0.2.1\n"+name+". TLSA 3 1 1 ff\n"+name+". TLSA 2 1 1 "+first+"\n", func(o *Options) { o.Certificates = c })
	z.SetAuthentic("example.org", true)
	published := func(when string, want ...string) {
		t.Helper()
		got := tlsaOf(ctx, t, z, name)
		if want = append(want, "3 1 1 ff", "2 1 1 "+first); !sameSet(got, want) {
			t.Errorf("%s there is %q, want %q", when, got, want)
		}
	}
	change := func() ZoneChange {
		return changeOf(t, must[DNSPlan](t)(a.PlanDNS(ctx, "example.org")), "tlsa-"+c.digests.Shown[:8])
	}
	apply := func() ZoneChange {
		return changeOf(t, must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{Seen: []string{change().Digest}, Records: []string{"tlsa-" + c.digests.Shown[:8]}})), "tlsa-"+c.digests.Shown[:8])
	}
	apply()
	published("before the change", tlsaData(first), tlsaData(second))

	// Its time has not come.
	c.digests = certs.Digests{Shown: second, Current: second, Next: third}
	if got := apply(); got.Action != DNSAdd || len(got.Remove) > 0 {
		t.Errorf("soon after the change: %+v", got)
	}
	published("soon after the change", tlsaData(first), tlsaData(second), tlsaData(third))
	if got := change(); got.Action != DNSKeep {
		t.Errorf("nothing is to be done: %+v", got)
	}

	// The old record goes, by the provider or by hand.
	c.digests.Retired = []string{first}
	r := must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org"))
	if got := findRecord(r, "tlsa-22222222"); got.State != dnsadvice.OK || got.Code != "dns.tlsa_old" || !strings.Contains(got.Text, `remove "`+tlsaData(first)+`"`) {
		t.Errorf("the check says: %+v", got)
	}
	if got := findRecord(r, "tlsa-33333333"); got.Code != "" || strings.Contains(got.Text, "remove") {
		t.Errorf("the check says it twice: %+v", got)
	}
	providers := a.opts.DNS
	a.opts.DNS = &dnsprovider.Zones{Specs: func() map[string]dnsprovider.Spec { return nil }}
	if got := change(); got.Action != DNSManual || !strings.Contains(got.Text, `remove "`+tlsaData(first)+`"`) {
		t.Errorf("without a provider: %+v", got)
	}
	a.opts.DNS = providers
	if got := change(); got.Action != DNSReplace || !slices.Equal(got.Remove, []string{tlsaData(first)}) || !strings.Contains(got.Text, "does not use any more") {
		t.Errorf("the plan: %+v", got)
	}
	if got := apply(); !got.Done {
		t.Errorf("applied: %+v", got)
	}
	published("after it", tlsaData(second), tlsaData(third))
	if got := findRecord(must[dnsadvice.Report](t)(a.CheckDNS(ctx, "example.org")), "tlsa-22222222"); got.Code != "" || strings.Contains(got.Text, "remove") {
		t.Errorf("the check says afterwards: %+v", got)
	}

	// Before the key that is shown is there nothing goes.
	c.digests = certs.Digests{Shown: digest("4"), Current: digest("4"), Next: digest("5"), Retired: []string{second, third}}
	if got := apply(); got.Action != DNSAdd {
		t.Errorf("keys that nobody has published: %+v", got)
	}
	if got := apply(); got.Action != DNSReplace || !sameSet(got.Remove, []string{tlsaData(second), tlsaData(third)}) {
		t.Errorf("when they are: %+v", got)
	}
	published("at the end", tlsaData(digest("4")), tlsaData(digest("5")))
}

// tlsaOf are the TLSA records of a name as in reports.
func tlsaOf(ctx context.Context, t *testing.T, z *dnstest.Zones, name string) []string {
	t.Helper()
	records, _, err := z.TLSA(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range records {
		list = append(list, fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.Matching, r.Data))
	}
	return list
}

func findRecord(r dnsadvice.Report, id string) dnsadvice.Record {
	for _, rec := range r.Records() {
		if rec.ID == id {
			return rec
		}
	}
	return dnsadvice.Record{}
}

func hasRecord(r dnsadvice.Report, kind string) bool {
	return slices.ContainsFunc(r.Records(), func(rec dnsadvice.Record) bool { return rec.Type == kind })
}

func hasWrong(r dnsadvice.Report, kind string) bool {
	return slices.ContainsFunc(r.Records(), func(rec dnsadvice.Record) bool { return rec.Type == kind && rec.State != dnsadvice.OK })
}

func TestTestDNSProvider(t *testing.T) {
	ctx, a, _ := liveZone(t, "", nil)
	tested := must[ZoneProviderTest](t)(a.TestDNSProvider(ctx, "primary"))
	if !tested.OK || len(tested.Zones) != 1 || tested.Zones[0].Records == 0 {
		t.Errorf("tested: %+v", tested)
	}
	server := must[Page[ZoneProvider]](t)(a.DNSProviders(ctx)).Items[0].Server
	must[ZoneProvider](t)(a.PutDNSProvider(ctx, "primary", NewZoneProvider{Kind: "rfc2136", Zones: []string{"example.org"}, Server: server, Login: "update-key", Secret: "b3RoZXI=", Unchecked: true}))
	tested = must[ZoneProviderTest](t)(a.TestDNSProvider(ctx, "primary"))
	if tested.OK || tested.Zones[0].OK || !strings.Contains(tested.Zones[0].Text, "key") || strings.Contains(tested.Zones[0].Text, "b3RoZXI=") {
		t.Errorf("with another key: %+v", tested)
	}
	if _, err := a.TestDNSProvider(ctx, "other"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestDNSProviders(t *testing.T) {
	ctx, a, _ := liveZone(t, "", nil)
	list := must[Page[ZoneProvider]](t)(a.DNSProviders(ctx)).Items
	if len(list) != 1 || !list[0].HasSecret || list[0].Login != "update-key" {
		t.Errorf("list = %+v", list)
	}
	kept := must[ZoneProvider](t)(a.PutDNSProvider(ctx, "primary", NewZoneProvider{Kind: "rfc2136", Zones: []string{"Example.ORG"}, Server: list[0].Server, Login: "update-key"}))
	if !kept.HasSecret || kept.Zones[0] != "example.org" {
		t.Errorf("without a secret: %+v", kept)
	}
	for _, e := range must[Page[directory.AuditEntry]](t)(a.Audit(ctx, AuditFilter{})).Items {
		if strings.Contains(string(e.Before)+string(e.After), "c2VjcmV0") {
			t.Errorf("the secret is in the audit log: %+v", e)
		}
	}
	if d := must[Domain](t)(a.Domain(ctx, "example.org")); d.Provider != "primary" {
		t.Errorf("the provider of the domain is %q", d.Provider)
	}
	admin := WithPrincipal(t.Context(), Principal{Kind: KindUser, Address: "x@example.org", Role: directory.RoleAdmin, Sudo: true})
	for _, tt := range []struct {
		name string
		ctx  context.Context
		n    NewZoneProvider
		says string
		is   error
	}{
		{"zone of another provider", ctx, NewZoneProvider{Kind: "cloudflare", Zones: []string{"example.org"}, Secret: "x", Unchecked: true}, "changed by the DNS provider \"primary\"", nil},
		{"wrong key", ctx, NewZoneProvider{Kind: "rfc2136", Zones: []string{"example.net"}, Server: "127.0.0.1:1", Login: "k", Secret: "bm8="}, "could not be reached", nil},
		{"bad zone", ctx, NewZoneProvider{Kind: "cloudflare", Zones: []string{"x y"}, Secret: "x"}, "not a domain name", nil},
		{"bad kind", ctx, NewZoneProvider{Kind: "bind", Zones: []string{"example.net"}}, "choose one of", nil},
		{"program, from afar", admin, NewZoneProvider{Kind: "exec", Zones: []string{"example.net"}, Server: "/bin/true"}, "on the server itself", ErrForbidden},
		{"without a proof", WithPrincipal(t.Context(), Principal{Kind: KindUser, Role: directory.RoleAdmin}), NewZoneProvider{Kind: "gandi", Zones: []string{"example.net"}, Secret: "x"}, "", ErrReauth},
	} {
		_, err := a.PutDNSProvider(tt.ctx, "other", tt.n)
		if err == nil || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v does not say %q", tt.name, err, tt.says)
		}
	}
	if err := a.RemoveDNSProvider(ctx, "primary"); err != nil {
		t.Fatal(err)
	}
	if c := changeOf(t, must[DNSPlan](t)(a.PlanDNS(ctx, "example.org")), "mx"); c.Action != DNSManual || !strings.Contains(c.Text, "no DNS provider") {
		t.Errorf("without a provider: %+v", c)
	}
}
