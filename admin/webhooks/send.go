package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/admin/push"
)

// How often something is tried.
const (
	giveUp    = 24 * time.Hour
	switchOff = 72 * time.Hour // without a request that went well
	atOnce    = 8              // requests to a webhook that works
	freeFails = 3              // failures, one after the other, before all wait
	gateFirst = 5 * time.Second
	gateMost  = 5 * time.Minute
	waitMost  = time.Hour // that an answer can ask for
	idle      = time.Hour // without anything to send
)

// delays are the times between the attempts of a delivery; the last repeats.
var delays = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// dispatch lets those send that have something to send, and returns how long
// nobody else has.
func (b *Book) dispatch(ctx context.Context, wait *sync.WaitGroup) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	sleep := idle
	now := b.opts.Now()
	for _, h := range b.all() {
		l := b.line(h.ID)
		if l.busy || l.Off != "" || h.Paused || b.opts.Post == nil || ctx.Err() != nil {
			continue
		}
		at, ok := b.next(h.ID)
		if !ok {
			continue
		}
		if notYet(l.notBefore, now) && l.notBefore.After(at) {
			at = l.notBefore
		}
		if notYet(at, now) {
			sleep = min(sleep, at.Sub(now))
			continue
		}
		l.busy = true
		wait.Go(func() { b.drain(ctx, h.ID) })
	}
	return max(sleep, time.Millisecond)
}

