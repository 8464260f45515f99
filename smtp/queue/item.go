package queue

import (
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
	// Cause is the same for failures of one kind: the destination, and what
	// was said without what varies from message to message.
	Cause string
	Relay string // host:port of Reroute; empty: none
}

// NotTried is the Cause of recipients before their first attempt.
const NotTried = "not tried yet"

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

// Cause is a group of recipients that wait for the same reason.
type Cause struct {
	Cause    string
	State    State
	Reply    string // one of them, in full, with its Status, MX and Domain
	Status   mail.Status
	MX       string
	Domain   mail.Domain
	Messages int
	Senders  int           // different ones; at most 1,000 are told apart
	Oldest   time.Time     // message
	Next     time.Time     // soonest attempt; zero if there is none
	Expires  time.Time     // when the first of the messages is given up
	Domains  []mail.Domain // of recipients, up to 20, those with most of them first
}

// Stats is what an overview shows, of messages that wait for an attempt.
type Stats struct {
	Messages, Recipients int
	States               map[State]int // recipients
	Oldest               time.Time     // message
	Causes               []Cause       // most messages first
}
