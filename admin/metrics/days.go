package metrics

import (
	"bytes"
	"context"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bounds of Days.
const (
	daysKept = 90
	maxDay   = 256 << 10 // octets of one value
)

// Days keeps one value a day for those who count in their own way. They are
// in the same file as the series, and kept as long.
type Days struct {
	store *Store
	name  string
}

// Days returns the values of a name.
func (s *Store) Days(name string) *Days { return &Days{s, name} }

func (d *Days) key(day time.Time) []byte {
	return append(append([]byte(d.name), 0), stepKey(day.UTC().Truncate(24*time.Hour))...)
}

// Put writes the value of a day, and drops those that are too old.
func (d *Days) Put(day time.Time, value []byte) error {
	if len(value) > maxDay {
		return fmt.Errorf("metrics: %s of a day has %d octets, more than %d", d.name, len(value), maxDay)
	}
	oldest := d.key(d.store.opts.Now().AddDate(0, 0, -daysKept))
	prefix := append([]byte(d.name), 0)
	return d.store.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketDay)
		if err != nil {
			return err
		}
		c := b.Cursor()
		for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix) && bytes.Compare(k, oldest) < 0; k, _ = c.Seek(prefix) {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return b.Put(d.key(day), value)
	})
}

// All hands out the values that are kept, the oldest first.
func (d *Days) All(ctx context.Context, give func(day time.Time, value []byte) error) error {
	prefix := append([]byte(d.name), 0)
	oldest := d.key(d.store.opts.Now().AddDate(0, 0, -daysKept))
	return d.store.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketDay)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, v := c.Seek(oldest); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := give(timeOf(k[len(prefix):]), bytes.Clone(v)); err != nil {
				return err
			}
		}
		return nil
	})
}
