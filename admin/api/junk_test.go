package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// judged makes the trace of a message with what was decided for each account.
func (w *world) judged(from, score string, fields map[string]string, to ...string) {
	w.t.Helper()
	s := trace.Summary{ID: trace.NewID(w.now(), random{}), Start: w.now(), Direction: "in", ReversePath: mailPath(w.t, from), RemoteIP: "192.0.2.1", Outcome: "accepted"}
	var events []trace.Event
	for _, address := range to {
		s.Recipients = append(s.Recipients, mailPath(w.t, address))
		f := map[string]string{"account": fmt.Sprint(w.account(address).ID), "rcpt_to": address, "score": score, "author": from,
			"reasons": `[{"name":"words","score":3,"text":"Its words are those of junk."}]`}
		maps.Copy(f, fields)
		events = append(events, trace.Event{Time: w.now(), Kind: trace.Verdict, Text: "decided", Fields: f})
	}
	w.traces.Append(s, events...)
}

func TestWhatIf(t *testing.T) {
	w := newWorld(t)
	w.judged("news@shop.example", "4.00", map[string]string{"proven": "author"}, "user@a.test")
	w.judged("news@shop.example", "4.00", map[string]string{"proven": "author"}, "user@a.test", "bob@b.test")
	w.judged("forged@shop.example", "6.00", nil, "user@a.test")
	w.judged("eve@evil.example", "20.00", nil, "user@a.test", "bob@b.test")
	w.judged("trap@evil.example", "0.00", map[string]string{"hard": "junk"}, "bob@b.test")
	// Refused before anybody was asked: no rule would have changed that.
	w.traces.Append(trace.Summary{ID: trace.NewID(w.now(), random{}), Start: w.now(), Direction: "in", Outcome: "refused"},
		trace.Event{Time: w.now(), Kind: trace.Verdict, Text: "refuse: loop", Fields: map[string]string{"hard": "refuse", "place": "refuse"}})
	for _, tt := range []struct {
		name, as, query, body string
		messages              int
		want                  map[string]int
	}{
		{"nothing", "owner@a.test", "", `{}`, 7, nil},
		{"a lower threshold for all", "owner@a.test", "", `{"policy":{"mode":"file","junk":3,"quarantine":10,"refuse":15}}`, 7, map[string]int{"inbox junk": 3}},
		{"for one domain", "chief@a.test", "?domain=a.test", `{"policy":{"mode":"file","junk":3,"quarantine":10,"refuse":15}}`, 4, map[string]int{"inbox junk": 2}},
		{"for one account", "owner@a.test", "?account=bob@b.test", `{"policy":{"mode":"file","junk":3,"quarantine":10,"refuse":15}}`, 3, map[string]int{"inbox junk": 1}},
		{"for one address", "owner@a.test", "?address=user@a.test", `{"policy":{"mode":"file","junk":3,"quarantine":10,"refuse":15}}`, 4, map[string]int{"inbox junk": 2}},
		{"off for one, so that the other gets quarantine", "owner@a.test", "?domain=b.test", `{"policy":{"mode":"off","junk":5,"quarantine":10,"refuse":15}}`, 3, map[string]int{"refuse inbox": 1}},
		{"allow, but no forged author", "owner@a.test", "", `{"lists":[{"kind":"allow","entry":"shop.example"},{"kind":"allow","entry":"eve@evil.example"}]}`, 7, nil},
		{"allow a network, but not against a check", "owner@a.test", "", `{"lists":[{"kind":"allow","entry":"192.0.2.0/24"}]}`, 7, map[string]int{"junk inbox": 1, "refuse inbox": 2}},
		{"block", "owner@a.test", "", `{"lists":[{"kind":"block","entry":"news@shop.example"}]}`, 7, map[string]int{"inbox refuse": 3}},
		{"block for oneself", "user@a.test", "me", `{"lists":[{"kind":"block","entry":"news@shop.example"}]}`, 4, map[string]int{"inbox refuse": 1, "inbox quarantine": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := "/junk:what-if" + tt.query
			if tt.query == "me" {
				path = "/me/junk:what-if"
			}
			r := w.do(attempt{as: tt.as, method: "POST", path: path, body: tt.body})
			var found admin.WhatIf
			if r.code != 200 || json.Unmarshal([]byte(r.body), &found) != nil {
				t.Fatalf("%d %s", r.code, r.body)
			}
			got := map[string]int{}
			for _, c := range found.Changes {
				got[c.From+" "+c.To] = c.Count
				if len(c.Examples) != c.Count || c.Examples[0].Reasons[0] != "words" || c.Examples[0].Trace == "" {
					t.Errorf("examples %+v", c.Examples)
				}
			}
			if found.Messages != tt.messages || !found.Complete || !maps.Equal(got, tt.want) {
				t.Errorf("%d messages, complete %v, %v; want %d, %v", found.Messages, found.Complete, got, tt.messages, tt.want)
			}
		})
	}
	if r := w.do(attempt{as: "owner@a.test", method: "GET", path: "/junk/policy"}); r.body != `{"holds":{"mode":"file","junk":5,"quarantine":10,"refuse":15}}`+"\n" {
		t.Errorf("a try has changed something: %s", r.body)
	}
	for _, path := range []string{"/junk:what-if", "/junk:what-if?domain=b.test", "/junk:what-if?account=bob@b.test", "/junk:what-if?address=x@b.test"} {
		if r := w.do(attempt{as: "chief@a.test", method: "POST", path: path, body: `{}`}); r.code != 403 && r.code != 404 {
			t.Errorf("somebody of another domain: %s %d %s", path, r.code, r.body)
		}
	}
}

