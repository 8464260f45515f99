package inbound

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/boltfile"
	"github.com/mailstead/mailstead/mail/disk"
)

// What is remembered, and for how long.
const (
	keepGood   = 36 * 24 * time.Hour // more than a month: bills come once in one
	keepWaits  = 2 * 24 * time.Hour  // of who was told to come again and did not
	refreshed  = 24 * time.Hour      // a row that is younger is not written again
	writeLate  = time.Second         // rows of that time go in one transaction
	sweepEvery = time.Hour
	sweepRows  = 5_000 // looked at in one transaction

	maxMemory  = 500_000 // rows, some 40 MB; beyond them nobody new is remembered, or has to wait
	maxPending = 20_000  // rows that are not written yet
)

var bucketSeen = []byte("seen")

// MemoryOptions are what a Memory works with; the zero value works.
type MemoryOptions struct {
	Disk   *disk.Guard // while it is low nobody new is remembered, or has to wait; nil: there is room
	Now    func() time.Time
	Logger *slog.Logger
}

// Memory is what is remembered of clients: who was seen to be good, and who
// was told to come again. It is a file that may be deleted. A nil *Memory
// remembers nothing.
type Memory struct {
	opts MemoryOptions
	db   *bolt.DB
	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	pending map[memoryKey]row // to be written
	writing map[memoryKey]row // while they are written
	rows    int               // in the file, about
}

// memoryKey is a letter for what is remembered, and of whom.
type memoryKey string

// row is what is remembered. Done is set when the client has come again.
type row struct {
	first, last time.Time
	done        bool
}

const rowVersion = 1

func (r row) encode() []byte {
	b := []byte{rowVersion, 0}
	if r.done {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.first.Unix()))
	return binary.BigEndian.AppendUint64(b, uint64(r.last.Unix()))
}

func decodeRow(b []byte) (row, bool) {
	if len(b) != 18 || b[0] != rowVersion {
		return row{}, false
	}
	at := func(b []byte) time.Time { return time.Unix(int64(binary.BigEndian.Uint64(b)), 0) }
	return row{first: at(b[2:]), last: at(b[10:]), done: b[1] == 1}, true
}

// expired reports whether a row says nothing any more.
func (r row) expired(now time.Time) bool {
	if r.done {
		return now.Sub(r.last) > keepGood
	}
	return now.Sub(r.first) > keepWaits
}

// OpenMemory opens or creates inbound.db at path. One that is damaged is put
// aside as path.damaged: it costs senders a wait, and no mail.
func OpenMemory(path string, o MemoryOptions) (*Memory, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Memory{opts: o, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), pending: map[memoryKey]row{}}
	var err error
	m.db, err = boltfile.Open(path, boltfile.Options{
		What: "what is remembered of senders", Buckets: [][]byte{bucketSeen}, NoFreelistSync: true, Logger: o.Logger,
		Init: func(tx *bolt.Tx) error {
			m.rows = tx.Bucket(bucketSeen).Stats().KeyN
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open memory of senders: %w", err)
	}
	go m.run()
	return m, nil
}

// Close writes what is not written yet and closes the file.
func (m *Memory) Close() error {
	if m == nil {
		return nil
	}
	close(m.stop)
	<-m.done
	m.flush()
	return m.db.Close()
}

// run writes and forgets until Close.
func (m *Memory) run() {
	defer close(m.done)
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	var late <-chan time.Time // nil: nothing waits
	for {
		select {
		case <-m.stop:
			return
		case <-m.wake:
			if late == nil {
				late = time.After(writeLate)
			}
		case <-late:
			late = nil
			m.flush()
		case <-sweep.C:
			m.sweep()
		}
	}
}

// get returns what is remembered under a key.
func (m *Memory) get(k memoryKey) (row, bool) {
	m.mu.Lock()
	r, ok := m.pending[k]
	if !ok {
		r, ok = m.writing[k]
	}
	m.mu.Unlock()
	if !ok {
		err := m.db.View(func(tx *bolt.Tx) error {
			r, ok = decodeRow(tx.Bucket(bucketSeen).Get([]byte(k)))
			return nil
		})
		if err != nil {
			return row{}, false
		}
	}
	return r, ok && !r.expired(m.opts.Now())
}

// put remembers r. It reports whether there was room for it.
func (m *Memory) put(k memoryKey, r row, isNew bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.pending) >= maxPending || isNew && (m.opts.Disk.Stage() >= disk.Low || m.rows+len(m.pending)+len(m.writing) >= maxMemory) {
		return false
	}
	m.pending[k] = r
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// flush writes what is pending. What cannot be written stays in memory, so that
// those who were told to come again are known then.
func (m *Memory) flush() {
	m.mu.Lock()
	m.writing, m.pending = m.pending, map[memoryKey]row{}
	rows := m.writing
	m.mu.Unlock()
	added := 0
	err := m.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketSeen)
		added = 0
		for k, r := range rows {
			if b.Get([]byte(k)) == nil {
				added++
			}
			if err := b.Put([]byte(k), r.encode()); err != nil {
				return err
			}
		}
		return nil
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing = nil
	if err == nil {
		m.rows += added
		return
	}
	m.opts.Logger.Error("remember senders", "err", err)
	for k, r := range rows {
		if _, newer := m.pending[k]; !newer {
			m.pending[k] = r
		}
	}
}

