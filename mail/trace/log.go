package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/boltfile"
	"github.com/mailstead/mailstead/mail/disk"
)

// Defaults and bounds of a Log.
const (
	keepDefault   = 30 * 24 * time.Hour
	bufferEntries = 16_384      // appended and not yet written
	groupEntries  = 4_096       // are written without waiting for more
	groupDelay    = time.Second // so that tracing costs few syncs and pages beside those for mail; readers do not wait for it
	expireEvery   = 10 * time.Minute
	expireGroup   = 500 // traces removed in one transaction
)

// Options of a Log; the zero value works.
type Options struct {
	Keep   func() time.Duration // asked again and again; nil is 30 days
	Now    func() time.Time
	Logger *slog.Logger
	// Observe is told of each Append, in the goroutine that makes it, before
	// anything is written: it has to be quick, and keeps neither argument.
	Observe func(s Summary, events []Event)
	// Written is told of what was added to a trace after it was written, in the
	// goroutine of the writer: it has to be quick, and changes nothing of its
	// argument. What was dropped is never told.
	Written func(w Written)
	// Disk says how full the disk is: while it is low, commands and replies are
	// left out, and while it is full nothing is kept, though all is told. nil:
	// there is room.
	Disk *disk.Guard
}

// Log is the store of traces. A nil *Log takes Append and keeps nothing.
type Log struct {
	opts    Options
	db      *bolt.DB
	dropped atomic.Int64

	watchers watchers
	runKeys  int

	mu      sync.Mutex
	waiting []entry        // appended and not yet taken by the writer
	spare   []entry        // for what comes next
	flushes []chan<- error // to be told when they are written
	closed  bool

	some  chan struct{} // there is something to write
	hurry chan struct{} // there is no time to wait for more
	done  chan struct{} // the writer has ended
}

// Written is what was added to one trace.
type Written struct {
	Summary           // as it is now
	Said    []Summary // of each Append
	Events  [][]Event // likewise
}

// entry is one Append.
type entry struct {
	sum    Summary
	events []Event
}

// Open opens or creates trace.db at path and starts its writer.
func Open(path string, opts Options) (*Log, error) { return open(path, opts, runKeysDefault) }

func open(path string, opts Options, runKeys int) (*Log, error) {
	if opts.Keep == nil {
		opts.Keep = func() time.Duration { return keepDefault }
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := boltfile.Open(path, boltfile.Options{
		What: "traces", Buckets: [][]byte{bucketSummary, bucketEvents, bucketIndex, bucketRuns, bucketMeta}, Logger: opts.Logger,
		Init: func(tx *bolt.Tx) error {
			if k, _ := tx.Bucket(bucketSummary).Cursor().First(); k == nil { // a new file
				return tx.Bucket(bucketMeta).Put(keyIndexVersion, []byte{indexVersion})
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open traces: %w", err)
	}
	l := &Log{opts: opts, db: db, runKeys: runKeys, some: make(chan struct{}, 1), hurry: make(chan struct{}, 1), done: make(chan struct{})}
	go l.write()
	return l, nil
}

// Append adds events to the trace of s.ID and merges what s says into its
// summary. It never blocks: when the writer is far behind, the entry is
// dropped and counted.
func (l *Log) Append(s Summary, events ...Event) {
	if l == nil || s.ID == "" {
		return
	}
	if s.Last.IsZero() {
		s.Last = l.opts.Now()
	}
	if l.opts.Observe != nil {
		l.opts.Observe(s, events)
	}
	l.mu.Lock()
	if l.closed || len(l.waiting) >= bufferEntries {
		if !l.closed {
			l.dropped.Add(1)
		}
		l.mu.Unlock()
		return
	}
	l.waiting = append(l.waiting, entry{sum: s, events: events})
	n := len(l.waiting)
	l.mu.Unlock()
	switch n {
	case 1:
		signal(l.some)
	case groupEntries:
		signal(l.hurry)
	}
}

// signal wakes whoever waits for c, now or next time.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Dropped returns how many entries did not fit into the buffer.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Flush returns when all that was appended before can be found.
func (l *Log) Flush(ctx context.Context) error {
	if l == nil {
		return nil
	}
	written := make(chan error, 1)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.flushes = append(l.flushes, written)
	l.mu.Unlock()
	signal(l.some)
	signal(l.hurry)
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes what was appended and closes the file.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	signal(l.some)
	signal(l.hurry)
	<-l.done
	return l.db.Close()
}

// write is the one writer. It writes what comes in within groupDelay in one
// transaction, expires now and then, and brings an old index up to date.
func (l *Log) write() {
	defer close(l.done)
	expire := time.NewTicker(expireEvery)
	defer expire.Stop()
	old := newReindex(l.db, l.runKeys)
	for {
		idle := ready
		if old == nil || l.opts.Disk.Stage() >= disk.Low {
			idle = nil
		}
		select {
		case <-l.some:
			l.gather()
			if l.writeGroup() {
				return
			}
		case <-expire.C:
			_, err := l.expire(l.opts.Now().Add(-l.opts.Keep()))
			l.logError("expire traces", err)
		case <-idle:
			done, err := old.step()
			l.logError("make the index of traces anew", err)
			if done || err != nil {
				old = nil
			}
		}
	}
}

// ready is a channel that never blocks.
var ready = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// gather waits until there is a group, or no time.
func (l *Log) gather() {
	delay := time.NewTimer(groupDelay)
	defer delay.Stop()
	select {
	case <-l.hurry:
	case <-delay.C:
	}
}

// writeGroup writes what waits, and reports whether that was the last.
func (l *Log) writeGroup() (last bool) {
	l.mu.Lock()
	group, flushes := l.waiting, l.flushes
	l.waiting, l.flushes, l.spare = l.spare, nil, nil
	last = l.closed
	l.mu.Unlock()
	var changed []Written
	var err error
	if len(group) > 0 {
		changed, err = l.put(group)
		l.logError("write traces", err)
	}
	if err == nil {
		l.watchers.tell(changed)
		for i := 0; l.opts.Written != nil && i < len(changed); i++ {
			l.opts.Written(changed[i])
		}
	}
	for _, f := range flushes {
		f <- err
	}
	clear(group)
	l.spare = group[:0] // the writer's alone until it takes the next group
	return last
}

// errNotKept takes back what was written.
var errNotKept = errors.New("trace: the disk is full")

// put writes a group, as far as the disk has room for it.
func (l *Log) put(group []entry) (changed []Written, err error) {
	stage := l.opts.Disk.Stage()
	if stage >= disk.Low {
		for i := range group {
			group[i].events = brief(group[i].events)
		}
	}
	err = l.db.Update(func(tx *bolt.Tx) (err error) {
		changed, err = putGroup(tx, group, l.runKeys)
		if err == nil && stage >= disk.Full {
			err = errNotKept
		}
		return err
	})
	if errors.Is(err, errNotKept) {
		err = nil
	}
	return changed, err
}

// brief leaves out what takes most room and says least.
func brief(events []Event) []Event {
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Kind == Dialogue })
}

func (l *Log) logError(what string, err error) {
	if err != nil {
		l.opts.Logger.Error(what, "err", err)
	}
}
