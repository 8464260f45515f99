package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

// crashStore is a store whose process dies at the n-th write: before it, or
// after it was made durable but before anybody heard of that.
type crashStore struct {
	store.Store
	mu    sync.Mutex
	n     int
	after bool
	dead  bool
}

// write counts a write; do says whether it is made, and ok whether the caller
// hears that it was.
func (s *crashStore) write() (do, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return false, false
	}
	s.n--
	s.dead = s.n == 0
	return !s.dead || s.after, !s.dead
}

func (s *crashStore) isDead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

func (s *crashStore) Accept(ctx context.Context, m *store.Message) (store.Ref, error) {
	do, ok := s.write()
	if !do {
		return store.Ref{}, store.ErrFailed
	}
	ref, err := s.Store.Accept(ctx, m)
	if !ok {
		return store.Ref{}, store.ErrFailed
	}
	return ref, err
}

func (s *crashStore) Update(ctx context.Context, o store.Owner, fn func(store.RW) error) error {
	do, ok := s.write()
	if !do {
		return store.ErrFailed
	}
	err := s.Store.Update(ctx, o, fn)
	if !ok {
		return store.ErrFailed
	}
	return err
}

func (s *crashStore) View(ctx context.Context, o store.Owner, fn func(store.Tx) error) error {
	if s.isDead() {
		return store.ErrFailed
	}
	return s.Store.View(ctx, o, fn)
}

// The process dies at every write there is. Afterwards nothing is lost,
// each failure was reported once, and a message went out twice only where
// its delivery could not be written down any more.
func TestCrashAtEveryWrite(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			crashed := false
			t.Run(fmt.Sprintf("write %d after %v", n, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { crashed = crashAt(t, n, after) })
			})
			if !crashed {
				if n < 10 {
					t.Fatalf("only %d writes", n-1)
				}
				break
			}
			if t.Failed() {
				return
			}
		}
	}
}

// crashAt plays the scenario and reports whether there was an n-th write.
func crashAt(t *testing.T, n int, after bool) bool {
	f := newFixture(t, Options{Schedule: []time.Duration{time.Minute}, Parallel: 1})
	f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
		switch {
		case r.Path == cy:
			return Result{Err: errNever}
		case r.Path == di && d.Attempt < 3:
			return Result{Err: errLater}
		}
		return Result{}
	}
	disk := f.eng
	f.enqueueEnvelope(mail.Envelope{ReversePath: ana, Recipients: []mail.Recipient{
		{Path: bo, Notify: mail.NotifySuccess}, {Path: cy}, {Path: di, Notify: mail.NotifySuccess | mail.NotifyFailure}}})
	f.enqueue(ana, cy)
	broken := &crashStore{Store: disk, n: n, after: after}
	f.eng = broken
	f.start()
	time.Sleep(time.Hour)
	f.stop()
	f.eng = disk
	f.start()
	time.Sleep(time.Hour)
	f.stop()
	f.wantEmpty()

	if len(f.remote.to(bo)) < 1 || len(f.remote.to(bo)) > 2 {
		t.Errorf("bo: %d deliveries", len(f.remote.to(bo)))
	}
	done := slices.DeleteFunc(f.remote.to(di), func(c call) bool { return c.err != nil })
	if len(done) < 1 || len(done) > 2 {
		t.Errorf("di: %d deliveries", len(done))
	}
	reports := map[ID]int{}
	for _, c := range f.remote.to(ana) {
		reports[c.id]++
	}
	if len(reports) != 4 { // bo relayed, cy failed, di relayed, and cy of the other message
		t.Errorf("%d reports: %v", len(reports), reports)
	}
	twice := 0
	for _, n := range reports {
		twice += n - 1
	}
	if twice += len(f.remote.to(bo)) - 1 + len(done) - 1; twice > 1 {
		t.Errorf("one crash made %d doubles: %+v", twice, f.remote.all())
	}
	return broken.isDead()
}

// An Accept may be durable although it failed, and be tried again: the second
// copy of the report is thrown away.
func TestReportAcceptedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			if r.Path == bo {
				return Result{Err: errNever}
			}
			return Result{}
		}
		f.eng = &repeatingStore{f.eng}
		f.start()
		f.enqueue(ana, bo)
		time.Sleep(time.Hour)
		if n := len(f.remote.to(ana)); n != 1 {
			t.Errorf("%d reports", n)
		}
		f.wantEmpty()
	})
}

