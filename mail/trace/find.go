package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"
)

const (
	findDefault = 100
	findMax     = 10_000
)

// Show returns the whole trace of id, or ErrNotFound.
func (l *Log) Show(ctx context.Context, id ID) (Trace, error) {
	var t Trace
	err := l.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketSummary).Get([]byte(id))
		if v == nil || !id.valid() {
			return ErrNotFound
		}
		var err error
		if t.Summary, err = decodeSummary(v); err != nil {
			return err
		}
		c := tx.Bucket(bucketEvents).Cursor()
		for k, v := c.Seek([]byte(id)); bytes.HasPrefix(k, []byte(id)); k, v = c.Next() {
			var events []Event
			if err := json.Unmarshal(v, &events); err != nil {
				return fmt.Errorf("trace %s: %w", id, err)
			}
			t.Events = append(t.Events, events...)
		}
		return ctx.Err()
	})
	return t, err
}

// Find returns the traces that match all of q, newest first.
func (l *Log) Find(ctx context.Context, q Query) ([]Summary, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = findDefault
	}
	limit = min(limit, findMax)
	var found []Summary
	err := l.db.View(func(tx *bolt.Tx) error {
		for id := range candidates(tx, q) {
			if len(found) >= limit {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			v := tx.Bucket(bucketSummary).Get([]byte(id))
			if v == nil {
				continue
			}
			s, err := decodeSummary(v)
			if err != nil {
				return err
			}
			if q.matches(&s) {
				found = append(found, s)
			}
		}
		return nil
	})
	return found, err
}

// terms returns the index terms that q asks for.
func (q Query) terms() []string {
	var t []string
	if q.Address != "" {
		t = append(t, addressTerm(q.Address))
	}
	if q.MessageID != "" {
		t = append(t, messageIDTerm(q.MessageID))
	}
	if q.IP != "" {
		t = append(t, "i"+q.IP)
	}
	if h := SubjectHash(q.Subject); h != "" {
		t = append(t, "s"+h)
	}
	return t
}

// candidates yields IDs, newest first, that have the first of q's terms; all
// IDs when it has none. The caller checks the rest.
func candidates(tx *bolt.Tx, q Query) func(yield func(ID) bool) {
	bucket, prefix := bucketSummary, []byte(nil)
	if q.ID != "" {
		return func(yield func(ID) bool) { yield(ID(strings.ToLower(q.ID))) }
	}
	if t := q.terms(); len(t) > 0 {
		bucket, prefix = bucketIndex, append([]byte(t[0]), 0)
	}
	return func(yield func(ID) bool) {
		c := tx.Bucket(bucket).Cursor()
		k := seekBefore(c, append(bytes.Clone(prefix), q.end()...))
		for ; k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
			id := ID(k[len(prefix):])
			if !q.After.IsZero() && id < after(q.After) || !yield(id) {
				return
			}
		}
	}
}

// end is the first ID too new for q.
func (q Query) end() []byte {
	if q.Before.IsZero() {
		return []byte{0xff}
	}
	return []byte(after(q.Before))
}

// seekBefore returns the last key < key.
func seekBefore(c *bolt.Cursor, key []byte) []byte {
	k, _ := c.Seek(key)
	if k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ = c.Prev()
	return k
}

// matches checks all of q against a summary.
func (q Query) matches(s *Summary) bool {
	has := map[string]bool{}
	for _, t := range terms(s) {
		has[t] = true
	}
	for _, t := range q.terms() {
		if !has[t] {
			return false
		}
	}
	return (q.Outcome == "" || q.Outcome == s.Outcome) &&
		(q.After.IsZero() || s.ID >= after(q.After)) &&
		(q.Before.IsZero() || s.ID < after(q.Before))
}
