package imapserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/wire"
	"github.com/mailstead/mailstead/mailbox"
)

// Server serves the mailboxes of all accounts. Fields must not be changed
// while it runs; all but Boxes and Auth are optional.
type Server struct {
	Boxes *mailbox.Boxes
	Auth  Authenticators

	// TLS is offered by STARTTLS, or begins every connection with Implicit.
	TLS      *tls.Config
	Implicit bool
	// PlainAuth allows logins that show the password without TLS.
	PlainAuth bool

	Limits  wire.Limits
	Limiter *wire.Limiter         // shared with other services; nil: one of its own
	Proxies func() []netip.Prefix // whose connections begin with a PROXY header

	// AppendLimit bounds one message of APPEND: 50 MiB if 0 (RFC 7889).
	AppendLimit int64
	// MaxAppend, if it is set, is asked at each connection, in place of
	// AppendLimit.
	MaxAppend func() int64
	// Intake is for messages on their way in, shared by services; nil: its own,
	// in the system's folder.
	Intake   *message.Intake
	Disk     *disk.Guard // says whether there is room; nil: there is
	Hostname mail.Domain // in the greeting
	Logger   *slog.Logger
	Now      func() time.Time
}

// Authenticators makes the sasl.Authenticator of a connection; service is
// "imap".
type Authenticators interface {
	Authenticator(remote netip.Addr, service string) sasl.Authenticator
}

// defaultAppendLimit is what large providers take as well.
const defaultAppendLimit = 50 << 20

// Serve serves connections until ctx is done: then it says BYE, lets commands
// under way end for Limits.Grace, cuts off what is left, and returns when all
// sessions have ended. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	run := s.withDefaults()
	opts := wire.Options{
		Limits:  run.Limits,
		Limiter: run.Limiter,
		Proxies: run.Proxies,
		Busy:    "* BYE [UNAVAILABLE] Too many connections from your address\r\n",
		Full:    "* BYE [UNAVAILABLE] All connections of this server are in use; try again later\r\n",
		Logger:  run.Logger,
	}
	if run.Implicit {
		opts.TLS = run.TLS
	}
	shared := &imapwire.Buffers{}
	return wire.Serve(ctx, l, opts, func(ctx context.Context, c *wire.Conn) {
		newSession(&run, c, shared).serve(ctx)
	})
}

// withDefaults returns a copy without empty fields.
func (s *Server) withDefaults() Server {
	run := *s
	if run.AppendLimit == 0 {
		run.AppendLimit = defaultAppendLimit
	}
	if run.MaxAppend == nil {
		run.MaxAppend = func() int64 { return run.AppendLimit }
	}
	if run.Intake == nil {
		run.Intake = message.NewIntake("")
	}
	if run.Limits.Grace == 0 {
		run.Limits.Grace = 3 * time.Second
	}
	if run.Logger == nil {
		run.Logger = slog.New(slog.DiscardHandler)
	}
	if run.Now == nil {
		run.Now = time.Now
	}
	if run.Hostname == "" {
		run.Hostname = "localhost"
	}
	return run
}
