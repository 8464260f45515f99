package api

import (
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// TestStoryOfSomeDomains: who sees a message because of one recipient learns
// of no other, in no way to ask.
func TestStoryOfSomeDomains(t *testing.T) {
	w := newWorld(t)
	said := func(lines ...string) (events []trace.Event) {
		for _, l := range lines {
			events = append(events, trace.Event{Time: w.now(), Kind: trace.Dialogue, Text: l})
		}
		return events
	}
	about := func(kind trace.Kind, to, text string) trace.Event {
		return trace.Event{Time: w.now(), Kind: kind, Text: text, Fields: map[string]string{"rcpt_to": to, "text": text}}
	}
	tell := func(direction, from string) string {
		id := trace.NewID(w.now(), random{})
		events := append(said("C: MAIL FROM:<"+from+">", "S: 250 fine", "C: rcpt to:<User@a.test>", "S: 250 user is fine", "C: RCPT TO:<Bob@B.test> NOTIFY=NEVER", "S: 250 bob is fine",
			"C: RCPT TO:<x@far.example>", "S: 250 x is fine", "C: DATA", "S: 354 go on"),
			about(trace.Verdict, "user@a.test", "inbox for user@a.test"), about(trace.Verdict, "bob@b.test", "junk for bob@b.test"),
			about(trace.Filed, "bob@b.test", "bob@b.test filed to Junk"), about(trace.Attempt, "x@far.example", "x@far.example delivered"),
			trace.Event{Time: w.now(), Kind: trace.Route, Text: "user@a.test is forwarded to on@far.example", Fields: map[string]string{"rcpt_to": "user@a.test", "to": "on@far.example"}},
			about(trace.Attempt, "on@far.example", "on@far.example delivered"),
			trace.Event{Time: w.now(), Kind: trace.Done, Text: "finished for user@a.test and BOB@b.test, accepted for 3 recipients", Fields: map[string]string{"status": "2.0.0"}})
		w.traces.Append(trace.Summary{ID: id, Direction: direction, ReversePath: mailPath(t, from), Outcome: "accepted", Reason: "bob@b.test takes no mail from you",
			Recipients: []mail.Path{mailPath(t, "user@a.test"), mailPath(t, "Bob@b.test"), mailPath(t, "x@far.example")}}, events...)
		return string(id)
	}
	for _, tt := range []struct {
		name, direction, from, as string
		all                       bool
	}{
		{"from outside, to a domain admin", "in", "eve@evil.example", "chief@a.test", false},
		{"pretending to be of the domain", "in", "user@a.test", "chief@a.test", false},
		{"from the domain", "out", "user@a.test", "chief@a.test", true},
		{"to support", "in", "eve@evil.example", "helper@a.test", true},
		{"to the owner", "in", "eve@evil.example", "owner@a.test", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := tell(tt.direction, tt.from)
			story := w.do(attempt{as: tt.as, method: "GET", path: "/traces/" + id})
			list := w.do(attempt{as: tt.as, method: "GET", path: "/traces?q=" + id})
			if story.code != 200 || list.code != 200 {
				t.Fatalf("%d and %d %s", story.code, list.code, list.body)
			}
			for _, r := range []result{story, list} {
				body := strings.ToLower(r.body)
				if got := strings.Contains(body, "bob@b.test") || strings.Contains(body, "x@far.example"); got != tt.all {
					t.Errorf("others are told: %v, want %v: %s", got, tt.all, r.body)
				}
				if !strings.Contains(body, "user@a.test") {
					t.Errorf("their own is missing: %s", r.body)
				}
			}
			for text, want := range map[string]bool{"bob is fine": tt.all, "x is fine": tt.all, "user is fine": true, "354 go on": true, "on@far.example delivered": true, "inbox for user@a.test": true, "accepted for 3 recipients": tt.all, "accepted for 1 recipient": !tt.all, nobodyElse: !tt.all} {
				if got := strings.Contains(strings.ToLower(story.body), text); got != want {
					t.Errorf("%q is told: %v, want %v", text, got, want)
				}
			}
		})
	}
	tell("in", "eve@evil.example")
	mine := w.do(attempt{as: "user@a.test", method: "GET", path: "/me/refusals"})
	if strings.Contains(strings.ToLower(mine.body), "bob@b.test") {
		t.Errorf("a user learns of others: %s", mine.body)
	}
}

// nobodyElse stands for a recipient who is left out.
const nobodyElse = "and another recipient"
