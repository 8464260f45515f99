package trace

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// indexVersion is that of the index. An older one is made anew.
const indexVersion = 4

// reindexGroup is how many traces get their terms in one transaction, between
// which others are written.
const reindexGroup = 1_000

// reindex makes an index of an older version anew, step by step. Until it is
// done older traces are found by their ID alone. A crash in between begins it
// again.
type reindex struct {
	db      *bolt.DB
	runKeys int
	begun   bool
	next    []byte // ID to go on from
	added   int    // keys in the run that is being filled
}

// newReindex returns nil if the index is of this version.
func newReindex(db *bolt.DB, runKeys int) *reindex {
	current := false
	db.View(func(tx *bolt.Tx) error {
		current = string(tx.Bucket(bucketMeta).Get(keyIndexVersion)) == string([]byte{indexVersion})
		return nil
	})
	if current {
		return nil
	}
	return &reindex{db: db, runKeys: runKeys}
}

// step does a part of the work, and reports whether that was all.
func (r *reindex) step() (done bool, err error) {
	err = r.db.Update(func(tx *bolt.Tx) (err error) {
		if !r.begun {
			return r.begin(tx)
		}
		done, err = r.fill(tx)
		return err
	})
	r.begun = true
	return done, err
}

// begin empties the index. What there is goes into runs of its own, before the
// one that new traces go into.
func (r *reindex) begin(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketIndex, bucketRuns} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	if _, err := addRun(tx, firstRun); err != nil {
		return err
	}
	if k, _ := tx.Bucket(bucketSummary).Cursor().Last(); k != nil {
		if _, err := addRun(tx, afterNewest(tx)); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Delete(keyRunKeys)
}

// fill gives some traces their terms.
func (r *reindex) fill(tx *bolt.Tx) (done bool, err error) {
	x, err := newIndexer(tx, r.runKeys)
	if err != nil {
		return false, err
	}
	c := tx.Bucket(bucketSummary).Cursor()
	n := 0
	for k, v := c.Seek(r.next); k != nil && string(k) < x.newer.start; k, v = c.Next() {
		if n++; n > reindexGroup {
			r.next = bytes.Clone(k)
			return false, nil
		}
		s, err := decodeSummary(v)
		if err != nil {
			continue // it is found by its ID alone
		}
		now := terms(&s)
		if r.added += len(now); r.added > r.runKeys {
			if _, err := addRun(tx, string(k)); err != nil {
				return false, err
			}
			r.added = len(now)
		}
		if err := x.change(ID(k), nil, now); err != nil {
			return false, err
		}
	}
	return true, tx.Bucket(bucketMeta).Put(keyIndexVersion, []byte{indexVersion})
}
