package admin

import (
	"errors"
	"slices"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// What is published is what was shown: records that somebody has changed after
// that stay as they are, and so do all others that were to be changed.
func TestApplyDNSAsShown(t *testing.T) {
	const (
		others = "example.org. NS ns1.dns.example.\nexample.org. TXT \"other=1\"\n"
		theirs = "example.org. MX 1 mx.other.example.\nexample.org. MX 2 mx.other.example.\n"
	)
	for _, tt := range []struct {
		name   string
		before string // at the domain, when the plan is made
		after  string // when it is applied
		ok     bool
	}{
		{"nothing has changed", others + theirs, "", true},
		{"in another order", others + theirs, others + "example.org. MX 2 mx.other.example.\nexample.org. MX 1 mx.other.example.\n", true},
		{"what is not chosen", others + theirs, others + theirs + "example.org. TXT \"v=spf1 -all\"\n", true},
		{"another value", others + theirs, others + "example.org. MX 1 mx.third.example.\nexample.org. MX 2 mx.other.example.\n", false},
		{"one more", others + theirs, others + theirs + "example.org. MX 3 mx.third.example.\n", false},
		{"one less", others + theirs, others + "example.org. MX 1 mx.other.example.\n", false},
		{"gone", others + theirs, others, false},
		{"new", others, others + theirs, false},
		{"somebody has done it", others, others + "example.org. MX 10 mail.example.org.\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, a, z := liveZone(t, "", nil)
			set := func(text string) {
				z.Remove("example.org")
				if err := z.Add(text); err != nil {
					t.Fatal(err)
				}
			}
			set(tt.before)
			plan := must[DNSPlan](t)(a.PlanDNS(ctx, "example.org")) // as the console has it: before anything was ticked
			apply := DNSApply{Records: []string{"mx", "dmarc"}, Replace: []string{"mx"},
				Seen: []string{changeOf(t, plan, "mx").Digest, changeOf(t, plan, "dmarc").Digest}}
			if tt.after != "" {
				set(tt.after)
			}
			before := zoneOf(t, z)
			done, err := a.ApplyDNS(ctx, "example.org", apply)
			if tt.ok {
				if err != nil || !changeOf(t, done, "mx").Done || !changeOf(t, done, "dmarc").Done {
					t.Fatalf("applied: %+v, %v", done, err)
				}
				return
			}
			if !errors.Is(err, directory.ErrConflict) {
				t.Fatalf("%+v, %v; want a conflict", done, err)
			}
			if now := zoneOf(t, z); !slices.Equal(now, before) {
				t.Errorf("the zone was %q and is %q", before, now)
			}
			if entry := must[Page[directory.AuditEntry]](t)(a.Audit(ctx, AuditFilter{})).Items[0]; entry.Action == "dns.apply" {
				t.Errorf("audit: %+v", entry)
			}
			// Who looks again may go on.
			again := must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{DryRun: true, Records: apply.Records, Replace: apply.Replace}))
			apply.Seen = again.Shown()
			if done := must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", apply)); !done.Applied || len(done.Shown()) != len(apply.Seen) {
				t.Errorf("after another look: %+v", done)
			}
		})
	}
}

// zoneOf is what there is at the names that TestApplyDNSAsShown changes.
func zoneOf(t *testing.T, z *dnstest.Zones) []string {
	t.Helper()
	var all []string
	mxs, _, _ := z.MX(t.Context(), "example.org") // an error if there are none
	for _, mx := range mxs {
		all = append(all, mx.Host)
	}
	for _, name := range []string{"example.org", "_dmarc.example.org"} {
		texts, _, _ := z.TXT(t.Context(), name) // likewise
		all = append(all, texts...)
	}
	return all
}

// A plan that had nothing to do allows nothing.
func TestApplyDNSNothingShown(t *testing.T) {
	ctx, a, z := liveZone(t, "", nil)
	must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{}))
	plan := must[DNSPlan](t)(a.PlanDNS(ctx, "example.org"))
	if shown := plan.Shown(); shown == nil || len(shown) > 0 {
		t.Fatalf("shown: %q, want none, and not nil", shown)
	}
	z.Remove("_dmarc.example.org")
	if _, err := a.ApplyDNS(ctx, "example.org", DNSApply{Seen: plan.Shown()}); !errors.Is(err, directory.ErrConflict) {
		t.Errorf("what was not shown: %v, want a conflict", err)
	}
	if done := must[DNSPlan](t)(a.ApplyDNS(ctx, "example.org", DNSApply{})); !changeOf(t, done, "dmarc").Done {
		t.Errorf("without a look: %+v", done)
	}
}

// Consent to the end of an alias is not one to the end of what stands beside
// it, which some providers allow.
func TestConsentIsToWhatWasShown(t *testing.T) {
	group := []string{"caa"}
	decide := func(consent []string, conflicts ...string) ZoneChange {
		m := merger{consent: consent}
		c := ZoneChange{Records: group, Name: "example.org", Type: "CAA", Want: []string{`0 issue "ours.example"`}}
		m.decide(&c, []dnsadvice.Record{{ID: "caa", Type: "CAA"}}, []string{`0 issue "other.example"`}, conflicts)
		return c
	}
	shown, done := decide(nil, "CNAME elsewhere.example"), decide(group, "CNAME elsewhere.example")
	if shown.Action != DNSForeign || done.Action != DNSReplace || shown.digest() != done.digest() {
		t.Errorf("shown %+v, done %+v", shown, done)
	}
	shown, done = decide(nil), decide(group)
	if shown.Action != DNSAdd || done.Action != DNSReplace || shown.digest() == done.digest() {
		t.Errorf("shown %+v, done %+v", shown, done)
	}
}
