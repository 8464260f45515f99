package smtpserver

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net/netip"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/wire"
)

// Conn is what a Handler may know of the connection. Its values change as the
// session goes on.
type Conn struct {
	ID     string // for the log
	Remote netip.AddrPort
	Local  netip.AddrPort
	Start  time.Time

	wire     *wire.Conn
	hello    string
	extended bool
	loggedIn bool
	utf8     bool      // of the transaction
	told     time.Time // of the last line that Dialogue has returned
}

func newConnID() string { return strings.ToLower(rand.Text()[:10]) }

// Hello returns the argument of HELO or EHLO, and whether it was EHLO.
func (c *Conn) Hello() (name string, extended bool) { return c.hello, c.extended }

// TLS returns the state of TLS, nil without.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.wire == nil {
		return nil
	}
	return c.wire.TLS()
}

// Protocol returns the name for the with clause of Received (RFC 3848,
// RFC 6531 section 4.3).
func (c *Conn) Protocol() string {
	if !c.extended {
		return "SMTP"
	}
	name := "ESMTP"
	if c.utf8 {
		name = "UTF8SMTP"
	}
	if c.TLS() != nil {
		name += "S"
	}
	if c.loggedIn {
		name += "A"
	}
	return name
}

// TalksEarly waits for d, before the greeting, and reports whether the client
// has sent something by then, which it may not (RFC 5321 section 3.1). What it
// has sent is lost; such a client is sent away.
func (c *Conn) TalksEarly(ctx context.Context, d time.Duration) bool {
	return c.wire != nil && c.wire.PeekEarly(ctx, d)
}

// Dialogue returns the commands and replies since the last call, without
// credentials and message data; of a long time only the last ones. now is the
// time by the clock of whoever asks, and so are the times of the events: that
// of the system may be another.
func (c *Conn) Dialogue(now time.Time) (events []trace.Event) {
	if c.wire == nil {
		return nil
	}
	lines := c.wire.Transcript(c.told)
	if n := len(lines); n > 0 && lines[n-1].Client && strings.HasPrefix(strings.ToUpper(lines[n-1].Text), "MAIL ") {
		lines = lines[:n-1] // it begins what comes next
	}
	events = make([]trace.Event, 0, len(lines))
	for _, line := range lines {
		who := "S: "
		if line.Client {
			who = "C: "
		}
		events = append(events, trace.Event{Time: now.Add(-time.Since(line.Time)), Kind: trace.Dialogue, Text: who + line.Text})
		c.told = line.Time
	}
	return events
}
