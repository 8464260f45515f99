package smtpclient

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// Statuses of failures that no reply explains (RFC 3463 section 3.5).
var (
	statusConnection = mail.Status{Class: 4, Subject: 4, Detail: 2} // bad connection
	statusProtocol   = mail.Status{Class: 4, Subject: 5, Detail: 0}
)

// maxDialogue bounds what is recorded between two calls of Dialogue.
const maxDialogue = 500

// aLongTimeAgo as a deadline interrupts reads and writes at once.
var aLongTimeAgo = time.Unix(1, 0)

// watch interrupts the connection when ctx is done, until the function that
// it returns is called.
func (c *Client) watch(ctx context.Context) (stop func()) {
	s := context.AfterFunc(ctx, func() { c.conn.SetDeadline(aLongTimeAgo) })
	return func() { s() }
}

// arm gives the next reads and writes their time. Deadlines of connections
// are of the system's clock, whatever Options.Now is.
func (c *Client) arm(ctx context.Context, d time.Duration) {
	c.conn.SetDeadline(time.Now().Add(d))
	if ctx.Err() != nil { // watch may have come before
		c.conn.SetDeadline(aLongTimeAgo)
	}
}

// fail makes the client dead.
func (c *Client) fail(err error) {
	if c.dead == nil {
		c.dead = err
		c.conn.Close()
	}
}

// broken ends the connection because of an I/O error or an unreadable reply.
func (c *Client) broken(ctx context.Context, err error) *mail.Error {
	e := connectionError(ctx, err)
	c.fail(e)
	return e
}

// connectionError names what went wrong with a connection.
func connectionError(ctx context.Context, err error) *mail.Error {
	e := &mail.Error{Status: statusConnection, Err: err}
	switch {
	case ctx.Err() != nil:
		e.Text, e.Err = "the attempt was interrupted", ctx.Err()
	case errors.Is(err, errReply):
		e.Status, e.Text = statusProtocol, "the server does not speak SMTP as we know it"
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Text = "the server did not answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		e.Text = "the server closed the connection"
	default:
		e.Text = "the connection to the server was lost"
	}
	return e
}

// deadError says why the client is dead.
func (c *Client) deadError(ctx context.Context) *mail.Error {
	var e *mail.Error
	if errors.As(c.dead, &e) {
		return e
	}
	return connectionError(ctx, c.dead)
}

// read reads the reply to what; 421 closes the connection (RFC 5321 section
// 3.8). The error of a 421 is the reply itself.
func (c *Client) read(ctx context.Context, what string, timeout time.Duration) (reply, error) {
	c.arm(ctx, timeout)
	p, err := readReply(c.r)
	if err != nil {
		e := c.broken(ctx, err)
		c.record(what, "("+e.Text+")", 0)
		return reply{}, e
	}
	c.record(what, p.String(), p.code)
	if p.code == 421 {
		e := p.err()
		c.fail(e)
		return p, e
	}
	return p, nil
}

// command says one line and reads the reply to it.
func (c *Client) command(ctx context.Context, line string) (reply, error) {
	return c.say(ctx, line, line, c.opts.Timeouts.Command)
}

// say is command for a line that is recorded as shown.
func (c *Client) say(ctx context.Context, line, shown string, timeout time.Duration) (reply, error) {
	if c.dead != nil {
		return reply{}, c.deadError(ctx)
	}
	c.arm(ctx, timeout)
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		if p, ok := c.lastWords(ctx, shown); ok {
			return p, p.err()
		}
		return reply{}, c.broken(ctx, err)
	}
	return c.read(ctx, shown, timeout)
}

// lastWords reads what a server said before it hung up on us.
func (c *Client) lastWords(ctx context.Context, what string) (reply, bool) {
	c.arm(ctx, quitTimeout)
	p, err := readReply(c.r)
	if err != nil || p.code < 400 {
		return reply{}, false
	}
	c.record(what, p.String(), p.code)
	c.fail(p.err())
	return p, true
}

// record keeps a step of the dialogue.
func (c *Client) record(said, answer string, code int) {
	if len(c.dialogue) >= maxDialogue {
		return
	}
	e := trace.Event{Time: c.opts.Now(), Kind: trace.Dialogue, Text: said + " → " + answer}
	if code != 0 {
		e.Fields = map[string]string{"code": strconv.Itoa(code)}
	}
	c.dialogue = append(c.dialogue, e)
}

// Dialogue returns what was said since the last call: commands and replies,
// without message data and credentials.
func (c *Client) Dialogue() []trace.Event {
	d := c.dialogue
	c.dialogue = nil
	return d
}
