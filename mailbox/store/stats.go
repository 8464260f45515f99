package store

import (
	"sync/atomic"
)

// counters are what the engine counts while it runs.
type counters struct {
	records, logBytes, bigBytes, syncs, commits, reclaimed atomic.Int64

	clock atomic.Uint64 // ticks with each use of a segment
}

// Stats are counts since Open, and the state of now.
type Stats struct {
	Records   int64 // messages accepted
	LogBytes  int64 // written to the log
	BigBytes  int64 // written to files of their own
	Syncs     int64 // of log and folders; each commit adds 2 of bbolt
	Commits   int64 // of owners' databases
	Reclaimed int64 // octets given back
	Pending   int   // records whose rows are not written yet
	OpenDBs   int
	Owners    int
}

// OpenDBs is how many owners' databases are open.
func (e *Engine) OpenDBs() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open
}

// Stats returns counters for metrics and benchmarks.
func (e *Engine) Stats() Stats {
	c := &e.stats
	s := Stats{Records: c.records.Load(), LogBytes: c.logBytes.Load(), BigBytes: c.bigBytes.Load(), Syncs: c.syncs.Load(),
		Commits: c.commits.Load(), Reclaimed: c.reclaimed.Load()}
	for _, o := range e.allOwners() {
		o.mu.Lock()
		s.Pending += o.lag()
		if o.db != nil {
			s.OpenDBs++
		}
		o.mu.Unlock()
		s.Owners++
	}
	return s
}
