package inbound

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

// session is one connection. tx is nil outside a transaction.
type session struct {
	service *Service
	conn    *smtpserver.Conn
	visit   *visit // nil without a Door
	tx      *transaction
}

// transaction is one message on its way in.
type transaction struct {
	id      trace.ID
	start   time.Time
	env     mail.Envelope
	rulings []Ruling    // of the door, about the reverse-path
	refused []mail.Path // recipients that were refused
	status  mail.Status // of the last refusal
	reason  string      // of the last refusal, or of Junk
	cause   string      // of it, the same for messages that are alike in this
	place   Action      // the strictest of what happened, if it was accepted
	ended   bool        // DATA has been answered
	events  []trace.Event
}

// Login does not happen: there is no Authenticator on port 25.
func (s *session) Login(context.Context, sasl.Identity) error {
	return mail.Errorf(mail.StatusPolicy, "log in on port 587 or 465")
}

// Mail starts a transaction, unless the door has something against it.
func (s *session) Mail(ctx context.Context, env *mail.Envelope) error {
	s.Reset()
	o := &s.service.opts
	now := o.Now()
	s.tx = &transaction{id: trace.NewID(now, o.Rand), start: now, env: *env}
	if s.visit == nil {
		return nil
	}
	hello, _ := s.conn.Hello()
	s.tx.rulings = s.visit.mail(ctx, hello, env)
	for i := range s.tx.rulings {
		r := &s.tx.rulings[i]
		s.tx.events = append(s.tx.events, r.event(now))
		if r.Refusal != nil {
			return s.refuseSender(ctx, r)
		}
	}
	return nil
}

// Rcpt adds a recipient that is ours and has room.
func (s *session) Rcpt(ctx context.Context, r mail.Recipient) error {
	err := s.checkRecipient(ctx, r)
	if err != nil {
		s.tx.refuse(s.service.opts.Now(), r.Path, err)
		s.service.opts.Logger.InfoContext(ctx, "recipient refused", "conn", s.conn.ID, "queue_id", s.tx.id,
			"remote", s.conn.Remote, "mail_from", s.tx.env.ReversePath, "rcpt_to", r.Path, "status", mail.StatusOf(err), "err", err)
		return err
	}
	s.tx.env.Recipients = append(s.tx.env.Recipients, r)
	return nil
}

// checkRecipient asks delivery, and the door about recipients that exist.
func (s *session) checkRecipient(ctx context.Context, r mail.Recipient) error {
	err := s.service.opts.Deliverer.CheckRecipient(ctx, r.Path, s.tx.env.Size)
	if err == nil {
		err = delivery.CheckRoom(s.service.opts.Disk, s.tx.env.Size)
	}
	if s.visit == nil {
		return err
	}
	not := s.visit.asked(ctx, err)
	if err == nil && not == nil {
		not = s.visit.recipient(ctx, &s.tx.env, r.Path)
	}
	if not == nil {
		return err
	}
	s.tx.events = append(s.tx.events, not.event(s.service.opts.Now()))
	return not.Refusal
}

// Reset ends the transaction.
func (s *session) Reset() {
	if s.tx != nil {
		s.traceEnd()
		s.tx = nil
	}
}

// Close ends the session.
func (s *session) Close() {
	s.Reset()
	if s.visit != nil {
		s.visit.close()
	}
}

// client is what the checks may know of the connection.
func (s *session) client() Client {
	hello, _ := s.conn.Hello()
	c := Client{Addr: s.conn.Remote.Addr(), Hello: hello, Protocol: s.conn.Protocol()}
	c.Allowed = s.service.opts.Policies.AllowsClient(c.Addr)
	if state := s.conn.TLS(); state != nil {
		c.TLS = tls.VersionName(state.Version)
		c.Cipher = tls.CipherSuiteName(state.CipherSuite)
	}
	return c
}
