package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/mailbox/store/memstore"
)

var (
	ana = mail.Path{Local: "ana", Domain: "example.org"}
	bo  = mail.Path{Local: "bo", Domain: "example.net"}
	cy  = mail.Path{Local: "cy", Domain: "example.net"}
	di  = mail.Path{Local: "di", Domain: "example.com"}

	errLater = &mail.Error{Status: mail.Status{Class: 4, Subject: 7, Detail: 1}, Text: "greylisted"}
	errNever = mail.Errorf(mail.StatusNoSuchMailbox, "no such user")
)

// remote is the world outside: it answers for each recipient what answer
// says, and remembers.
type remote struct {
	answer func(d *Delivery, r mail.Recipient) Result

	mu    sync.Mutex
	calls []call
}

// call is one recipient of one Deliver.
type call struct {
	id      ID
	to      mail.Path
	from    mail.Path
	at      time.Time
	attempt int
	traits  message.Traits
	body    string
	err     error
}

func (w *remote) Deliver(ctx context.Context, d *Delivery) []Result {
	body := ""
	if b, err := d.Open(ctx); err == nil {
		text, _ := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		body = string(text)
		b.Close()
	}
	var results []Result
	for _, r := range d.Envelope.Recipients {
		res := Result{Reply: "250 2.0.0 ok", RemoteName: "mx." + string(d.Domain)}
		if w.answer != nil {
			res = w.answer(d, r)
		}
		w.mu.Lock()
		w.calls = append(w.calls, call{d.ID, r.Path, d.Envelope.ReversePath, time.Now(), d.Attempt, d.Traits, body, res.Err})
		w.mu.Unlock()
		results = append(results, res)
	}
	return results
}

func (w *remote) all() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// to returns the calls for one recipient.
func (w *remote) to(p mail.Path) []call {
	return slices.DeleteFunc(w.all(), func(c call) bool { return c.to != p })
}

// fixture is a queue with what is around it.
type fixture struct {
	t      *testing.T
	eng    store.Store
	remote *remote
	opts   Options
	*Queue
	stop func()
	ids  int
	told told
}

// told is a log handler that remembers which reports were made.
type told struct {
	mu      sync.Mutex
	actions []string
}

func (h *told) Enabled(context.Context, slog.Level) bool { return true }
func (h *told) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *told) WithGroup(string) slog.Handler            { return h }

func (h *told) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if r.Message == "report queued" && a.Key == "action" {
			h.actions = append(h.actions, a.Value.String())
		}
		return true
	})
	return nil
}

func (h *told) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.actions, " ")
}

func newFixture(t *testing.T, opts Options) *fixture {
	f := &fixture{t: t, eng: memstore.New(Apply), remote: &remote{}, opts: opts, stop: func() {}}
	f.opts.Hostname = "mx.example.org"
	f.opts.Logger = slog.New(&f.told)
	if f.opts.Rand == nil {
		f.opts.Rand = func() float64 { return 0.5 } // no jitter
	}
	return f
}

