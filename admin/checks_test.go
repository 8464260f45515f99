package admin

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

func TestChecks(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	clock := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	o := dnsOptions(dnstest.New(emptyZone))
	o.Now = func() time.Time { return clock }
	o.Server = &checks.Server{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network in tests") }}
	var changed []string
	o.CheckChanged = func(id string, from, to checks.State, _ time.Time) { changed = append(changed, id) }
	a := open(t, t.TempDir(), o)
	for _, d := range []string{"example.org", "example.net"} {
		must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: d}))
	}
	if r := must[CheckReport](t)(a.Checks(ctx)); r.State != checks.Unknown || r.Sentence != "Not checked yet" {
		t.Errorf("before: %+v", r.Summary)
	}
	r := must[CheckReport](t)(a.RunChecks(ctx, nil))
	ids := " "
	for _, c := range r.Items {
		ids += c.ID + " "
	}
	for _, id := range []string{"resolver", "port25.v4", "hostname", "ptr.v4", "blocklist.zen.spamhaus.org", "dns.example.org", "dns.example.net", "queue", "clock"} {
		if !strings.Contains(ids, " "+id+" ") {
			t.Errorf("no check %s among %s", id, ids)
		}
	}
	if r.State != checks.Fail || len(r.ToFix) == 0 {
		t.Errorf("summary: %+v", r.Summary)
	}
	res := must[checks.Result](t)(a.MuteCheck(ctx, "ptr.v4", clock.Add(time.Hour)))
	if res.MutedUntil == nil {
		t.Errorf("muted: %+v", res)
	}
	if _, err := a.MuteCheck(ctx, "ptr.v4", clock); !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("muted until now: %v", err)
	}
	if _, err := a.UnmuteCheck(ctx, "nonsense"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("no such check: %v", err)
	}
	must[directory.Setting](t)(a.SetSetting(ctx, "server.receive-only", "true"))
	must[CheckReport](t)(a.RunChecks(ctx, []string{"port25.v4"}))
	must[checks.Result](t)(a.UnmuteCheck(ctx, "ptr.v4"))
	if e := must[Page[directory.AuditEntry]](t)(a.Audit(ctx, AuditFilter{})).Items[0]; e.Action != "check.unmute" || e.Object != "ptr.v4" {
		t.Errorf("audit: %+v", e)
	}
	if !slices.Equal(changed, []string{"port25.v4"}) {
		t.Errorf("changed: %v", changed)
	}
}

func TestRightsOfChecks(t *testing.T) {
	ctx := t.Context()
	o := dnsOptions(dnstest.New(emptyZone))
	o.Server = &checks.Server{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network in tests") }}
	a := open(t, t.TempDir(), o)
	for _, d := range []string{"example.org", "example.net"} {
		must[Domain](t)(a.AddDomain(AsOwner(ctx, "tester"), NewDomain{Name: d}))
	}
	chief := WithPrincipal(ctx, Principal{Kind: KindUser, Role: directory.RoleDomainAdmin, Domains: []mail.Domain{"example.org"}})
	if r := must[CheckReport](t)(a.RunChecks(chief, nil)); len(r.Items) != 1 || r.Items[0].ID != "dns.example.org" {
		t.Errorf("a domain admin sees %+v", r.Items)
	}
	if r := must[CheckReport](t)(a.Checks(chief)); len(r.Items) != 1 {
		t.Errorf("a domain admin sees %+v", r.Items)
	}
	for _, id := range []string{"dns.example.net", "resolver"} {
		if _, err := a.RunChecks(chief, []string{id}); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := a.MuteCheck(chief, "dns.example.org", time.Now().Add(time.Hour)); !errors.Is(err, ErrForbidden) {
		t.Errorf("mute: %v", err)
	}
	user := WithPrincipal(ctx, Principal{Kind: KindUser, Role: directory.RoleUser})
	if _, err := a.Checks(user); !errors.Is(err, ErrForbidden) {
		t.Errorf("user: %v", err)
	}
	if _, err := open(t, t.TempDir(), Options{}).Checks(AsOwner(ctx, "tester")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a configuration: %v", err)
	}
}
