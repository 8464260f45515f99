package memstore

import (
	"bytes"
	"iter"
	"slices"
	"sort"

	"github.com/mailstead/mailstead/mailbox/store"
)

// row is one key with its value.
type row struct{ key, val []byte }

// table is a bucket: rows sorted by key.
type table struct{ rows []row }

func (t *table) find(key []byte) (int, bool) {
	i := sort.Search(len(t.rows), func(i int) bool { return bytes.Compare(t.rows[i].key, key) >= 0 })
	return i, i < len(t.rows) && bytes.Equal(t.rows[i].key, key)
}

func (t *table) put(key, val []byte) {
	i, found := t.find(key)
	if found {
		t.rows[i].val = val
		return
	}
	t.rows = slices.Insert(t.rows, i, row{bytes.Clone(key), val})
}

func (t *table) remove(key []byte) {
	if i, found := t.find(key); found {
		t.rows = slices.Delete(t.rows, i, i+1)
	}
}

// undo is what a row was before a transaction changed it; val nil: not there.
type undo struct {
	bucket store.Bucket
	key    []byte
	val    []byte
}

// tx is a transaction on one owner; its lock is held.
type tx struct {
	o        *owner
	undo     []undo
	released []store.Ref
}

func (x *tx) table(b store.Bucket) *table {
	t := x.o.tables[b]
	if t == nil {
		t = &table{}
		x.o.tables[b] = t
	}
	return t
}

func (x *tx) Get(b store.Bucket, key []byte) []byte {
	t := x.o.tables[b]
	if t == nil {
		return nil
	}
	if i, found := t.find(key); found {
		return t.rows[i].val
	}
	return nil
}

// bounds returns the half-open range of rows in [from, to).
func (x *tx) bounds(b store.Bucket, from, to []byte) []row {
	t := x.o.tables[b]
	if t == nil {
		return nil
	}
	i, _ := t.find(from)
	j := len(t.rows)
	if to != nil {
		j, _ = t.find(to)
	}
	return t.rows[i:max(i, j)]
}

func (x *tx) Scan(b store.Bucket, from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for _, r := range x.bounds(b, from, to) {
			if !yield(r.key, r.val) {
				return
			}
		}
	}
}

func (x *tx) ScanBack(b store.Bucket, from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		rows := x.bounds(b, from, to)
		for i := len(rows) - 1; i >= 0; i-- {
			if !yield(rows[i].key, rows[i].val) {
				return
			}
		}
	}
}

func (x *tx) Put(b store.Bucket, key, val []byte) error {
	if len(key) == 0 || len(val) > store.MaxValue {
		return errRow
	}
	x.remember(b, key)
	// An empty value is a row too, not nil.
	x.table(b).put(key, append(make([]byte, 0, len(val)), val...))
	return nil
}

func (x *tx) Delete(b store.Bucket, key []byte) error {
	x.remember(b, key)
	x.table(b).remove(key)
	return nil
}

func (x *tx) remember(b store.Bucket, key []byte) {
	x.undo = append(x.undo, undo{b, bytes.Clone(key), x.Get(b, key)})
}

func (x *tx) Release(r store.Ref) { x.released = append(x.released, r) }

// rollback takes back what was done since mark.
func (x *tx) rollback(mark, released int) {
	for i := len(x.undo) - 1; i >= mark; i-- {
		u := x.undo[i]
		if u.val == nil {
			x.table(u.bucket).remove(u.key)
		} else {
			x.table(u.bucket).put(u.key, u.val)
		}
	}
	x.undo, x.released = x.undo[:mark], x.released[:released]
}