// start runs a queue on the rows that are there.
func (f *fixture) start() {
	f.Queue = New(f.eng, f.remote, f.opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(f.stop)
}

func (f *fixture) enqueue(from mail.Path, to ...mail.Path) ID {
	env := mail.Envelope{ReversePath: from}
	for _, p := range to {
		env.Recipients = append(env.Recipients, mail.Recipient{Path: p})
	}
	return f.enqueueEnvelope(env)
}

func (f *fixture) enqueueEnvelope(env mail.Envelope) ID {
	f.t.Helper()
	f.ids++
	id := trace.NewID(time.Now(), strings.NewReader(fmt.Sprintf("%04d", f.ids)))
	q := f.Queue
	if q == nil {
		q = New(f.eng, f.remote, f.opts)
	}
	if err := q.Enqueue(f.t.Context(), id, env, nil, strings.NewReader(testBody), int64(len(testBody))); err != nil {
		f.t.Fatal(err)
	}
	return id
}

const testBody = "From: ana@example.org\r\nSubject: hi\r\n\r\nHello\r\n"

// rows counts the rows that are left, but for the state.
func (f *fixture) rows() map[store.Bucket]int {
	n := map[store.Bucket]int{}
	err := f.eng.View(context.Background(), store.Queue, func(tx store.Tx) error {
		for _, b := range []store.Bucket{bucketItem, bucketJob, bucketFresh, bucketNext, bucketOwed} {
			for range tx.Scan(b, nil, nil) {
				n[b]++
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f *fixture) wantEmpty() {
	f.t.Helper()
	if rows := f.rows(); len(rows) != 0 {
		f.t.Errorf("rows are left: %v", rows)
	}
}

func TestDeliverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.start()
		f.enqueue(ana, bo, di, cy)
		synctest.Wait()
		calls := f.remote.all()
		if len(calls) != 3 || len(f.remote.to(bo)) != 1 || len(f.remote.to(cy)) != 1 || len(f.remote.to(di)) != 1 {
			t.Fatalf("calls: %v", calls)
		}
		for _, c := range calls {
			if c.body != testBody || c.from != ana || c.attempt != 1 {
				t.Errorf("%+v", c)
			}
		}
		f.wantEmpty()
	})
}

// Five days of retries, with the delay notice and the failure report.
func TestFiveDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			if d.Envelope.ReversePath.IsNull() {
				return Result{}
			}
			return Result{Err: errLater, Reply: "451 4.7.1 greylisted", RemoteName: "mx.example.net"}
		}
		start := time.Now()
		f.start()
		f.enqueue(ana, bo)
		time.Sleep(6 * 24 * time.Hour)
		synctest.Wait()

		var at []time.Duration
		for _, c := range f.remote.to(bo) {
			at = append(at, c.at.Sub(start))
			if c.attempt != len(at) {
				t.Errorf("attempt %d is called %d", len(at), c.attempt)
			}
		}
		m, h := time.Minute, time.Hour
		want := []time.Duration{0, 5 * m, 15 * m, 35 * m, 75 * m, 155 * m, 240 * m, 480 * m, 480*m + 5*h}
		for d := 19 * h; d < 120*h; d += 6 * h {
			want = append(want, d)
		}
		want = append(want, 120*h)
		if !slices.Equal(at, want) {
			t.Errorf("attempts at\n%v, want\n%v", at, want)
		}
		reports := f.remote.to(ana)
		if len(reports) != 2 || reports[0].at.Sub(start) != 4*h || reports[1].at.Sub(start) != 120*h {
			t.Fatalf("reports: %+v", reports)
		}
		if !reports[0].from.IsNull() || !reports[1].from.IsNull() || f.told.String() != "delayed failed" {
			t.Errorf("reports from %v and %v: %s", reports[0].from, reports[1].from, &f.told)
		}
		f.wantEmpty()
	})
}

func TestJitter(t *testing.T) {
	created := time.Unix(1e9, 0)
	for _, tt := range []struct {
		rand float64
		want time.Duration
	}{{0, 90 * time.Second}, {0.5, 100 * time.Second}, {0.75, 105 * time.Second}} {
		o := Options{Schedule: []time.Duration{100 * time.Second}, Rand: func() float64 { return tt.rand }}.withDefaults()
		if got := o.nextAttempt(&item{created: created}, &job{}, 7, created); got.Sub(created) != tt.want {
			t.Errorf("rand %v: next attempt after %v", tt.rand, got.Sub(created))
		}
	}
	o := Options{Schedule: []time.Duration{0}, DelayNotice: -1}.withDefaults()
	if got := o.nextAttempt(&item{created: created}, &job{}, 1, created); got.Sub(created) != minGap {
		t.Errorf("without a gap: next attempt after %v", got.Sub(created))
	}
}

// The recipients of a domain go their own ways.
func TestPerRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			switch {
			case r.Path == bo && d.Attempt == 1:
				return Result{Err: errLater}
			case r.Path == cy:
				return Result{Err: errNever, Reply: "550 5.1.1 no such user", RemoteName: "mx.example.net"}
			}
			return Result{}
		}
		f.start()
		f.enqueue(ana, bo, cy, di)
		synctest.Wait()
		if n := len(f.remote.to(ana)); n != 1 {
			t.Errorf("%d reports after the first attempt", n)
		}
		time.Sleep(time.Hour)
		if len(f.remote.to(bo)) != 2 || len(f.remote.to(cy)) != 1 || len(f.remote.to(di)) != 1 || len(f.remote.to(ana)) != 1 {
			t.Errorf("calls: %+v", f.remote.all())
		}
		if got := f.told.String(); got != "failed" {
			t.Errorf("reports: %s", got)
		}
		f.wantEmpty()
	})
}

