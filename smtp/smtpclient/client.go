package smtpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// quitTimeout is short: nothing depends on the answer to QUIT.
const quitTimeout = 5 * time.Second

// Timeouts of the phases of a session; 0 takes the default, which is the
// minimum of RFC 5321 section 4.5.3.2.
type Timeouts struct {
	Greeting time.Duration // the 220 of the server; 5 minutes
	Command  time.Duration // MAIL, RCPT and all others; 5 minutes
	DataInit time.Duration // the 354 to DATA; 2 minutes
	Block    time.Duration // one write of message data; 3 minutes
	DataEnd  time.Duration // the reply to the whole message; 10 minutes
	TLS      time.Duration // a TLS handshake; 1 minute
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		to  *time.Duration
		def time.Duration
	}{
		{&t.Greeting, 5 * time.Minute}, {&t.Command, 5 * time.Minute}, {&t.DataInit, 2 * time.Minute},
		{&t.Block, 3 * time.Minute}, {&t.DataEnd, 10 * time.Minute}, {&t.TLS, time.Minute},
	} {
		if *d.to <= 0 {
			*d.to = d.def
		}
	}
	return t
}

// Options of a Client.
type Options struct {
	Hostname mail.Domain // our name in EHLO
	Timeouts Timeouts
	// TLS makes the connection TLS from its first octet, as on port 465.
	TLS *TLSOptions
	// InsecureAuth allows Auth without TLS; for tests on loopback.
	InsecureAuth bool
	Now          func() time.Time
}

// Client is one connection to one server. Its methods are called one after
// the other.
type Client struct {
	opts Options
	conn net.Conn
	r    *bufio.Reader

	ext  map[string]string // EHLO keywords in upper case; nil after HELO
	tls  *tls.ConnectionState
	auth error // why the peer is not who it should be; nil: verified

	dead     error // why nothing can be said any more
	block    []byte
	dialogue []trace.Event
}

// New reads the greeting and says EHLO, or HELO to a server that does not
// know it. Failures are *mail.Error; conn is closed then, and the Client is of
// use for its Dialogue only.
func New(ctx context.Context, conn net.Conn, opts Options) (*Client, error) {
	opts.Timeouts = opts.Timeouts.withDefaults()
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Client{opts: opts, conn: conn}
	defer c.watch(ctx)()
	if err := c.open(ctx); err != nil {
		c.fail(err)
		return c, err
	}
	return c, nil
}

// open is the beginning of a session.
func (c *Client) open(ctx context.Context) error {
	if c.opts.TLS != nil {
		if err := c.handshake(ctx, *c.opts.TLS); err != nil {
			return err
		}
	}
	c.r = bufio.NewReaderSize(c.conn, maxReplyLine)
	p, err := c.read(ctx, "(connected)", c.opts.Timeouts.Greeting)
	if err != nil {
		return err
	}
	if p.code != 220 {
		return p.err()
	}
	return c.hello(ctx)
}

// hello says EHLO and learns the extensions (RFC 5321 section 4.1.1.1).
func (c *Client) hello(ctx context.Context) error {
	p, err := c.command(ctx, "EHLO "+string(c.opts.Hostname))
	if err != nil {
		return err
	}
	if p.code >= 500 && p.code <= 504 { // it does not know EHLO, RFC 5321 section 3.2
		c.ext = nil
		if p, err = c.command(ctx, "HELO "+string(c.opts.Hostname)); err != nil {
			return err
		}
		if p.code != 250 {
			return p.err()
		}
		return nil
	}
	if p.code != 250 {
		return p.err()
	}
	c.ext = make(map[string]string, len(p.lines))
	for _, line := range p.lines[1:] {
		keyword, params, _ := strings.Cut(line, " ")
		if k, v, ok := strings.Cut(keyword, "="); ok && strings.EqualFold(k, "AUTH") { // an old form of AUTH
			keyword, params = k, strings.TrimSpace(v+" "+params)
		}
		keyword = strings.ToUpper(keyword)
		if old, twice := c.ext[keyword]; twice {
			params = strings.TrimSpace(old + " " + params)
		}
		c.ext[keyword] = params
	}
	return nil
}

// Extension returns the parameters of an EHLO keyword, in upper case.
func (c *Client) Extension(keyword string) (params string, ok bool) {
	params, ok = c.ext[keyword]
	return params, ok
}

// Alive reports whether another transaction can be tried.
func (c *Client) Alive() bool { return c.dead == nil }

// RecipientLimit returns how many recipients the server takes in one
// transaction (LIMITS RCPTMAX, RFC 9422 section 4.2); 0 if it does not say.
func (c *Client) RecipientLimit() int {
	for limit := range strings.FieldsSeq(c.ext["LIMITS"]) {
		name, value, _ := strings.Cut(limit, "=")
		if !strings.EqualFold(name, "RCPTMAX") {
			continue
		}
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			return n
		}
	}
	return 0
}

// Reset ends a transaction, if any, and shows whether the server is there.
func (c *Client) Reset(ctx context.Context) error {
	defer c.watch(ctx)()
	return c.reset(ctx)
}

func (c *Client) reset(ctx context.Context) error {
	p, err := c.command(ctx, "RSET")
	if err != nil {
		return err
	}
	if !p.positive() {
		c.fail(fmt.Errorf("RSET refused: %w", p.err()))
		return p.err()
	}
	return nil
}

// Quit says good-bye and closes the connection.
func (c *Client) Quit(ctx context.Context) error {
	defer c.watch(ctx)()
	if c.dead != nil {
		return c.Close()
	}
	c.opts.Timeouts.Command = min(quitTimeout, c.opts.Timeouts.Command)
	c.command(ctx, "QUIT")
	return c.Close()
}

// Close closes the connection without a word.
func (c *Client) Close() error {
	if c.dead == nil {
		c.dead = net.ErrClosed
	}
	return c.conn.Close()
}
