package trace

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

// ErrCursor means that a cursor does not come from a page.
var ErrCursor = errors.New("trace: the cursor is not valid; begin with the first page")

const (
	// maxLooks bounds how often one page may look into the index: some 30 ms.
	maxLooks = 20_000
	// maxQueryText bounds what is looked for.
	maxQueryText = 1_000
	// maxQueryDomains bounds Query.Domains.
	maxQueryDomains = 1_000
)

// stream is a set of IDs.
type stream interface {
	// below returns the newest ID before bound; "" if there is none. Bounds
	// never rise.
	below(bound string) string
}

// rows is a stream of the keys of a bucket that begin with prefix.
type rows struct {
	c      *bolt.Cursor
	prefix []byte
	last   string // what below returned
	begun  bool
}

func newRows(tx *bolt.Tx, bucket []byte, prefix string) *rows {
	return &rows{c: tx.Bucket(bucket).Cursor(), prefix: []byte(prefix)}
}

func (r *rows) below(bound string) string {
	if r.begun && r.last < bound { // also when nothing is left
		return r.last
	}
	r.begun, r.last = true, ""
	k := seekBefore(r.c, append(bytes.Clone(r.prefix), bound...))
	if k != nil && bytes.HasPrefix(k, r.prefix) {
		r.last = string(k[len(r.prefix):])
	}
	return r.last
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

// one is a stream of one ID.
type one string

func (o one) below(bound string) string {
	if string(o) < bound {
		return string(o)
	}
	return ""
}

// union is a stream of what any of its streams has.
type union []stream

func (u union) below(bound string) string {
	newest := ""
	for _, s := range u {
		newest = max(newest, s.below(bound))
	}
	return newest
}

// walk goes through the IDs that all of its streams have, newest first.
type walk struct {
	all   []stream
	skip  ID
	end   string // IDs before it are too old
	bound string // of the next ID
	looks int
	more  bool // next gave up at bound, and not at the end
}

// newWalk makes the walk of a query. Each condition is a union of rows of the
// index, so that no summary is read that does not match.
func newWalk(tx *bolt.Tx, q *Query) (*walk, error) {
	w := &walk{bound: "\xff"}
	if !q.After.IsZero() {
		w.end = string(after(q.After))
	}
	if !q.Before.IsZero() {
		w.bound = string(after(q.Before))
	}
	if q.Cursor != "" {
		bound, err := parseCursor(q.Cursor)
		if err != nil {
			return nil, err
		}
		w.bound = min(w.bound, bound)
	}
	for _, alternatives := range q.conditions() {
		var u union
		for _, term := range alternatives {
			u = append(u, newRows(tx, bucketIndex, term+"\x00"))
		}
		w.all = append(w.all, u)
	}
	if q.ID != "" {
		w.all = append(w.all, existing(tx, q.ID))
	}
	if q.Text != "" {
		w.all = append(w.all, textStream(tx, q.Text))
	}
	if q.Similar != "" {
		w.skip = q.Similar
		var u union // of nothing, if there is no such trace or cause
		if s, err := getSummary(tx, q.Similar); err == nil && s.Cause != "" {
			u = union{newRows(tx, bucketIndex, causeTerm(s.Cause)+"\x00")}
		}
		w.all = append(w.all, u)
	}
	if len(w.all) == 0 {
		w.all = []stream{newRows(tx, bucketSummary, "")}
	}
	return w, nil
}

// existing is the stream of an ID, if there is such a trace.
func existing(tx *bolt.Tx, id string) stream {
	id = strings.ToLower(id)
	if !ID(id).valid() || tx.Bucket(bucketSummary).Get([]byte(id)) == nil {
		return union{}
	}
	return one(id)
}

// textStream is what a person may have meant by a text.
func textStream(tx *bolt.Tx, text string) stream {
	text = strings.TrimSpace(text[:min(len(text), maxQueryText)])
	// A second message with the same ID is queued as ID.2.
	id, _, _ := strings.Cut(text, ".")
	u := union{existing(tx, id)}
	for _, term := range textTerms(text) {
		u = append(u, newRows(tx, bucketIndex, term+"\x00"))
	}
	return u
}

func textTerms(text string) []string {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return []string{"i" + a.Unmap().String()}
	}
	var t []string
	bare := strings.Trim(text, "<>")
	if p, err := mail.ParseAddress(bare); err == nil {
		t = append(t, addressTerm(p.Key()))
	}
	if d, err := mail.ParseDomain(strings.TrimPrefix(bare, "@")); err == nil {
		t = append(t, addressTerm("@"+string(d)))
	}
	if id := messageIDTerm(text); id != "m" && !strings.Contains(id, " ") {
		t = append(t, id)
	}
	if h := SubjectHash(text); h != "" {
		t = append(t, "s"+h)
	}
	return t
}

