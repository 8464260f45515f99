package memory

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// How often a Keeper looks.
const (
	every       = time.Second // at what is in use and allowed
	detectEvery = time.Minute // at the cgroups, whose limits can change
)

// How full the heap is, in hundredths, when all that a plan allows is in use, and
// when that is over again.
const (
	near  = 70
	apart = 60
)

// Options of a Keeper. Apply is needed.
type Options struct {
	// Limit is what an operator has set, in octets; 0, or nil: nothing. It is
	// asked every second.
	Limit func() int64
	// Counts says what there is now of what a plan limits; nil: nobody counts. It
	// is asked every second.
	Counts func() Counts
	// Apply gives the parts of the server their sizes, at the start and when the
	// plan has changed.
	Apply   func(Plan)
	Machine Machine

	Root   string                     // of /proc and /sys; "/" if empty
	Getenv func(string) string        // os.Getenv if nil
	Set    func(heap int64)           // tells Go; nil: debug.SetMemoryLimit
	InUse  func() (used, alone int64) // nil: of this process
	Now    func() time.Time
}

// State is how the memory stands.
type State struct {
	Plan
	Used     int64     // octets in use: what the collector cannot free
	Resident int64     // octets that only this process has, with garbage; 0: not known
	Near     time.Time // since when Used is near the heap that is allowed; zero: it is not
	Parts    []Part    // not to be changed
}

// Keeper keeps the process within its memory.
type Keeper struct {
	opts     Options
	detected Limit
	at       time.Time // of detected
	told     int64     // what Go was told last

	mu    sync.Mutex
	state State
}

// New makes a Keeper, and a first plan.
func New(o Options) *Keeper {
	if o.Limit == nil {
		o.Limit = func() int64 { return 0 }
	}
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Set == nil {
		o.Set = func(heap int64) { debug.SetMemoryLimit(heap) }
	}
	if o.InUse == nil {
		o.InUse = func() (int64, int64) { return inUse(), Resident() }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keeper{opts: o}
	k.look()
	return k
}

// Run keeps to the plan until ctx is done.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.look()
		}
	}
}

// State is how the memory stood a moment ago.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

// look makes the plan anew if what it was made from has changed, and tells the
// collector what to keep to.
func (k *Keeper) look() {
	now := k.opts.Now()
	if now.Sub(k.at) >= detectEvery {
		k.detected, k.at = Detect(k.opts.Root), now
	}
	s := State{Plan: k.plan()}
	s.Used, s.Resident = k.opts.InUse()
	if k.opts.Counts != nil {
		s.Parts = parts(s.Plan, k.opts.Counts(), k.opts.Machine.Password)
	}
	k.mu.Lock()
	before := k.state
	switch s.Near = before.Near; {
	case s.Used < s.Heap/100*apart:
		s.Near = time.Time{}
	case s.Used >= s.Heap/100*near && s.Near.IsZero():
		s.Near = now
	}
	k.state = s
	k.mu.Unlock()
	if s.Plan != before.Plan {
		k.opts.Apply(s.Plan)
	}
	k.pace(s)
}

// plan divides the least of what is set and what was detected, or the heap that
// whoever started the process has set.
func (k *Keeper) plan() Plan {
	if n, ok := parseGoLimit(k.opts.Getenv("GOMEMLIMIT")); ok {
		return ForHeap(Limit{n, "GOMEMLIMIT in the environment"}, k.opts.Machine)
	}
	limit := k.detected
	if n := k.opts.Limit(); n > 0 {
		limit = less(Limit{n, "the setting memory.limit"}, limit)
	}
	return For(limit, k.opts.Machine)
}

// pace tells the collector what to stay under. Whoever has set that in the
// environment knows better; whoever has set how often it runs gets the limit
// alone.
func (k *Keeper) pace(s State) {
	if k.opts.Getenv("GOMEMLIMIT") != "" {
		return
	}
	heap := goal(s.Used, s.Heap)
	if k.opts.Getenv("GOGC") != "" {
		heap = s.Heap
	}
	if heap != k.told {
		k.told = heap
		k.opts.Set(heap)
	}
}
