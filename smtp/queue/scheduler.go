package queue

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox/store"
)

const (
	// laneLimit bounds the jobs of one domain that wait in memory. The others
	// wait in their rows until there is room.
	laneLimit = 1_000
	// maxSleep bounds how long the scheduler trusts its timer: clocks are set.
	maxSleep = time.Minute
	// rereadAfter is how long a job rests whose rows could not be read.
	rereadAfter = 10 * time.Minute
)

// scheduler knows the jobs that are due. It reads them from the rows of fresh
// and next behind two cursors, so that no pass looks at a row twice, and keeps
// them in a lane for each domain until they may start.
//
//	a job       has a row in    and is in
//	is due      fresh or next   a lane, or behind the cursors, or in a lane that overflowed
//	is tried    fresh or next   active
//	waits       next            nothing
//	is held     nothing         nothing
type scheduler struct {
	limits func() (parallel, perDomain int)
	wake   chan struct{} // something may be startable

	mu      sync.Mutex
	lanes   map[mail.Domain]*lane
	ready   []*lane             // have waiting jobs and may start one
	known   map[string]struct{} // job keys in lanes or active
	active  map[string]*lane    // job keys being tried
	fresh   uint64              // cursor: last sequence read
	next    []byte              // cursor: rows before it were read
	rewound bool                // cursors were reset during a pass
	reread  time.Time           // when to reset them because a job was missed; zero: never
}

// lane has the due jobs of one domain.
type lane struct {
	domain   mail.Domain
	waiting  []string // job keys
	running  int
	isReady  bool
	overflow bool // rows were passed over
}

func (s *scheduler) init(limits func() (parallel, perDomain int)) {
	s.limits = limits
	s.wake = make(chan struct{}, 1)
	s.lanes = map[mail.Domain]*lane{}
	s.known = map[string]struct{}{}
	s.active = map[string]*lane{}
}

