package queue

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Local takes mail for addresses of our own domains, such as a report to one
// of our users: it never goes out to the network.
type Local interface {
	IsLocal(d mail.Domain) bool
	Transport
}

// Options are what a Queue works with. Hostname is needed; the rest has
// defaults.
type Options struct {
	Hostname mail.Domain // names us in reports
	// Schedule are the times between attempts; the last one repeats.
	Schedule    []time.Duration
	Expire      time.Duration // after which mail is returned; 5 days if 0
	DelayNotice time.Duration // after which the sender is told of a delay; 4 h if 0, none if < 0
	Grace       time.Duration // that running attempts get when Run ends; 20 s if 0

	Parallel  int // attempts at once; 100 if 0
	PerDomain int // attempts at once for one domain; 10 if 0

	// Postmaster is told when mail with the null reverse-path cannot be
	// delivered; the null path: nobody is.
	Postmaster mail.Path
	Local      Local // nil: nothing is local

	Trace  *trace.Log
	Now    func() time.Time
	Rand   func() float64 // in [0,1), for jitter
	Random io.Reader      // for IDs of reports
	Logger *slog.Logger
}

// Queue is the outbound queue. Its methods may be called concurrently.
type Queue struct {
	eng  store.Store
	next Transport
	opts Options
}

// New makes a queue over the rows of owner 0 of eng, whose Apply is [Apply].
func New(eng store.Store, t Transport, opts Options) *Queue {
	return &Queue{eng: eng, next: t, opts: opts}
}

// Entry returns the queue's share of one store Accept: env goes to all its
// recipients, which are elsewhere.
func Entry(id ID, env mail.Envelope, now time.Time) (store.Recipient, error) {
	return store.Recipient{}, nil
}

// Apply is the store.Apply of owner 0.
func Apply(rw store.RW, a store.Accepted) error { return nil }

// Enqueue accepts a message for the queue alone. When it returns nil, stable
// storage owns the message.
func (q *Queue) Enqueue(ctx context.Context, id ID, env mail.Envelope, meta []byte, body io.Reader, size int64) error {
	return nil
}

// Run makes attempts until ctx is done, and returns when the running ones
// have ended.
func (q *Queue) Run(ctx context.Context) error { return nil }
