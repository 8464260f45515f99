package metrics

import (
	"context"
	"errors"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that tests set. It goes on a little whenever it is read.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time {
	c.now = c.now.Add(time.Nanosecond)
	return c.now
}

// fixture is a registry with one metric of each kind, and its store.
type fixture struct {
	*Store
	clock  *clock
	reg    *Registry
	path   string
	mail   *Counter
	logins *Counters
	conns  *Gauges
	size   *float64
	took   *Histogram
}

func open(t *testing.T, path string, now time.Time) *fixture {
	t.Helper()
	r := NewRegistry()
	f := &fixture{clock: &clock{now}, reg: r, path: path, size: new(float64)}
	f.mail = r.Counter("mail.in", "Mail.")
	f.logins = r.Counters(Desc{Name: "logins.ok", Help: "Logins.", Label: "protocol", Values: []string{"imap", "web"}})
	f.conns = r.Gauges(Desc{Name: "connections", Help: "Connections.", Label: "service", Values: []string{"smtp"}})
	r.GaugeFunc("queue.size", "Queue.", func() (float64, bool) { return *f.size, *f.size >= 0 })
	f.took = r.Histogram("delivery", "Time.", []float64{1, 2, 4})
	var err error
	if f.Store, err = Open(path, r, StoreOptions{Now: f.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "metrics.db"), noon)
}

// tick lets d pass and writes.
func (f *fixture) tick(t *testing.T, d time.Duration) {
	t.Helper()
	f.clock.now = f.clock.now.Add(d)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) query(t *testing.T, q Query) Series {
	t.Helper()
	s, err := f.Query(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// same compares numbers, of which NaN is one.
func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func wantColumn(t *testing.T, s Series, column int, want ...float64) {
	t.Helper()
	var got []float64
	equal := len(s.Points) == len(want)
	for i, p := range s.Points {
		got = append(got, p.Values[column])
		equal = equal && same(p.Values[column], want[i])
	}
	if !equal {
		t.Errorf("%s = %v, want %v", s.Names[column], got, want)
	}
}

func TestQueryGivesWhatWasCountedInEachStep(t *testing.T) {
	f := newFixture(t)
	f.mail.Add(3)
	f.logins.Of("imap").Add(2)
	f.logins.Of("gopher").Add(1) // counts as other
	*f.size = 7
	f.took.Observe(1.5)
	f.tick(t, time.Minute)
	f.tick(t, time.Minute) // nothing happens
	f.mail.Add(1)
	f.clock.now = f.clock.now.Add(30 * time.Second) // not written yet
	s := f.query(t, Query{
		Names: []string{"mail.in", "logins.ok", "logins.ok.imap", "queue.size", "delivery.p50"},
		From:  noon.Add(-time.Minute), To: noon.Add(3 * time.Minute), Step: time.Minute,
	})
	nan := math.NaN()
	wantColumn(t, s, 0, nan, 3, 0, 1)
	wantColumn(t, s, 1, nan, 3, 0, 0)
	wantColumn(t, s, 2, nan, 2, 0, 0)
	wantColumn(t, s, 3, nan, 7, 7, 7)
	wantColumn(t, s, 4, nan, 1.5, nan, nan)
	if s.Step != time.Minute || !s.Points[1].Time.Equal(noon) {
		t.Errorf("step %v beginning at %v, want a minute at %v", s.Step, s.Points[1].Time, noon)
	}
}

func TestLongerStepsAddUp(t *testing.T) {
	f := newFixture(t)
	for i := range 25 {
		f.mail.Add(1)
		*f.size = float64(i % 7)
		f.tick(t, time.Minute)
	}
	s := f.query(t, Query{Names: []string{"mail.in", "queue.size"}, From: noon, To: noon.Add(25 * time.Minute), Step: 5 * time.Minute})
	wantColumn(t, s, 0, 5, 5, 5, 5, 5)
	wantColumn(t, s, 1, 4, 6, 6, 5, 6)
	s = f.query(t, Query{Names: []string{"mail.in"}, From: noon, Step: 7 * time.Minute})
	total := 0.0
	for _, p := range s.Points {
		if !math.IsNaN(p.Values[0]) {
			total += p.Values[0]
		}
	}
	if total != 25 {
		t.Errorf("steps of 7 minutes add up to %v, want 25", total)
	}
}

func TestCoarseRowsOutliveFineOnes(t *testing.T) {
	f := newFixture(t)
	f.mail.Add(5)
	f.tick(t, time.Minute)
	for range 24 { // at most expireGroup rows go with each
		f.tick(t, time.Hour)
	}
	for _, tt := range []struct {
		later time.Duration
		rows  map[string]bool // by bucket: the first row is still there
		step  time.Duration   // of a query that reaches back to it
	}{
		{24 * time.Hour, map[string]bool{"1m": true, "10m": true, "1h": true}, time.Minute},
		{3 * 24 * time.Hour, map[string]bool{"1m": false, "10m": true, "1h": true}, 10 * time.Minute},
		{20 * 24 * time.Hour, map[string]bool{"1m": false, "10m": false, "1h": true}, time.Hour},
		{91 * 24 * time.Hour, map[string]bool{"1m": false, "10m": false, "1h": false}, time.Hour},
	} {
		f.clock.now = noon
		f.tick(t, tt.later+time.Minute)
		err := f.db.View(func(tx *bolt.Tx) error {
			for _, l := range levels {
				has := tx.Bucket(l.bucket).Get(stepKey(noon.Truncate(l.step))) != nil
				if has != tt.rows[string(l.bucket)] {
					t.Errorf("after %v the first row of %s is there: %v", tt.later, l.bucket, has)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s := f.query(t, Query{Names: []string{"mail.in"}, From: noon, To: noon.Add(2 * time.Hour), Step: time.Second})
		if s.Step != tt.step && tt.rows["1h"] {
			t.Errorf("after %v the step is %v, want %v", tt.later, s.Step, tt.step)
		}
		if tt.rows["1h"] && s.Points[0].Values[0] != 5 {
			t.Errorf("after %v the first point is %v, want 5", tt.later, s.Points[0])
		}
	}
}

func TestCountsSurviveARestart(t *testing.T) {
	f := newFixture(t)
	f.mail.Add(3)
	f.took.Observe(3)
	f.tick(t, 20*time.Second)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	g := open(t, f.path, noon.Add(25*time.Second))
	g.mail.Add(2)
	g.took.Observe(3)
	g.tick(t, 35*time.Second)
	totals, err := g.Totals(context.Background(), []string{"mail.in", "delivery.p99", "logins.ok"}, noon, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if totals[0] != 5 || totals[1] < 2 || totals[1] > 4 || totals[2] != 0 {
		t.Errorf("totals are %v, want 5, between 2 and 4, 0", totals)
	}
	wantColumn(t, g.query(t, Query{Names: []string{"mail.in"}, From: noon, To: noon.Add(time.Minute), Step: time.Minute}), 0, 5)
}

func TestQueryRefusesWhatIsNotThere(t *testing.T) {
	f := newFixture(t)
	for _, names := range [][]string{nil, {"mail"}, {"mail.in.imap"}, {"logins.ok.gopher"}, {"delivery"}, {"delivery.p42"}, {"mail.in.*"}, {""}, {"."}} {
		if _, err := f.Query(context.Background(), Query{Names: names}); !errors.Is(err, ErrUnknown) {
			t.Errorf("Query(%q) gave %v, want ErrUnknown", names, err)
		}
	}
	s := f.query(t, Query{Names: []string{"connections.*"}})
	if got := strings.Join(s.Names, " "); got != "connections.smtp connections.other" {
		t.Errorf("connections.* is %q", got)
	}
	for _, name := range f.reg.Names() {
		f.query(t, Query{Names: []string{name}})
	}
}

func TestQueryIsBounded(t *testing.T) {
	f := newFixture(t)
	s := f.query(t, Query{Names: []string{"mail.in"}, From: noon.Add(-1000 * 24 * time.Hour), Step: time.Nanosecond})
	if len(s.Points) > maxPoints+1 || s.Step != time.Hour {
		t.Errorf("%d points with step %v, want at most %d by the hour", len(s.Points), s.Step, maxPoints)
	}
	if s := f.query(t, Query{Names: []string{"mail.in"}, From: noon.Add(time.Hour), To: noon.Add(-time.Hour)}); len(s.Points) > 1 {
		t.Errorf("a time that ends before it begins has %d points", len(s.Points))
	}
}

func TestDamagedFileIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, path, noon)
	f.mail.Add(1)
	f.tick(t, time.Minute)
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error(err)
	}
}

func TestQuantile(t *testing.T) {
	bounds := []float64{1, 2, 4}
	for _, tt := range []struct {
		q      float64
		counts []int64
		want   float64
	}{
		{0.5, nil, math.NaN()},
		{0.5, []int64{0, 10, 0, 0}, 1.5},
		{0.95, []int64{0, 10, 0, 0}, 1.95},
		{0.95, []int64{90, 0, 10, 0}, 3},
		{0.5, []int64{0, 0, 0, 3}, 4},
	} {
		if got := quantile(tt.q, bounds, tt.counts); !same(got, tt.want) {
			t.Errorf("quantile(%v, %v) = %v, want %v", tt.q, tt.counts, got, tt.want)
		}
	}
}

func TestWriteText(t *testing.T) {
	f := newFixture(t)
	f.mail.Add(3)
	f.logins.Of("web").Add(2)
	f.conns.Of("smtp").Add(1)
	*f.size = -1 // not known
	f.took.Observe(1.5)
	f.took.Observe(100)
	w := httptest.NewRecorder()
	f.reg.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	want := `# HELP mailstead_mail_in_total Mail.
# TYPE mailstead_mail_in_total counter
mailstead_mail_in_total 3
# HELP mailstead_logins_ok_total Logins.
# TYPE mailstead_logins_ok_total counter
mailstead_logins_ok_total{protocol="imap"} 0
mailstead_logins_ok_total{protocol="web"} 2
mailstead_logins_ok_total{protocol="other"} 0
# HELP mailstead_connections Connections.
# TYPE mailstead_connections gauge
mailstead_connections{service="smtp"} 1
mailstead_connections{service="other"} 0
# HELP mailstead_delivery_seconds Time.
# TYPE mailstead_delivery_seconds histogram
mailstead_delivery_seconds_bucket{le="1"} 0
mailstead_delivery_seconds_bucket{le="2"} 1
mailstead_delivery_seconds_bucket{le="4"} 1
mailstead_delivery_seconds_bucket{le="+Inf"} 2
mailstead_delivery_seconds_sum 101.5
mailstead_delivery_seconds_count 2
`
	if got := w.Body.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := w.Header().Get("Content-Type"); got != TextType {
		t.Errorf("Content-Type %q", got)
	}
}

func TestHealth(t *testing.T) {
	broken := errors.New("disk on fire")
	var told []string
	ready := Readyz(func(name string, err error) { told = append(told, name+": "+err.Error()) },
		Probe{"store", func(context.Context) error { return nil }}, Probe{"queue", func(context.Context) error { return broken }})
	for _, tt := range []struct {
		path string
		code int
		body string
	}{{"/healthz", 200, "ok\n"}, {"/readyz", 503, "not ready: queue\n"}} {
		w := httptest.NewRecorder()
		h := ready
		if tt.path == "/healthz" {
			h = Healthz()
		}
		h.ServeHTTP(w, httptest.NewRequest("GET", tt.path, nil))
		if w.Code != tt.code || w.Body.String() != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.path, w.Code, w.Body, tt.code, tt.body)
		}
	}
	if len(told) != 1 || told[0] != "queue: disk on fire" {
		t.Errorf("told %q", told)
	}
}

func TestServerMetricsAreKnown(t *testing.T) {
	s := New()
	s.AddDisk(t.TempDir())
	for _, name := range []string{"memory.rss", "goroutines", "disk.used", "disk.free"} {
		if v := s.snapshot()[name].value; v <= 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
}

func FuzzReadRow(f *testing.F) {
	b := appendSample([]byte{rowVersion}, 1, sample{kind: counterKind, count: 300})
	b = appendSample(b, 2, sample{kind: gaugeKind, value: 1.5})
	f.Add(appendSample(b, 3, sample{kind: histogramKind, counts: []int64{0, 1, 1000}}))
	f.Add([]byte{rowVersion, 1, 3, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, row []byte) {
		n := 0
		err := readRow(row, func(uint16) bool { return true }, func(_ uint16, s sample) {
			n++
			if len(s.counts) > maxClasses || s.count < 0 {
				t.Errorf("read %+v", s)
			}
		})
		if err == nil && n > len(row) {
			t.Errorf("%d samples in %d octets", n, len(row))
		}
	})
}

func BenchmarkCount(b *testing.B) {
	s := New()
	for b.Loop() {
		s.MailIn.Add(1)
		s.LoginsOK.Of("imap").Add(1)
		s.Delivery.Observe(0.7)
	}
}
