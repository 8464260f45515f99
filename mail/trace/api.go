package trace

import (
	"time"

	"github.com/mailstead/mailstead/mail"
)

// ID names a message on its way through this system: in Received, in the log,
// in the queue and in admin. It sorts by time, is 16 characters of lower-case
// base32 (no i, l, o, u) and is not guessable.
type ID string

// Kind says which stage an event comes from. It is a closed set.
type Kind string

const (
	Connect  Kind = "connect"  // address, name, TLS
	Dialogue Kind = "dialogue" // one command and its reply
	Check    Kind = "check"    // one check with its result and reason
	Verdict  Kind = "verdict"
	Route    Kind = "route"   // what an address became
	Filed    Kind = "filed"   // mailbox of an account
	Queued   Kind = "queued"  // given to the outbound queue
	Attempt  Kind = "attempt" // a delivery attempt, with its result
	Report   Kind = "report"  // a delivery report was made
	Done     Kind = "done"    // reply to the client; delivered, bounced, cancelled
)

// Event is one thing that happened. Text is for people, in one line; Fields
// have closed names per kind ("mx", "code", "result", "reason", "tls" …) and
// no secrets, bodies or subjects.
type Event struct {
	Time   time.Time
	Kind   Kind
	Text   string
	Fields map[string]string `json:",omitempty"`
}

// Summary is what a trace is found by. Empty fields of an Append leave what
// is known as it is.
type Summary struct {
	ID          ID
	Start, Last time.Time
	Direction   string // "in", "out" (submitted), "local"
	ReversePath mail.Path
	Recipients  []mail.Path
	MessageID   string
	SubjectHash string // SubjectHash(subject); the subject itself is not kept
	RemoteIP    string
	RemoteName  string
	Login       string
	Size        int64
	Outcome     string // "accepted", "refused", "delivered", "deferred", "bounced", …
	Status      string // enhanced status code of the outcome
}

// Trace is the whole story.
type Trace struct {
	Summary
	Events []Event
}

// Query narrows Find; empty fields do not. Address matches a reverse-path or
// recipient, or with "@example.org" a whole domain.
type Query struct {
	ID, MessageID, Address, IP, Subject, Outcome string
	After, Before                                time.Time
	Limit                                        int
}

// The package's surface:
//
//	func NewID(now time.Time, rand io.Reader) ID
//	func Open(path string, opts Options) (*Log, error)          bbolt; Options: Keep (30 days), Now, Logger
//	func (l *Log) Append(s Summary, events ...Event)            never blocks: a bounded buffer, written in groups in the
//	                                                            background; what does not fit is dropped and counted
//	func (l *Log) Flush(ctx) error                              until all that was appended is on disk (tests, CLI)
//	func (l *Log) Show(ctx, ID) (Trace, error)                  ErrNotFound
//	func (l *Log) Find(ctx, Query) ([]Summary, error)           newest first
//	func (l *Log) Run(ctx) error                                writer and expiry
//	func (l *Log) Close() error
//
// A nil *Log takes Append and does nothing.
