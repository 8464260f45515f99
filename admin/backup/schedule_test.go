package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // not every machine has it

	"github.com/mailstead/mailstead/admin/directory"
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

// clocked lets the schedule run for some time, and returns when it made backups,
// the first of which fail.
func (w *world) clocked(d time.Duration, fail int) (at []string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	w.must(w.service.Watch(ctx, func(context.Context) {
		now := w.service.opts.Now()
		r := Run{ID: "x", Started: now, Ended: now}
		if len(at) < fail {
			r = Run{Started: now, Ended: now, Error: "no network"}
		}
		at = append(at, now.Format("2 15:04"))
		w.must(w.service.remember(w.t.Context(), func(l *runLog) { l.add(r) }))
	}))
	return at
}

// TestScheduleLate: what was due late in the day is not forgotten at midnight.
func TestScheduleLate(t *testing.T) {
	for _, tt := range []struct {
		name string
		down time.Duration // after the first
		fail int
		want string
	}{
		{"failed", 0, 1, "2 23:30, 3 00:30, 3 23:30, 4 23:30"},
		{"failed until the next day", 0, 2, "2 23:30, 3 00:30, 3 01:30, 3 23:30, 4 23:30"},
		{"missed at midnight", 24*time.Hour + 5*time.Minute, 0, "3 00:06, 3 23:30, 4 23:30, 5 23:30"},
		{"missed for a week", 7*24*time.Hour + 5*time.Minute, 0, "9 00:06, 9 23:30, 10 23:30, 11 23:30"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.set.Schedule = "23:30"
				start := time.Date(2026, 11, 1, 23, 0, 0, 0, time.Local)
				began := time.Now()
				w.service.opts.Now = func() time.Time { return start.Add(time.Since(began)).Round(0) }
				if at := w.clocked(time.Hour, 0); strings.Join(at, ", ") != "1 23:30" {
					t.Fatalf("the first run was at %v", at)
				}
				time.Sleep(tt.down)
				if at := w.clocked(72*time.Hour, tt.fail); strings.Join(at, ", ") != tt.want {
					t.Errorf("runs at %v, want %s", at, tt.want)
				}
			})
		})
	}
}

// TestScheduleInSummerTime: the day that begins summer time has its backup too.
func TestScheduleInSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []time.Time{time.Date(2026, 3, 27, 23, 0, 0, 0, berlin), time.Date(2026, 10, 23, 23, 0, 0, 0, berlin)} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.set.Schedule = "23:30"
			began := time.Now()
			w.service.opts.Now = func() time.Time { return start.Add(time.Since(began)).Round(0) }
			var want []string
			for day := range 4 {
				want = append(want, start.AddDate(0, 0, day).Format("2 ")+"23:30")
			}
			if at := w.clocked(74*time.Hour, 0); !slices.Equal(at, want) {
				t.Errorf("runs at %v, want %v", at, want)
			}
		})
	}
}

// TestScheduleAfterTheClockWasSetBack: a backup of a time to come is no reason to
// make one at once, nor to make none until then.
func TestScheduleAfterTheClockWasSetBack(t *testing.T) {
	for _, tt := range []struct {
		schedule string
		back     time.Duration
		want     string
	}{
		{"02:30", time.Hour, "11 02:30"},
		{"02:30", 5 * time.Hour, "10 02:30, 11 02:30"}, // that time comes again
		{"02:30", 365 * 24 * time.Hour, "11 02:30"},
		{"20h", time.Hour, "10 23:00"},
		{"20h", 5 * time.Hour, "10 23:00"}, // the time of the last comes first
		{"20h", 365 * 24 * time.Hour, "11 00:31"},
	} {
		t.Run(fmt.Sprint(tt.schedule, " ", tt.back), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.set.Schedule = tt.schedule
				now := time.Date(2026, 11, 8, 12, 0, 0, 0, time.Local)
				began := time.Now()
				w.service.opts.Now = func() time.Time { return now.Add(time.Since(began)).Round(0) }
				_, err := w.service.Next(t.Context()) // it is followed since long
				w.must(err)
				now = time.Date(2026, 11, 10, 3, 0, 0, 0, time.Local) // by hand
				w.must(w.service.remember(t.Context(), func(l *runLog) {
					l.add(Run{ID: "x", Started: now, Ended: now.Add(time.Minute)})
				}))
				now = now.Add(90*time.Minute - tt.back)
				if at := w.clocked(30*time.Hour, 0); strings.Join(at, ", ") != tt.want {
					t.Errorf("runs at %v, want %s", at, tt.want)
				}
			})
		})
	}
}

// TestFailureOfATimeToCome is none to wait for.
func TestFailureOfATimeToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set.Schedule = "6h"
		good, ahead := time.Now().Add(-8*time.Hour), time.Now().Add(365*24*time.Hour)
		w.must(w.service.remember(t.Context(), func(l *runLog) {
			l.add(Run{ID: "x", Started: good, Ended: good})
			l.add(Run{Started: ahead, Ended: ahead, Error: "no network"})
		}))
		if next, err := w.service.Next(t.Context()); err != nil || time.Until(next) > 0 {
			t.Errorf("the next backup is at %v, %v", next, err)
		}
	})
}

