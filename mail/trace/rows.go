package trace

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

var (
	bucketSummary = []byte("summary")
	bucketEvents  = []byte("events")
	bucketIndex   = []byte("index")
	bucketMeta    = []byte("meta")
)

// indexVersion is that of the terms. An older index is made anew by Open.
const indexVersion = 2

var keyIndexVersion = []byte("index-version")

// putGroup writes entries in order; those of one message make one row each. It
// returns the summaries that are new or have changed.
func putGroup(tx *bolt.Tx, group []entry) ([]Summary, error) {
	traces := map[ID]*pending{}
	var order []*pending
	for _, e := range group {
		id := e.sum.ID
		if id == "" {
			continue
		}
		t := traces[id]
		if t == nil {
			s, err := getSummary(tx, id)
			if err != nil {
				return nil, err
			}
			t = &pending{sum: s, before: terms(&s)}
			traces[id] = t
			order = append(order, t)
		}
		t.sum.merge(e.sum)
		t.events = append(t.events, e.events...)
	}
	changed := make([]Summary, len(order))
	for i, t := range order {
		if err := t.put(tx); err != nil {
			return nil, err
		}
		changed[i] = t.sum
	}
	return changed, nil
}

// pending is what a group says about one message.
type pending struct {
	sum    Summary
	before []string // its terms as they are in the index
	events []Event
}

func getSummary(tx *bolt.Tx, id ID) (Summary, error) {
	v := tx.Bucket(bucketSummary).Get([]byte(id))
	if v == nil {
		return Summary{ID: id}, nil
	}
	return decodeSummary(v)
}

func decodeSummary(v []byte) (Summary, error) {
	var s Summary
	if err := json.Unmarshal(v, &s); err != nil {
		return Summary{}, fmt.Errorf("trace summary: %w", err)
	}
	return s, nil
}

func (t *pending) put(tx *bolt.Tx) error {
	id := t.sum.ID
	v, err := json.Marshal(&t.sum)
	if err != nil {
		return err
	}
	if err := tx.Bucket(bucketSummary).Put([]byte(id), v); err != nil {
		return err
	}
	if err := t.index(tx.Bucket(bucketIndex)); err != nil {
		return err
	}
	return putEvents(tx, id, t.events)
}

// index brings the index up to date: it has what changes, such as the outcome,
// among its terms.
func (t *pending) index(b *bolt.Bucket) error {
	old := make(map[string]bool, len(t.before))
	for _, term := range t.before {
		old[term] = true
	}
	for _, term := range terms(&t.sum) {
		if old[term] {
			delete(old, term)
		} else if err := b.Put(indexKey(term, t.sum.ID), nil); err != nil {
			return err
		}
	}
	for term := range old {
		if err := b.Delete(indexKey(term, t.sum.ID)); err != nil {
			return err
		}
	}
	return nil
}

// putEvents appends one row with all events, unless the trace is full.
func putEvents(tx *bolt.Tx, id ID, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	b := tx.Bucket(bucketEvents)
	next := uint32(0)
	c := b.Cursor()
	k, _ := c.Seek(eventKey(id, ^uint32(0)))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if len(k) == idLength+4 && bytes.HasPrefix(k, []byte(id)) {
		next = binary.BigEndian.Uint32(k[idLength:]) + 1
	}
	if next >= maxEvents {
		return nil
	}
	events = events[:min(len(events), int(maxEvents-next))]
	for i := range events {
		events[i].Text = clip(events[i].Text)
		for name, v := range events[i].Fields {
			if len(v) > maxText {
				events[i].Fields[name] = clip(v)
			}
		}
	}
	v, err := json.Marshal(events)
	if err != nil {
		return err
	}
	return b.Put(eventKey(id, next+uint32(len(events))-1), v)
}

// eventKey orders rows of one trace; n is the number of their last event.
func eventKey(id ID, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(id), n)
}

func indexKey(term string, id ID) []byte {
	k := append([]byte(term), 0)
	return append(k, id...)
}

