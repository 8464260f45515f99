package junk

import (
	"container/list"
	"encoding/binary"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of what is learned and of what of it is in memory.
const (
	maxBaseTokens = 250_000 // about 7 MB in memory
	maxOwnTokens  = 40_000  // of one account
	maxCached     = 400_000 // tokens of accounts in memory, about 11 MB; Options.Words can be less
)

// layer are the words of one account, or of all, in memory.
type layer struct {
	totals totals
	words  map[uint64]count
	asOf   int // the transaction it was read at, or that changed it last
}

// layers are those in memory: the base, and the accounts that got mail last.
type layers struct {
	db   *bolt.DB
	most func() int // tokens of accounts in memory

	mu     sync.RWMutex
	loaded map[mailbox.AccountID]*list.Element // of *cached
	recent *list.List                          // the last used first
	tokens int                                 // in all but the base
	last   int                                 // newest transaction that was applied
}

type cached struct {
	id    mailbox.AccountID
	layer *layer
}

func newLayers(db *bolt.DB, most func() int) *layers {
	if most == nil {
		most = func() int { return maxCached }
	}
	return &layers{db: db, most: most, loaded: map[mailbox.AccountID]*list.Element{}, recent: list.New()}
}

// read runs fn with the layer of an account and the base; neither may be kept.
func (s *layers) read(id mailbox.AccountID, fn func(base, own *layer)) {
	for _, need := range []mailbox.AccountID{shared, id} {
		s.mu.RLock()
		_, ok := s.loaded[need]
		s.mu.RUnlock()
		if !ok {
			s.load(need)
		}
	}
	s.mu.Lock()
	if e := s.loaded[id]; e != nil {
		s.recent.MoveToFront(e)
	}
	s.mu.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	fn(s.get(shared), s.get(id))
}

// get returns a layer, or an empty one that was put out meanwhile.
func (s *layers) get(id mailbox.AccountID) *layer {
	if e := s.loaded[id]; e != nil {
		return e.Value.(*cached).layer
	}
	return &layer{}
}

// load reads the layer of an account. A change that is committed meanwhile is
// not lost: then it is read again.
func (s *layers) load(id mailbox.AccountID) {
	for {
		l, err := s.fromFile(id)
		if err != nil {
			return // it is being closed
		}
		s.mu.Lock()
		if _, ok := s.loaded[id]; ok || s.last <= l.asOf {
			if !ok {
				s.keep(id, l)
			}
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

func (s *layers) fromFile(id mailbox.AccountID) (*layer, error) {
	l := &layer{words: map[uint64]count{}}
	err := s.db.View(func(tx *bolt.Tx) error {
		l.asOf = int(tx.ID())
		l.totals = decodeTotals(tx.Bucket(bucketTotals).Get(accountKey(id)))
		for token, c := range wordRows(tx, id) {
			l.words[token], _ = decodeCount(c)
		}
		return nil
	})
	return l, err
}

// wordRows yields the rows of an account's words.
func wordRows(tx *bolt.Tx, id mailbox.AccountID) func(func(uint64, []byte) bool) {
	return func(yield func(uint64, []byte) bool) {
		c := tx.Bucket(bucketWords).Cursor()
		for k, v := c.Seek(accountKey(id)); len(k) == 12 && mailbox.AccountID(binary.BigEndian.Uint32(k)) == id; k, v = c.Next() {
			if !yield(binary.BigEndian.Uint64(k[4:]), v) {
				return
			}
		}
	}
}

// keep puts a layer in, and others out that were not used for long.
func (s *layers) keep(id mailbox.AccountID, l *layer) {
	s.loaded[id] = s.recent.PushFront(&cached{id, l})
	if id != shared {
		s.tokens += len(l.words)
	}
	s.trim(id)
}

// trim puts layers out until there are no more tokens than allowed; that of id
// stays.
func (s *layers) trim(id mailbox.AccountID) {
	most := s.most()
	for e := s.recent.Back(); e != nil && s.tokens > most; {
		before := e.Prev()
		if c := e.Value.(*cached); c.id != shared && c.id != id {
			s.drop(c.id)
		}
		e = before
	}
}

// inMemory is how many tokens are in memory.
func (s *layers) inMemory() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := s.tokens
	if e := s.loaded[shared]; e != nil {
		n += len(e.Value.(*cached).layer.words)
	}
	return n
}

func (s *layers) drop(id mailbox.AccountID) {
	if e := s.loaded[id]; e != nil {
		s.recent.Remove(e)
		delete(s.loaded, id)
		if id != shared {
			s.tokens -= len(e.Value.(*cached).layer.words)
		}
	}
}

// dropAll puts out all layers, for a transaction after which nothing of them is
// in the file.
func (s *layers) dropAll(txid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, txid)
	clear(s.loaded)
	s.recent.Init()
	s.tokens = 0
}

// apply brings the layers in memory up to a transaction that was committed.
func (s *layers) apply(txid int, changes []wordChange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, txid)
	for _, ch := range changes {
		e := s.loaded[ch.id]
		if e == nil {
			continue
		}
		l := e.Value.(*cached).layer
		if l.asOf > txid {
			continue
		}
		before := len(l.words)
		l.totals = ch.totals
		for _, t := range ch.tokens {
			if t.count == (count{}) {
				delete(l.words, t.token)
			} else {
				l.words[t.token] = t.count
			}
		}
		if ch.id != shared {
			s.tokens += len(l.words) - before
		}
	}
}

// wordChange is what a transaction made of the words of an account.
type wordChange struct {
	id     mailbox.AccountID
	totals totals
	tokens []tokenCount
}

type tokenCount struct {
	token uint64
	count count
}
