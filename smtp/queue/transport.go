package queue

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

// ID names a queued message; it is the trace.ID it got on the way in.
type ID = trace.ID

// Transport tries to hand a message to the next hop of some recipients, once.
// It returns one Result for each of d.Envelope.Recipients, in order.
type Transport interface {
	Deliver(ctx context.Context, d *Delivery) []Result
}

// Delivery is one attempt. All recipients have the same domain.
type Delivery struct {
	ID       ID
	Domain   mail.Domain
	Envelope mail.Envelope
	Attempt  int // 1 for the first
	Size     int64
	Traits   message.Traits
	Open     func(ctx context.Context) (store.Body, error)
}

// Result is what became of one recipient. Err nil means that the next hop has
// taken responsibility; otherwise mail.StatusOf(Err) says whether to retry.
type Result struct {
	Err        error
	RemoteName string // MX host
	RemoteAddr string
	Reply      string // the remote's last reply, "250 2.0.0 ok"; empty if there was none
	TLS        string // "TLS1.3 X25519 … verified/unverified", empty without TLS
	RelaysDSN  bool   // the next hop understands DSN, so it reports success itself
	Dur        time.Duration
	Dialogue   []trace.Event
}

// The package's surface:
//
//	func Entry(id ID, env mail.Envelope, now time.Time) (store.Recipient, error)   for one store Accept with local recipients
//	func Apply(rw store.RW, a store.Accepted) error                                the store.Apply of owner 0
//	func New(eng store.Store, t Transport, opts Options) *Queue
//	func (q *Queue) Enqueue(ctx, id ID, env mail.Envelope, meta []byte, body io.Reader, size int64) error
//	func (q *Queue) Run(ctx) error
//	func (q *Queue) List(ctx, Filter) ([]Item, error); Show; Retry; Hold; Release; Cancel (ctx, ids…)
//
// Options: Schedule []time.Duration, Expire, DelayNotice, Parallel (attempts at once, per domain too), Hostname, Postmaster,
// Local (hands a DSN for a local recipient to delivery instead of the queue), Trace *trace.Log, Now, Rand, Logger.
