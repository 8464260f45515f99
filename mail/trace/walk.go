package trace

import (
	"bytes"
	"context"
	"encoding/binary"
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
	key    []byte // prefix and a bound
	last   string // what below returned
	begun  bool
}

// allTraces is the stream of everything.
func allTraces(tx *bolt.Tx) *rows { return &rows{c: tx.Bucket(bucketSummary).Cursor()} }

// termRows is the stream of a term, in one run at a time.
func termRows(tx *bolt.Tx, term string) *rows {
	h := termHash(term)
	return &rows{c: tx.Bucket(bucketIndex).Cursor(), prefix: append(make([]byte, runLength, indexLength), h[:]...)}
}

func (r *rows) enter(run uint32) {
	binary.BigEndian.PutUint32(r.prefix, run)
	r.begun = false
}

func (r *rows) below(bound string) string {
	if r.begun && r.last < bound { // also when nothing is left
		return r.last
	}
	r.begun, r.last = true, ""
	r.key = append(append(r.key[:0], r.prefix...), bound...)
	k := seekBefore(r.c, r.key)
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

// walk goes through the IDs that all of its streams have, newest first, one
// run of the index after the other.
type walk struct {
	all   []stream
	terms []*rows      // among them, those of the index
	runs  *bolt.Cursor // nil: no stream is of the index, and start is before all IDs
	start string       // of the run that is being looked at
	in    bool         // there is one
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
		w.all = append(w.all, w.union(tx, alternatives))
	}
	if q.ID != "" {
		w.all = append(w.all, existing(tx, q.ID))
	}
	if q.Text != "" {
		w.all = append(w.all, w.text(tx, q.Text))
	}
	if q.Similar != "" {
		w.skip = q.Similar
		var same []string // nothing, if there is no such trace or cause
		if s, err := getSummary(tx, q.Similar); err == nil && s.Cause != "" {
			same = []string{causeTerm(s.Cause)}
		}
		w.all = append(w.all, w.union(tx, same))
	}
	if len(w.all) == 0 {
		w.all = []stream{allTraces(tx)}
	}
	w.in = len(w.terms) == 0
	if !w.in {
		w.runs = tx.Bucket(bucketRuns).Cursor()
	}
	return w, nil
}

// union is the stream of what has one of some terms.
func (w *walk) union(tx *bolt.Tx, alternatives []string) union {
	u := make(union, 0, len(alternatives)+1)
	for _, term := range alternatives {
		r := termRows(tx, term)
		w.terms = append(w.terms, r)
		u = append(u, r)
	}
	return u
}

// existing is the stream of an ID, if there is such a trace.
func existing(tx *bolt.Tx, id string) stream {
	id = strings.ToLower(id)
	if !ID(id).valid() || tx.Bucket(bucketSummary).Get([]byte(id)) == nil {
		return union{}
	}
	return one(id)
}

// text is the stream of what a person may have meant by a text.
func (w *walk) text(tx *bolt.Tx, text string) stream {
	text = strings.TrimSpace(text[:min(len(text), maxQueryText)])
	// A second message with the same ID is queued as ID.2.
	id, _, _ := strings.Cut(text, ".")
	return append(w.union(tx, textTerms(text)), existing(tx, id))
}

func textTerms(text string) []string {
	if t := ipTerms(strings.Trim(text, "[]")); t != nil {
		return t
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

// Nets that can be looked for. Those of IPv6 have terms of their own: a site, and
// what one link, or one customer, has.
const (
	netBits  = 24 // of the largest net of IPv4
	siteBits = 48
	linkBits = 64
	someBits = 56 // of the largest net whose links are gone through
)

// netTerm is the term of the net of IPv6 that an address is in.
func netTerm(a netip.Addr, bits int) string {
	p, _ := a.WithZone("").Prefix(bits) // fails for other families alone
	return "i" + p.String()
}

// ipTerms are those of an IP address, or of all that is in a net: of IPv4 from
// /24 on, of IPv6 /48 and from /56 to /64. It is nil if the text is neither.
func ipTerms(text string) (t []string) {
	if a, err := netip.ParseAddr(text); err == nil {
		return []string{"i" + a.Unmap().String()}
	}
	net, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return nil
	case net.Addr().Is4() && net.Bits() >= netBits:
		for a := net.Masked().Addr(); net.Contains(a); a = a.Next() {
			t = append(t, "i"+a.String())
		}
	case net.Addr().Is6() && net.Bits() == siteBits:
		return []string{netTerm(net.Addr(), siteBits)}
	case net.Addr().Is6() && someBits <= net.Bits() && net.Bits() <= linkBits:
		first := net.Masked().Addr().As16()
		for n := range 1 << (linkBits - net.Bits()) {
			link := first
			link[7] |= byte(n)
			t = append(t, netTerm(netip.AddrFrom16(link), linkBits))
		}
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
		terms := ipTerms(q.IP)
		if terms == nil {
			terms = []string{"i" + q.IP}
		}
		all = append(all, terms)
	}
	if h := SubjectHash(q.Subject); h != "" {
		all = append(all, []string{"s" + h})
	}
	if q.Direction != "" || q.Outcome != "" {
		all = append(all, outcomeTerms(q.Direction, q.Outcome))
	}
	if q.Refusals {
		all = append(all, append(outcomeTerms("", "refused"), junkTerm, quarantineTerm))
	}
	if q.Quarantined {
		all = append(all, []string{quarantineTerm})
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

// next returns the next ID; "" at the end, and when it has looked enough.
func (w *walk) next(ctx context.Context) (ID, error) {
	w.more = false
	for {
		if !w.in && !w.enter() {
			return "", nil
		}
		id, err := w.nextInRun(ctx)
		if id != "" || err != nil || w.more {
			return id, err
		}
		if w.start <= w.end || w.runs == nil {
			return "", nil
		}
		w.bound, w.in = w.start, false
		if w.looks >= maxLooks {
			w.more = true
			return "", ctx.Err()
		}
	}
}

// enter goes to the run before bound.
func (w *walk) enter() bool {
	r, ok := runAt(w.runs, w.bound)
	if !ok {
		return false
	}
	for _, t := range w.terms {
		t.enter(r.number)
	}
	w.start, w.in = r.start, true
	w.looks += len(w.terms)
	return true
}

// nextInRun returns the next ID of this run. All streams are asked in turn, and
// each can only lower what the others said.
func (w *walk) nextInRun(ctx context.Context) (ID, error) {
	for id := ""; ; {
		agreed := id
		for _, s := range w.all {
			bound := w.bound
			if id != "" {
				bound = id + "\x00" // id itself is fine
			}
			if id = s.below(bound); id == "" || id < max(w.start, w.end) {
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
