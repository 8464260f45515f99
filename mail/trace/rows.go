package trace

import (
	"bytes"
	"encoding/binary"
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
)

// putGroup writes entries in order; those of one message make one row each.
func putGroup(tx *bolt.Tx, group []entry) error {
	sums := map[ID]*Summary{}
	events := map[ID][]Event{}
	var order []ID
	for _, e := range group {
		id := e.sum.ID
		if id == "" {
			continue
		}
		if sums[id] == nil {
			s, err := getSummary(tx, id)
			if err != nil {
				return err
			}
			sums[id] = &s
			order = append(order, id)
		}
		sums[id].merge(e.sum)
		events[id] = append(events[id], e.events...)
	}
	for _, id := range order {
		if err := putTrace(tx, id, sums[id], events[id]); err != nil {
			return err
		}
	}
	return nil
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

func putTrace(tx *bolt.Tx, id ID, s *Summary, events []Event) error {
	v, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := tx.Bucket(bucketSummary).Put([]byte(id), v); err != nil {
		return err
	}
	for _, term := range terms(s) {
		if err := tx.Bucket(bucketIndex).Put(indexKey(term, id), nil); err != nil {
			return err
		}
	}
	return putEvents(tx, id, events)
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
	return t
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