func (s *scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// rewind makes the next pass read all rows again.
func (s *scheduler) rewind() {
	s.mu.Lock()
	s.rewindLocked()
	s.mu.Unlock()
	s.signal()
}

func (s *scheduler) rewindLocked() { s.fresh, s.next, s.rewound = 0, nil, true }

// missed says that a job was taken but could not be read at now.
func (s *scheduler) missed(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reread.IsZero() {
		s.reread = now.Add(rereadAfter)
	}
}

// add puts a due job into its lane.
func (s *scheduler) add(key string, d mail.Domain) {
	if _, ok := s.known[key]; ok {
		return
	}
	l := s.lanes[d]
	if l == nil {
		l = &lane{domain: d}
		s.lanes[d] = l
	}
	if len(l.waiting) >= laneLimit {
		l.overflow = true
		return
	}
	s.known[key] = struct{}{}
	l.waiting = append(l.waiting, key)
	s.enlist(l)
}

// enlist puts a lane that may start a job behind the others.
func (s *scheduler) enlist(l *lane) {
	if _, perDomain := s.limits(); !l.isReady && len(l.waiting) > 0 && l.running < perDomain {
		l.isReady = true
		s.ready = append(s.ready, l)
	}
}

// start takes the next job to try, domains in turn; "" if there is none.
func (s *scheduler) start() (key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if parallel, _ := s.limits(); len(s.ready) == 0 || len(s.active) >= parallel {
		return ""
	}
	l := s.ready[0]
	s.ready, l.isReady = s.ready[1:], false
	key, l.waiting = l.waiting[0], l.waiting[1:]
	l.running++
	s.active[key] = l
	s.enlist(l)
	return key
}

// finish ends what start began. next is when the job is due again, zero if it
// is not.
func (s *scheduler) finish(key string, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.active[key]
	delete(s.active, key)
	delete(s.known, key)
	if !next.IsZero() && string(nextKey(next, key)) < string(s.next) { // the clock was set back
		s.rewindLocked()
	}
	l.running--
	s.enlist(l)
	if l.overflow && len(l.waiting) < laneLimit/2 {
		l.overflow = false
		s.rewindLocked()
	}
	if l.running == 0 && len(l.waiting) == 0 {
		delete(s.lanes, l.domain)
	}
	s.signal()
}

// isActive reports whether a job is being tried.
func (s *scheduler) isActive(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.active[key]
	return ok
}

// pass reads what has become due, and returns when the next job will be; zero
// if there is none. Where it reads all rows it takes those too that would wait
// for longer than longest.
func (s *scheduler) pass(ctx context.Context, eng store.Store, now time.Time, longest time.Duration) (time.Time, error) {
	s.mu.Lock()
	if string(nextKey(now.Add(1), "")) < string(s.next) { // the clock was set back
		s.rewindLocked()
	}
	if !s.reread.IsZero() && !now.Before(s.reread) {
		s.reread = time.Time{}
		s.rewindLocked()
	}
	fresh, next := s.fresh, s.next
	s.rewound = false
	s.mu.Unlock()
	var wakeAt time.Time
	err := eng.View(ctx, store.Queue, func(tx store.Tx) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		wakeAt = time.Time{}
		for k, v := range tx.Scan(bucketFresh, freshKey(fresh+1), nil) {
			d := decoder{b: v}
			s.add(d.string(), mail.Domain(d.string()))
			fresh = binary.BigEndian.Uint64(k)
		}
		end := nextKey(now.Add(1), "")
		for k, v := range tx.Scan(bucketNext, next, end) {
			_, key := timeOfNext(k)
			s.add(key, mail.Domain(v))
		}
		if next == nil {
			for k, v := range tx.Scan(bucketNext, nextKey(now.Add(longest+1), ""), nil) {
				_, key := timeOfNext(k)
				s.add(key, mail.Domain(v))
			}
		}
		for k := range tx.Scan(bucketNext, end, nil) {
			wakeAt, _ = timeOfNext(k)
			break
		}
		if !s.rewound && string(end) > string(s.next) {
			s.fresh, s.next = fresh, end
		}
		return nil
	})
	return wakeAt, err
}

// Run makes attempts until ctx is done, and returns when the running ones
// have ended: after Options.Grace they are interrupted, and count for nothing.
func (q *Queue) Run(ctx context.Context) error {
	changed, stop := q.eng.Watch(store.Queue)
	defer stop()
	attempts, interrupt := context.WithCancel(context.WithoutCancel(ctx))
	defer interrupt()
	var wg sync.WaitGroup
	owed := make(chan struct{}, 1)
	wg.Go(func() { q.makeReports(ctx, owed) })
	q.schedule(ctx, changed, func(key string) {
		wg.Go(func() {
			if q.attempt(attempts, key) {
				select {
				case owed <- struct{}{}:
				default:
				}
			}
		})
	})
	grace := time.AfterFunc(q.opts.Grace, interrupt)
	defer grace.Stop()
	wg.Wait()
	return nil
}

// schedule starts what is due, as it becomes due.
func (q *Queue) schedule(ctx context.Context, changed <-chan struct{}, start func(key string)) {
	q.sched.rewind()
	for ctx.Err() == nil {
		wakeAt, err := q.sched.pass(ctx, q.eng, q.opts.Now(), q.current().longest())
		if err != nil && ctx.Err() == nil {
			// A damaged or failed store is for the operator; mail stays where it is.
			q.opts.Logger.Error("queue cannot be read", "err", err)
			wakeAt = q.opts.Now().Add(maxSleep)
		}
		for key := q.sched.start(); key != ""; key = q.sched.start() {
			start(key)
		}
		sleep := maxSleep
		if !wakeAt.IsZero() {
			sleep = min(sleep, max(wakeAt.Sub(q.opts.Now()), 0))
		}
		timer := time.NewTimer(sleep)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-q.sched.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}
