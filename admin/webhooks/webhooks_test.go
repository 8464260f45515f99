package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail"
)

// world is a server with webhooks, and what they got.
type world struct {
	t     *testing.T
	store *directory.Directory
	path  string

	mu      sync.Mutex
	answer  func(r push.Request) (push.Answer, error) // nil: all is well
	got     []push.Request
	times   []time.Duration // since the begin
	begin   time.Time
	changed []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	store, err := directory.Open(filepath.Join(dir, "system.db"), directory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &world{t: t, store: store, path: filepath.Join(dir, "webhooks.db")}
}

// open opens the book, as after a restart.
func (w *world) open() *Book {
	w.t.Helper()
	b, err := Open(w.path, Options{Store: w.store, Hostname: "mail.a.test", Private: func() bool { return true },
		Post: func(_ context.Context, r push.Request) (push.Answer, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.got, w.times = append(w.got, r), append(w.times, time.Since(w.begin).Round(time.Second))
			if w.answer == nil {
				return push.Answer{Status: 204, Text: "thanks"}, nil
			}
			return w.answer(r)
		},
		Changed: func(id string) { w.mu.Lock(); defer w.mu.Unlock(); w.changed = append(w.changed, id) }})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// run opens the book, lets it work for a while, and closes it.
func (w *world) run(d time.Duration, do func(*Book)) {
	w.t.Helper()
	b := w.open()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { b.Run(ctx) })
	if do != nil {
		do(b)
	}
	time.Sleep(d)
	synctest.Wait()
	cancel()
	done.Wait()
	if err := b.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// ids are the events of requests so far.
func (w *world) ids() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, r := range w.got {
		var v struct{ Data struct{ N string } }
		json.Unmarshal(r.Body, &v)
		list = append(list, v.Data.N)
	}
	return list
}

func (w *world) add(b *Book, h Hook) Hook {
	w.t.Helper()
	if h.URL == "" {
		h.URL = "https://elsewhere.test/hook"
	}
	if h.Events == nil {
		h.Events = []string{MessageReceived}
	}
	h, err := b.Add(context.Background(), h)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func event(n string, domains ...mail.Domain) Event {
	return Event{Type: MessageReceived, Time: time.Now(), Domains: domains, Data: func(*Hook) any { return map[string]string{"n": n} }}
}

func down(push.Request) (push.Answer, error) {
	return push.Answer{Status: 503}, errors.New("it answered 503")
}

func TestEventsGoWhereTheyAreWanted(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		var all, some Hook
		w.run(time.Minute, func(b *Book) {
			all = w.add(b, Hook{Wide: true})
			some = w.add(b, Hook{URL: "https://elsewhere.test/some", Domains: []mail.Domain{"b.test"}})
			other := w.add(b, Hook{Events: []string{MessageBounced}})
			paused := w.add(b, Hook{Paused: true})
			if other.ID == all.ID || paused.Secret == all.Secret {
				t.Error("two webhooks have the same name or secret")
			}
			b.Emit(event("1", "a.test"))
			b.Emit(event("2", "a.test", "b.test"))
			e := event("3", "b.test")
			e.Data = func(h *Hook) any {
				if h.ID == some.ID {
					return nil
				}
				return map[string]string{"n": "3"}
			}
			b.Emit(e)
		})
		var got []string
		for _, r := range w.got {
			h := all
			if r.URL == some.URL {
				h = some
			}
			var v struct {
				Type, Server string
				Timestamp    time.Time
				Data         struct{ N string }
			}
			if err := json.Unmarshal(r.Body, &v); err != nil || v.Type != MessageReceived || v.Server != "mail.a.test" || v.Timestamp.IsZero() {
				t.Errorf("body %s, %v", r.Body, err)
			}
			if !h.Secret.Verify(r.Header[push.HeaderID], r.Header[push.HeaderTimestamp], r.Header[push.HeaderSignature], r.Body, time.Now()) {
				t.Errorf("the signature of %s is not good", r.Body)
			}
			if r.Private != h.Wide {
				t.Errorf("%s may reach private networks: %v", r.URL, r.Private)
			}
			got = append(got, strings.TrimPrefix(r.URL, "https://elsewhere.test/")+" "+v.Data.N)
		}
		slices.Sort(got)
		if want := []string{"hook 1", "hook 2", "hook 3", "some 2"}; !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
	})
}

