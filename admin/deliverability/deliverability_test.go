package deliverability

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/queue"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fixture is a book in a file of metrics.
type fixture struct {
	*Book
	now  time.Time
	days *metrics.Days
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{now: noon}
	clock := func() time.Time { return f.now }
	s, err := metrics.Open(filepath.Join(t.TempDir(), "metrics.db"), metrics.NewRegistry(), metrics.StoreOptions{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f.days = s.Days("deliverability")
	f.reopen(t)
	return f
}

func (f *fixture) reopen(t *testing.T) {
	t.Helper()
	var err error
	if f.Book, err = Open(context.Background(), f.days, Options{Now: func() time.Time { return f.now }}); err != nil {
		t.Fatal(err)
	}
}

// observe counts n recipients with the same end.
func (f *fixture) observe(n int, domain mail.Domain, mx, outcome, reply, tls string) {
	f.attempt(n, domain, mx, outcome, reply, tls, 1)
}

func (f *fixture) attempt(n int, domain mail.Domain, mx, outcome, reply, tls string, attempt int) {
	for i := range n {
		status := mail.StatusUnclassified
		if words := strings.Fields(reply); len(words) > 1 {
			if s, err := mail.ParseStatus(words[1]); err == nil {
				status = s
			}
		}
		f.Observe(queue.Observation{Time: f.now, Created: f.now, To: mail.Path{Local: fmt.Sprint("u", i), Domain: domain}, Outcome: outcome,
			Status: status, Attempt: attempt, MX: mx, TLS: tls, Reply: reply, Text: reply})
	}
}

const (
	google    = "gmail-smtp-in.l.google.com"
	microsoft = "outlook-com.olc.protection.outlook.com"
	accepted  = "250 2.0.0 ok"
	slowed    = "451 4.7.650 The mail server [203.0.113.5] has been temporarily rate limited due to IP reputation (S775)"
	blocked   = "550 5.7.1 Unfortunately, messages from [203.0.113.5] weren't sent to kim@outlook.com, block list (S3150)."
	greylist  = "451 4.7.1 Greylisted"
	gone      = "550 5.1.1 no such user"
)

func TestProviders(t *testing.T) {
	for _, tt := range []struct {
		name  string
		feed  func(f *fixture)
		id    string
		state State
		text  string // parts of it
		check func(h *Health) bool
	}{
		{"good", func(f *fixture) {
			f.observe(30, "gmail.com", google, "delivered", accepted, "TLS1.3")
			f.observe(30, "firm.example", google, "delivered", accepted, "")
			f.observe(10, "gmail.com", google, "bounced", gone, "TLS1.3")
		}, "gmail", OK, "Accepts 60 of 60", func(h *Health) bool {
			return h.Sent == 70 && h.Unknown == 10 && h.TLSShare == 0.5 && h.AcceptedShare == 1 && slices.Equal(h.Domains, []string{"gmail.com", "firm.example"})
		}},
		{"not enough", func(f *fixture) { f.observe(19, "gmail.com", google, "delivered", accepted, "") }, "gmail", Unknown, "Not enough mail to say: 19", nil},
		{"greylisting is no harm", func(f *fixture) {
			f.observe(40, "gmail.com", google, "deferred", greylist, "")
			f.attempt(40, "gmail.com", google, "delivered", accepted, "", 2)
		}, "gmail", OK, "Accepts 40 of 40", func(h *Health) bool { return h.Deferred == 40 && h.Slowed == 0 && h.Sent == 40 }},
		{"slowed down", func(f *fixture) {
			f.observe(12, "outlook.com", microsoft, "deferred", slowed, "")
			f.attempt(12, "outlook.com", microsoft, "deferred", slowed, "", 2) // again: counts once
			f.observe(40, "outlook.com", microsoft, "delivered", accepted, "")
		}, "microsoft", Warn, "Slows 12 of 52 down. Microsoft does not trust our address yet", func(h *Health) bool { return h.Deferred == 12 && h.Fix != "" }},
		{"slowed down, and nothing accepted", func(f *fixture) { f.observe(25, "outlook.com", microsoft, "deferred", slowed, "") }, "microsoft", Warn, "Slows 25 of 25", nil},
		{"blocked", func(f *fixture) {
			f.observe(20, "outlook.com", microsoft, "bounced", blocked, "")
			f.observe(20, "outlook.com", microsoft, "delivered", accepted, "")
		}, "microsoft", Fail, "Refuses 20 of 40. Microsoft blocks our IP address", func(h *Health) bool {
			r := h.LastReplies
			return len(r) == maxDayReplies && r[0].Code == 550 && r[0].Cause == "blocked-ip" && !strings.Contains(r[0].Text, "kim@") && strings.Contains(r[0].Text, "S3150")
		}},
		{"a small one by itself", func(f *fixture) { f.observe(25, "a.example", "mx1.mail.hoster.test", "delivered", accepted, "") }, "mx:hoster.test", OK, "Accepts 25", nil},
		{"many small ones together", func(f *fixture) {
			for i := range 10 {
				f.observe(3, "a.example", fmt.Sprintf("mx.h%d.test", i), "delivered", accepted, "")
			}
		}, "others", OK, "Accepts 30 of 30", nil},
		{"more operators than are told apart", func(f *fixture) {
			for i := range maxOperators + 20 {
				f.observe(1, "a.example", fmt.Sprintf("mx.h%d.test", i), "delivered", accepted, "")
			}
		}, "others", OK, "Accepts 120 of 120", nil},
		{"old days do not count", func(f *fixture) {
			f.observe(100, "outlook.com", microsoft, "bounced", blocked, "")
			f.now = f.now.AddDate(0, 0, 40)
			f.observe(20, "outlook.com", microsoft, "delivered", accepted, "")
		}, "microsoft", OK, "Accepts 20 of 20", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			tt.feed(f)
			for _, kept := range []string{"in memory", "read again"} {
				i := slices.IndexFunc(f.Providers(), func(h Health) bool { return h.ID == tt.id })
				if i < 0 {
					t.Fatalf("%s: there is no %s: %+v", kept, tt.id, f.Providers())
				}
				h := f.Providers()[i]
				if h.State != tt.state || !strings.Contains(h.Text, tt.text) || tt.check != nil && !tt.check(&h) {
					t.Errorf("%s: %+v", kept, h)
				}
				if err := f.Save(); err != nil {
					t.Fatal(err)
				}
				f.reopen(t)
			}
		})
	}
}

// TestWhatDoesNotCount is mail that says nothing about how others like us.
func TestWhatDoesNotCount(t *testing.T) {
	f := newFixture(t)
	f.observe(50, "gmail.com", "", "deferred", "", "")
	f.observe(50, "gmail.com", google, "deferred", "", "")
	f.Observe(queue.Observation{Time: f.now, Local: true, Outcome: "delivered", MX: "mx.ours.test", Reply: accepted})
	if p := f.Providers(); len(p) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestScoreIsTheSumOfItsRows(t *testing.T) {
	all := map[string]Finding{}
	for _, id := range RowIDs() {
		all[id] = Finding{State: OK, Text: "fine"}
	}
	mixed := map[string]Finding{
		"identity.spf": {State: OK, Text: "fine"}, "identity.dkim": {State: Warn, Text: "one key only"}, "identity.dmarc": {State: Fail, Text: "none", Fix: "publish"},
		"identity.ptr": {State: OK}, "identity.helo": {State: OK}, "lists.ip": {State: Unknown, Text: "the list did not answer"},
	}
	feed := func(f *fixture) {
		for i := range 10 {
			f.now = noon.AddDate(0, 0, i)
			f.observe(20, "gmail.com", google, "delivered", accepted, "TLS1.3")
			f.observe(10, "outlook.com", microsoft, "delivered", accepted, "TLS1.3")
		}
	}
	for _, tt := range []struct {
		name      string
		findings  map[string]Finding
		feed      func(*fixture)
		score, of float64
		verdict   string
	}{
		{"nothing is known", nil, func(*fixture) {}, 0, 0, "Not enough is known"},
		{"all is well", all, feed, 100, 100, "good"},
		{"no mail yet", all, func(*fixture) {}, 61, 61, "good"},
		{"some", mixed, feed, 6 + 4 + 0 + 6 + 4 + 30 + 4 + 5, 30 + 30 + 4 + 5, "fair. Most would help: DMARC"},
		{"blocked by one of two", all, func(f *fixture) {
			f.observe(40, "gmail.com", google, "delivered", accepted, "TLS1.3")
			f.observe(40, "outlook.com", microsoft, "bounced", blocked, "")
		}, 61 + 15 + 4 + 3, 61 + 30 + 4 + 3, "fair. Most would help: Microsoft"},
		{"plain text and old addresses", all, func(f *fixture) {
			f.observe(40, "gmail.com", google, "delivered", accepted, "")
			f.observe(4, "gmail.com", google, "bounced", gone, "")
		}, 61 + 30, 61 + 30 + 4 + 3, "good"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			tt.feed(f)
			r := f.Score(tt.findings)
			if r.Score != tt.score || r.Of != tt.of || !strings.Contains(r.Verdict, tt.verdict) {
				t.Errorf("%v of %v: %s; want %v of %v: %s", r.Score, r.Of, r.Verdict, tt.score, tt.of, tt.verdict)
			}
			var score, of, nominal float64
			ids := map[string]bool{}
			for _, row := range r.Rows {
				if ids[row.ID] || row.Points < 0 || row.Points > row.Of || row.State == Unknown && row.Points > 0 || row.Title == "" {
					t.Errorf("row %+v", row)
				}
				ids[row.ID] = true
				nominal += row.Of
				if row.State != Unknown {
					score, of = score+row.Points, of+row.Of
				}
			}
			if math.Abs(score-r.Score) > 0.001 || math.Abs(of-r.Of) > 0.001 || math.Abs(nominal-100) > 0.001 {
				t.Errorf("the rows add up to %v of %v of %v", score, of, nominal)
			}
		})
	}
}

// TestFindings: the worst of several counts, and an unknown one is no harm.
func TestFindings(t *testing.T) {
	f := Findings([]checks.Result{
		{ID: "ptr.v4", State: checks.OK, Saw: "v4 is fine"}, {ID: "ptr.v6", State: checks.Warn, Saw: "v6 has no name", Fix: "set it"},
		{ID: "hostname", State: checks.OK, Saw: "it leads here"}, {ID: "clock", State: checks.Fail},
		{ID: "blocklist.a.test", State: checks.OK, Saw: "not on it"}, {ID: "blocklist.b.test", State: checks.Unknown, Saw: "no answer"},
	}, []dnsadvice.Report{
		{Domain: "one.test", Groups: []dnsadvice.GroupView{{Records: []dnsadvice.Record{
			{ID: "spf", State: dnsadvice.OK, Text: "right"}, {ID: "dkim-a", State: dnsadvice.OK}, {ID: "dkim-b", State: dnsadvice.Missing, Name: "b._domainkey.one.test"},
			{ID: "mx", State: dnsadvice.Wrong}, {ID: "dmarc", State: dnsadvice.Unknown, Text: "no answer"},
		}}}},
		{Domain: "two.test", Groups: []dnsadvice.GroupView{{Records: []dnsadvice.Record{
			{ID: "spf", State: dnsadvice.Wrong, Name: "two.test", Text: "two of them", Have: []string{"v=spf1 -all", "v=spf1 mx"}},
			{ID: "tls-rpt", State: dnsadvice.Missing, Optional: true},
		}}}},
	})
	want := map[string]State{"identity.ptr": Warn, "identity.helo": OK, "lists.ip": OK, "identity.spf": Fail, "identity.dkim": Fail, "identity.dmarc": Unknown, "tls.report": Warn}
	for id, state := range want {
		if f[id].State != state || (state == Fail) != (strings.HasPrefix(f[id].Fix, "Publish")) && id != "tls.report" {
			t.Errorf("%s: %+v, want %s", id, f[id], state)
		}
		if !slices.Contains(RowIDs(), id) {
			t.Errorf("Score knows no row %s", id)
		}
	}
	if len(f) != len(want) {
		t.Errorf("%d findings: %+v", len(f), f)
	}
	if got := f["identity.spf"]; got.Text != "two.test: two of them" || got.Evidence != "v=spf1 -all\nv=spf1 mx" {
		t.Errorf("%+v", got)
	}
}

func TestSpikes(t *testing.T) {
	for _, tt := range []struct {
		most int
		want State
	}{{40, OK}, {120, Warn}, {300, Fail}} {
		f := newFixture(t)
		for i := range 10 {
			f.now = noon.AddDate(0, 0, i)
			n := 20
			if i == 5 {
				n = tt.most
			}
			f.observe(n, "gmail.com", google, "delivered", accepted, "")
		}
		if row := f.spikes(); row.State != tt.want || (row.Fix == "") != (tt.want == OK) {
			t.Errorf("%d on one day: %+v", tt.most, row)
		}
	}
}

func TestSavedDaysAreBounded(t *testing.T) {
	f := newFixture(t)
	for range 100 {
		for i := range maxOperators + 10 {
			f.observe(3, mail.Domain(fmt.Sprintf("d%d.example", i)), fmt.Sprintf("mx.h%d.test", i), "bounced", blocked+strings.Repeat(" no", 500), "")
		}
		f.now = f.now.Add(day)
	}
	if err := f.Save(); err != nil {
		t.Fatal(err)
	}
	days := 0
	err := f.days.All(context.Background(), func(_ time.Time, value []byte) error {
		days++
		if len(value) > 256<<10 {
			t.Errorf("a day has %d octets", len(value))
		}
		return nil
	})
	if days > keepDays+1 || len(f.byDay) > keepDays+1 || err != nil {
		t.Errorf("%d days in the file, %d in memory, %v", days, len(f.byDay), err)
	}
}

func BenchmarkObserve(b *testing.B) {
	f := &fixture{now: noon, Book: &Book{opts: Options{Now: func() time.Time { return noon }}, byDay: map[time.Time]map[string]*Counts{}, dirty: map[time.Time]bool{}}}
	for b.Loop() {
		f.observe(1, "gmail.com", google, "delivered", accepted, "TLS1.3")
	}
}
