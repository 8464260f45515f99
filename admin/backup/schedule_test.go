package backup

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// TestSchedule lets the schedule make real backups: one at once, since there is
// none, then every six hours, and no more often when the server was restarted.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.deliver(w.ana, text(1, 1000), mailbox.Seen)
		w.set.Schedule, w.set.Keep.Last = "6h", 20
		made := 0
		watch := func(d time.Duration) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := w.service.Watch(ctx, func(context.Context) { w.run(); made++ }); err != nil {
				t.Fatal(err)
			}
		}
		watch(5 * time.Minute)
		if made != 1 {
			t.Fatalf("%d backups in the first minutes", made)
		}
		watch(5 * time.Hour)
		watch(30 * time.Minute)
		if made != 1 {
			t.Errorf("%d backups before six hours were over", made)
		}
		watch(24 * time.Hour)
		if made != 5 {
			t.Errorf("%d backups after 29 hours, want 5", made)
		}
		list, err := w.service.List(t.Context())
		if err != nil || len(list) != made {
			t.Fatalf("%d backups are listed, %v", len(list), err)
		}
		for i := range list[1:] {
			if apart := list[i].Started.Sub(list[i+1].Started); apart < 6*time.Hour || apart > 6*time.Hour+2*scheduleTick {
				t.Errorf("%s is %v behind the one before", list[i].ID, apart)
			}
		}
		w.set.Schedule = ""
		watch(48 * time.Hour)
		if made != 5 {
			t.Errorf("%d backups without a schedule", made)
		}
	})
}

// TestScheduleDaily: at a time of day; what failed is tried again after an
// hour, not each minute.
func TestScheduleDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set.Schedule = "02:30"
		var at []time.Time
		run := func(context.Context) {
			now := time.Now()
			at = append(at, now)
			r := Run{ID: "x", Started: now, Ended: now}
			if len(at) == 2 {
				r = Run{Started: now, Ended: now, Error: errors.New("no network").Error()}
			}
			w.must(w.service.remember(t.Context(), func(l *runLog) { l.add(r) }))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 72*time.Hour)
		defer cancel()
		w.must(w.service.Watch(ctx, run))
		if len(at) < 4 {
			t.Fatalf("runs at %v", at)
		}
		second, third, fourth := at[1], at[2], at[3]
		if h, m, _ := second.Clock(); h != 2 || m < 30 || m > 31 {
			t.Errorf("the second run was at %v", second)
		}
		if apart := third.Sub(second); apart < retryAfter || apart > retryAfter+2*scheduleTick {
			t.Errorf("after a failure it was tried again %v later", apart)
		}
		if h, m, _ := fourth.Clock(); h != 2 || m < 30 || m > 31 {
			t.Errorf("the run after that was at %v", fourth)
		}
	})
}

// TestScheduleAfterTheClockWasSetBack: a backup of next year is no reason to
// make none until then.
func TestScheduleAfterTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ahead := time.Now().Add(365 * 24 * time.Hour)
		w.must(w.service.remember(t.Context(), func(l *runLog) {
			l.add(Run{ID: "x", Started: ahead, Ended: ahead})
			l.add(Run{Started: ahead, Ended: ahead, Error: "no network"})
		}))
		for schedule, most := range map[string]time.Duration{"6h": 0, "02:30": 24 * time.Hour} {
			w.set.Schedule = schedule
			if next, err := w.service.Next(t.Context()); err != nil || time.Until(next) > most {
				t.Errorf("%s: the next backup is at %v (%v), want within %v", schedule, next, err, most)
			}
		}
	})
}

// TestCancelled: a backup that somebody has cancelled is no failure, and is not
// made again at once; one that waits can be cancelled too, and was none.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.deliver(w.ana, text(1, 1000), mailbox.Seen)
	w.set.Schedule = "6h"
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := w.service.Run(ctx, func(string, int64, int64) { cancel(ErrCancelled) })
	if err == nil {
		t.Fatal("it was made")
	}
	last, _ := w.service.LastRun(t.Context())
	next, err := w.service.Next(t.Context())
	if !last.Cancelled || err != nil || next.Before(last.Started.Add(6*time.Hour)) {
		t.Errorf("after %+v the next one is at %v, %v", last, next, err)
	}

	w.must(w.service.busy.Take(t.Context())) // another one is being made
	defer w.service.busy.Give()
	if _, err := w.service.Run(ctx, func(string, int64, int64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("one that waits: %v", err)
	}
	if now, _ := w.service.LastRun(t.Context()); now != last {
		t.Errorf("one that has not begun is remembered: %+v", now)
	}
}