// repeatingStore accepts reports twice.
type repeatingStore struct{ store.Store }

func (s *repeatingStore) Accept(ctx context.Context, m *store.Message) (store.Ref, error) {
	if e, err := decodeEntry(m.To[0].Extra); err == nil && e.reports != "" {
		again := *m
		again.Body, again.Size = strings.NewReader("again"), -1
		if _, err := s.Store.Accept(ctx, &again); err != nil {
			return store.Ref{}, err
		}
	}
	return s.Store.Accept(ctx, m)
}

// When the disk is full a report is made later.
func TestReportWhenDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			if r.Path == bo {
				return Result{Err: errNever}
			}
			return Result{}
		}
		f.enqueue(ana, bo)
		full := &fullStore{Store: f.eng}
		f.eng = full
		full.set(true)
		f.start()
		time.Sleep(10 * time.Minute)
		if n := len(f.remote.to(ana)); n != 0 || f.rows()[bucketOwed] != 1 {
			t.Errorf("%d reports, rows %v", n, f.rows())
		}
		full.set(false)
		time.Sleep(reportRetry)
		synctest.Wait()
		if n := len(f.remote.to(ana)); n != 1 {
			t.Errorf("%d reports", n)
		}
		f.wantEmpty()
	})
}

type fullStore struct {
	store.Store
	mu   sync.Mutex
	full bool
}

func (s *fullStore) set(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

func (s *fullStore) Accept(ctx context.Context, m *store.Message) (store.Ref, error) {
	s.mu.Lock()
	full := s.full
	s.mu.Unlock()
	if full {
		return store.Ref{}, store.ErrFull
	}
	return s.Store.Accept(ctx, m)
}

// gate counts attempts at once.
type gate struct {
	mu       sync.Mutex
	now, max map[mail.Domain]int
	order    []mail.Domain
	hold     chan struct{}
}

func (g *gate) Deliver(ctx context.Context, d *Delivery) []Result {
	g.mu.Lock()
	for _, k := range []mail.Domain{d.Domain, ""} {
		g.now[k]++
		g.max[k] = max(g.max[k], g.now[k])
	}
	g.order = append(g.order, d.Domain)
	g.mu.Unlock()
	<-g.hold
	g.mu.Lock()
	g.now[d.Domain]--
	g.now[""]--
	g.mu.Unlock()
	return make([]Result, len(d.Envelope.Recipients))
}

// No more attempts at once than allowed, in all and for a domain; a domain
// with more jobs than fit in memory does not keep others waiting.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{Parallel: 7, PerDomain: 3})
		g := &gate{now: map[mail.Domain]int{}, max: map[mail.Domain]int{}, hold: make(chan struct{})}
		const many = laneLimit*2 + 100
		for range many {
			f.enqueue(ana, bo)
		}
		for i := range 20 {
			f.enqueue(ana, mail.Path{Local: "x", Domain: mail.Domain(fmt.Sprintf("d%d.example", i))})
		}
		f.Queue = New(f.eng, g, f.opts)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		synctest.Wait()
		if g.now[""] != 7 {
			t.Errorf("at once: %v", g.now)
		}
		if n := len(f.sched.known); n > laneLimit+30 {
			t.Errorf("%d jobs in memory", n)
		}
		for range many + 20 {
			g.hold <- struct{}{}
			synctest.Wait()
		}
		f.wantEmpty()
		if g.max[""] != 7 || g.max[bo.Domain] != 3 {
			t.Errorf("at once: %v", g.max)
		}
		for i, d := range g.order {
			if d == "d19.example" && i > 60 {
				t.Errorf("the last of the small domains came as number %d", i)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(f.sched.known)+len(f.sched.lanes)+len(f.sched.active)+len(f.sched.ready) != 0 {
			t.Errorf("scheduler keeps %+v", &f.sched)
		}
	})
}

// The clock is set back: what was scheduled before is found nevertheless.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back time.Duration
		var mu sync.Mutex
		f := newFixture(t, Options{Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(-back)
		}})
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			mu.Lock()
			defer mu.Unlock()
			if back == 0 {
				back = time.Hour
				return Result{Err: errLater}
			}
			return Result{}
		}
		f.start()
		f.enqueue(ana, bo)
		time.Sleep(10 * time.Minute)
		if n := len(f.remote.to(bo)); n != 2 {
			t.Errorf("%d attempts", n)
		}
		f.wantEmpty()
	})
}

