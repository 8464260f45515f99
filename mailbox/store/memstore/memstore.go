package memstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/mailstead/mailstead/mailbox/store"
)

var errRow = errors.New("memstore: key is empty or value too large")

// Store implements store.Store in memory.
type Store struct {
	apply store.Apply

	mu     sync.Mutex // guards what follows; not held while an owner's lock is waited for
	owners map[store.Owner]*owner
	bodies map[store.Ref][]byte
	told   map[store.Ref]*uint64 // by Apply, of messages to one owner
	lsn    uint64
	closed bool
}

// owner has the rows of one owner, and what was accepted and not yet applied.
type owner struct {
	mu     sync.RWMutex
	tables map[store.Bucket]*table

	pendingMu sync.Mutex
	pending   []store.Accepted
	watchers  map[chan struct{}]struct{}
}

// New returns an empty store.
func New(apply store.Apply) *Store {
	return &Store{apply: apply, owners: map[store.Owner]*owner{}, bodies: map[store.Ref][]byte{}, told: map[store.Ref]*uint64{}}
}

// owner returns the owner, made if it is not there.
func (s *Store) owner(id store.Owner) (*owner, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	o := s.owners[id]
	if o == nil {
		o = &owner{tables: map[store.Bucket]*table{}, watchers: map[chan struct{}]struct{}{}}
		s.owners[id] = o
	}
	return o, nil
}

// Accept implements store.Store.
func (s *Store) Accept(ctx context.Context, m *store.Message) (store.Ref, error) {
	ref, _, err := s.accept(ctx, m)
	return ref, err
}

// accept returns the owners too.
func (s *Store) accept(ctx context.Context, m *store.Message) (ref store.Ref, owners []*owner, err error) {
	if err := check(m); err != nil {
		return ref, nil, err
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return ref, nil, err
	}
	if m.Size >= 0 && int64(len(body)) != m.Size {
		return ref, nil, io.ErrUnexpectedEOF
	}
	if err := ctx.Err(); err != nil {
		return ref, nil, err
	}
	owners = make([]*owner, len(m.To))
	for i, to := range m.To {
		if owners[i], err = s.owner(to.Owner); err != nil {
			return ref, nil, err
		}
	}
	ref = s.keep(m, body, owners)
	for _, o := range owners {
		o.wake()
	}
	return ref, owners, nil
}

// AcceptApplied implements store.Store.
func (s *Store) AcceptApplied(ctx context.Context, m *store.Message) (told uint64, err error) {
	if len(m.To) != 1 {
		return 0, errors.New("memstore: number of recipients is not 1")
	}
	ref, owners, err := s.accept(ctx, m)
	if err != nil {
		return 0, err
	}
	err = s.update(owners[0], func(store.RW) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		told = *s.told[ref]
		return nil
	})
	return told, err
}

