package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// manyTraces and manyAccounts are what a server of some size shows.
const (
	manyTraces   = 100_000
	manyAccounts = 500
)

// crowd makes accounts and traces of mail to them.
func (w *world) crowd(accounts, traces int) {
	w.t.Helper()
	var lines strings.Builder
	for i := range accounts {
		fmt.Fprintf(&lines, "crowd%d@a.test,Person %d\n", i, i)
	}
	text, err := json.Marshal(map[string]string{"text": lines.String()})
	if err != nil {
		w.t.Fatal(err)
	}
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/accounts:bulk", body: string(text)}); r.code != 200 || !strings.Contains(r.body, `"failed":0`) {
		w.t.Fatalf("accounts: %d %.300s", r.code, r.body)
	}
	for i := range traces {
		at := w.now().Add(-time.Duration(traces-i) * 100 * time.Millisecond)
		s := trace.Summary{ID: trace.NewID(at, random{}), Start: at, Last: at, Direction: "in", Outcome: "delivered", Size: 4096,
			ReversePath: mail.Path{Local: fmt.Sprint("sender", i%1000), Domain: "far.example"}, Recipients: []mail.Path{{Local: fmt.Sprint("crowd", i%max(accounts, 1)), Domain: "a.test"}}}
		w.traces.Append(s, trace.Event{Time: at, Kind: trace.Done, Text: "accepted for 1 recipient"})
		if i%500 == 499 || i == traces-1 {
			if err := w.traces.Flush(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// cost is how much memory is asked for to answer a request, in allocations.
func (w *world) cost(path string) float64 {
	w.t.Helper()
	return testing.AllocsPerRun(3, func() {
		if r := w.do(attempt{as: "owner@a.test", method: "GET", path: path}); r.code != 200 {
			w.t.Fatalf("%s: %d %s", path, r.code, r.body)
		}
	})
}

// TestCostOfPages: what the first page and a page of each list cost is about
// the same with a hundred thousand traces and five hundred accounts as with few:
// they read what they show. Allocations count what is read, whatever else the
// computer does; the time is only told.
func TestCostOfPages(t *testing.T) {
	pages := []string{"/overview", "/traces?limit=50", "/traces?limit=50&q=crowd7@a.test", "/accounts?limit=50", "/queue?limit=50", "/queue/groups", "/session"}
	few, many := newWorld(t), newWorld(t)
	few.crowd(60, 60*51) // a page for each of them
	begun := time.Now()
	many.crowd(manyAccounts, manyTraces)
	t.Logf("made %d traces in %v", manyTraces, time.Since(begun))
	for _, path := range pages {
		small, large := few.cost(path), many.cost(path)
		begun := time.Now()
		many.do(attempt{as: "owner@a.test", method: "GET", path: path})
		t.Logf("GET %s: %.0f allocations, %.0f with few, %v", path, large, small, time.Since(begun))
		if large > 2*small+200 {
			t.Errorf("GET %s: %.0f allocations, and %.0f with few traces and accounts", path, large, small)
		}
	}
	if n := many.countAll("/traces?limit=500"); n != manyTraces {
		t.Errorf("%d traces by pages, want %d", n, manyTraces)
	}
	if n := many.countAll("/accounts?limit=100"); n != manyAccounts+len(roles) {
		t.Errorf("%d accounts by pages, want %d", n, manyAccounts+len(roles))
	}
}

// countAll reads a list page by page, and counts.
func (w *world) countAll(path string) (n int) {
	w.t.Helper()
	for cursor := ""; ; {
		r := w.do(attempt{as: "owner@a.test", method: "GET", path: path + cursor})
		var page struct {
			Items []json.RawMessage
			Next  string
		}
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || r.code != 200 {
			w.t.Fatalf("%s%s: %d, %v", path, cursor, r.code, err)
		}
		if n += len(page.Items); page.Next == "" {
			return n
		}
		cursor = "&cursor=" + page.Next
	}
}
