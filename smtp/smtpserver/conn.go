package smtpserver

import (
	"crypto/rand"
	"crypto/tls"
	"net/netip"
	"strings"
	"time"

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
	utf8     bool // of the transaction
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

// Transcript returns the last commands and replies, without credentials and
// message data.
func (c *Conn) Transcript() []wire.Line {
	if c.wire == nil {
		return nil
	}
	return c.wire.Transcript()
}
