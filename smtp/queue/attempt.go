package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dsn"
	"github.com/mailstead/mailstead/mailbox/store"
)

// rememberRetry is how long to wait before writing down a result again.
const rememberRetry = time.Minute

var (
	statusDamaged = mail.Status{Class: 5, Subject: 3, Detail: 0}
	errResults    = errors.New("transport returned a wrong number of results")
)

// attempt is one try of one job.
type attempt struct {
	q       *Queue
	key     string // of the job
	itemKey string
	item    *item
	job     *job
	start   time.Time
	local   bool

	// What record found out; it may run more than once.
	out    outcome
	owed   []*report
	next   time.Time
	ended  bool // no job of the item is left
	gone   bool // the job was cancelled meanwhile
	failed bool // some recipient of the item failed, now or earlier
}

// attempt tries a job and writes down what came of it. It reports whether a
// report is owed.
func (q *Queue) attempt(ctx context.Context, key string) (owed bool) {
	a := &attempt{q: q, key: key, itemKey: itemKeyOf(key), start: q.opts.Now()}
	due, err := a.load(ctx)
	if err != nil && ctx.Err() == nil {
		q.opts.Logger.Error("queued message cannot be read", "queue_id", a.itemKey, "err", err)
		q.sched.missed(a.start)
	}
	if due {
		a.try(ctx)
	}
	q.sched.finish(key, a.next)
	return len(a.owed) > 0
}

// load reads the job; due is false if it is not to be tried now after all.
func (a *attempt) load(ctx context.Context) (due bool, err error) {
	err = a.q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		if a.job, err = getJob(tx, a.key); err != nil || a.job == nil {
			return err
		}
		a.item, err = getItem(tx, a.itemKey)
		return err
	})
	if err != nil || a.job == nil || a.item == nil || a.job.held {
		return false, err
	}
	if wait := a.job.next.Sub(a.start); a.job.fresh == 0 && wait > 0 && wait <= a.q.current().longest() {
		a.next = a.job.next
		return false, nil
	}
	return true, nil
}

// try makes the attempt. One that was interrupted for all recipients leaves
// the job as it was.
func (a *attempt) try(ctx context.Context) {
	results := a.deliver(ctx)
	if ctx.Err() != nil && interrupted(results) {
		return
	}
	if now := a.q.opts.Now(); a.remember(ctx, results, now) {
		a.tell(results, now)
	}
}

// remember writes down what has happened, also when everything is being
// stopped. Where that fails, because the disk is full, it is what is tried
// again, and not the delivery: the recipients have the message. If we end
// before it succeeds they will get it twice.
func (a *attempt) remember(ctx context.Context, results []Result, now time.Time) bool {
	for {
		err := a.q.eng.Update(context.WithoutCancel(ctx), store.Queue, func(rw store.RW) error {
			return a.record(rw, results, now)
		})
		if err == nil {
			return true
		}
		a.q.opts.Logger.Error("result of a delivery attempt could not be stored", "queue_id", a.itemKey, "err", err)
		timer := time.NewTimer(rememberRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			a.owed, a.next = nil, time.Time{}
			return false
		}
	}
}

func interrupted(results []Result) bool {
	for i := range results {
		if !errors.Is(results[i].Err, context.Canceled) {
			return false
		}
	}
	return true
}

// deliver asks the transport, or says why that cannot be done.
func (a *attempt) deliver(ctx context.Context) []Result {
	t, local := a.q.transport(a.job.domain)
	a.local = local
	if a.job.taken() { // by an attempt that was cut off before it could say so
		return same(len(a.job.recipients), nil)
	}
	if err := a.scan(ctx); err != nil {
		return same(len(a.job.recipients), bodyError(err))
	}
	d := &Delivery{
		ID:       traceID(a.itemKey),
		Domain:   a.job.domain,
		Envelope: a.item.envelope,
		Attempt:  a.job.attempts + 1,
		Size:     a.item.size,
		Traits:   a.item.traits,
		Relay:    a.job.relay,
		Open:     func(ctx context.Context) (store.Body, error) { return a.q.eng.Open(ctx, a.item.ref) },
	}
	if local {
		d.Settle = func(onward mail.Envelope) (store.Recipient, error) {
			return makeEntry(&entry{id: d.ID, created: a.q.opts.Now(), settles: a.key, envelope: onward})
		}
	}
	for i := range a.job.recipients {
		d.Envelope.Recipients = append(d.Envelope.Recipients, a.job.recipients[i].Recipient)
	}
	results := t.Deliver(ctx, d)
	if len(results) != len(a.job.recipients) {
		return same(len(a.job.recipients), errResults)
	}
	return results
}

func same(n int, err error) []Result {
	results := make([]Result, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}

// bodyError says what it means that our copy of the message cannot be read.
func bodyError(err error) error {
	if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNoBody) {
		return &mail.Error{Status: statusDamaged, Text: "our copy of the message is damaged; please send it again", Err: err}
	}
	return fmt.Errorf("read message: %w", err)
}

// scan finds out the traits of the message once.
func (a *attempt) scan(ctx context.Context) error {
	if a.item.scanned {
		return nil
	}
	body, err := a.q.eng.Open(ctx, a.item.ref)
	if err != nil {
		return err
	}
	defer body.Close()
	traits, err := scanTraits(body, body.Size())
	if err != nil {
		return err
	}
	a.item.scanned, a.item.traits = true, traits
	return nil
}