// conditions are the terms that q asks for: one of each list.
func (q *Query) conditions() [][]string {
	var all [][]string
	if q.Address != "" {
		all = append(all, []string{addressTerm(q.Address)})
	}
	if q.MessageID != "" {
		all = append(all, []string{messageIDTerm(q.MessageID)})
	}
	if q.IP != "" {
		all = append(all, []string{"i" + q.IP})
	}
	if h := SubjectHash(q.Subject); h != "" {
		all = append(all, []string{"s" + h})
	}
	if q.Direction != "" || q.Outcome != "" {
		all = append(all, outcomeTerms(q.Direction, q.Outcome))
	}
	if q.Refusals {
		all = append(all, append(outcomeTerms("", "refused"), junkTerm))
	}
	if q.Domains != nil {
		var t []string
		for _, d := range q.Domains[:min(len(q.Domains), maxQueryDomains)] {
			t = append(t, addressTerm("@"+string(d)))
		}
		all = append(all, t)
	}
	return all
}

// outcomeTerms are those of a direction and an outcome; empty is any.
func outcomeTerms(direction, outcome string) []string {
	directions, outcomes := []string{direction}, []string{outcome}
	if direction == "" {
		directions = append(directions, Directions...)
	}
	if outcome == "" {
		outcomes = append(outcomes, Outcomes...)
	}
	var t []string
	for _, d := range directions {
		for _, o := range outcomes {
			t = append(t, outcomeTerm(d, o))
		}
	}
	return t
}

// next returns the next ID; "" at the end, and when it has looked enough. All
// streams are asked in turn, and each can only lower what the others said.
func (w *walk) next(ctx context.Context) (ID, error) {
	w.more = false
	for id := ""; ; {
		agreed := id
		for _, s := range w.all {
			bound := w.bound
			if id != "" {
				bound = id + "\x00" // id itself is fine
			}
			if id = s.below(bound); id == "" || id < w.end {
				return "", nil
			}
		}
		if id == agreed || len(w.all) == 1 {
			w.bound = id
			if ID(id) != w.skip {
				return ID(id), nil
			}
			id = ""
		}
		if w.looks += len(w.all); w.looks >= maxLooks {
			w.more = true
			if id != "" {
				w.bound = id + "\x00"
			}
			return "", ctx.Err()
		}
		if w.looks%256 < len(w.all) && ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
}

// inclusive ends a cursor whose ID is on the next page too.
const inclusive = "="

// cursor is where to go on after next has given up; "" at the end.
func (w *walk) cursor() string {
	if !w.more {
		return ""
	}
	return strings.Replace(w.bound, "\x00", inclusive, 1)
}

// parseCursor is the bound behind a cursor.
func parseCursor(s string) (bound string, err error) {
	id, isInclusive := strings.CutSuffix(s, inclusive)
	if !ID(id).valid() {
		return "", ErrCursor
	}
	if isInclusive {
		id += "\x00"
	}
	return id, nil
}
