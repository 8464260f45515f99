package smtpserver

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
)

// Handler holds the policy of one service. Errors it returns become replies
// through smtp.ReplyFor; a *mail.Error decides status, code and text.
type Handler interface {
	// Connect is asked before the greeting; an error is the greeting (554 or
	// 421) and the end.
	Connect(ctx context.Context, c *Conn) (Session, error)
}

// Session is the policy of one connection. Its methods are called one after
// the other. The server has already checked syntax, order, parameters, SIZE
// against the limit and the number of recipients.
type Session interface {
	// Login tells who has logged in; only on services with an Authenticator.
	Login(ctx context.Context, id sasl.Identity) error
	// Mail starts a transaction; env has no recipients yet.
	Mail(ctx context.Context, env *mail.Envelope) error
	// Rcpt adds a recipient, or refuses it.
	Rcpt(ctx context.Context, r mail.Recipient) error
	// Data takes the message, dot-stuffing undone, line ends CRLF throughout
	// (a bare CR or LF ends the transaction with 554 5.6.0 before Data
	// returns nil). A transfer that was cut off makes body return
	// io.ErrUnexpectedEOF. The text of a nil error follows "250 2.0.0 ".
	Data(ctx context.Context, body io.Reader) (text string, err error)
	// Reset ends the transaction, if any; also called after Data.
	Reset()
	// Close ends the session.
	Close()
}

// Conn is what a Handler may know of the connection. Its values change as the
// session goes on (TLS, Hello).
type Conn struct {
	ID     string // for the log
	Remote netip.AddrPort
	Local  netip.AddrPort
	Start  time.Time

	state connState
}

// Conn's methods:
//
//	func (c *Conn) Hello() (name string, extended bool)   argument of HELO or EHLO
//	func (c *Conn) TLS() *tls.ConnectionState             nil without TLS
//	func (c *Conn) Protocol() string                      ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8… (RFC 3848, RFC 6531) for Received
//	func (c *Conn) Transcript() []wire.Line               commands and replies of this connection so far, bounded; no AUTH, no data
//
// Server's fields (all others optional, zero value = default):
//
//	Handler, Hostname mail.Domain, TLS *tls.Config (nil: no STARTTLS), Implicit bool (TLS from the first byte),
//	Auth Authenticators (nil: AUTH is not offered), PlainAuth bool (AUTH PLAIN without TLS; for load tests),
//	MaxSize int64, MaxRecipients int, Limits wire.Limits, Logger *slog.Logger
//	func (s *Server) Serve(ctx, l net.Listener) error      until ctx is done; then 421 between commands, grace, cut off
type connState struct{ tls *tls.ConnectionState }

// Authenticators makes the sasl.Authenticator of a connection. service is
// "submission", "imap" or "pop3".
type Authenticators interface {
	Authenticator(remote netip.Addr, service string) sasl.Authenticator
}
