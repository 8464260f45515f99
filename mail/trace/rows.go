package trace

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

var (
	bucketSummary = []byte("summary")
	bucketEvents  = []byte("events")
	bucketIndex   = []byte("index")
	bucketRuns    = []byte("runs")
	bucketMeta    = []byte("meta")

	keyIndexVersion = []byte("index-version")
	keyRunKeys      = []byte("run-keys") // in the newest run
)

// putGroup writes entries in order; those of one message make one row each. It
// returns what is new, or has changed.
func putGroup(tx *bolt.Tx, group []entry, runKeys int) ([]Written, error) {
	x, err := newIndexer(tx, runKeys)
	if err != nil {
		return nil, err
	}
	traces := make(map[ID]*pending, len(group)/2)
	var order []*pending
	for i := range group {
		e := &group[i]
		t := traces[e.sum.ID]
		if t == nil {
			s, err := getSummary(tx, e.sum.ID)
			if err != nil {
				return nil, err
			}
			t = &pending{sum: s, before: terms(&s)}
			traces[e.sum.ID] = t
			order = append(order, t)
		}
		t.sum.merge(e.sum)
		t.said = append(t.said, e.sum)
		t.events = append(t.events, e.events)
	}
	changed := make([]Written, len(order))
	for i, t := range order {
		if err := t.put(tx, x); err != nil {
			return nil, err
		}
		changed[i] = Written{t.sum, t.said, t.events}
	}
	return changed, x.close()
}

// pending is what a group says about one message.
type pending struct {
	sum    Summary
	before []string // its terms as they are in the index
	said   []Summary
	events [][]Event
}

func getSummary(tx *bolt.Tx, id ID) (Summary, error) {
	v := tx.Bucket(bucketSummary).Get([]byte(id))
	if v == nil {
		return Summary{ID: id}, nil
	}
	s, err := decodeSummary(v)
	s.ID = id
	return s, err
}

func (t *pending) put(tx *bolt.Tx, x *indexer) error {
	id := t.sum.ID
	x.row = appendSummary(x.row[:0], &t.sum)
	if err := tx.Bucket(bucketSummary).Put([]byte(id), bytes.Clone(x.row)); err != nil {
		return err
	}
	if err := x.change(id, t.before, terms(&t.sum)); err != nil {
		return err
	}
	return t.putEvents(tx, x)
}

// putEvents appends one row with all events, unless the trace is full.
func (t *pending) putEvents(tx *bolt.Tx, x *indexer) error {
	b := tx.Bucket(bucketEvents)
	next := nextEvent(b, t.sum.ID)
	row := append(x.row[:0], rowVersion)
	n := uint32(0)
	for _, events := range t.events {
		events = events[:min(len(events), int(max(maxEvents, next+n)-next-n))]
		clipEvents(events)
		row = appendEventList(row, events)
		n += uint32(len(events))
	}
	if x.row = row; n == 0 {
		return nil
	}
	return b.Put(eventKey(t.sum.ID, next+n-1), bytes.Clone(row))
}

// nextEvent returns the number of the next event of a trace.
func nextEvent(b *bolt.Bucket, id ID) uint32 {
	c := b.Cursor()
	k, _ := c.Seek(eventKey(id, ^uint32(0)))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if len(k) == idLength+4 && bytes.HasPrefix(k, []byte(id)) {
		return binary.BigEndian.Uint32(k[idLength:]) + 1
	}
	return 0
}

func clipEvents(events []Event) {
	for i := range events {
		events[i].Text = clip(events[i].Text)
		for name, v := range events[i].Fields {
			if len(v) > maxText && (name != Reasons || len(v) > MaxReasons) {
				events[i].Fields[name] = clip(v)
			}
		}
	}
}

// eventKey orders rows of one trace; n is the number of their last event.
func eventKey(id ID, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(id), n)
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
		if a, err := netip.ParseAddr(s.RemoteIP); err == nil && a.Is6() {
			t = append(t, netTerm(a, siteBits), netTerm(a, linkBits))
		}
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
	if s.Quarantined {
		t = append(t, quarantineTerm)
	}
	if s.Cause != "" {
		t = append(t, causeTerm(s.Cause))
	}
	return t
}

// Terms of everything filed to Junk, and of everything quarantined.
const (
	junkTerm       = "j"
	quarantineTerm = "q"
)

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
		err := l.db.Update(func(tx *bolt.Tx) (err error) {
			n, err = l.expireFrom(tx, after(limit))
			return err
		})
		total += n
		if err != nil || n < expireGroup {
			return total, err
		}
	}
}

// expireFrom removes the oldest traces before limit, a group at most.
func (l *Log) expireFrom(tx *bolt.Tx, limit ID) (int, error) {
	var old []Summary
	c := tx.Bucket(bucketSummary).Cursor()
	for k, v := c.First(); k != nil && string(k) < string(limit) && len(old) < expireGroup; k, v = c.Next() {
		s, err := decodeSummary(v)
		if err != nil {
			s = Summary{}
		}
		s.ID = ID(k)
		old = append(old, s)
	}
	if len(old) == 0 {
		return 0, nil
	}
	x, err := newIndexer(tx, l.runKeys)
	if err != nil {
		return 0, err
	}
	for i := range old {
		if err := removeTrace(tx, x, &old[i]); err != nil {
			return 0, err
		}
	}
	return len(old), dropRuns(tx, string(old[len(old)-1].ID))
}

func removeTrace(tx *bolt.Tx, x *indexer, s *Summary) error {
	if err := x.change(s.ID, terms(s), nil); err != nil {
		return err
	}
	c := tx.Bucket(bucketEvents).Cursor()
	for k, _ := c.Seek([]byte(s.ID)); bytes.HasPrefix(k, []byte(s.ID)); k, _ = c.Seek([]byte(s.ID)) {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketSummary).Delete([]byte(s.ID))
}
