package queue

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Defaults of Options.
const (
	expireDefault      = 5 * 24 * time.Hour // RFC 5321 section 4.5.4.1: at least 4-5 days
	delayNoticeDefault = 4 * time.Hour
	graceDefault       = 20 * time.Second
	parallelDefault    = 100
	perDomainDefault   = 10
)

// scheduleDefault tries soon at first, for greylisting, and then less and
// less often (RFC 5321 section 4.5.4.1).
func scheduleDefault() []time.Duration {
	return []time.Duration{
		5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute,
		80 * time.Minute, 160 * time.Minute, 4 * time.Hour, 5 * time.Hour, 6 * time.Hour,
	}
}

// Local takes mail for addresses of our own domains, such as a report to one
// of our users: it never goes out to the network. Its Accept has to hold what
// Delivery.Settle returns.
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
	DelayNotice time.Duration // after which the sender is told of a delay; 4 h if 0, never if < 0
	Grace       time.Duration // that running attempts get when Run ends; 20 s if 0

	Parallel  int // attempts at once; 100 if 0
	PerDomain int // attempts at once for one domain; 10 if 0

	// Postmaster is told when mail with the null reverse-path cannot be
	// delivered; the null path: nobody is.
	Postmaster mail.Path
	// Policy, if it is set, is asked at each decision what applies now, in place
	// of the fields above. It has to be quick.
	Policy func() Policy
	Local  Local // nil: nothing is local

	Trace *trace.Log
	// Keep is for how long mail is tried that is to be tried for a time: longer
	// while the clock was set forward within it (mail/clock). nil: no longer.
	Keep func(time.Duration) time.Duration
	// Observe is told what came of each recipient of an attempt, after that was
	// written down. It has to be quick.
	Observe func(Observation)

	Now    func() time.Time
	Rand   func() float64 // in [0,1), for jitter
	Random io.Reader      // for IDs
	Logger *slog.Logger
}

// Policy is what an operator may change while a Queue runs; the fields are
// those of Options.
type Policy struct {
	Schedule            []time.Duration
	Expire, DelayNotice time.Duration
	Parallel, PerDomain int
	Postmaster          mail.Path
}

// current are the options with what applies now.
func (q *Queue) current() *Options {
	o := q.opts
	if o.Policy != nil {
		p := o.Policy()
		o.Schedule, o.Expire, o.DelayNotice, o.Parallel, o.PerDomain, o.Postmaster = p.Schedule, p.Expire, p.DelayNotice, p.Parallel, p.PerDomain, p.Postmaster
		o = o.withDefaults()
	}
	o.Expire = o.Keep(o.Expire)
	if o.DelayNotice > 0 {
		o.DelayNotice = o.Keep(o.DelayNotice)
	}
	return &o
}

func (o Options) withDefaults() Options {
	if len(o.Schedule) == 0 {
		o.Schedule = scheduleDefault()
	}
	o.Expire = orDefault(o.Expire, expireDefault)
	o.DelayNotice = orDefault(o.DelayNotice, delayNoticeDefault)
	o.Grace = orDefault(o.Grace, graceDefault)
	o.Parallel = orDefault(o.Parallel, parallelDefault)
	o.PerDomain = orDefault(o.PerDomain, perDomainDefault)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keep == nil {
		o.Keep = func(d time.Duration) time.Duration { return d }
	}
	if o.Rand == nil {
		o.Rand = mathrand.Float64
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault[T ~int | ~int64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Queue is the outbound queue. Its methods may be called concurrently. One
// that is only looked at or changed, and not run, needs no Transport.
type Queue struct {
	eng   store.Store
	next  Transport
	opts  Options
	sched scheduler
}

// New makes a queue over the rows of owner 0 of eng, whose Apply is [Apply].
func New(eng store.Store, t Transport, opts Options) *Queue {
	q := &Queue{eng: eng, next: t, opts: opts.withDefaults()}
	q.sched.init(func() (parallel, perDomain int) { o := q.current(); return o.Parallel, o.PerDomain })
	return q
}

// Entry returns the queue's share of one store Accept: env goes to all its
// recipients, which are elsewhere. It fails with a *mail.Error.
func Entry(id ID, env mail.Envelope, now time.Time) (store.Recipient, error) {
	return makeEntry(&entry{id: id, created: now, envelope: env})
}

func makeEntry(t *entry) (store.Recipient, error) {
	extra := t.encode()
	if len(extra) > store.MaxExtra {
		return store.Recipient{}, mail.Errorf(mail.Status{Class: 5, Subject: 5, Detail: 3}, "too many recipients for one message")
	}
	return store.Recipient{Owner: store.Queue, Extra: extra}, nil
}

// Enqueue accepts a message for the queue alone. When it returns nil, stable
// storage owns the message. meta is the message record, if there is one.
func (q *Queue) Enqueue(ctx context.Context, id ID, env mail.Envelope, meta []byte, body io.Reader, size int64) error {
	to, err := Entry(id, env, q.opts.Now())
	if err != nil {
		return err
	}
	if _, err := q.eng.Accept(ctx, &store.Message{To: []store.Recipient{to}, Meta: meta, Body: body, Size: size}); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

// transport returns who delivers to a domain.
func (q *Queue) transport(d mail.Domain) (t Transport, local bool) {
	if q.opts.Local != nil && q.opts.Local.IsLocal(d) {
		return q.opts.Local, true
	}
	return q.next, false
}