// TestJunkPolicies: the closest policy holds, and is taken away again.
func TestJunkPolicies(t *testing.T) {
	w := newWorld(t)
	put := func(as, query, junk string) {
		t.Helper()
		body := `{"mode":"file","junk":` + junk + `,"quarantine":0,"refuse":0}`
		if r := w.do(attempt{as: as, method: "PUT", path: "/junk/policy" + query, body: body}); r.code != 200 {
			t.Fatalf("%s: %d %s", query, r.code, r.body)
		}
	}
	holds := func(address string) float64 {
		to := mailPath(t, address)
		return w.dir.Rules(w.account("user@a.test").ID, to).Policy.Junk
	}
	put("owner@a.test", "", "4")
	put("chief@a.test", "?domain=a.test", "3")
	put("chief@a.test", "?account=user@a.test", "2")
	put("chief@a.test", "?address=user%2Bshop@a.test", "1")
	for _, tt := range []struct {
		query string
		want  float64 // of mail to user@a.test afterwards
		shop  float64 // of mail to user+shop@a.test
	}{{"?address=user%2Bshop@a.test", 2, 2}, {"?account=user@a.test", 3, 3}, {"?domain=a.test", 4, 4}, {"", 5, 5}} {
		if tt.want == 2 && (holds("user@a.test") != 2 || holds("user+shop@a.test") != 1) {
			t.Errorf("before: %v and %v", holds("user@a.test"), holds("user+shop@a.test"))
		}
		if r := w.do(attempt{as: "owner@a.test", method: "DELETE", path: "/junk/policy" + tt.query}); r.code != 200 {
			t.Fatalf("%s: %d %s", tt.query, r.code, r.body)
		}
		if got, shop := holds("user@a.test"), holds("user+shop@a.test"); got != tt.want || shop != tt.shop {
			t.Errorf("without %q %v and %v hold, want %v and %v", tt.query, got, shop, tt.want, tt.shop)
		}
	}
	if r := w.do(attempt{as: "chief@a.test", method: "PUT", path: "/junk/policy", body: `{"mode":"off","junk":5,"quarantine":0,"refuse":0}`}); r.code != 403 {
		t.Errorf("a domain admin changes the server's policy: %d %s", r.code, r.body)
	}
}

// TestWhatIfForgets: what is older than 30 days does not count.
func TestWhatIfForgets(t *testing.T) {
	w := newWorld(t)
	w.judged("a@b.example", "1.00", nil, "user@a.test")
	old := trace.NewID(w.now().Add(-40*24*time.Hour), random{})
	w.traces.Append(trace.Summary{ID: old, Start: w.now().Add(-40 * 24 * time.Hour), Direction: "in", Recipients: []mail.Path{mailPath(t, "user@a.test")}},
		trace.Event{Time: w.now(), Kind: trace.Verdict, Fields: map[string]string{"account": "1", "rcpt_to": "user@a.test", "score": "1"}})
	r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/junk:what-if", body: `{}`})
	var found admin.WhatIf
	if err := json.Unmarshal([]byte(r.body), &found); err != nil || found.Messages != 1 {
		t.Errorf("%d messages, %v: what is older than 30 days counts", found.Messages, err)
	}
}

// TestOwnRules lists who has rules of their own, from wide to narrow, and to a
// domain admin only those of their domains.
func TestOwnRules(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ path, body string }{
		{"/lists", `{"kind":"block","entry":"spam.example"}`}, {"/lists?domain=b.test", `{"kind":"allow","entry":"far.example"}`},
		{"/lists?account=user@a.test", `{"kind":"allow","entry":"x@far.example"}`}, {"/lists?account=user@a.test", `{"kind":"block","entry":"y@far.example"}`},
		{"/junk/policy?domain=a.test", `{"mode":"tag","junk":5,"quarantine":10,"refuse":0}`}, {"/junk/policy?address=user%2Bnews@a.test", `{"mode":"off","junk":5,"quarantine":10,"refuse":0}`},
		{"/junk/policy?address=bob@b.test", `{"mode":"off","junk":5,"quarantine":10,"refuse":0}`},
	} {
		if r := w.do(attempt{as: "owner@a.test", method: "PUT", path: c.path, body: c.body}); r.code != 200 {
			t.Fatalf("%s: %s", c.path, r.body)
		}
	}
	for as, want := range map[string]string{
		"owner@a.test": "server 1 false; a.test 0 true; b.test 1 false; user@a.test 2 false; bob@b.test 0 true; user+news@a.test 0 true",
		"chief@a.test": "a.test 0 true; user@a.test 2 false; user+news@a.test 0 true",
	} {
		var page admin.Page[admin.OwnRules]
		r := w.do(attempt{as: as, method: "GET", path: "/own-rules"})
		if err := json.Unmarshal([]byte(r.body), &page); err != nil {
			t.Fatalf("%s: %v in %s", as, err, r.body)
		}
		var got []string
		for _, o := range page.Items {
			got = append(got, fmt.Sprintf("%s %d %t", cmp.Or(o.Domain, o.Account, o.Address, "server"), o.Entries, o.Policy != nil))
		}
		if !slices.Equal(got, strings.Split(want, "; ")) {
			t.Errorf("%s sees %q, want %q", as, got, want)
		}
	}
}
