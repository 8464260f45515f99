package junk

import (
	"encoding/binary"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of how one account, or one habit, weighs.
const (
	// freeShare is how many messages of a class an account adds to the base
	// whatever others do; beyond, it adds no more than half of all.
	freeShare = 100
	// keptShare is how many messages that were only read are learned as good
	// beyond twice those that are junk: reading is a weak sign, and frequent.
	keptShare = 100
	// maxLessons is how many messages of an account can be undone.
	maxLessons = 4_000
)

// study is what is to be written down of one email.
type study struct {
	email   mailbox.EmailID
	class   Class
	derived Class
	told    bool
	tokens  []uint64
	senders []uint64
}

// commit writes studies of an account, and how far its feed was read if that is
// not 0, in one transaction.
func (c *Classifier) commit(id mailbox.AccountID, studies []study, cursor mailbox.ModSeq) error {
	var changes []wordChange
	txid := 0
	err := c.db.Update(func(tx *bolt.Tx) error {
		txid = tx.ID()
		w := &writer{tx: tx, id: id, day: day(c.opts.Now()), words: map[mailbox.AccountID]*wordWriter{}, senders: map[uint64]*history{}}
		for i := range studies {
			if err := w.take(&studies[i]); err != nil {
				return err
			}
		}
		var err error
		if changes, err = w.flush(); err != nil || cursor == 0 {
			return err
		}
		return tx.Bucket(bucketCursor).Put(accountKey(id), binary.BigEndian.AppendUint64(nil, uint64(cursor)))
	})
	if err == nil {
		c.layers.apply(txid, changes)
	}
	return err
}

// writer collects what a transaction changes, so that each row is read and
// written once, in the order of keys.
type writer struct {
	tx      *bolt.Tx
	id      mailbox.AccountID
	day     uint16
	words   map[mailbox.AccountID]*wordWriter
	senders map[uint64]*history
}

type wordWriter struct {
	totals totals
	counts map[uint64]*count
}

// take undoes what was learned of an email before, and learns what it is now.
func (w *writer) take(s *study) error {
	b := w.tx.Bucket(bucketLearned)
	k := rowKey(w.id, uint64(s.email))
	if old, err := decodeLesson(b.Get(k)); err == nil { // what is damaged cannot be undone
		if old.class == s.class && old.told == s.told {
			return nil
		}
		w.count(&old, -1)
	}
	if s.class == None && !s.told {
		return b.Delete(k)
	}
	n := lesson{class: s.class, derived: s.derived, told: s.told, day: w.day, senders: s.senders[:min(len(s.senders), 255)]}
	if w.countsWords(s.class) {
		n.tokens, n.base = s.tokens, w.roomInBase(s.class)
	}
	w.count(&n, 1)
	return b.Put(k, n.encode())
}

// countsWords reports whether a class is learned by its words.
func (w *writer) countsWords(class Class) bool {
	own := w.layer(w.id).totals
	switch class {
	case Junk, Good:
		return true
	case Kept:
		return own.Good < 2*own.Junk+keptShare
	}
	return false
}

// roomInBase reports whether an account may add to what all share: one alone
// must not decide for others.
func (w *writer) roomInBase(class Class) bool {
	own, base := w.layer(w.id).totals, w.layer(shared).totals
	if class == Junk {
		return own.Junk < freeShare || own.Junk < base.Junk/2
	}
	return own.Good < freeShare || own.Good < base.Good/2
}

// count adds a lesson to the counts, or takes it away.
func (w *writer) count(n *lesson, by int) {
	if len(n.tokens) > 0 {
		w.countTokens(w.id, n, by)
		if n.base {
			w.countTokens(shared, n, by)
		}
	}
	for _, s := range n.senders {
		h := w.sender(s)
		switch n.class {
		case Kept:
			h.good = moved(h.good, by)
		case Good:
			h.good = moved(h.good, 2*by)
		case Junk:
			h.bad = moved(h.bad, by)
		case Sent:
			h.written = moved(h.written, by)
		}
	}
}

func (w *writer) countTokens(id mailbox.AccountID, n *lesson, by int) {
	l := w.layer(id)
	if n.class == Junk {
		l.totals.Junk = moved(l.totals.Junk, by)
	} else {
		l.totals.Good = moved(l.totals.Good, by)
	}
	for _, t := range n.tokens {
		c := l.counts[t]
		if c == nil {
			v, _ := decodeCount(w.tx.Bucket(bucketWords).Get(rowKey(id, t)))
			c = &v
			l.counts[t] = c
		}
		if n.class == Junk {
			c.junk = moved(c.junk, by)
		} else {
			c.good = moved(c.good, by)
		}
	}
}

// moved changes a count, which stays at 0 where it was forgotten meanwhile.
func moved(n uint32, by int) uint32 { return uint32(max(int64(n)+int64(by), 0)) }

func (w *writer) layer(id mailbox.AccountID) *wordWriter {
	l := w.words[id]
	if l == nil {
		l = &wordWriter{totals: decodeTotals(w.tx.Bucket(bucketTotals).Get(accountKey(id))), counts: map[uint64]*count{}}
		w.words[id] = l
	}
	return l
}

func (w *writer) sender(s uint64) *history {
	h := w.senders[s]
	if h == nil {
		v, _ := decodeHistory(w.tx.Bucket(bucketSenders).Get(rowKey(w.id, s)))
		h = &v
		w.senders[s] = h
	}
	return h
}

// flush writes what was collected.
func (w *writer) flush() ([]wordChange, error) {
	var changes []wordChange
	for _, id := range slices.Sorted(maps.Keys(w.words)) {
		l := w.words[id]
		ch := wordChange{id: id, totals: l.totals}
		if err := w.tx.Bucket(bucketTotals).Put(accountKey(id), encodeTotals(l.totals)); err != nil {
			return nil, err
		}
		for _, t := range slices.Sorted(maps.Keys(l.counts)) {
			c := *l.counts[t]
			ch.tokens = append(ch.tokens, tokenCount{t, c})
			if err := w.put(bucketWords, rowKey(id, t), appendCount(nil, c, w.day), c == count{}); err != nil {
				return nil, err
			}
		}
		changes = append(changes, ch)
	}
	for _, s := range slices.Sorted(maps.Keys(w.senders)) {
		h := *w.senders[s]
		if err := w.put(bucketSenders, rowKey(w.id, s), encodeHistory(h, w.day), h == history{}); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

func (w *writer) put(bucket, k, v []byte, empty bool) error {
	if empty {
		return w.tx.Bucket(bucket).Delete(k)
	}
	return w.tx.Bucket(bucket).Put(k, v)
}
