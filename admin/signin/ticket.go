package signin

import (
	"container/list"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"sync"
	"time"
)

// Bounds of tickets.
const (
	ticketLife     = 5 * time.Minute
	totpSetupLife  = 15 * time.Minute // to get an app first
	ticketTries    = 5
	ticketsOfOwner = 20     // of one net or account; its oldest goes
	ticketsMost    = 20_000 // of all; the oldest goes
	ticketSize     = 32     // random octets
)

// tickets stand for steps of sign-ins that are not finished.
type tickets[T any] struct {
	life   time.Duration
	now    func() time.Time
	random io.Reader
	// unused is told of what nobody has come back for, when that is noticed;
	// may be nil.
	unused func(T)

	mu     sync.Mutex
	order  *list.List // of *ticket[T], oldest first
	byHash map[[sha256.Size]byte]*list.Element
	owners map[string]int
}

type ticket[T any] struct {
	hash    [sha256.Size]byte
	owner   string
	value   T
	expires time.Time
	tries   int
}

func newTickets[T any](life time.Duration, now func() time.Time, random io.Reader) *tickets[T] {
	return &tickets[T]{life: life, now: now, random: random, order: list.New(),
		byHash: map[[sha256.Size]byte]*list.Element{}, owners: map[string]int{}}
}

// add returns a new ticket for a value. owner is who can crowd out only
// tickets of its own.
func (t *tickets[T]) add(owner string, value T) (string, error) {
	raw := make([]byte, ticketSize)
	if _, err := io.ReadFull(t.random, raw); err != nil {
		return "", fmt.Errorf("random numbers: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(raw)
	t.put(owner, text, value)
	return text, nil
}

// put makes text the ticket of a value, in place of what it stood for before.
func (t *tickets[T]) put(owner, text string, value T) {
	t.sweep()
	hash := sha256.Sum256([]byte(text))
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.byHash[hash]; e != nil {
		t.remove(e)
	}
	if t.order.Len() >= ticketsMost {
		t.remove(t.order.Front())
	}
	if t.owners[owner] >= ticketsOfOwner {
		t.removeOldest(owner)
	}
	n := &ticket[T]{hash: hash, owner: owner, value: value, expires: t.now().Add(t.life)}
	t.byHash[hash] = t.order.PushBack(n)
	t.owners[owner]++
}

// sweep removes the tickets that are too old.
func (t *tickets[T]) sweep() {
	for _, n := range t.takeExpired() {
		if n.tries == 0 && t.unused != nil {
			t.unused(n.value)
		}
	}
}

func (t *tickets[T]) takeExpired() (old []*ticket[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for e := t.order.Front(); e != nil && !now.Before(e.Value.(*ticket[T]).expires); e = t.order.Front() {
		old = append(old, e.Value.(*ticket[T]))
		t.remove(e)
	}
	return old
}

// try returns what a ticket stands for and counts the try; after the last try
// the ticket is gone.
func (t *tickets[T]) try(text string) (T, bool) { return t.use(text, ticketTries) }

// take returns what a ticket stands for and uses the ticket up.
func (t *tickets[T]) take(text string) (T, bool) { return t.use(text, 1) }

func (t *tickets[T]) use(text string, tries int) (value T, ok bool) {
	hash := sha256.Sum256([]byte(text))
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byHash[hash]
	if e == nil {
		return value, false
	}
	n := e.Value.(*ticket[T])
	if n.tries++; n.tries >= tries {
		t.remove(e)
	}
	if !t.now().Before(n.expires) {
		return value, false
	}
	return n.value, true
}

func (t *tickets[T]) remove(e *list.Element) {
	n := t.order.Remove(e).(*ticket[T])
	delete(t.byHash, n.hash)
	if t.owners[n.owner]--; t.owners[n.owner] <= 0 {
		delete(t.owners, n.owner)
	}
}

func (t *tickets[T]) removeOldest(owner string) {
	for e := t.order.Front(); e != nil; e = e.Next() {
		if e.Value.(*ticket[T]).owner == owner {
			t.remove(e)
			return
		}
	}
}