// What the sender asked for (RFC 3461 section 4.1) against what happened.
func TestReports(t *testing.T) {
	const none = mail.Notify(0)
	later, never := Result{Err: errLater}, Result{Err: errNever}
	for _, tt := range []struct {
		name   string
		notify mail.Notify
		from   mail.Path
		result Result
		want   string // actions of the reports
	}{
		{"relayed, nothing asked", none, ana, Result{}, ""},
		{"relayed, success asked", mail.NotifySuccess, ana, Result{}, "relayed"},
		{"relayed to one who reports", mail.NotifySuccess, ana, Result{RelaysDSN: true}, ""},
		{"relayed, failure asked", mail.NotifyFailure, ana, Result{}, ""},
		{"relayed, never", mail.NotifyNever, ana, Result{}, ""},
		{"failed, nothing asked", none, ana, never, "failed"},
		{"failed, failure asked", mail.NotifyFailure, ana, never, "failed"},
		{"failed, success asked", mail.NotifySuccess, ana, never, ""},
		{"failed, delay asked", mail.NotifyDelay, ana, never, ""},
		{"failed, never", mail.NotifyNever, ana, never, ""},
		{"failed from nobody", none, mail.Path{}, never, ""},
		{"success from nobody", mail.NotifySuccess, mail.Path{}, Result{}, ""},
		{"late, nothing asked", none, ana, later, "delayed failed"},
		{"late, delay asked", mail.NotifyDelay, ana, later, "delayed"},
		{"late, failure asked", mail.NotifyFailure, ana, later, "failed"},
		{"late, all asked", mail.NotifyDelay | mail.NotifyFailure | mail.NotifySuccess, ana, later, "delayed failed"},
		{"late, never", mail.NotifyNever, ana, later, ""},
		{"late from nobody", none, mail.Path{}, later, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, Options{Schedule: []time.Duration{time.Hour}, Expire: 10 * time.Hour})
				f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
					if r.Path == ana {
						return Result{}
					}
					return tt.result
				}
				f.start()
				f.enqueueEnvelope(mail.Envelope{ReversePath: tt.from, Recipients: []mail.Recipient{{Path: bo, Notify: tt.notify}}})
				time.Sleep(24 * time.Hour)
				if got := f.told.String(); got != tt.want {
					t.Errorf("reports %q, want %q", got, tt.want)
				}
				if got := len(f.remote.to(ana)); got != len(strings.Fields(tt.want)) {
					t.Errorf("%d reports arrived", got)
				}
				f.wantEmpty()
			})
		})
	}
}

// A report that cannot be delivered is not reported, but to the postmaster,
// once.
func TestDoubleBounce(t *testing.T) {
	for _, postmaster := range []mail.Path{{}, {Local: "postmaster", Domain: "example.org"}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, Options{Postmaster: postmaster})
			f.remote.answer = func(*Delivery, mail.Recipient) Result { return Result{Err: errNever} }
			f.start()
			f.enqueue(ana, bo)
			time.Sleep(time.Hour)
			want := 2 // the message and the report to ana
			if !postmaster.IsNull() {
				want = 3
			}
			if calls := f.remote.all(); len(calls) != want || want == 3 && calls[2].to != postmaster {
				t.Errorf("postmaster %v: %+v", postmaster, calls)
			}
			f.wantEmpty()
		})
	}
}

// localDomain is example.org, where reports to ana go.
type localDomain struct{ remote }

func (*localDomain) IsLocal(d mail.Domain) bool { return d == "example.org" }

func TestLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := &localDomain{}
		var full atomic.Bool
		full.Store(true)
		local.answer = func(*Delivery, mail.Recipient) Result {
			if full.Load() {
				return Result{Err: mail.Errorf(mail.StatusMailboxFull, "mailbox is full")}
			}
			return Result{}
		}
		f := newFixture(t, Options{Local: local})
		f.remote.answer = func(*Delivery, mail.Recipient) Result { return Result{Err: errNever} }
		f.start()
		f.enqueue(ana, bo)
		synctest.Wait()
		if len(f.remote.to(ana)) != 0 || len(local.to(ana)) != 1 {
			t.Fatalf("remote %v, local %v", f.remote.all(), local.all())
		}
		full.Store(false)
		time.Sleep(time.Hour)
		if len(local.to(ana)) != 2 {
			t.Errorf("local %v", local.all())
		}
		f.wantEmpty()
	})
}

// With several reports owed before, a restart makes each of them once.
func TestRestartKeepsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			if d.Attempt < 3 {
				return Result{Err: errLater}
			}
			return Result{}
		}
		for range 50 {
			f.enqueue(ana, bo, di)
		}
		for range 4 {
			f.start()
			time.Sleep(10 * time.Minute)
			f.stop()
			time.Sleep(time.Hour) // down
		}
		if n := len(f.remote.all()); n != 50*2*3 {
			t.Errorf("%d calls", n)
		}
		f.wantEmpty()
	})
}

func TestWrongNumberOfResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.Queue = New(f.eng, noResults{}, f.opts)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go f.Run(ctx)
		id := f.enqueue(ana, bo)
		synctest.Wait()
		it, err := f.Show(ctx, id)
		if err != nil || it.Recipients[0].State != Retry || it.Recipients[0].Status != mail.StatusUnclassified {
			t.Errorf("%+v, %v", it, err)
		}
	})
}

type noResults struct{}

func (noResults) Deliver(context.Context, *Delivery) []Result { return nil }

// A message whose body is lost is returned, not retried for days.
func TestDamagedBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.eng = &damagedStore{f.eng}
		f.start()
		f.enqueue(ana, bo)
		synctest.Wait()
		if calls := f.remote.all(); len(calls) != 0 {
			t.Errorf("calls: %+v", calls) // the report cannot be read either
		}
		f.wantEmpty()
	})
}

type damagedStore struct{ store.Store }

func (*damagedStore) Open(context.Context, store.Ref) (store.Body, error) {
	return nil, fmt.Errorf("open: %w", store.ErrDamaged)
}

func TestEntryTooLarge(t *testing.T) {
	env := mail.Envelope{ReversePath: ana}
	for range 10_000 {
		env.Recipients = append(env.Recipients, mail.Recipient{Path: bo, ORcpt: "rfc822;" + strings.Repeat("x", 200)})
	}
	if _, err := Entry("0123456789abcdef", env, time.Now()); !mail.StatusOf(err).Permanent() {
		t.Errorf("Entry: %v", err)
	}
	env.Recipients = env.Recipients[:4_000]
	to, err := Entry("0123456789abcdef", env, time.Now())
	if err != nil || to.Owner != store.Queue {
		t.Errorf("Entry: %v, %v", to.Owner, err)
	}
}

// Shutting down interrupts attempts after the grace; they do not count.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{Grace: 5 * time.Second})
		f.Queue = New(f.eng, hanging{}, f.opts)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		id := f.enqueue(ana, bo)
		synctest.Wait()
		if it, err := f.Show(t.Context(), id); err != nil || it.Recipients[0].State != Trying {
			t.Fatalf("%+v, %v", it, err)
		}
		cancel()
		start := time.Now()
		if err := <-done; err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("Run: %v after %v", err, time.Since(start))
		}
		it, err := f.Show(t.Context(), id)
		if err != nil || it.Recipients[0].State != Waiting || it.Recipients[0].Attempts != 0 {
			t.Errorf("%+v, %v", it, err)
		}
		f.start()
		synctest.Wait()
		if len(f.remote.to(bo)) != 1 {
			t.Errorf("calls: %+v", f.remote.all())
		}
		f.wantEmpty()
	})
}

type hanging struct{}

