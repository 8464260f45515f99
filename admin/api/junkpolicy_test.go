package api

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// verdictOn writes down what was decided of a message, as port 25 does.
func (w *world) verdictOn(to, author string, score float64, proven, place string) {
	w.t.Helper()
	rcpt, err := mail.ParseAddress(to)
	if err != nil {
		w.t.Fatal(err)
	}
	fields := map[string]string{"account": strconv.FormatUint(uint64(w.account(to).ID), 10), "rcpt_to": to, "score": fmt.Sprint(score),
		"author": author, "place": place, "result": place}
	if proven != "" {
		fields["proven"] = proven
	}
	w.traces.Append(trace.Summary{ID: trace.NewID(w.now(), rand.Reader), Start: w.now(), Direction: "in", Recipients: []mail.Path{rcpt}, RemoteIP: "192.0.2.1", Outcome: "accepted"},
		trace.Event{Time: w.now(), Kind: trace.Verdict, Text: place, Fields: fields})
}

func TestWhatIf(t *testing.T) {
	w := newWorld(t)
	for _, score := range []float64{-2, 3, 4, 6, 7, 12} {
		w.verdictOn("user@a.test", "eve@far.example", score, "author", "inbox")
	}
	w.verdictOn("bob@b.test", "eve@far.example", 4, "", "inbox")
	ask := func(as, body string) (got admin.WhatIf) {
		t.Helper()
		r := w.do(attempt{as: as, method: "POST", path: "/junk:what-if", body: body})
		if err := json.Unmarshal([]byte(r.body), &got); r.code != 200 || err != nil {
			t.Fatalf("%s as %s: %d, %v: %s", body, as, r.code, err, r.body)
		}
		return got
	}
	changes := func(got admin.WhatIf) (s string) {
		for _, c := range got.Changes {
			s += fmt.Sprintf("%s→%s %d; ", c.From, c.To, c.Count)
			if len(c.Examples) == 0 || len(c.Examples) > c.Count || c.Examples[0].From != "eve@far.example" || c.Examples[0].Trace == "" {
				t.Errorf("examples %+v", c.Examples)
			}
		}
		return s
	}
	for _, tt := range []struct {
		as, body string
		messages int
		want     string
	}{
		{"owner@a.test", `{}`, 7, ""},
		{"owner@a.test", `{"policy":{"mode":"file","junk":3.5,"quarantine":6.5,"refuse":0}}`, 7, "inbox→junk 2; junk→quarantine 1; "},
		{"owner@a.test", `{"policy":{"mode":"off","junk":0,"quarantine":0,"refuse":0}}`, 7, "junk→inbox 2; quarantine→inbox 1; "},
		{"owner@a.test", `{"domain":"b.test","policy":{"mode":"file","junk":1,"quarantine":0,"refuse":0}}`, 7, "inbox→junk 1; "},
		{"owner@a.test", `{"put":[{"kind":"allow","entry":"@far.example"}]}`, 7, "junk→inbox 2; quarantine→inbox 1; "}, // not proven at bob's: his stays
		{"owner@a.test", `{"account":"bob@b.test","put":[{"kind":"block","entry":"192.0.2.0/24"}]}`, 7, "inbox→refuse 1; "},
		{"chief@a.test", `{"domain":"a.test","policy":{"mode":"file","junk":5,"quarantine":0,"refuse":10}}`, 6, "quarantine→refuse 1; "},
	} {
		if got := ask(tt.as, tt.body); got.Messages != tt.messages || changes(got) != tt.want || got.More {
			t.Errorf("%s as %s: %d messages, %q; want %d, %q", tt.body, tt.as, got.Messages, changes(got), tt.messages, tt.want)
		}
	}
	if r := w.do(attempt{as: "chief@a.test", method: "POST", path: "/junk:what-if", body: `{}`}); r.code != 403 {
		t.Errorf("the whole server for a domain admin: %d", r.code)
	}
	if r := w.do(attempt{as: "chief@a.test", method: "POST", path: "/junk:what-if", body: `{"domain":"b.test"}`}); r.code != 404 {
		t.Errorf("another domain for a domain admin: %d", r.code)
	}
}
