package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// stuck is a fixture whose remote puts off everything, in two ways, until it
// is opened.
func stuck(t *testing.T) (f *fixture, open *atomic.Bool) {
	f = newFixture(t, Options{DelayNotice: -1})
	open = &atomic.Bool{}
	f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
		switch {
		case open.Load():
			return Result{}
		case r.Path == cy:
			return Result{Err: &mail.Error{Status: mail.StatusMailboxFull, Text: "full"}, Reply: "452 4.2.2 full", RemoteName: "mx1.example.net"}
		}
		return Result{Err: errLater, Reply: "451 4.7.1 come back in 300 s", RemoteName: "mx1." + string(d.Domain)}
	}
	return f, open
}

const (
	laterNet = "example.net: 451 4.7.1 come back in # s"
	laterCom = "example.com: 451 4.7.1 come back in # s"
	fullNet  = "example.net: 452 4.2.2 full"
)

// states tells the recipients of all items: "bo retry".
func (f *fixture) states() []string {
	f.t.Helper()
	items, err := f.List(context.Background(), Filter{})
	if err != nil {
		f.t.Fatal(err)
	}
	var all []string
	for i, it := range items {
		for _, r := range it.Recipients {
			s := fmt.Sprintf("%d %s %s", i, r.Path.Local, r.State)
			if r.Relay != "" {
				s += " by " + r.Relay
			}
			all = append(all, s)
		}
	}
	if problems, err := f.Check(context.Background()); err != nil || len(problems) > 0 {
		f.t.Errorf("rows: %v, %v", problems, err)
	}
	return all
}

// TestSelection changes what it selects, and nothing else. The queue has three
// messages: ana to bo and cy (one job) and di, ana to di, di to bo.
func TestSelection(t *testing.T) {
	everything := []string{"0 bo retry", "0 cy retry", "0 di retry", "1 di retry", "2 bo retry"}
	for _, tt := range []struct {
		name    string
		change  func(*Queue, context.Context, Selection) ([]ID, error)
		sel     Selection
		changed []int
		want    []string
	}{
		{"hold by cause", (*Queue).HoldWhere, Selection{Cause: laterCom}, []int{0, 1}, []string{"0 bo retry", "0 cy retry", "0 di held", "1 di held", "2 bo retry"}},
		{"hold where one of a job fits", (*Queue).HoldWhere, Selection{Cause: fullNet}, []int{0}, []string{"0 bo held", "0 cy held", "0 di retry", "1 di retry", "2 bo retry"}},
		{"hold by sender", (*Queue).HoldWhere, Selection{Address: "di@example.com", Cause: laterNet}, []int{2}, []string{"0 bo retry", "0 cy retry", "0 di retry", "1 di retry", "2 bo held"}},
		{"hold all", (*Queue).HoldWhere, Selection{}, []int{0, 1, 2}, []string{"0 bo held", "0 cy held", "0 di held", "1 di held", "2 bo held"}},
		{"hold in another state", (*Queue).HoldWhere, Selection{State: Held}, nil, everything},
		{"hold by another cause", (*Queue).HoldWhere, Selection{Cause: "none"}, nil, everything},
		{"no names", (*Queue).HoldWhere, Selection{IDs: []ID{}}, nil, everything},
		{"cancel by cause", (*Queue).CancelWhere, Selection{Cause: laterNet}, []int{0, 2}, []string{"0 cy retry", "0 di retry", "1 di retry"}},
		{"cancel by address", (*Queue).CancelWhere, Selection{Address: "@example.com", State: Retry}, []int{0, 1, 2}, []string{"0 bo retry", "0 cy retry"}},
		{"reroute by cause", func(q *Queue, ctx context.Context, s Selection) ([]ID, error) {
			return q.Reroute(ctx, "relay.test:587", s)
		},
			Selection{Cause: laterCom}, []int{0, 1}, []string{"0 bo retry", "0 cy retry", "0 di retry by relay.test:587", "1 di retry by relay.test:587", "2 bo retry"}},
		{"no route to undo", func(q *Queue, ctx context.Context, s Selection) ([]ID, error) { return q.Reroute(ctx, "", s) }, Selection{}, nil, everything},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _ := stuck(t)
				f.start()
				ids := []ID{f.enqueue(ana, bo, cy, di), f.enqueue(ana, di), f.enqueue(di, bo)}
				synctest.Wait()
				f.stop()
				if got := f.states(); !slices.Equal(got, everything) {
					t.Fatalf("the queue has %q", got)
				}
				changed, err := tt.change(f.Queue, t.Context(), tt.sel)
				if err != nil {
					t.Fatal(err)
				}
				var n []int
				for _, id := range changed {
					n = append(n, slices.Index(ids, id))
				}
				if !slices.Equal(n, tt.changed) {
					t.Errorf("changed %v, want %v", n, tt.changed)
				}
				got := f.states()
				if !slices.Equal(got, tt.want) {
					t.Errorf("the queue has %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestStatsTellTheGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := stuck(t)
		start := time.Now()
		f.start()
		f.enqueue(ana, bo, cy, di)
		time.Sleep(time.Minute)
		f.enqueue(di, bo)
		synctest.Wait()
		f.stop()
		f.enqueue(mail.Path{}, di)
		s, err := f.Stats(t.Context())
		if err != nil || s.Messages != 3 || s.Recipients != 5 || !s.Oldest.Equal(start) || s.States[Retry] != 4 || s.States[Waiting] != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		if len(s.Causes) != 4 {
			t.Fatalf("%d groups: %+v", len(s.Causes), s.Causes)
		}
		g := s.Causes[0]
		if g.Cause != laterNet || g.Messages != 2 || g.Senders != 2 || !slices.Equal(g.Domains, []mail.Domain{"example.net"}) || g.State != Retry ||
			!g.Oldest.Equal(start) || !g.Next.Equal(start.Add(5*time.Minute)) || !g.Expires.Equal(start.Add(expireDefault)) ||
			g.MX != "mx1.example.net" || g.Status != errLater.Status || g.Reply != "451 4.7.1 come back in 300 s" {
			t.Errorf("first group %+v", g)
		}
		if g = s.Causes[3]; g.Cause != NotTried || g.State != Waiting || g.Messages != 1 {
			t.Errorf("last group %+v", g)
		}
		n, oldest, err := f.Size(t.Context())
		if n != 3 || !oldest.Equal(start) || err != nil {
			t.Errorf("Size = %d, %v, %v", n, oldest, err)
		}
	})
}

// relayLog has the relays that were asked.
type relayLog struct {
	mu    sync.Mutex
	asked []string
}

func (l *relayLog) add(relay string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, relay)
}

