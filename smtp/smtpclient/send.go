package smtpclient

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// Message is what Send transmits.
type Message struct {
	Envelope mail.Envelope
	Traits   message.Traits // decide between 8BITMIME, SMTPUTF8 and CHUNKING
	Size     int64          // octets of Body, < 0 if not known
	Body     io.Reader      // read at most once
}

// Result is what became of one recipient.
type Result struct {
	Err   error  // *mail.Error; nil: the server has taken responsibility
	Reply string // the reply that decided, "250 2.0.0 ok"; empty if there was none
	// Lost says that the connection ended before the server had the whole
	// message, so that it may be given to another one at once.
	Lost bool
}

// Send transmits m to all of its recipients in one transaction. It returns
// one Result for each recipient, in order. Afterwards the client is ready for
// the next transaction, unless it is dead.
func (c *Client) Send(ctx context.Context, m *Message) []Result {
	defer c.watch(ctx)()
	t := &transaction{c: c, ctx: ctx, m: m, results: make([]Result, len(m.Envelope.Recipients))}
	t.run()
	return t.results
}

// transaction is one Send. open has the recipients without a result, as
// indexes of results: after all RCPTs, those that the server takes.
type transaction struct {
	c       *Client
	ctx     context.Context
	m       *Message
	results []Result
	open    []int
}

func (t *transaction) run() {
	for i := range t.results {
		t.open = append(t.open, i)
	}
	if t.c.dead != nil {
		t.settle(Result{Err: t.c.deadError(t.ctx), Lost: true})
		return
	}
	if err := t.c.check(t.m); err != nil {
		t.settle(Result{Err: err})
		return
	}
	utf8 := t.dropUTF8Paths()
	if len(t.open) == 0 {
		return
	}
	bdat := t.useBDAT()
	started, ok := t.envelope(t.c.mailCommand(t.m, utf8), bdat)
	if !ok {
		return
	}
	switch {
	case bdat:
		t.bdat()
	case started:
		t.data()
	}
}

// dropUTF8Paths fails the recipients that the server cannot take, and reports
// whether SMTPUTF8 is needed for the others.
func (t *transaction) dropUTF8Paths() (utf8 bool) {
	offered := t.c.offers("SMTPUTF8")
	utf8 = t.m.needsUTF8()
	open := t.open[:0]
	for _, i := range t.open {
		if t.m.Envelope.Recipients[i].Path.NeedsUTF8() {
			if !offered {
				t.results[i] = Result{Err: mail.Errorf(statusNeedsUTF8, "the address is in UTF-8, which the server does not support")}
				continue
			}
			utf8 = true
		}
		open = append(open, i)
	}
	t.open = open
	return utf8
}

// useBDAT says whether to send with BDAT. It frames by length, so the octets
// must be those of the body: with line ends to be mended, DATA is used.
func (t *transaction) useBDAT() bool {
	if t.m.binary() {
		return true
	}
	return t.c.offers("CHUNKING") && t.m.Size >= 0 && t.m.Traits&(message.HasBareCR|message.HasBareLF) == 0
}

// settle gives all open recipients the same result.
func (t *transaction) settle(r Result) {
	for _, i := range t.open {
		t.results[i] = r
	}
	t.open = nil
}

// lost is the result after the connection has ended, with the reason given.
// sent says that the server may have the whole message.
func (t *transaction) lost(err error, p reply, sent bool) {
	r := Result{Err: err, Lost: !sent}
	if p.code != 0 {
		r.Reply = p.String()
		r.Lost = true // a reply, such as 421: it has not taken the message
	}
	t.settle(r)
}

// step is one command of a transaction, with what its reply does.
type step struct {
	line    string
	timeout time.Duration
	then    func(reply)
}

// envelope says MAIL, RCPT for each recipient and, unless bdat, DATA. With
// PIPELINING all of it goes out at once (RFC 2920 section 3.1). ok means that
// recipients are waiting for the message; started, that DATA got its 354.
func (t *transaction) envelope(mailFrom string, bdat bool) (started, ok bool) {
	timeouts := t.c.opts.Timeouts
	mailed := false
	steps := []step{{mailFrom, timeouts.Command, func(p reply) {
		if mailed = p.positive(); !mailed {
			t.settle(Result{Err: p.err(), Reply: p.String()})
		}
	}}}
	for _, i := range t.open {
		steps = append(steps, step{t.c.rcptCommand(t.m.Envelope.Recipients[i]), timeouts.Command, func(p reply) {
			if mailed {
				t.rcpt(i, p)
			}
		}})
	}
	var data reply
	if !bdat {
		steps = append(steps, step{"DATA", timeouts.DataInit, func(p reply) { data = p }})
	}
	p, err := t.speak(steps, func() bool { return len(t.open) > 0 })
	if err != nil {
		t.lost(err, p, false)
		return false, false
	}
	started = data.code == 354
	if len(t.open) == 0 {
		t.giveUp(mailed, started)
		return false, false
	}
	if !bdat && !started {
		t.settle(Result{Err: data.err(), Reply: data.String()})
		t.c.reset(t.ctx)
		return false, false
	}
	return started, true
}

