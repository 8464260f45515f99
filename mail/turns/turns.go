// Package turns lets a few at a time do what takes much memory. How many may
// change while others wait.
package turns

import (
	"container/list"
	"context"
	"sync"
)

// Turns are a number of turns that are taken and given back. Who waits longest
// gets the next.
type Turns struct {
	mu      sync.Mutex
	most    int
	taken   int
	waiting list.List // of chan struct{}, closed when it is one's turn
}

// New returns Turns of which most can be taken at a time.
func New(most int) *Turns { return &Turns{most: most} }

// Take waits for a turn until ctx is done. Whoever got one calls Give.
func (t *Turns) Take(ctx context.Context) error {
	t.mu.Lock()
	if t.taken < t.most && t.waiting.Len() == 0 {
		t.taken++
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	e := t.waiting.PushBack(turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-turn: // at the same moment
		t.taken--
		t.next()
	default:
		t.waiting.Remove(e)
	}
	return ctx.Err()
}

// Give gives a turn back.
func (t *Turns) Give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken--
	t.next()
}

// Limit changes how many can be taken at a time. Who has a turn keeps it.
func (t *Turns) Limit(most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most = most
	t.next()
}

// Taken is how many turns are taken now.
func (t *Turns) Taken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken
}

// next lets those go on for whom there is a turn; t.mu is held.
func (t *Turns) next() {
	for t.taken < t.most && t.waiting.Len() > 0 {
		t.taken++
		close(t.waiting.Remove(t.waiting.Front()).(chan struct{}))
	}
}