// TestFirstDaily: without any backup yet the time of day counts too, although no
// look is at that very second.
func TestFirstDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set.Schedule = "02:30"
		time.Sleep(3*time.Hour + 10*time.Second) // it is over for today
		var at []time.Time
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		w.must(w.service.Watch(ctx, func(context.Context) {
			at = append(at, time.Now())
			w.run()
		}))
		if len(at) != 1 {
			t.Fatalf("runs at %v, want one", at)
		}
		if h, m, _ := at[0].Clock(); h != 2 || m < 30 || m > 31 {
			t.Errorf("the first run was at %v", at[0])
		}
	})
}

// TestNextAfterCancelled: who cancels puts the next backup off for an hour, and
// hides no failure before.
func TestNextAfterCancelled(t *testing.T) {
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.Local) }
	good := func(begun time.Time) Run { return Run{ID: "x", Started: begun, Ended: begun.Add(time.Minute)} }
	failed := func(ended time.Time) Run {
		return Run{Started: ended.Add(-time.Minute), Ended: ended, Error: "no network"}
	}
	cancelled := func(ended time.Time) Run {
		return Run{Started: ended.Add(-time.Minute), Ended: ended, Error: ErrCancelled.Error(), Cancelled: true}
	}
	for _, tt := range []struct {
		name, schedule string
		runs           []Run
		now, want      time.Time
		failure        string
	}{
		{"one by hand, the day before", "7d", []Run{good(at(2, 3, 0)), cancelled(at(8, 11, 0))}, at(8, 12, 0), at(9, 3, 0), ""},
		{"the one that was due", "7d", []Run{good(at(2, 3, 0)), cancelled(at(9, 3, 20))}, at(9, 3, 30), at(9, 4, 20), ""},
		{"the retry of one that failed", "02:30", []Run{good(at(7, 2, 30)), failed(at(8, 2, 40)), cancelled(at(8, 9, 0))}, at(8, 9, 1), at(8, 10, 0), "no network"},
		{"twice", "02:30", []Run{good(at(7, 2, 30)), failed(at(8, 2, 40)), cancelled(at(8, 9, 0)), cancelled(at(8, 9, 10))}, at(8, 9, 11), at(8, 10, 10), "no network"},
		{"one by hand, in the evening", "02:30", []Run{good(at(7, 2, 30)), cancelled(at(7, 22, 0))}, at(7, 22, 1), at(8, 2, 30), ""},
		{"and made then", "02:30", []Run{good(at(7, 2, 30)), cancelled(at(8, 2, 40)), good(at(8, 9, 0))}, at(8, 9, 30), at(9, 2, 30), ""},
		{"soon after, with a short schedule", "10m", []Run{cancelled(at(8, 8, 50)), good(at(8, 9, 0))}, at(8, 9, 5), at(8, 9, 10), ""},
		{"by a clock that was set back since", "6h", []Run{good(at(7, 2, 0)), cancelled(at(9, 2, 0))}, at(7, 9, 0), at(7, 8, 0), ""},
		{"the first", "6h", []Run{cancelled(at(8, 9, 0))}, at(8, 9, 1), at(8, 10, 0), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.set.Schedule = tt.schedule
			w.service.opts.Now = func() time.Time { return tt.now }
			w.must(w.service.remember(t.Context(), func(l *runLog) { l.Runs = tt.runs }))
			next, err := w.service.Next(t.Context())
			if err != nil || !next.Equal(tt.want) {
				t.Errorf("the next one is at %v, %v; want %v", next, err, tt.want)
			}
			if got := w.service.LastFailure(t.Context()); got != tt.failure {
				t.Errorf("the last failure is %q, want %q", got, tt.failure)
			}
		})
	}
}

// TestCancelledInTheQueue: a scheduled backup that is cancelled while it waits for
// another is not started again each minute.
func TestCancelledInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set.Schedule = "6h"
		w.must(w.service.busy.Take(t.Context())) // by a long proof
		defer w.service.busy.Give()
		starts := 0
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		w.must(w.service.Watch(ctx, func(ctx context.Context) {
			starts++
			job, stop := context.WithCancelCause(ctx)
			ended := make(chan error, 1)
			go func() {
				_, err := w.service.Run(job, func(string, int64, int64) {})
				ended <- err
			}()
			synctest.Wait()
			stop(ErrCancelled)
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v", err)
			}
		}))
		if starts != 3 {
			t.Errorf("it was started %d times in three hours, want once an hour", starts)
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
	if !last.Cancelled || err != nil || !next.Equal(last.Ended.Add(retryAfter)) {
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

// full is a State to which nothing can be written.
type full struct{ *directory.Directory }

func (full) PutState(context.Context, string, any) error {
	return errors.New("no space left on device")
}

// TestNotRemembered: also a backup that cannot be remembered is not made again
// each minute.
func TestNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, err := w.service.Key(t.Context())
		w.must(err)
		w.service.opts.State = full{w.dir}
		w.set.Schedule = "6h"
		starts := 0
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		w.must(w.service.Watch(ctx, func(ctx context.Context) {
			starts++
			if _, err := w.service.Run(ctx, func(string, int64, int64) {}); err == nil {
				t.Error("it was remembered")
			}
		}))
		if starts != 3 {
			t.Errorf("it was started %d times in two hours and a half, want once an hour", starts)
		}
	})
}