// rcpt notes the reply to one RCPT.
func (t *transaction) rcpt(i int, p reply) {
	if p.positive() {
		return
	}
	t.results[i] = Result{Err: p.err(), Reply: p.String()}
	open := t.open[:0]
	for _, o := range t.open {
		if o != i {
			open = append(open, o)
		}
	}
	t.open = open
}

// giveUp ends a transaction that has no recipients. A server that wants the
// message nevertheless gets an empty one (RFC 2920 section 3.1).
func (t *transaction) giveUp(mailed, started bool) {
	if started {
		t.c.command(t.ctx, ".")
		return
	}
	if mailed && t.c.dead == nil {
		t.c.reset(t.ctx)
	}
}

// speak says the commands of steps and hands over the replies, all at once
// with PIPELINING, else one by one while more says so. An error ends the
// connection; p is the reply 421 if that was the reason.
func (t *transaction) speak(steps []step, more func() bool) (p reply, err error) {
	if !t.c.offers("PIPELINING") {
		for _, s := range steps {
			if !more() {
				return reply{}, nil
			}
			if p, err = t.c.say(t.ctx, s.line, s.line, s.timeout); err != nil {
				return p, err
			}
			s.then(p)
		}
		return reply{}, nil
	}
	var all strings.Builder
	for _, s := range steps {
		all.WriteString(s.line + "\r\n")
	}
	t.c.arm(t.ctx, t.c.opts.Timeouts.Command)
	written := make(chan error, 1)
	// Replies are read while commands are still being written: a server whose
	// replies nobody reads stops reading commands (RFC 2920 section 3.1).
	go func() {
		_, err := io.WriteString(t.c.conn, all.String())
		written <- err
	}()
	for _, s := range steps {
		if p, err = t.c.read(t.ctx, s.line, s.timeout); err != nil {
			break // the connection is closed, which ends the writing too
		}
		s.then(p)
	}
	if werr := <-written; err == nil && werr != nil {
		err = t.c.broken(t.ctx, werr)
	}
	return p, err
}

// finish reads the reply to the whole message. Without one nobody knows
// whether the server has it: it is tried again later, at the risk of a second
// copy (RFC 5321 section 6.1, RFC 1047).
func (t *transaction) finish(what string) {
	p, err := t.c.read(t.ctx, what, t.c.opts.Timeouts.DataEnd)
	switch {
	case err != nil && p.code == 0:
		e := *connectionError(t.ctx, err)
		e.Text += " after it was sent the message, which may arrive twice"
		t.lost(&e, p, true)
	case err != nil:
		t.lost(err, p, false)
	case p.positive():
		t.settle(Result{Reply: p.String()})
	default:
		t.settle(Result{Err: p.err(), Reply: p.String()})
	}
}

// cutOff ends the connection in the middle of the message, so that the server
// cannot take what it has for the whole.
func (t *transaction) cutOff(err error, what string) {
	var read *bodyError
	if errors.As(err, &read) {
		t.c.fail(err)
		t.c.record(what, "(our copy could not be read)", 0)
		t.settle(Result{Err: &mail.Error{Status: mail.StatusUnclassified, Text: "our copy of the message could not be read", Err: err}})
		return
	}
	if !t.heard(what) {
		t.lost(t.c.broken(t.ctx, err), reply{}, false)
		t.c.record(what, "(connection lost)", 0)
	}
}

// heard looks for what the server said before it hung up while we were still
// sending.
func (t *transaction) heard(what string) bool {
	p, ok := t.c.lastWords(t.ctx, what)
	if ok {
		t.settle(Result{Err: p.err(), Reply: p.String(), Lost: p.code == 421})
	}
	return ok
}

// refused reports whether the server is still there but took nothing.
func (t *transaction) refused() bool {
	for _, r := range t.results {
		if r.Err == nil {
			return false
		}
	}
	return t.c.dead == nil
}