// sweep removes rows that say nothing any more.
func (m *Memory) sweep() {
	removed := 0
	for next := []byte{}; next != nil; {
		n := 0
		err := m.db.Update(func(tx *bolt.Tx) error {
			var old [][]byte
			old, next = expiredRows(tx.Bucket(bucketSeen), next, m.opts.Now())
			for _, k := range old {
				if err := tx.Bucket(bucketSeen).Delete(k); err != nil {
					return err
				}
			}
			n = len(old)
			return nil
		})
		if err != nil {
			m.opts.Logger.Error("forget senders", "err", err)
			return
		}
		removed += n
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows -= removed
}

// expiredRows looks at some rows, and returns the keys of those that can go,
// and where to go on.
func expiredRows(b *bolt.Bucket, from []byte, now time.Time) (old [][]byte, next []byte) {
	c := b.Cursor()
	looked := 0
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if looked++; looked > sweepRows {
			return old, append([]byte{}, k...)
		}
		if r, ok := decodeRow(v); !ok || r.expired(now) {
			old = append(old, append([]byte{}, k...))
		}
	}
	return old, nil
}

func goodKey(a netip.Addr) memoryKey {
	return memoryKey("g" + string(addressUnit(a).Addr().AsSlice()))
}

// good reports whether mail of an address was taken as good lately.
func (m *Memory) good(a netip.Addr) bool {
	if m == nil {
		return false
	}
	r, ok := m.get(goodKey(a))
	return ok && r.done
}

// sawGood remembers that an address has sent good mail.
func (m *Memory) sawGood(a netip.Addr) {
	if m == nil {
		return
	}
	k, now := goodKey(a), m.opts.Now()
	r, ok := m.get(k)
	if ok && now.Sub(r.last) < refreshed {
		return
	}
	if !ok {
		r.first = now
	}
	r.last, r.done = now, true
	m.put(k, r, !ok)
}

// tripletKey is for mail of a net with the domain of a reverse-path to one
// recipient. None of the three can be read from it.
func tripletKey(a netip.Addr, from, to string) memoryKey {
	sum := sha256.Sum256([]byte(netOfTriplet(a).String() + "\x00" + from + "\x00" + to))
	return memoryKey("t" + string(sum[:16]))
}

// retriesKey is for a net that has come again.
func retriesKey(a netip.Addr) memoryKey {
	return memoryKey("r" + string(netOfTriplet(a).Addr().AsSlice()))
}

// netOfTriplet is where the servers of one sender are.
func netOfTriplet(a netip.Addr) netip.Prefix { return unit(a, 24, 64) }

// Backup writes a consistent copy of the file; what came in the last seconds
// may be missing.
func (m *Memory) Backup(w io.Writer) error { return boltfile.Copy(m.db, w) }
