package outbound

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/queue"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// maxConnections bounds the new connections of one attempt.
const maxConnections = 10

// delivery is one attempt.
type delivery struct {
	t        *Transport
	ctx      context.Context
	d        *queue.Delivery
	relay    *Relay // that takes it; nil: the MX hosts of the domain
	results  []queue.Result
	open     []int // indexes of results that are not decided
	failure  *queue.Result
	opened   int // new connections
	dialogue []trace.Event
}

// Deliver implements queue.Transport.
func (t *Transport) Deliver(ctx context.Context, d *queue.Delivery) []queue.Result {
	start := t.opts.Now()
	a := &delivery{t: t, ctx: ctx, d: d, relay: t.relayFor(d), results: make([]queue.Result, len(d.Envelope.Recipients))}
	for i := range a.results {
		a.open = append(a.open, i)
	}
	hosts, err := t.route(ctx, d.Domain, a.relay)
	if err != nil {
		a.settle(queue.Result{Err: a.orInterrupted(err)})
	}
	for _, h := range hosts {
		if len(a.open) == 0 || ctx.Err() != nil {
			break
		}
		a.tryHost(h)
	}
	if len(a.open) > 0 {
		a.giveUp()
	}
	dur := t.opts.Now().Sub(start)
	for i := range a.results {
		a.results[i].Dur = dur
	}
	if len(a.results) > 0 {
		a.results[0].Dialogue = a.dialogue
	}
	return a.results
}

// orInterrupted says so when it is not the world's fault.
func (a *delivery) orInterrupted(err *mail.Error) error {
	if e := a.ctx.Err(); e != nil {
		return &mail.Error{Status: mail.StatusUnclassified, Text: "the attempt was interrupted", Err: e}
	}
	return err
}

// settle gives all open recipients the same result.
func (a *delivery) settle(r queue.Result) {
	for _, i := range a.open {
		a.results[i] = r
	}
	a.open = nil
}

// giveUp is for recipients that no host decided on.
func (a *delivery) giveUp() {
	r := queue.Result{Err: mail.Errorf(statusNoAnswer, "no mail server of %s could be reached", a.d.Domain)}
	if a.failure != nil {
		r = *a.failure
	}
	var e *mail.Error
	if errors.As(r.Err, &e) {
		r.Err = a.orInterrupted(e)
	}
	a.settle(r)
}

// note remembers a failure that another host may make up for. Of several the
// last temporary one is told, or else the last.
func (a *delivery) note(h *host, r queue.Result) {
	r.RemoteName = h.Name
	if a.failure == nil || mail.StatusOf(r.Err).Temporary() || !mail.StatusOf(a.failure.Err).Temporary() {
		a.failure = &r
	}
}

func (a *delivery) tell(events []trace.Event) { a.dialogue = append(a.dialogue, events...) }

// tryHost gives the message to one host, as far as it takes it.
func (a *delivery) tryHost(h *host) {
	w := want{host: h, tlsOrNot: true, relay: a.relay}
	if err := a.ask(&w); err != nil {
		a.note(h, queue.Result{Err: err})
		return
	}
	key := poolKey(w, a.requireTLS())
	for again := true; again && len(a.open) > 0; {
		c, err := a.t.pool.acquire(a.ctx, key)
		if err != nil {
			a.note(h, queue.Result{Err: err})
			return
		}
		reused := c != nil
		if c == nil {
			if c = a.connect(w); c == nil {
				a.t.pool.release(key)
				return
			}
			c.key = key
		}
		again = a.use(h, c, reused)
		a.t.pool.put(c)
	}
}

// requireTLS reports whether a plaintext connection is of no use. A bounce
// goes on without (RFC 8689 section 5).
func (a *delivery) requireTLS() bool {
	return a.d.Envelope.RequireTLS && !a.d.Envelope.ReversePath.IsNull()
}

func poolKey(w want, requireTLS bool) string {
	key := w.host.Name + " " + w.policy.Name
	if w.relay != nil {
		key += " " + w.relay.Addr
	}
	if w.policy.Required {
		key += " " + string(w.host.Domain) // Verify may be of the domain
	}
	if requireTLS {
		key += " requiretls"
	}
	return key
}

// ask asks the policy.
func (a *delivery) ask(w *want) error {
	o := &a.t.opts
	if w.relay != nil {
		w.policy = HostPolicy{Name: "relay", Required: w.relay.TLS != Opportunistic}
	} else if o.Policy != nil {
		p, err := o.Policy.Host(a.ctx, w.host.Host)
		if err != nil {
			return &mail.Error{Status: statusTLSPolicy, Text: "the TLS policy of " + w.host.Name + " cannot be found out now", Err: err}
		}
		if p.Refused != "" {
			return mail.Errorf(statusTLSPolicy, "the TLS policy of %s does not allow %s: %s", w.host.Domain, w.host.Name, p.Refused)
		}
		w.policy = p
	}
	w.tlsOrNot = !w.policy.Required && !a.requireTLS()
	return nil
}

