package trace

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

const (
	findDefault = 100
	findMax     = 10_000
)

// Show returns the whole trace of id, its events by time, or ErrNotFound.
// Several services tell what they did with a message, and none waits for another.
func (l *Log) Show(ctx context.Context, id ID) (Trace, error) {
	var t Trace
	err := l.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketSummary).Get([]byte(id))
		if v == nil || !id.valid() {
			return ErrNotFound
		}
		var err error
		if t.Summary, err = getSummary(tx, id); err != nil {
			return err
		}
		c := tx.Bucket(bucketEvents).Cursor()
		for k, v := c.Seek([]byte(id)); bytes.HasPrefix(k, []byte(id)); k, v = c.Next() {
			events, err := decodeEvents(v)
			if err != nil {
				return fmt.Errorf("trace %s: %w", id, err)
			}
			t.Events = append(t.Events, events...)
		}
		return ctx.Err()
	})
	slices.SortStableFunc(t.Events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return t, err
}

// Find returns the traces that match q, newest first.
func (l *Log) Find(ctx context.Context, q Query) ([]Summary, error) {
	var found []Summary
	limit := q.limit()
	for {
		q.Limit = limit - len(found)
		page, err := l.Page(ctx, q)
		if err != nil {
			return nil, err
		}
		found = append(found, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" || len(found) >= limit {
			return found, nil
		}
	}
}

func (q *Query) limit() int {
	if q.Limit <= 0 {
		return findDefault
	}
	return min(q.Limit, findMax)
}

// Page is a part of what matches a query.
type Page struct {
	Items []Summary
	// Next is the Cursor of the page that follows; empty: this is the last one.
	// A page can be short, or empty, and not the last: what was looked at for it
	// is bounded.
	Next string
}

// Page returns traces that match q, newest first, beginning after q.Cursor.
// However many traces there are it looks at few of them.
func (l *Log) Page(ctx context.Context, q Query) (Page, error) {
	var p Page
	err := l.db.View(func(tx *bolt.Tx) error {
		w, err := newWalk(tx, &q)
		if err != nil {
			return err
		}
		for len(p.Items) < q.limit() {
			id, err := w.next(ctx)
			if err != nil || id == "" {
				p.Next = w.cursor()
				return err
			}
			s, err := getSummary(tx, id)
			if err != nil {
				return err
			}
			p.Items = append(p.Items, s)
		}
		if id, err := w.next(ctx); err != nil || id == "" {
			p.Next = w.cursor()
			return err
		}
		p.Next = string(p.Items[len(p.Items)-1].ID)
		return nil
	})
	if err != nil {
		return Page{}, err
	}
	return p, nil
}

// Count returns how many traces match q, up to most; more says that there may
// be others.
func (l *Log) Count(ctx context.Context, q Query, most int) (n int, more bool, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		w, err := newWalk(tx, &q)
		if err != nil {
			return err
		}
		for n < most {
			id, err := w.next(ctx)
			if err != nil || id == "" {
				more = w.cursor() != ""
				return err
			}
			n++
		}
		more = true
		return nil
	})
	return n, more, err
}
