package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	bolt "go.etcd.io/bbolt"
)

// boltTx is a transaction of one owner; it implements Tx and RW.
type boltTx struct {
	o        *owner
	tx       *bolt.Tx
	buckets  [256]*bolt.Bucket
	released []Ref
}

func newTx(o *owner, tx *bolt.Tx) *boltTx { return &boltTx{o: o, tx: tx} }

func (t *boltTx) bucket(b Bucket) *bolt.Bucket {
	if t.buckets[b] == nil {
		t.buckets[b] = t.tx.Bucket([]byte{byte(b)})
	}
	return t.buckets[b]
}

func (t *boltTx) Get(b Bucket, key []byte) []byte {
	if bk := t.bucket(b); bk != nil {
		return bk.Get(key)
	}
	return nil
}

func (t *boltTx) Scan(b Bucket, from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		bk := t.bucket(b)
		if bk == nil {
			return
		}
		c := bk.Cursor()
		for k, v := c.Seek(from); k != nil && (to == nil || bytes.Compare(k, to) < 0); k, v = c.Next() {
			if !yield(k, v) {
				return
			}
		}
	}
}

func (t *boltTx) ScanBack(b Bucket, from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		bk := t.bucket(b)
		if bk == nil {
			return
		}
		c := bk.Cursor()
		for k, v := lastBefore(c, to); k != nil && bytes.Compare(k, from) >= 0; k, v = c.Prev() {
			if !yield(k, v) {
				return
			}
		}
	}
}

// lastBefore moves c to the last key below to, or to the last of all.
func lastBefore(c *bolt.Cursor, to []byte) (k, v []byte) {
	if to == nil {
		return c.Last()
	}
	if k, _ := c.Seek(to); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// fill leaves little room in pages: most keys are added in order.
const fillPercent = 0.9

func (t *boltTx) Put(b Bucket, key, val []byte) error {
	if len(val) > MaxValue {
		return fmt.Errorf("store: value of %d octets in bucket %q; %d are allowed", len(val), b, MaxValue)
	}
	bk := t.bucket(b)
	if bk == nil {
		var err error
		if bk, err = t.tx.CreateBucketIfNotExists([]byte{byte(b)}); err != nil {
			return err
		}
		t.buckets[b] = bk
	}
	bk.FillPercent = fillPercent
	return bk.Put(bytes.Clone(key), val)
}

func (t *boltTx) Delete(b Bucket, key []byte) error {
	if bk := t.bucket(b); bk != nil {
		return bk.Delete(key)
	}
	return nil
}

func (t *boltTx) Release(r Ref) { t.released = append(t.released, r) }

// finish writes down which bodies this owner no longer needs, and since when.
func (t *boltTx) finish() error {
	if len(t.released) == 0 {
		return nil
	}
	dead, err := t.tx.CreateBucketIfNotExists(bucketDead)
	if err != nil {
		return err
	}
	now := binary.BigEndian.AppendUint64(nil, uint64(t.o.e.opts.Now().Unix()))
	for _, r := range t.released {
		if err := dead.Put(bytes.Clone(r[:]), now); err != nil {
			return err
		}
	}
	t.released = nil
	t.o.e.squeeze.let()
	return nil
}

// noRows is the snapshot of an owner that has nothing.
type noRows struct{}

func (noRows) Get(Bucket, []byte) []byte { return nil }

func (noRows) Scan(Bucket, []byte, []byte) iter.Seq2[[]byte, []byte] {
	return func(func(k, v []byte) bool) {}
}

func (noRows) ScanBack(Bucket, []byte, []byte) iter.Seq2[[]byte, []byte] {
	return func(func(k, v []byte) bool) {}
}
