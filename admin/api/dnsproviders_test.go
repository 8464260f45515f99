package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/mailstead/mailstead/admin"
)

// What is published is what was shown: if a record has changed since, the
// answer is a conflict and the record stays.
func TestApplyDNSAfterAChange(t *testing.T) {
	w := newWorld(t)
	w.zones.AllowUpdates("a.test", "update-key", "c2VjcmV0")
	server, stop, err := w.zones.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	change := func(text string) {
		t.Helper()
		w.zones.Remove("a.test")
		if err := w.zones.Add("a.test. NS ns1.dns.example.\n" + text); err != nil {
			t.Fatal(err)
		}
	}
	change("a.test. MX 1 mx.other.example.\n")
	provider := fmt.Sprintf(`{"kind":"rfc2136","zones":["a.test"],"server":%q,"login":"update-key","secret":"c2VjcmV0"}`, server)
	if r := w.do(attempt{as: "owner@a.test", method: "PUT", path: "/dns-providers/primary", body: provider}); r.code != http.StatusOK {
		t.Fatalf("provider: %+v", r)
	}
	// What the console sends after it has shown the plan and the MX was ticked.
	apply := func() result {
		t.Helper()
		var plan admin.DNSPlan
		w.do(attempt{as: "owner@a.test", method: "GET", path: "/domains/a.test/dns:plan"}).into(t, &plan)
		r := admin.DNSApply{Records: []string{"mx"}, Replace: []string{"mx"}, Seen: []string{}}
		for _, c := range plan.Changes {
			if c.Type == "MX" {
				r.Seen = append(r.Seen, c.Digest)
			}
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		change("a.test. MX 1 mx.third.example.\n")
		return w.do(attempt{as: "owner@a.test", method: "POST", path: "/domains/a.test/dns:apply", body: string(b)})
	}
	mx := func() string {
		t.Helper()
		list, _, err := w.zones.MX(t.Context(), "a.test")
		if err != nil || len(list) != 1 {
			t.Fatalf("MX = %+v, %v", list, err)
		}
		return list[0].Host
	}
	r := apply()
	if p := r.problem(t); r.code != http.StatusConflict || p.Code != "conflict" || p.Detail != "the records have changed since they were shown; look at them again" {
		t.Errorf("after a change: %+v", r)
	}
	if got := mx(); got != "mx.third.example" {
		t.Errorf("the MX is %s: it was changed unseen", got)
	}
	if r := apply(); r.code != http.StatusOK || mx() != host {
		t.Errorf("after another look: %+v, and the MX is %s", r, mx())
	}
	// Nobody has looked, as in a script: what is right now is done.
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/domains/a.test/dns:apply", body: `{"records":["dmarc"]}`}); r.code != http.StatusOK {
		t.Errorf("without a look: %+v", r)
	}
	// Somebody has looked, and there was nothing.
	w.zones.Remove("_dmarc.a.test")
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/domains/a.test/dns:apply", body: `{"records":["dmarc"],"seen":[]}`}); r.code != http.StatusConflict {
		t.Errorf("what was not shown: %+v", r)
	}
}