// AcceptAll implements store.Store.
func (s *Store) AcceptAll(ctx context.Context, msgs []*store.Message) error {
	for _, m := range msgs {
		if _, err := s.Accept(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func check(m *store.Message) error {
	seen := map[store.Owner]bool{}
	for _, to := range m.To {
		if seen[to.Owner] {
			return errors.New("memstore: an owner occurs twice")
		}
		seen[to.Owner] = true
		if len(to.Extra) > store.MaxExtra {
			return errors.New("memstore: Extra is too large")
		}
	}
	if len(m.To) == 0 || len(m.To) > store.MaxRecipients || len(m.Meta) > store.MaxMeta {
		return errors.New("memstore: number of recipients or size of Meta is out of bounds")
	}
	return nil
}

// keep gives the message its place in the order for all owners at once.
func (s *Store) keep(m *store.Message, body []byte, owners []*owner) store.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lsn++
	var ref store.Ref
	binary.BigEndian.PutUint64(ref[:], s.lsn)
	s.bodies[ref] = body
	meta := bytes.Clone(m.Meta)
	for i, to := range m.To {
		told := new(uint64) // of each owner: they apply at their own time
		if len(m.To) == 1 {
			s.told[ref] = told
		}
		to.Extra = bytes.Clone(to.Extra)
		owners[i].pendingMu.Lock()
		owners[i].pending = append(owners[i].pending, store.Accepted{To: to, Meta: meta, Ref: ref, Size: int64(len(body)), Told: told})
		owners[i].pendingMu.Unlock()
	}
	return ref
}

func (o *owner) wake() {
	o.pendingMu.Lock()
	defer o.pendingMu.Unlock()
	for c := range o.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// drain applies what was accepted; o.mu is held for writing. A record that
// Apply refuses stays pending.
func (s *Store) drain(o *owner, x *tx) error {
	for {
		o.pendingMu.Lock()
		if len(o.pending) == 0 {
			o.pendingMu.Unlock()
			return nil
		}
		a := o.pending[0]
		o.pendingMu.Unlock()
		mark, released := len(x.undo), len(x.released)
		if err := s.apply(x, a); err != nil {
			x.rollback(mark, released)
			return err
		}
		o.pendingMu.Lock()
		o.pending = o.pending[1:]
		o.pendingMu.Unlock()
	}
}

// Open implements store.Store.
func (s *Store) Open(_ context.Context, r store.Ref) (store.Body, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	b, ok := s.bodies[r]
	if !ok {
		return nil, store.ErrNoBody
	}
	return body{bytes.NewReader(b)}, nil
}

// OpenAhead implements store.Store: there is nothing to read ahead.
func (s *Store) OpenAhead(ctx context.Context, r store.Ref, _ *store.ReadAhead) (store.Body, error) {
	return s.Open(ctx, r)
}

type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

// View implements store.Store.
func (s *Store) View(ctx context.Context, id store.Owner, fn func(store.Tx) error) error {
	o, err := s.owner(id)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.drainAlone(o); err != nil {
		return err
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	return fn(&tx{o: o})
}

// Peek implements store.Store.
func (s *Store) Peek(ctx context.Context, id store.Owner, fn func(store.Tx) error) error {
	o, err := s.owner(id)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	return fn(&tx{o: o})
}

func (s *Store) drainAlone(o *owner) error {
	o.pendingMu.Lock()
	n := len(o.pending)
	o.pendingMu.Unlock()
	if n == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return s.drain(o, &tx{o: o})
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, id store.Owner, fn func(store.RW) error) error {
	o, err := s.owner(id)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.update(o, fn); err != nil {
		return err
	}
	o.wake()
	return nil
}

func (s *Store) update(o *owner, fn func(store.RW) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	x := &tx{o: o}
	if err := s.drain(o, x); err != nil {
		return err
	}
	mark, released := len(x.undo), len(x.released)
	if err := fn(x); err != nil {
		x.rollback(mark, released)
		return err
	}
	return nil
}

// Watch implements store.Store.
func (s *Store) Watch(id store.Owner) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	o, err := s.owner(id)
	if err != nil {
		return c, func() {}
	}
	o.pendingMu.Lock()
	defer o.pendingMu.Unlock()
	o.watchers[c] = struct{}{}
	return c, func() {
		o.pendingMu.Lock()
		defer o.pendingMu.Unlock()
		delete(o.watchers, c)
	}
}

// Owners implements store.Store.
func (s *Store) Owners(context.Context) iter.Seq2[store.Owner, error] {
	s.mu.Lock()
	var ids []store.Owner
	for id, o := range s.owners {
		o.pendingMu.Lock()
		waiting := len(o.pending) > 0
		o.pendingMu.Unlock()
		o.mu.RLock()
		if waiting || len(o.tables) > 0 {
			ids = append(ids, id)
		}
		o.mu.RUnlock()
	}
	s.mu.Unlock()
	slices.Sort(ids)
	return func(yield func(store.Owner, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Drop implements store.Store.
func (s *Store) Drop(_ context.Context, id store.Owner) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	delete(s.owners, id)
	return nil
}

// Backup implements store.Store; there is nothing on disk to copy.
func (s *Store) Backup(context.Context, store.BackupSink) error { return errors.ErrUnsupported }

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