// connect tries the addresses of a host; nil if none answers.
func (a *delivery) connect(w want) *connection {
	if err := a.t.resolve(a.ctx, w.host); err != nil {
		a.note(w.host, queue.Result{Err: err})
		return nil
	}
	for _, addr := range w.host.addrs {
		if a.opened >= maxConnections || a.ctx.Err() != nil {
			return nil
		}
		a.opened++
		c, err := a.t.connect(a.ctx, w, addr, a.tell)
		if err == nil && a.requireTLS() && !c.CanRequireTLS() {
			a.tell(c.Dialogue())
			c.Quit(a.ctx)
			err = &sessionError{Error: mail.Errorf(statusNeedsTLS, "the sender requires TLS all the way, and %s does not promise it", w.host.Name)}
		}
		if err == nil {
			return c
		}
		a.note(w.host, queue.Result{Err: err.Error, RemoteAddr: w.addr(addr), Reply: err.reply})
	}
	return nil
}

// use sends the message over a connection. It reports whether to go on with
// this host: over the same connection if it is alive, else over a new one.
func (a *delivery) use(h *host, c *connection, reused bool) (again bool) {
	batch := a.open
	if limit := a.batchLimit(c); len(batch) > limit {
		batch = batch[:limit]
	}
	results, err := a.send(c, batch)
	a.tell(c.Dialogue())
	if err != nil {
		a.settle(queue.Result{Err: err})
		return false
	}
	var open []int // of the batch
	taken, more, lost := false, false, false
	for k, i := range batch {
		r := a.result(h, c, &results[k])
		switch {
		case results[k].Lost:
			lost = true
			open = append(open, i)
			if !reused {
				a.note(h, r)
			}
		case isTooMany(r.Err):
			more = true
			open = append(open, i)
			a.results[i] = r
		default:
			taken = taken || r.Err == nil
			a.results[i] = r
		}
	}
	rest := a.open[len(batch):]
	if more && !taken && !lost { // it would say the same again
		open = nil
	}
	a.open = append(open, rest...)
	if lost {
		// An idle connection that was closed meanwhile says nothing about the host.
		return reused
	}
	return taken || len(rest) > 0
}

func (a *delivery) batchLimit(c *connection) int {
	limit := a.t.opts.MaxRecipients
	if n := c.RecipientLimit(); n > 0 {
		limit = min(limit, n)
	}
	return limit
}

// send is one transaction. An error is about our own copy of the message.
func (a *delivery) send(c *connection, batch []int) ([]smtpclient.Result, error) {
	body, err := a.d.Open(a.ctx)
	if err != nil {
		return nil, &mail.Error{Status: mail.StatusUnclassified, Text: "our copy of the message could not be read", Err: err}
	}
	defer body.Close()
	c.uses++
	m := &smtpclient.Message{
		Envelope: a.d.Envelope,
		Traits:   a.d.Traits,
		Size:     body.Size(),
		Body:     io.NewSectionReader(body, 0, body.Size()),
	}
	m.Envelope.Recipients = nil
	for _, i := range batch {
		m.Envelope.Recipients = append(m.Envelope.Recipients, a.d.Envelope.Recipients[i])
	}
	return c.Send(a.ctx, m), nil
}

// result translates for the queue.
func (a *delivery) result(h *host, c *connection, r *smtpclient.Result) queue.Result {
	_, relays := c.Extension("DSN")
	return queue.Result{Err: r.Err, RemoteName: h.Name, RemoteAddr: c.addr, Reply: r.Reply, TLS: c.TLS(), RelaysDSN: relays}
}

// isTooMany reports whether a recipient is one too many for a transaction
// (RFC 5321 section 4.5.3.1.10: 452, and 552 of older servers is the same).
func isTooMany(err error) bool {
	var e *mail.Error
	if !errors.As(err, &e) {
		return false
	}
	s := e.Status
	return (e.Code == 452 || e.Code == 552) && (s.Subject == 5 && s.Detail == 3 || s.Subject == 0 && s.Detail == 0)
}

// replyOf is the reply behind an error of smtpclient, which keeps its code
// and text; empty if there was none.
func replyOf(e *mail.Error) string {
	if e.Code == 0 {
		return ""
	}
	s := strconv.Itoa(e.Code)
	if e.Status.Subject != 0 || e.Status.Detail != 0 {
		s += " " + e.Status.String()
	}
	return s + " " + e.Text
}

func asError(err error) *mail.Error {
	var e *mail.Error
	if errors.As(err, &e) {
		return e
	}
	return &mail.Error{Status: mail.StatusUnclassified, Text: "the message could not be sent because of a problem here", Err: err}
}