func TestRetries(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.begin, w.answer = time.Now(), down
		var h Hook
		w.run(4*time.Hour, func(b *Book) {
			h = w.add(b, Hook{})
			b.Emit(event("1"))
		})
		// 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h after one another.
		want := []time.Duration{0, 5 * time.Second, 35 * time.Second, 155 * time.Second, 755 * time.Second, 2555 * time.Second, 6155 * time.Second, 13355 * time.Second}
		for i := range want {
			if i >= len(w.times) || (w.times[i]-want[i]).Abs() > 3*time.Second {
				t.Fatalf("tried at %v, want about %v", w.times, want)
			}
		}
		w.answer = nil
		w.run(5*time.Hour, func(b *Book) {
			if s := b.Hooks()[0]; s.Waiting != 1 || s.Fails != len(want) || s.Failing.IsZero() || s.Problem != "it answered 503" {
				t.Errorf("after a restart: %+v", s)
			}
		})
		ids := map[string]bool{}
		for _, r := range w.got {
			ids[r.Header[push.HeaderID]] = true
		}
		if len(w.got) != len(want)+1 || len(ids) != 1 {
			t.Errorf("%d requests with %d IDs", len(w.got), len(ids))
		}
		b := w.open()
		defer b.Close()
		p, err := b.Deliveries(t.Context(), h.ID, 0, 10)
		if err != nil || len(p.Items) != 1 || p.Items[0].State != Delivered || len(p.Items[0].Attempts) != len(want)+1 || p.Items[0].Attempts[0].Status != 503 {
			t.Errorf("deliveries %+v, %v", p, err)
		}
		if s := b.Hooks()[0]; s.Fails != 0 || !s.Failing.IsZero() || s.Waiting != 0 || s.LastOK.IsZero() {
			t.Errorf("when it works: %+v", s)
		}
	})
}

func TestGivenUpAndReplayed(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.answer = down
		var h Hook
		w.run(25*time.Hour, func(b *Book) {
			h = w.add(b, Hook{})
			b.Emit(event("1"))
			b.Emit(event("2"))
		})
		tried := len(w.got)
		w.run(48*time.Hour, func(b *Book) {
			p, err := b.Deliveries(context.Background(), h.ID, 0, 1)
			if err != nil || len(p.Items) != 1 || p.Items[0].State != Failed || p.Next == 0 {
				t.Errorf("given up: %+v, %v", p, err)
			}
			if p, err = b.Deliveries(context.Background(), h.ID, p.Next, 10); err != nil || len(p.Items) != 1 || p.Next != 0 {
				t.Errorf("the next page: %+v, %v", p, err)
			}
		})
		if len(w.got) != tried {
			t.Fatalf("%d more requests after a day", len(w.got)-tried)
		}
		w.answer, w.got = nil, nil
		w.run(time.Minute, func(b *Book) {
			p, _ := b.Deliveries(context.Background(), h.ID, 0, 10)
			if n, err := b.Replay(context.Background(), h.ID, p.Items[0].ID); n != 1 || err != nil {
				t.Errorf("replayed %d, %v", n, err)
			}
			if _, err := b.Replay(context.Background(), h.ID, "msg_x"); !errors.Is(err, ErrNoDelivery) {
				t.Errorf("no delivery: %v", err)
			}
			if _, err := b.Replay(context.Background(), "x", ""); !errors.Is(err, ErrNoHook) {
				t.Errorf("no webhook: %v", err)
			}
		})
		w.run(time.Minute, func(b *Book) {
			if n, err := b.Replay(context.Background(), h.ID, ""); n != 1 || err != nil {
				t.Errorf("replayed the others: %d, %v", n, err)
			}
		})
		if got := w.ids(); !slices.Equal(got, []string{"2", "1"}) {
			t.Errorf("sent again: %q", got)
		}
	})
}

func TestSwitchedOff(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.answer = func(push.Request) (push.Answer, error) {
			return push.Answer{Status: 410}, &push.Error{Text: "it wants no more", Gone: true}
		}
		var h Hook
		w.run(time.Hour, func(b *Book) {
			h = w.add(b, Hook{})
			b.Emit(event("1"))
			time.Sleep(time.Minute)
			b.Emit(event("2"))
		})
		if len(w.got) != 1 || !slices.Equal(w.changed, []string{h.ID}) {
			t.Fatalf("%d requests, changed %q", len(w.got), w.changed)
		}
		w.answer = nil
		w.run(time.Hour, func(b *Book) {
			if s := b.Hooks()[0]; s.Off != "it wants no more" || s.Waiting != 1 {
				t.Errorf("after a restart: %+v", s)
			}
			b.Emit(event("3"))
			time.Sleep(time.Minute)
			if _, err := b.Set(context.Background(), h.ID, func(*Hook) {}); err != nil {
				t.Error(err)
			}
			b.Emit(event("4"))
		})
		if got := w.ids(); len(got) != 3 || !slices.Contains(got[1:], "1") || !slices.Contains(got[1:], "4") {
			t.Errorf("sent %q", got)
		}
		// One that never works ends after three days.
		w.answer = down
		for day := range 4 {
			w.run(24*time.Hour, func(b *Book) { b.Emit(event(fmt.Sprint("day ", day))) })
		}
		b := w.open()
		defer b.Close()
		if s := b.Hooks()[0]; !strings.HasPrefix(s.Off, "it has not worked for three days") || s.OffAt.IsZero() {
			t.Errorf("after three days: %+v", s)
		}
	})
}

