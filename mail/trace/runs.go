package trace

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// The index is cut into runs: each has the terms of the traces whose IDs lie
// between its start and that of the next. Terms come in no order, so that each
// of them would change a page of its own in a large index; in a run, which is
// small, many share one. A search goes from run to run, newest first.
const (
	runKeysDefault = 32 << 10 // about; then the next run begins
	runLength      = 4        // octets of a run's number in keys
	termLength     = 8        // octets of a term's hash in keys
	indexLength    = runLength + termLength + idLength
)

// firstRun is where the first run starts: before all IDs.
const firstRun = "0000000000000000"

// run is a part of the index.
type run struct {
	start  string // the first ID that belongs to it
	number uint32
}

// runAt returns the run of the IDs just before bound.
func runAt(c *bolt.Cursor, bound string) (run, bool) {
	step := c.Prev
	if k, _ := c.Seek([]byte(bound)); k == nil {
		step = c.Last
	}
	k, v := step()
	if len(v) != runLength {
		return run{}, false
	}
	return run{string(k), binary.BigEndian.Uint32(v)}, true
}

// runOf returns the run that id belongs to.
func runOf(tx *bolt.Tx, id ID) run {
	r, _ := runAt(tx.Bucket(bucketRuns).Cursor(), string(id)+"\x00")
	return r
}

// addRun begins a run at start.
func addRun(tx *bolt.Tx, start string) (run, error) {
	b := tx.Bucket(bucketRuns)
	n, err := b.NextSequence()
	if err != nil {
		return run{}, err
	}
	r := run{start, uint32(n)}
	return r, b.Put([]byte(start), binary.BigEndian.AppendUint32(nil, r.number))
}

// afterNewest is the first bound that is beyond all traces.
func afterNewest(tx *bolt.Tx) string {
	k, _ := tx.Bucket(bucketSummary).Cursor().Last()
	return string(k) + "\x00"
}

// dropRuns forgets runs that have nothing but traces before limit; their terms
// are gone already.
func dropRuns(tx *bolt.Tx, limit string) error {
	b := tx.Bucket(bucketRuns)
	last, ok := runAt(b.Cursor(), limit+"\x00")
	if !ok {
		return nil
	}
	c := b.Cursor()
	for k, _ := c.First(); k != nil && string(k) < last.start; k, _ = c.First() {
		if err := b.Delete(bytes.Clone(k)); err != nil {
			return err
		}
	}
	// What is left of the oldest begins where it always did: at no ID.
	if last.start == firstRun {
		return nil
	}
	if err := b.Delete([]byte(last.start)); err != nil {
		return err
	}
	return b.Put([]byte(firstRun), binary.BigEndian.AppendUint32(nil, last.number))
}

// termHash is what stands for a term in keys.
func termHash(term string) (h [termLength]byte) {
	sum := sha256.Sum256([]byte(term))
	copy(h[:], sum[:])
	return h
}

func appendIndexKey(to []byte, r run, term string, id ID) []byte {
	to = binary.BigEndian.AppendUint32(to, r.number)
	h := termHash(term)
	to = append(to, h[:]...)
	return append(to, id...)
}

// indexer writes the index within one transaction.
type indexer struct {
	tx    *bolt.Tx
	index *bolt.Bucket
	limit int // of keys in a run
	newer run // the newest run
	added int // keys put into it

	row []byte // scratch for a row
}

func newIndexer(tx *bolt.Tx, limit int) (*indexer, error) {
	x := &indexer{tx: tx, index: tx.Bucket(bucketIndex), limit: limit}
	var ok bool
	if x.newer, ok = runAt(tx.Bucket(bucketRuns).Cursor(), "\xff"); !ok {
		var err error
		if x.newer, err = addRun(tx, firstRun); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *indexer) runOf(id ID) run {
	if string(id) >= x.newer.start {
		return x.newer
	}
	return runOf(x.tx, id)
}

// change brings the terms of a trace up to date: it has what changes, such as
// the outcome, among them.
func (x *indexer) change(id ID, before, now []string) error {
	r := x.runOf(id)
	for _, term := range now {
		if slices.Contains(before, term) {
			continue
		}
		// Keys live until the end of the transaction.
		if err := x.index.Put(appendIndexKey(make([]byte, 0, indexLength), r, term, id), nil); err != nil {
			return err
		}
		if r == x.newer {
			x.added++
		}
	}
	for _, term := range before {
		if slices.Contains(now, term) {
			continue
		}
		if err := x.index.Delete(appendIndexKey(make([]byte, 0, indexLength), r, term, id)); err != nil {
			return err
		}
	}
	return nil
}

// close counts what was added. If that is enough, the next run begins after
// the newest trace there is.
func (x *indexer) close() error {
	if x.added == 0 {
		return nil
	}
	meta := x.tx.Bucket(bucketMeta)
	n := x.added
	if v := meta.Get(keyRunKeys); len(v) == 4 {
		n += int(binary.BigEndian.Uint32(v))
	}
	if n >= x.limit {
		if _, err := addRun(x.tx, afterNewest(x.tx)); err != nil {
			return err
		}
		n = 0
	}
	return meta.Put(keyRunKeys, binary.BigEndian.AppendUint32(nil, uint32(n)))
}