// terms are what a trace is found by. A letter keeps the kinds apart.
func terms(s *Summary) []string {
	var t []string
	addPath := func(p mail.Path) {
		if p.IsNull() {
			return
		}
		t = append(t, addressTerm(p.Key()))
		if p.Domain != "" {
			t = append(t, addressTerm("@"+string(p.Domain)))
		}
	}
	addPath(s.ReversePath)
	for _, p := range s.Recipients {
		addPath(p)
	}
	if s.MessageID != "" {
		t = append(t, messageIDTerm(s.MessageID))
	}
	if s.RemoteIP != "" {
		t = append(t, "i"+s.RemoteIP)
	}
	if s.SubjectHash != "" {
		t = append(t, "s"+s.SubjectHash)
	}
	if s.Direction != "" || s.Outcome != "" {
		t = append(t, outcomeTerm(s.Direction, s.Outcome))
	}
	if s.Junk {
		t = append(t, junkTerm)
	}
	if s.Cause != "" {
		t = append(t, causeTerm(s.Cause))
	}
	return t
}

// junkTerm is that of everything filed to Junk.
const junkTerm = "j"

func outcomeTerm(direction, outcome string) string { return "o" + direction + "/" + outcome }

// causeTerm is short however long a cause is.
func causeTerm(cause string) string {
	sum := sha256.Sum256([]byte(cause))
	return "c" + hex.EncodeToString(sum[:8])
}

// addressTerm keeps NUL, which a quoted local-part cannot contain anyway, out
// of keys.
func addressTerm(a string) string { return "a" + strings.ReplaceAll(strings.ToLower(a), "\x00", "") }

func messageIDTerm(id string) string {
	return "m" + strings.Trim(strings.ReplaceAll(clip(id), "\x00", ""), "<> ")
}

// expire removes traces that began before limit and returns how many.
func (l *Log) expire(limit time.Time) (int, error) {
	total := 0
	for {
		n := 0
		err := l.db.Update(func(tx *bolt.Tx) error {
			n = 0
			var old []Summary
			c := tx.Bucket(bucketSummary).Cursor()
			for k, v := c.First(); k != nil && string(k) < string(after(limit)) && len(old) < expireGroup; k, v = c.Next() {
				s, err := decodeSummary(v)
				if err != nil {
					s = Summary{}
				}
				s.ID = ID(k)
				old = append(old, s)
			}
			for _, s := range old {
				if err := removeTrace(tx, &s); err != nil {
					return err
				}
			}
			n = len(old)
			return nil
		})
		total += n
		if err != nil || n < expireGroup {
			return total, err
		}
	}
}

func removeTrace(tx *bolt.Tx, s *Summary) error {
	for _, term := range terms(s) {
		if err := tx.Bucket(bucketIndex).Delete(indexKey(term, s.ID)); err != nil {
			return err
		}
	}
	c := tx.Bucket(bucketEvents).Cursor()
	for k, _ := c.Seek([]byte(s.ID)); bytes.HasPrefix(k, []byte(s.ID)); k, _ = c.Seek([]byte(s.ID)) {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketSummary).Delete([]byte(s.ID))
}

// reindexGroup is how many traces get their terms in one transaction.
const reindexGroup = 5_000

// reindex makes an index of an older version anew. A crash in between begins
// it again.
func reindex(db *bolt.DB) error {
	current := false
	err := db.View(func(tx *bolt.Tx) error {
		current = string(tx.Bucket(bucketMeta).Get(keyIndexVersion)) == string([]byte{indexVersion})
		return nil
	})
	if err != nil || current {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket(bucketIndex); err != nil {
			return err
		}
		_, err := tx.CreateBucket(bucketIndex)
		return err
	})
	for next := []byte{}; next != nil && err == nil; {
		err = db.Update(func(tx *bolt.Tx) (err error) {
			next, err = reindexFrom(tx, next)
			return err
		})
	}
	if err != nil {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyIndexVersion, []byte{indexVersion}) })
}

// reindexFrom gives some traces their terms, and returns where to go on.
func reindexFrom(tx *bolt.Tx, from []byte) (next []byte, err error) {
	c := tx.Bucket(bucketSummary).Cursor()
	n := 0
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if n++; n > reindexGroup {
			return bytes.Clone(k), nil
		}
		s, err := decodeSummary(v)
		if err != nil {
			continue // it is found by its ID alone
		}
		t := pending{sum: s}
		if err := t.index(tx.Bucket(bucketIndex)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
