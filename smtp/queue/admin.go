package queue

import (
	"context"
	"errors"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// ErrNotFound means that no message of this ID is in the queue.
var ErrNotFound = errors.New("queue: no such message; it was delivered, returned or cancelled")

// Item is a message in the queue, with the recipients that are not done.
type Item struct {
	ID          ID
	ReversePath mail.Path
	Created     time.Time
	Expires     time.Time
	Size        int64
	Recipients  []Recipient
}

// Recipient is the state of one recipient.
type Recipient struct {
	Path     mail.Path
	State    State
	Attempts int
	Next     time.Time // of the next attempt; zero when held
	Last     time.Time // of the last attempt; zero before the first
	// What came of the last attempt.
	Status mail.Status
	Reply  string // of the remote, or our own words
	MX     string
	// Cause is the same for failures of one kind: destination, status and
	// reply without numbers and names that vary.
	Cause string
}

// State says what a recipient waits for.
type State string

const (
	Waiting State = "waiting" // for its first attempt
	Trying  State = "trying"  // an attempt is under way
	Retry   State = "retry"   // for the next attempt after a failure
	Held    State = "held"    // for Release
)

// Filter narrows List; empty fields do not.
type Filter struct {
	Address string // of sender or recipient; "@example.org" is a whole domain
	State   State
	Cause   string
	After   ID  // continue behind this item
	Limit   int // 100 if 0, at most 10,000
}

// List returns items, oldest first.
func (q *Queue) List(ctx context.Context, f Filter) ([]Item, error) { return nil, nil }

// Show returns one item; [ErrNotFound] if it is not there.
func (q *Queue) Show(ctx context.Context, id ID) (Item, error) { return Item{}, ErrNotFound }

// Cause is a group of recipients that wait for the same reason.
type Cause struct {
	Cause    string
	State    State
	Reply    string // one of them, in full
	Messages int
	Oldest   time.Time
}

// Stats is what an overview shows.
type Stats struct {
	Messages, Recipients int
	States               map[State]int // recipients
	Oldest               time.Time
	Causes               []Cause // most messages first
}

// Stats counts what is in the queue, by cause.
func (q *Queue) Stats(ctx context.Context) (Stats, error) { return Stats{}, nil }

// Retry makes the next attempt of items now. Held ones stay held.
func (q *Queue) Retry(ctx context.Context, ids ...ID) error { return nil }

// Hold keeps items from being tried until Release; they still expire then.
func (q *Queue) Hold(ctx context.Context, ids ...ID) error { return nil }

// Release ends Hold; the next attempt is made now.
func (q *Queue) Release(ctx context.Context, ids ...ID) error { return nil }

// Cancel removes items without a report to the sender.
func (q *Queue) Cancel(ctx context.Context, ids ...ID) error { return nil }