// remaining are the results of the recipients that were not cancelled while
// the attempt was made. The others keep their order.
func (a *attempt) remaining(j *job, results []Result) []Result {
	if len(j.recipients) == len(results) {
		return results
	}
	var rest []Result
	for i := range a.job.recipients {
		if n := len(rest); n < len(j.recipients) && a.job.recipients[i].Path == j.recipients[n].Path {
			rest = append(rest, results[i])
		}
	}
	return rest
}

// record writes the results into the rows.
func (a *attempt) record(rw store.RW, results []Result, now time.Time) error {
	a.out, a.owed, a.next, a.ended, a.gone, a.failed = outcome{}, nil, time.Time{}, false, false, false
	it, err := getItem(rw, a.itemKey)
	if err != nil {
		return err
	}
	j, err := getJob(rw, a.key)
	if err != nil {
		return err
	}
	all := results
	if j != nil {
		results = a.remaining(j, all)
	}
	if it == nil || j == nil || len(j.recipients) != len(results) { // cancelled
		a.gone = true
		a.out = a.q.current().sort(a.item, a.job.recipients, all, now)
		return nil
	}
	if it.created.After(now) { // the clock was set back since
		it.created = now
	}
	if j.taken() { // whatever the attempt was told: an Accept may fail and be durable
		results = same(len(results), nil)
	}
	it.scanned, it.traits = a.item.scanned, a.item.traits
	a.out = a.q.current().sort(it, j.recipients, results, now)
	it.failed = it.failed || len(a.out.failed) > 0
	a.failed = it.failed
	if err := a.owe(rw, it, j, now); err != nil {
		return err
	}
	if err := j.unindex(rw, a.key); err != nil {
		return err
	}
	if len(a.out.deferred) == 0 {
		if err := rw.Delete(bucketJob, []byte(a.key)); err != nil {
			return err
		}
		a.ended = !hasJobs(rw, a.itemKey)
		return it.closeOne(rw, a.itemKey)
	}
	j.recipients = a.out.deferred
	j.attempts++
	j.last, j.fresh = now, 0
	j.next = a.q.current().nextAttempt(it, j, j.attempts, now)
	if !j.held {
		a.next = j.next
	}
	if err := rw.Put(bucketJob, []byte(a.key), j.encode()); err != nil {
		return err
	}
	if err := j.index(rw, a.key); err != nil {
		return err
	}
	return rw.Put(bucketItem, []byte(a.itemKey), it.encode())
}

func hasJobs(tx store.Tx, itemKey string) bool {
	from, to := subKeys(itemKey)
	for range tx.Scan(bucketJob, from, to) {
		return true
	}
	return false
}

// owe writes down the reports that the sender is owed after this attempt.
func (a *attempt) owe(rw store.RW, it *item, j *job, now time.Time) error {
	success := dsn.Relayed
	if a.local {
		success = dsn.Delivered
	}
	if err := a.oweOne(rw, it, success, mail.NotifySuccess, a.out.relayed, now); err != nil {
		return err
	}
	if err := a.oweOne(rw, it, dsn.Failed, mail.NotifyFailure, a.out.failed, now); err != nil {
		return err
	}
	if len(a.out.deferred) == 0 || !a.q.current().late(it, j, now) {
		return nil
	}
	j.noticed = true
	return a.oweOne(rw, it, dsn.Delayed, mail.NotifyDelay, a.out.deferred, now)
}

// oweOne writes one report about those recipients for whom the sender wants
// it (RFC 3461 section 4.1). Nothing is reported to the null reverse-path
// (RFC 5321 section 4.5.5) but, where one is set, to our postmaster; and
// nothing at all about such a report.
func (a *attempt) oweOne(rw store.RW, it *item, action dsn.Action, condition mail.Notify, about []recipient, now time.Time) error {
	r := &report{to: it.envelope.ReversePath, action: action, date: now}
	if r.to.IsNull() {
		if action != dsn.Failed || it.double || a.q.current().Postmaster.IsNull() {
			return nil
		}
		r.to, r.double = a.q.current().Postmaster, true
	}
	for _, p := range about {
		if r.double || p.Notify.Wants(condition) {
			r.recipients = append(r.recipients, p)
		}
	}
	if len(r.recipients) == 0 {
		return nil
	}
	if action == dsn.Delayed {
		r.retryUntil = it.created.Add(a.q.current().Expire)
	}
	r.id = a.q.newID(now)
	key := subKey(a.itemKey, it.reports)
	it.reports++
	it.open++
	a.owed = append(a.owed, r)
	return rw.Put(bucketOwed, []byte(key), r.encode())
}

// statusOf is the status of a result, with success as what it is in a report.
func statusOf(r *Result) mail.Status {
	s := mail.StatusOf(r.Err)
	if s.Class != 2 && s.Class != 4 && s.Class != 5 {
		return mail.StatusUnclassified
	}
	if r.Err != nil && s.Class == 2 { // an error is none
		return mail.StatusUnclassified
	}
	return s
}

// replyOf is what is shown of a result: the remote's words or, without any,
// ours. The cause of an error stays in the log.
func replyOf(r *Result) string {
	if r.Reply != "" || r.Err == nil {
		return r.Reply
	}
	var e *mail.Error
	if errors.As(r.Err, &e) {
		return e.Text
	}
	return "the message could not be sent because of a problem here"
}
