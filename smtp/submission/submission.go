package submission

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"time"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

// Senders says in whose name an account may send.
type Senders interface {
	MaySend(account uint32, p mail.Path) bool
}

// Deliverer takes what was submitted. *delivery.MDA is one.
type Deliverer interface {
	CheckRecipient(ctx context.Context, to mail.Path, size int64) error
	// Leaves reports whether mail for any of these goes on to another server.
	Leaves(ctx context.Context, to []mail.Recipient) bool
	Deliver(ctx context.Context, m delivery.Mail) error
}

// Domains says which domains are ours.
type Domains interface {
	IsLocal(d mail.Domain) bool
}

// Options are what a Service works with. Trace, Now, Random, Intake and
// Logger have defaults.
type Options struct {
	Hostname mail.Domain
	Senders  Senders
	Domains  Domains
	Deliver  Deliverer
	// Keys returns the keys that mail of a domain is signed with; none: it is
	// sent unsigned.
	Keys func(d mail.Domain) []dkim.Key
	// Quota returns what an account may send; nil: as much as it likes.
	Quota  func(account uint32) Quota
	Trace  *trace.Log
	Intake *message.Intake // shared by services
	Disk   *disk.Guard     // says whether there is room; nil: there is
	Now    func() time.Time
	Random io.Reader
	Logger *slog.Logger
}

// Service is the Handler of both submission ports.
type Service struct {
	opts   Options
	limits limiter
}

// New makes a Service.
func New(opts Options) *Service {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Intake == nil {
		opts.Intake = message.NewIntake("")
	}
	return &Service{opts: opts}
}

// Connect starts a session; who it is for is known after AUTH.
func (s *Service) Connect(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
	return &session{service: s, conn: c}, nil
}

// session is one connection. tx is nil outside a transaction.
type session struct {
	service *Service
	conn    *smtpserver.Conn
	who     sasl.Identity
	tx      *transaction
}

// transaction is one message on its way in.
type transaction struct {
	id    trace.ID
	start time.Time
	env   mail.Envelope
	told  bool // it has a trace
}

func (s *session) Login(_ context.Context, id sasl.Identity) error {
	s.who = id
	return nil
}

// Mail starts a transaction.
func (s *session) Mail(ctx context.Context, env *mail.Envelope) error {
	s.Reset()
	if s.who.Account == 0 {
		return &mail.Error{Status: mail.Status{Class: 5, Subject: 7}, Code: 530, Text: "log in first: this port takes mail from users of this server only"}
	}
	o := &s.service.opts
	if !env.ReversePath.IsNull() && !o.Senders.MaySend(s.who.Account, env.ReversePath) {
		err := &mail.Error{Status: mail.StatusPolicy, Code: 553,
			Text: "you are logged in as " + s.who.Login + " and may not send as " + env.ReversePath.String()}
		s.traceRefusal(env.ReversePath, nil, err)
		return err
	}
	now := o.Now()
	s.tx = &transaction{id: trace.NewID(now, o.Random), start: now, env: *env}
	return nil
}

func (s *session) Rcpt(ctx context.Context, r mail.Recipient) error {
	if err := s.checkRecipient(ctx, r); err != nil {
		s.traceRefusal(s.tx.env.ReversePath, []mail.Path{r.Path}, err)
		return err
	}
	s.tx.env.Recipients = append(s.tx.env.Recipients, r)
	return nil
}

func (s *session) checkRecipient(ctx context.Context, r mail.Recipient) error {
	o := &s.service.opts
	if err := delivery.CheckRoom(o.Disk, s.tx.env.Size); err != nil {
		return err
	}
	if r.Path.Domain == "" || o.Domains.IsLocal(r.Path.Domain) {
		return o.Deliver.CheckRecipient(ctx, r.Path, s.tx.env.Size)
	}
	if !mailable(r.Path.Domain) {
		return &mail.Error{Status: mail.StatusBadDestination, Code: 553,
			Text: "the domain of " + r.Path.String() + " is not complete; write it in full, as in example.org"}
	}
	return nil
}

// Reset ends the transaction. Its dialogue is complete now: the last reply is
// written after Data returns.
func (s *session) Reset() {
	if s.tx != nil && s.tx.told {
		s.traceDialogue()
	}
	s.tx = nil
}

// Close ends the session.
func (s *session) Close() { s.Reset() }
