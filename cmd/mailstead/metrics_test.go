package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/admin/signin"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// TestMetricsOfMail follows mail through the numbers of both its servers.
func TestMetricsOfMail(t *testing.T) {
	w := &internet{zones: dnstest.New(""), ports: map[string]string{}}
	a := newTestNode(t, w, "alpha.test", "127.0.90.1")
	b := newTestNode(t, w, "beta.test", "127.0.90.2")
	a.submit(b.user, "counted")
	a.submit(mail.Path{Local: "nobody", Domain: "beta.test"}, "counted too")
	a.waitFor("Mail could not be delivered")
	b.waitFor("Subject: counted")
	browser := signin.Client{Remote: netip.MustParseAddr("192.0.2.1")}
	if _, err := a.admin.SignIn().Password(context.Background(), browser, a.user.String(), password); err != nil {
		t.Fatal(err)
	}
	if _, err := a.admin.SignIn().Password(context.Background(), browser, a.user.String(), "guess"); err == nil {
		t.Fatal("a guess signs in")
	}
	for _, tt := range []struct {
		node *testNode
		name string
		want float64
	}{
		{a, "logins.ok.web", 1}, {a, "logins.failed.web", 1},
		{a, "mail.out", 2}, {a, "mail.in", 0}, {a, "mail.delivered", 1}, {a, "mail.bounced", 1}, {a, "logins.ok.submission", 2}, {a, "logins.failed.submission", 0},
		{b, "mail.in", 1}, {b, "mail.out", 0}, {b, "mail.refused", 1}, {b, "mail.delivered", 0}, {b, "logins.ok", 0},
	} {
		// A session that ends is counted a moment after its client was answered.
		var got float64
		eventually(t, string(tt.node.domain)+" counts "+tt.name, func() bool {
			totals, err := tt.node.series.Totals(context.Background(), []string{tt.name}, time.Now().Add(-time.Hour), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			got = totals[0]
			return got >= tt.want
		})
		if got != tt.want {
			t.Errorf("%s: %s = %v, want %v", tt.node.domain, tt.name, got, tt.want)
		}
	}
	if p := a.arrivals.Providers(); len(p) != 1 || p[0].ID != "others" || p[0].Accepted != 1 || p[0].TLS != 1 || p[0].Unknown != 1 || p[0].Domains[0] != "beta.test" {
		t.Errorf("how mail arrives: %+v", p)
	}
	d, err := a.admin.Deliverability(admin.AsOwner(context.Background(), "test"))
	if err != nil || len(d.Providers) != 1 || d.Providers[0].State != "unknown" || len(d.Rows) < 10 || d.Verdict == "" {
		t.Errorf("deliverability %+v, %v", d, err)
	}
	of := admin.WithPrincipal(context.Background(), admin.Principal{Kind: admin.KindUser, Role: directory.RoleDomainAdmin, Domains: []mail.Domain{"alpha.test"}})
	if _, err := a.admin.Deliverability(of); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("deliverability for a domain admin: %v", err)
	}
	p95, err := a.series.Totals(context.Background(), []string{"delivery.p95"}, time.Time{}, time.Time{})
	if err != nil || !(p95[0] > 0 && p95[0] < deadline.Seconds()) {
		t.Errorf("the time of delivery is %v (%v)", p95, err)
	}
	eventually(t, "an empty queue and no connections", func() bool {
		s, err := a.series.Query(context.Background(), metrics.Query{Names: []string{"queue.size", "certificate.days"}})
		if err != nil {
			t.Fatal(err)
		}
		now := s.Points[len(s.Points)-1].Values
		return now[0] == 0 && now[1] > 1 && a.metrics.Connections.Of("submission").Value() == 0
	})
	if n := b.metrics.Connections.Of("smtp").Value(); n < 0 {
		t.Errorf("%d connections", n)
	}
	r := httptest.NewRecorder()
	a.readyz().ServeHTTP(r, httptest.NewRequest("GET", "/readyz", nil))
	if r.Code != 200 {
		t.Errorf("/readyz: %d %s", r.Code, r.Body)
	}
}
