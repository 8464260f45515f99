package metrics

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/boltfile"
	"github.com/mailstead/mailstead/mail/disk"
)

// level is one of the resolutions that are kept.
type level struct {
	bucket []byte
	step   time.Duration
	keep   time.Duration
}

// levels are the resolutions, the finest first. All their rows together take
// less than 8 MB with 100 series.
var levels = [...]level{
	{[]byte("1m"), time.Minute, 2 * 24 * time.Hour},
	{[]byte("10m"), 10 * time.Minute, 14 * 24 * time.Hour},
	{[]byte("1h"), time.Hour, 90 * 24 * time.Hour},
}

var (
	bucketName = []byte("name")
	bucketDay  = []byte("day")
)

// expireGroup is how many old rows of a level go in one transaction: more than
// come, so that what a pause has left goes as well.
const expireGroup = 100

// StoreOptions are what a Store works with; the zero value works.
type StoreOptions struct {
	// Disk says how full the disk is. While it is full nothing is written: until
	// then there are numbers, which take little, for the alerts about guessed
	// passwords and the date when the disk is full are made of them. nil: there
	// is room.
	Disk   *disk.Guard
	Now    func() time.Time
	Logger *slog.Logger
}

// Store keeps the past of a Registry.
type Store struct {
	opts StoreOptions
	reg  *Registry
	db   *bolt.DB

	mu   sync.Mutex // guards last and the writing of rows
	last map[string]sample
}

// Open opens or creates the file at path. One that is damaged, which costs no
// more than some charts, is put aside as path.damaged.
func Open(path string, reg *Registry, o StoreOptions) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	buckets := [][]byte{bucketName}
	for _, l := range levels {
		buckets = append(buckets, l.bucket)
	}
	db, err := boltfile.Open(path, boltfile.Options{What: "metrics", Buckets: buckets, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	return &Store{opts: o, reg: reg, db: db, last: map[string]sample{}}, nil
}

// Close closes the file. What was counted since the last Flush is lost.
func (s *Store) Close() error { return s.db.Close() }

// Run writes down every minute what was counted, until ctx is done, and then
// once more.
func (s *Store) Run(ctx context.Context) error {
	for {
		now := s.opts.Now()
		timer := time.NewTimer(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			s.logged(s.Flush())
			return nil
		case <-timer.C:
			s.logged(s.Flush())
		}
	}
}

func (s *Store) logged(err error) {
	if err != nil { // what was counted stays counted, and is written next time
		s.opts.Logger.Error("write metrics", "err", err)
	}
}

// Flush writes down what was counted since the Flush before, and drops what is
// too old.
func (s *Store) Flush() error {
	if s.opts.Disk.Stage() >= disk.Full {
		return nil // it stays counted
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// What is read as a minute ends belongs to that minute.
	at := s.opts.Now().Add(-time.Second)
	current := s.reg.snapshot()
	news := s.since(current)
	err := s.db.Update(func(tx *bolt.Tx) error {
		ids, err := number(tx, news)
		if err != nil {
			return err
		}
		for _, l := range levels {
			if err := l.merge(tx, at, ids, news); err != nil {
				return err
			}
			if err := l.expire(tx, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.last = current
	}
	return err
}

// since is what the samples say that was not written yet.
func (s *Store) since(current map[string]sample) map[string]sample {
	news := map[string]sample{}
	for name, now := range current {
		if d := now.since(s.last[name]); !d.isZero() {
			news[name] = d
		}
	}
	return news
}

// number returns the numbers of series, and gives new ones to those without.
func number(tx *bolt.Tx, series map[string]sample) (map[string]uint16, error) {
	b := tx.Bucket(bucketName)
	ids := make(map[string]uint16, len(series))
	for name := range series {
		if v := b.Get([]byte(name)); len(v) == 2 {
			ids[name] = binary.BigEndian.Uint16(v)
			continue
		}
		id, err := b.NextSequence()
		if err != nil {
			return nil, err
		}
		if id > maxSeries {
			return nil, errors.New("too many series; delete metrics.db to begin anew")
		}
		ids[name] = uint16(id)
		if err := b.Put([]byte(name), binary.BigEndian.AppendUint16(nil, uint16(id))); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func stepKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(t.Unix(), 0)))
}

func timeOf(key []byte) time.Time {
	if len(key) != 8 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(key)), 0).UTC()
}

// merge puts news into the row of the step that at lies in.
func (l level) merge(tx *bolt.Tx, at time.Time, ids map[string]uint16, news map[string]sample) error {
	b := tx.Bucket(l.bucket)
	key := stepKey(at.Truncate(l.step))
	row := map[uint16]sample{}
	if v := b.Get(key); v != nil {
		err := readRow(v, func(uint16) bool { return true }, func(id uint16, s sample) { row[id] = s })
		if err != nil { // damaged, or of a newer version: it is one step of many
			clear(row)
		}
	}
	for name, s := range news {
		row[ids[name]] = row[ids[name]].merge(s)
	}
	v := []byte{rowVersion}
	for id, s := range row {
		v = appendSample(v, id, s)
	}
	return b.Put(key, v)
}

// expire removes rows that are too old.
func (l level) expire(tx *bolt.Tx, now time.Time) error {
	b := tx.Bucket(l.bucket)
	end := string(stepKey(now.Add(-l.keep)))
	c := b.Cursor()
	for n := 0; n < expireGroup; n++ {
		k, _ := c.First()
		if k == nil || string(k) >= end {
			return nil
		}
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}
