package store

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mailstead/mailstead/mail/disk"
)

// While the disk has room, deleted mail gives its room back at leisure. When
// it gets low whoever deletes wants to see it at once, so the grace time is
// short then, and the next Reclaim comes as soon as it is over.
const (
	graceLow  = 10 * time.Minute
	graceFull = 2 * time.Second // for whoever reads just now; times are noted in whole seconds

	// restFactor is how many times as long as a Reclaim took nothing is done
	// after it: it looks into all accounts.
	restFactor = 20

	// failedTook is what a Reclaim that failed counts as having taken, at least.
	failedTook = 500 * time.Millisecond

	// aheadMost is how far ahead the time of a release may be: with more the clock
	// was wrong then.
	aheadMost = 5 * time.Minute
)

// squeeze lets Reclaim come early.
type squeeze struct {
	wake     chan struct{}
	released atomic.Int64 // when a body was let go of last, in Unix nanoseconds
	first    atomic.Int64 // when the first one was since the last Reclaim began; 0: none
}

// tell says that mail was deleted, or that there is no room for more.
func (s *squeeze) tell() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// let notes that bodies were let go of.
func (s *squeeze) let() {
	now := time.Now().UnixNano()
	s.first.CompareAndSwap(0, now)
	s.released.Store(now)
	s.tell()
}

// grace is how long a released body stays readable now.
func (e *Engine) grace() time.Duration {
	switch stage := e.disk.Stage(); {
	case stage >= disk.Full:
		return min(e.opts.Grace, graceFull)
	case stage >= disk.Low:
		return min(e.opts.Grace, graceLow)
	}
	return e.opts.Grace
}

// reclaimed is the last run of Reclaim.
type reclaimed struct {
	began time.Time
	took  time.Duration
	grace time.Duration
}

// next is when Reclaim is due after the last time.
func (e *Engine) next(last reclaimed) time.Time {
	regular := last.began.Add(reclaimEvery)
	if e.disk.Stage() < disk.Low {
		return regular
	}
	grace, released := e.grace(), time.Unix(0, e.squeeze.released.Load())
	const second = time.Second // what is noted of a time
	if grace >= last.grace && released.Add(last.grace+second).Before(last.began) {
		return regular // it has given back everything there was
	}
	at := last.began.Add(restFactor * last.took)
	if first := e.squeeze.first.Load(); first != 0 {
		released = time.Unix(0, first) // whoever deletes on and on does not put it off
	}
	if over := released.Add(grace + second); over.After(at) {
		at = over
	}
	if at.Before(regular) {
		return at
	}
	return regular
}

// reclaimLoop gives back room in the background.
func (e *Engine) reclaimLoop(ctx context.Context) {
	last := reclaimed{began: time.Now(), grace: e.opts.Grace}
	timer := time.NewTimer(reclaimEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.squeeze.wake:
		case <-timer.C:
			last = reclaimed{began: time.Now(), grace: e.grace()}
			e.squeeze.first.Store(0)
			err := e.Reclaim(ctx)
			last.took = time.Since(last.began)
			if err != nil && e.going(ctx) == nil {
				e.opts.Logger.Error("room of deleted mail could not be given back", "err", err)
				last.grace, last.took = e.opts.Grace, max(last.took, failedTook) // it is to be tried again soon
			}
		}
		timer.Reset(max(time.Until(e.next(last)), 0))
	}
}
