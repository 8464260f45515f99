package queue

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/clock"
)

const year = 365 * 24 * time.Hour

// jumpy is a queue whose clock can be set; nobody takes its mail yet.
type jumpy struct {
	*fixture
	ahead atomic.Int64 // nanoseconds that the system is ahead
	clock *clock.Clock
}

func newJumpy(t *testing.T) *jumpy {
	start := time.Now()
	j := &jumpy{}
	j.clock = clock.Open(clock.Options{
		System:  func() time.Time { return time.Now().Round(0).Add(time.Duration(j.ahead.Load())) },
		Elapsed: func() time.Duration { return time.Since(start) },
	})
	j.fixture = newFixture(t, Options{Now: j.clock.Now, Keep: j.clock.Keep})
	j.remote.answer = func(d *Delivery, _ mail.Recipient) Result {
		if d.Envelope.ReversePath.IsNull() { // a report
			return Result{}
		}
		return Result{Err: errLater}
	}
	j.start()
	j.enqueue(ana, bo)
	time.Sleep(6 * time.Hour) // the sender was told of the delay
	synctest.Wait()
	return j
}

// tries returns how often mail was tried within a time from now on.
func (j *jumpy) tries(d time.Duration) int {
	before := len(j.remote.to(bo))
	time.Sleep(d)
	synctest.Wait()
	return len(j.remote.to(bo)) - before
}

func (j *jumpy) wantReports(want string) {
	j.t.Helper()
	if got := j.told.String(); got != want {
		j.t.Errorf("reports: %q, want %q", got, want)
	}
}

// TestJumpThatIsNotBelieved: mail is tried on, and nobody is told anything.
func TestJumpThatIsNotBelieved(t *testing.T) {
	for _, by := range []time.Duration{10 * year, -year} {
		synctest.Test(t, func(t *testing.T) {
			j := newJumpy(t)
			defer func() { j.stop() }()
			j.ahead.Store(int64(by))
			if n := j.tries(24 * time.Hour); n < 4 || n > 6 {
				t.Errorf("after a jump by %v tried %d times in a day, want 4 to 6", by, n)
			}
			j.wantReports("delayed")
		})
	}
}

// TestJumpForwardThatCameTrue: the mail is not older because of it.
func TestJumpForwardThatCameTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJumpy(t)
		defer func() { j.stop() }()
		j.accept(10 * year)
		j.sched.signal() // sooner than it would notice
		if n := j.tries(4*24*time.Hour + 12*time.Hour); n < 18 || n > 22 {
			t.Errorf("tried %d times in the days after, want about 20", n)
		}
		j.wantReports("delayed")
		j.tries(8 * time.Hour)
		j.wantReports("delayed failed")
	})
}

// TestJumpBackThatCameTrue: nothing waits for the time when it was to be tried,
// and it is given up some day.
func TestJumpBackThatCameTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJumpy(t)
		defer func() { j.stop() }()
		j.accept(-year)
		if n := j.tries(maxSleep); n != 1 {
			t.Errorf("tried %d times in the minute after, want once", n)
		}
		if n := j.tries(24 * time.Hour); n < 4 || n > 6 {
			t.Errorf("tried %d times in the day after, want 4 to 6", n)
		}
		j.tries(5 * 24 * time.Hour)
		j.wantReports("delayed failed")
	})
}

// accept sets the clock of the system, as an operator wants it.
func (j *jumpy) accept(ahead time.Duration) {
	j.t.Helper()
	j.ahead.Store(int64(ahead))
	j.clock.Now()
	if _, err := j.clock.Accept(); err != nil {
		j.t.Fatal(err)
	}
}