// drain sends what is due of a webhook.
func (b *Book) drain(ctx context.Context, id string) {
	defer b.rouse()
	for more := true; more && ctx.Err() == nil; {
		h, err := b.find(id)
		if err != nil || h.Paused {
			break
		}
		b.mu.Lock()
		n := atOnce
		if b.line(h.ID).Fails > 0 {
			n = 1
		}
		b.mu.Unlock()
		var list []Delivery
		list, err = b.due(h.ID, b.opts.Now(), n)
		if err == nil && len(list) > 0 {
			more, err = b.settle(ctx, h.ID, b.sendAll(ctx, &h, list))
		} else {
			more = false
		}
		if err != nil {
			b.opts.Logger.Error("webhook deliveries cannot be read or written", "webhook", h.ID, "err", err)
			b.mu.Lock()
			b.line(h.ID).notBefore = b.opts.Now().Add(gateMost)
			b.mu.Unlock()
			more = false
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lines[id]; l != nil {
		l.busy = false
	}
}

// outcome is what came of a request.
type outcome struct {
	d      Delivery
	answer push.Answer
	err    error
}

// sendAll sends deliveries at once.
func (b *Book) sendAll(ctx context.Context, h *Hook, list []Delivery) []outcome {
	results := make([]outcome, len(list))
	var wait sync.WaitGroup
	for i, d := range list {
		wait.Go(func() {
			a, err := b.send(ctx, h, d.ID, d.Body)
			results[i] = outcome{d, a, err}
		})
	}
	wait.Wait()
	return results
}

func (b *Book) send(ctx context.Context, h *Hook, id string, body []byte) (push.Answer, error) {
	header, err := h.Secret.Headers(id, b.opts.Now(), body)
	if err != nil {
		return push.Answer{}, err
	}
	return b.opts.Post(ctx, push.Request{URL: h.URL, Header: header, Body: body, Private: h.Wide && b.opts.Private != nil && b.opts.Private()})
}

// settle writes down what came of requests, and reports whether to go on at
// once. What was broken off because the server stops was not tried.
func (b *Book) settle(ctx context.Context, hook string, results []outcome) (more bool, err error) {
	if ctx.Err() != nil {
		return false, nil
	}
	b.mu.Lock()
	l := b.lines[hook]
	if l == nil {
		b.mu.Unlock()
		return false, nil // was removed meanwhile
	}
	now := b.opts.Now().UTC()
	next, was := *l, l.Off
	err = b.db.Update(func(tx *bolt.Tx) error {
		next = *l
		for i := range results {
			r := &results[i]
			d, err := getDelivery(tx, hook, r.d.Number)
			if errors.Is(err, ErrNoDelivery) || err == nil && (d.State != Waiting || !d.Next.Equal(r.d.Next)) {
				continue // was replayed meanwhile
			}
			if err != nil {
				return err
			}
			before := d.Next
			d.tried(r, now)
			next.note(r, now)
			if err := move(tx, hook, before, &d, &next); err != nil {
				return err
			}
		}
		return putHealth(tx, hook, &next.Health)
	})
	if err == nil {
		*l = next
	}
	b.mu.Unlock()
	if err == nil && next.Off != was {
		b.opts.Logger.Warn("webhook was switched off", "webhook", hook, "err", next.Off)
		b.told(hook)
	}
	return err == nil && next.Off == "" && !next.notBefore.After(now), err
}

func (b *Book) told(hook string) {
	if b.opts.Changed != nil {
		b.opts.Changed(hook)
	}
}

// tried notes a request of a delivery.
func (d *Delivery) tried(r *outcome, now time.Time) {
	a := Attempt{At: now, Status: r.answer.Status, Text: r.answer.Text, Took: r.answer.Took}
	if r.err != nil {
		a.Text = r.err.Error()
	}
	d.Attempts = append(d.Attempts, a)
	d.Attempts = slices.Clone(d.Attempts[max(0, len(d.Attempts)-maxAttempts):])
	if r.err == nil {
		d.State, d.Ended, d.Next = Delivered, now, time.Time{}
		return
	}
	wait := max(delays[min(d.Tries, len(delays)-1)], min(r.answer.After, waitMost))
	d.Tries++
	if end := now.Add(giveUp); d.Until.After(end) { // the clock was set back
		d.Until = end
	}
	if d.Next = now.Add(wait); d.Next.After(d.Until) {
		d.State, d.Ended, d.Next = Failed, now, time.Time{}
	}
}

// note notes a request in the health of its webhook. After some failures all
// of its deliveries wait: whoever is down is not asked thousands of times.
func (l *line) note(r *outcome, now time.Time) {
	if r.err == nil {
		l.Health = Health{LastOK: now, Lost: l.Lost}
		l.notBefore = time.Time{}
		return
	}
	l.Fails++
	l.Problem = r.err.Error()
	if l.Failing.IsZero() {
		l.Failing = now
	}
	if over := l.Fails - freeFails; over >= 0 {
		l.notBefore = now.Add(max(min(gateFirst<<min(over, 10), gateMost), min(r.answer.After, waitMost)))
	}
	var e *push.Error
	switch {
	case errors.As(r.err, &e) && e.Gone:
		l.Off = l.Problem
	case now.Sub(l.Failing) >= switchOff:
		l.Off = "it has not worked for three days: " + l.Problem
	}
	if l.Off != "" {
		l.OffAt = now
	}
}

// revive lets a webhook that was switched off, or waits, begin anew.
func (b *Book) revive(hook string) error {
	b.mu.Lock()
	l := b.line(hook)
	was := l.Off
	next := l.Health
	next.Off, next.OffAt, next.Fails, next.Failing = "", time.Time{}, 0, time.Time{}
	err := b.db.Update(func(tx *bolt.Tx) error { return putHealth(tx, hook, &next) })
	if err == nil {
		l.Health, l.notBefore = next, time.Time{}
	}
	b.mu.Unlock()
	if err == nil && was != "" {
		b.told(hook)
	}
	return err
}

// Test sends an event to a webhook now, and returns what went wrong, in words.
func (b *Book) Test(ctx context.Context, id string) (problem string, err error) {
	h, err := b.find(id)
	if err != nil {
		return "", err
	}
	if b.opts.Post == nil {
		return "", ErrOffline
	}
	body, err := json.Marshal(payload{test, b.opts.Now().UTC(), b.opts.Hostname, map[string]string{"webhook": h.ID}})
	if err != nil {
		return "", err
	}
	if _, err := b.send(ctx, &h, messageID(), body); err != nil {
		return err.Error(), nil
	}
	return "", nil
}