// TestManyWait: who is down is not asked for each of the many.
func TestManyWait(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.answer = down
		w.run(time.Hour, func(b *Book) {
			w.add(b, Hook{})
			for i := range 500 {
				b.Emit(event(fmt.Sprint(i)))
			}
		})
		if n := len(w.got); n > 40 {
			t.Errorf("%d requests in an hour", n)
		}
		w.answer, w.got = nil, nil
		w.run(7*time.Hour, nil)
		got := w.ids()
		slices.Sort(got)
		if n := len(slices.Compact(got)); n != 500 {
			t.Errorf("%d of 500 came in the end", n)
		}
	})
}

func TestBounds(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	h := w.add(b, Hook{})
	for i := range maxWaiting + 20 {
		b.Emit(event(fmt.Sprint(i)))
		if i%5000 == 0 {
			b.flush()
		}
	}
	b.flush()
	if s := b.Hooks()[0]; s.Waiting != maxWaiting || s.Lost != 20 {
		t.Fatalf("%d wait, %d are lost", s.Waiting, s.Lost)
	}
	// What has ended is kept, up to a number.
	list, err := b.due(h.ID, time.Now(), maxEnded+30)
	if err != nil {
		t.Fatal(err)
	}
	results := make([]outcome, len(list))
	for i, d := range list {
		results[i] = outcome{d: d}
	}
	if _, err := b.settle(t.Context(), h.ID, results); err != nil {
		t.Fatal(err)
	}
	rows := 0
	check := func(b *Book) {
		t.Helper()
		rows = 0
		if err := b.db.View(func(tx *bolt.Tx) error {
			rows = tx.Bucket(bucketDeliveries).Stats().KeyN
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if s := b.Hooks()[0]; s.Waiting != maxWaiting-maxEnded-30 || rows != maxWaiting-30 || b.lines[h.ID].ended != maxEnded {
			t.Errorf("%d wait, %d rows, %d ended", s.Waiting, rows, b.lines[h.ID].ended)
		}
	}
	check(b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = w.open()
	defer b.Close()
	check(b)
	if _, err := b.Remove(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Deliveries(t.Context(), h.ID, 0, 10); !errors.Is(err, ErrNoHook) {
		t.Errorf("after it was removed: %v", err)
	}
	b.db.View(func(tx *bolt.Tx) error {
		if k, _ := tx.Bucket(bucketDeliveries).Cursor().First(); k != nil {
			t.Errorf("row %x is left", k)
		}
		return nil
	})
}

func TestHooksThatAreNotValid(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	defer b.Close()
	for _, tt := range []struct {
		h     Hook
		field string
	}{
		{Hook{URL: "elsewhere.test", Events: []string{MessageFiled}}, "url"}, {Hook{URL: "https://elsewhere.test/"}, "events"},
		{Hook{URL: "https://elsewhere.test/", Events: []string{"message.lost"}}, "events"},
		{Hook{URL: "https://elsewhere.test/", Events: []string{MessageFiled}, Label: "a\nb"}, "label"},
	} {
		var bad *Invalid
		if _, err := b.Add(t.Context(), tt.h); !errors.As(err, &bad) || bad.Field != tt.field || !errors.Is(err, ErrInvalid) {
			t.Errorf("Add(%+v): %v", tt.h, err)
		}
	}
	h := w.add(b, Hook{Events: []string{MessageFiled, MessageFiled}, Label: " x "})
	if h.Label != "x" || len(h.Events) != 1 || fmt.Sprint(h.Secret) != "[redacted]" {
		t.Errorf("made %+v", h)
	}
	if problem, err := b.Test(t.Context(), h.ID); problem != "" || err != nil || len(w.got) != 1 {
		t.Errorf("test: %q, %v", problem, err)
	}
	w.answer = down
	if problem, err := b.Test(t.Context(), h.ID); problem != "it answered 503" || err != nil {
		t.Errorf("test: %q, %v", problem, err)
	}
	if _, err := b.Test(t.Context(), "x"); !errors.Is(err, ErrNoHook) {
		t.Errorf("no webhook: %v", err)
	}
	var none *Book
	none.Emit(event("x"))
}

// TestNotYet: who waits, and for whom the clock was set back.
func TestNotYet(t *testing.T) {
	now := time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC)
	for wait, want := range map[time.Duration]bool{-time.Hour: false, 0: false, time.Second: true, 4 * time.Hour: true, 5 * time.Hour: false, 365 * 24 * time.Hour: false} {
		if got := notYet(now.Add(wait), now); got != want {
			t.Errorf("in %v: %v, want %v", wait, got, want)
		}
	}
}