func (hanging) Deliver(ctx context.Context, d *Delivery) []Result {
	<-ctx.Done()
	return same(len(d.Envelope.Recipients), &mail.Error{Status: mail.StatusUnclassified, Err: ctx.Err()})
}

func TestAdmin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := newFixture(t, Options{})
		var open atomic.Bool
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			if open.Load() || d.Envelope.ReversePath.IsNull() {
				return Result{}
			}
			return Result{Err: errLater, Reply: "451 4.7.1 [192.0.2.1] come back in 300 s", RemoteName: "mx1.example.net"}
		}
		f.start()
		one, two := f.enqueue(ana, bo, di), f.enqueue(di, bo)
		synctest.Wait()
		count := func(f2 Filter) int {
			t.Helper()
			items, err := f.List(ctx, f2)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, it := range items {
				n += len(it.Recipients)
			}
			return n
		}
		cause := "example.net: 451 4.7.1 # come back in # s"
		for _, tt := range []struct {
			f    Filter
			want int
		}{
			{Filter{}, 3}, {Filter{Address: "@example.net"}, 3}, {Filter{Address: "ana@example.org"}, 2}, {Filter{Address: "nobody@example.org"}, 0},
			{Filter{State: Retry}, 3}, {Filter{State: Held}, 0}, {Filter{Cause: cause}, 3}, {Filter{Cause: "other"}, 0},
			{Filter{Limit: 1}, 2}, {Filter{After: one}, 1}, {Filter{After: two}, 0},
		} {
			if got := count(tt.f); got != tt.want {
				t.Errorf("%+v: %d recipients, want %d", tt.f, got, tt.want)
			}
		}
		stats, err := f.Stats(ctx)
		if err != nil || stats.Messages != 2 || stats.Recipients != 3 || stats.States[Retry] != 3 || len(stats.Causes) != 1 ||
			stats.Causes[0].Messages != 2 || stats.Causes[0].Cause != cause {
			t.Errorf("%+v, %v", stats, err)
		}

		if err := f.Hold(ctx, one, "nonesuch"); !errors.Is(err, ErrNotFound) {
			t.Errorf("Hold: %v", err)
		}
		if err := f.Retry(ctx, one, two); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // not yet the next time of the schedule
		synctest.Wait()
		if len(f.remote.to(di)) != 1 || len(f.remote.to(bo)) != 3 {
			t.Errorf("after Hold and Retry: %+v", f.remote.all())
		}
		time.Sleep(24 * time.Hour)
		if n := count(Filter{State: Held}); n != 2 || len(f.remote.to(di)) != 2 { // the second is the delay notice of two
			t.Errorf("%d held, %+v", n, f.remote.to(di))
		}
		open.Store(true)
		if err := f.Release(ctx, one); err != nil {
			t.Error(err)
		}
		if err := f.Cancel(ctx, two); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if _, err := f.Show(ctx, one); !errors.Is(err, ErrNotFound) {
			t.Errorf("Show: %v", err)
		}
		f.wantEmpty()
	})
}

// Hold, Cancel and Retry while the message is being tried.
func TestChangeDuringAttempt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Queue, context.Context, ...ID) error
		want   State // "" if the item is gone
		calls  int
	}{
		{"hold", (*Queue).Hold, Held, 1},
		{"cancel", (*Queue).Cancel, "", 1},
		{"retry", (*Queue).Retry, Retry, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, Options{})
				slow := make(chan struct{})
				f.remote.answer = func(*Delivery, mail.Recipient) Result {
					<-slow
					return Result{Err: errLater}
				}
				f.start()
				id := f.enqueue(ana, bo)
				synctest.Wait()
				if err := tt.change(f.Queue, t.Context(), id); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				close(slow)
				synctest.Wait()
				it, err := f.Show(t.Context(), id)
				if tt.want == "" {
					if !errors.Is(err, ErrNotFound) {
						t.Errorf("%+v, %v", it, err)
					}
					f.wantEmpty()
				} else if err != nil || it.Recipients[0].State != tt.want {
					t.Errorf("%+v, %v", it, err)
				}
				if n := len(f.remote.to(bo)); n != tt.calls {
					t.Errorf("%d calls", n)
				}
			})
		})
	}
}
