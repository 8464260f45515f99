package smtpclient

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
)

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

// TLSOptions say how to start TLS, and whom to expect.
type TLSOptions struct {
	// Config has ServerName and, where needed, RootCAs. It is copied.
	Config *tls.Config
	// Verify judges the server; nil: a certificate of a known authority for
	// Config.ServerName.
	Verify func(tls.ConnectionState) error
	// Required makes the handshake fail when Verify does. Without it the
	// verdict is only recorded: TLS with anybody is better than none.
	Required bool
}

// Client is one connection to one server. Its methods are called one after
// the other.
type Client struct{ conn net.Conn }

// New reads the greeting and says EHLO. It closes conn when it fails.
func New(ctx context.Context, conn net.Conn, opts Options) (*Client, error) {
	return &Client{conn: conn}, nil
}

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
}

// StartTLS begins TLS (RFC 3207).
func (c *Client) StartTLS(ctx context.Context, o TLSOptions) error { return nil }

// Auth logs in.
func (c *Client) Auth(ctx context.Context, login, password string) error { return nil }

// Send transmits m. It returns one Result for each recipient, in order.
func (c *Client) Send(ctx context.Context, m *Message) []Result { return nil }

// Reset ends a transaction.
func (c *Client) Reset(ctx context.Context) error { return nil }

// Quit says good-bye and closes the connection.
func (c *Client) Quit(ctx context.Context) error { return c.conn.Close() }

// Close closes the connection without a word.
func (c *Client) Close() error { return c.conn.Close() }

// Extension returns the parameters of an EHLO keyword.
func (c *Client) Extension(keyword string) (params string, ok bool) { return "", false }

// TLS describes the connection's TLS: "TLS1.3 X25519 … verified"; empty
// without TLS.
func (c *Client) TLS() string { return "" }

// Verified reports whether the server proved who it is.
func (c *Client) Verified() bool { return false }

// Dialogue returns what was said since the last call.
func (c *Client) Dialogue() []trace.Event { return nil }