// take returns what was added since the last call.
func (l *relayLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.asked
	l.asked = nil
	return asked
}

// TestReroute has a message sent by a relay, across a restart, and back.
func TestReroute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, open := stuck(t)
		relays := &relayLog{}
		answer := f.remote.answer
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			relays.add(d.Relay)
			return answer(d, r)
		}
		f.start()
		id, held := f.enqueue(ana, di), f.enqueue(ana, bo)
		synctest.Wait()
		if err := f.Hold(t.Context(), held); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"relay", "relay:", ":25", "relay:0", "relay:99999", strings.Repeat("x", 300) + ":25"} {
			if _, err := f.Reroute(t.Context(), bad, Selection{}); !errors.Is(err, ErrRelay) {
				t.Errorf("Reroute to %q: %v", bad, err)
			}
		}
		relays.take()
		if _, err := f.Reroute(t.Context(), "relay.test:587", Selection{IDs: []ID{id, held}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		f.stop()
		if got, want := relays.take(), []string{"relay.test:587"}; !slices.Equal(got, want) {
			t.Errorf("relays asked at once: %q, want %q", got, want)
		}
		f.start() // what was asked for is in the rows
		time.Sleep(time.Hour)
		if got := relays.take(); len(got) < 2 || slices.ContainsFunc(got, func(r string) bool { return r != "relay.test:587" }) {
			t.Errorf("relays asked after a restart: %q", got)
		}
		relays.take()
		if _, err := f.Reroute(t.Context(), "", Selection{IDs: []ID{id}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got, want := relays.take(), []string{""}; !slices.Equal(got, want) {
			t.Errorf("relays asked after it was undone: %q, want %q", got, want)
		}
		open.Store(true)
		relays.take()
		if err := f.Release(t.Context(), held); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if got, want := relays.take(), []string{"relay.test:587", ""}; !slices.Equal(got, want) {
			t.Errorf("relays asked in the end: %q, want %q", got, want)
		}
		f.wantEmpty()
	})
}

// TestRerouteCrash dies before and after the write of Reroute.
func TestRerouteCrash(t *testing.T) {
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f, _ := stuck(t)
			f.start()
			id := f.enqueue(ana, di)
			synctest.Wait()
			f.stop()
			disk := f.eng
			broken := New(&crashStore{Store: disk, n: 1, after: after}, f.remote, f.opts)
			if changed, err := broken.Reroute(t.Context(), "relay.test:25", Selection{IDs: []ID{id}}); err == nil || len(changed) > 0 {
				t.Fatalf("Reroute without a disk: %v, %v", changed, err)
			}
			want := "0 di retry"
			if after {
				want += " by relay.test:25"
			}
			if got := f.states(); !slices.Equal(got, []string{want}) {
				t.Errorf("after the crash the queue has %q, want %q", got, want)
			}
		})
	}
}

// TestCancelSomeDuringAttempt cancels one of two recipients while both are
// being tried: what came of the other counts.
func TestCancelSomeDuringAttempt(t *testing.T) {
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, Options{})
			slow := make(chan struct{})
			f.remote.answer = func(_ *Delivery, r mail.Recipient) Result {
				<-slow
				if fails || r.Path == bo {
					return Result{Err: errLater}
				}
				return Result{}
			}
			f.start()
			f.enqueue(ana, bo, cy)
			synctest.Wait()
			if changed, err := f.CancelWhere(t.Context(), Selection{Address: bo.Key()}); len(changed) != 1 || err != nil {
				t.Fatalf("%v, %v", changed, err)
			}
			close(slow)
			synctest.Wait()
			want := []string(nil)
			if fails {
				want = []string{"0 cy retry"}
			}
			if got := f.states(); !slices.Equal(got, want) {
				t.Errorf("the queue has %q, want %q", got, want)
			}
			if n := len(f.remote.to(cy)); n != 1 {
				t.Errorf("cy was tried %d times", n)
			}
			if !fails {
				f.wantEmpty()
			}
		})
	}
}
