package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Defaults and bounds of a Log.
const (
	keepDefault   = 30 * 24 * time.Hour
	bufferEntries = 8_192       // appended and not yet written
	groupEntries  = 2_048       // written in one transaction
	groupDelay    = time.Second // so that tracing costs few syncs and pages beside those for mail; readers do not wait for it
	expireEvery   = 10 * time.Minute
	expireGroup   = 500 // traces removed in one transaction
)

// Options of a Log; the zero value works.
type Options struct {
	Keep   time.Duration // 30 days if 0
	Now    func() time.Time
	Logger *slog.Logger
	// Observe is told of each Append, in the goroutine that makes it, before
	// anything is written: it has to be quick, and keeps neither argument.
	Observe func(s Summary, events []Event)
}

// Log is the store of traces. A nil *Log takes Append and keeps nothing.
type Log struct {
	opts    Options
	db      *bolt.DB
	entries chan entry
	dropped atomic.Int64

	watchers watchers

	mu     sync.Mutex // guards closed against sends on entries
	closed bool
	done   chan struct{} // the writer has ended
}

// entry is one Append, or a request to say when all before it is written.
type entry struct {
	sum    Summary
	events []Event
	flush  chan<- error
}

// Open opens or creates trace.db at path and starts its writer.
func Open(path string, opts Options) (*Log, error) {
	if opts.Keep <= 0 {
		opts.Keep = keepDefault
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := openFile(path, opts)
	if err != nil {
		return nil, fmt.Errorf("open traces: %w", err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketSummary, bucketEvents, bucketIndex, bucketMeta} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = reindex(db)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open traces: %w", err)
	}
	l := &Log{opts: opts, db: db, entries: make(chan entry, bufferEntries), done: make(chan struct{})}
	go l.write()
	return l, nil
}

// openFile opens the file, or makes it. One that is damaged is put aside as
// path.damaged: mail does not wait for old stories.
func openFile(path string, opts Options) (*bolt.DB, error) {
	db, err := openBolt(path)
	for _, damaged := range []error{bolterrors.ErrInvalid, bolterrors.ErrChecksum, bolterrors.ErrVersionMismatch} {
		if errors.Is(err, damaged) {
			opts.Logger.Warn("traces cannot be read; beginning anew", "err", err)
			if err := os.Rename(path, path+".damaged"); err != nil {
				return nil, err
			}
			return openBolt(path)
		}
	}
	return db, err
}

func openBolt(path string) (*bolt.DB, error) {
	return bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
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
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	select {
	case l.entries <- entry{sum: s, events: events}:
	default:
		l.dropped.Add(1)
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
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return nil
		}
		select {
		case l.entries <- entry{flush: written}:
			l.mu.Unlock()
			select {
			case err := <-written:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		default: // full: the writer makes room
			l.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
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
	close(l.entries)
	l.mu.Unlock()
	<-l.done
	return l.db.Close()
}

// write is the one writer. It takes what comes in within groupDelay, at most
// groupEntries, writes it in one transaction, and expires now and then.
func (l *Log) write() {
	defer close(l.done)
	expire := time.NewTicker(expireEvery)
	defer expire.Stop()
	for {
		select {
		case e, ok := <-l.entries:
			if !ok {
				return
			}
			l.writeGroup(l.gather(e))
		case <-expire.C:
			_, err := l.expire(l.opts.Now().Add(-l.opts.Keep))
			l.logError("expire traces", err)
		}
	}
}

// gather collects a group that begins with first. A flush ends it at once.
func (l *Log) gather(first entry) []entry {
	group := []entry{first}
	if first.flush != nil {
		return group
	}
	delay := time.NewTimer(groupDelay)
	defer delay.Stop()
	for len(group) < groupEntries {
		select {
		case e, ok := <-l.entries:
			if !ok {
				return group
			}
			group = append(group, e)
			if e.flush != nil {
				return group
			}
		case <-delay.C:
			return group
		}
	}
	return group
}

func (l *Log) writeGroup(group []entry) {
	var changed []Summary
	err := l.db.Update(func(tx *bolt.Tx) (err error) {
		changed, err = putGroup(tx, group)
		return err
	})
	l.logError("write traces", err)
	if err == nil {
		l.watchers.tell(changed)
	}
	for _, e := range group {
		if e.flush != nil {
			e.flush <- err
		}
	}
}

func (l *Log) logError(what string, err error) {
	if err != nil {
		l.opts.Logger.Error(what, "err", err)
	}
}