// What is told of a message, in its own trace and that of the report.
func TestTrace(t *testing.T) {
	log, err := trace.Open(t.TempDir()+"/trace.db", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	f := newFixture(t, Options{Trace: log})
	reported := make(chan ID, 1)
	f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
		if d.Envelope.ReversePath.IsNull() {
			reported <- d.ID
			return Result{}
		}
		return Result{Err: errNever, Reply: "550 5.1.1 no such user", RemoteName: "mx.example.net", TLS: "TLS1.3",
			Dialogue: []trace.Event{{Time: time.Now(), Kind: trace.Dialogue, Text: "RCPT → 550"}}}
	}
	f.start()
	id := f.enqueue(ana, bo)
	about := <-reported
	f.stop()
	if err := log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id      ID
		outcome string
		kinds   string
		words   []string
	}{
		{id, "bounced", "dialogue attempt report done", []string{"bo@example.net bounced by mx.example.net: 550 5.1.1 no such user", string(about)}},
		{about, "delivered", "queued attempt done", []string{string(id)}},
	} {
		tr, err := log.Show(t.Context(), tt.id)
		if err != nil {
			t.Fatal(err)
		}
		var kinds, texts []string
		for _, e := range tr.Events {
			kinds, texts = append(kinds, string(e.Kind)), append(texts, e.Text)
		}
		if tr.Outcome != tt.outcome || strings.Join(kinds, " ") != tt.kinds {
			t.Errorf("%s: %s, %q", tt.id, tr.Outcome, texts)
		}
		for _, w := range tt.words {
			if !strings.Contains(strings.Join(texts, "\n"), w) {
				t.Errorf("%s: %q has no %q", tt.id, texts, w)
			}
		}
	}
}

// While the result of a delivery cannot be written down, writing is what is
// tried again, not the delivery.
func TestResultWhenDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{Parallel: 1})
		f.enqueue(ana, bo)
		f.enqueue(ana, di)
		full := &fullRows{Store: f.eng}
		full.full.Store(true)
		f.eng = full
		f.start()
		time.Sleep(24 * time.Hour)
		if n := len(f.remote.all()); n != 1 {
			t.Errorf("%d deliveries", n)
		}
		full.full.Store(false)
		time.Sleep(rememberRetry)
		synctest.Wait()
		if len(f.remote.to(bo)) != 1 || len(f.remote.to(di)) != 1 {
			t.Errorf("deliveries: %+v", f.remote.all())
		}
		f.wantEmpty()
	})
}

type fullRows struct {
	store.Store
	full atomic.Bool
}

func (s *fullRows) Update(ctx context.Context, o store.Owner, fn func(store.RW) error) error {
	if s.full.Load() {
		return store.ErrFull
	}
	return s.Store.Update(ctx, o, fn)
}

// A job whose rows could not be read is not forgotten.
func TestRowsUnreadableForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.enqueue(ana, bo)
		shy := &shyStore{Store: f.eng}
		f.eng = shy
		f.start()
		synctest.Wait()
		if !shy.failed || len(f.remote.to(bo)) != 0 {
			t.Errorf("failed %v, %+v", shy.failed, f.remote.all())
		}
		time.Sleep(rereadAfter + maxSleep)
		synctest.Wait()
		if len(f.remote.to(bo)) != 1 {
			t.Errorf("deliveries: %+v", f.remote.all())
		}
		f.wantEmpty()
	})
}

// shyStore fails the first View that reads a job.
type shyStore struct {
	store.Store
	mu     sync.Mutex
	failed bool
}

func (s *shyStore) View(ctx context.Context, o store.Owner, fn func(store.Tx) error) error {
	return s.Store.View(ctx, o, func(tx store.Tx) error { return fn(&shyTx{tx, s}) })
}

type shyTx struct {
	store.Tx
	s *shyStore
}

func (tx *shyTx) Get(b store.Bucket, key []byte) []byte {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	if b == bucketJob && !tx.s.failed {
		tx.s.failed = true
		return []byte{rowVersion + 1}
	}
	return tx.Tx.Get(b, key)
}
