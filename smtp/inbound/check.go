package inbound

import (
	"context"
	"io"
	"net/netip"
	"slices"
	"sync"

	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/smtp/arc"
	"github.com/mailstead/mailstead/smtp/dmarc"
)

// Check looks at a message. Run returns when ctx is done at the latest, may be
// called concurrently, and must not change the Mail.
type Check struct {
	Name string
	Run  func(ctx context.Context, m *Mail) Finding
}

// Mail is a message that is being judged.
type Mail struct {
	ID       trace.ID
	Client   Client
	Envelope mail.Envelope
	Header   []byte           // as it came, with the empty line after it
	Body     func() io.Reader // what came after Header, from its start
	Kept     []byte           // Header without what is not kept of it
	Index    *message.Index   // of Kept and Body
	Findings []Finding        // of the stages before
	visit    *visit           // nil without a Door
	rulings  []Ruling         // of the door

	signed signed
	from   struct { // see authors
		once sync.Once
		list []message.Address
	}

	// Known when all Checks have run: before Options.Final.
	Evidence   *junk.Evidence
	Recipients []Recipient
}

// Welcome reports whether an account that the message reaches has good reason
// to expect it, or has a list that allows it: such mail is not delayed.
func (m *Mail) Welcome() bool {
	return slices.ContainsFunc(m.Recipients, func(r Recipient) bool { return r.Opinion.Known || r.Match.Verb == verdict.Allow })
}

// Client is who sent the message.
type Client struct {
	Addr     netip.Addr
	Hello    string // argument of HELO or EHLO
	Protocol string // for Received: ESMTPS …
	TLS      string // version, as in TLS 1.3; empty without
	Cipher   string // of TLS, empty without
	Allowed  bool   // the server's list allows the network: blocklists do not count
}

// Finding is what a check found out.
type Finding struct {
	Check string

	// What this check alone would do, and with Refuse what the client is told.
	Action Action
	Status mail.Status
	Code   int // reply code, if Status does not imply it
	Text   string
	Reason string // why, in one line; for people here
	// Reasons are what it adds to the score, where it does not decide alone.
	Reasons []mail.Reason

	Results     []mail.AuthResult   // for Authentication-Results
	Identifiers []dmarc.Identifier  // domains that stand for the message
	Header      []byte              // fields to put before the message
	ClientName  string              // name of the client, confirmed both ways
	DMARC       []dmarc.Result      // of each author
	Sealer      mail.Domain         // trusted by us, and vouching for the message by ARC
	Edit        []message.FieldEdit // changes of Mail.Kept
	ReversePath *mail.Path          // instead of the client's, if not nil
	Err         error               // what went wrong on our side; for the log

	chain *arc.Result // nil: there is none
}

// Action is what to do with a message, from mild to strict.
type Action = verdict.Action

const (
	Accept     = verdict.Accept
	Junk       = verdict.Junk       // deliver to \Junk
	Quarantine = verdict.Quarantine // deliver out of sight
	Refuse     = verdict.Refuse     // answer 4xx or 5xx
)

// judge runs the checks stage by stage, until one refuses; then it asks what
// each account wants, and last whether the client should come again later.
func (s *Service) judge(ctx context.Context, m *Mail) Verdict {
	m.Findings = make([]Finding, 0, s.checks)
	for i := range s.stages {
		s.runStage(ctx, &s.stages[i], m)
		if v := decide(m.Findings); v.Action == Refuse {
			return v.withContact(m)
		}
	}
	s.weigh(ctx, m)
	v := conclude(decide(m.Findings), m.Recipients, s.opts.ForwardJunk())
	if v.Action == Refuse || len(s.opts.Final) == 0 {
		return v.withContact(m)
	}
	final := s.runStage(ctx, &s.final, m)
	if not := decide(final); not.Action == Refuse {
		not.Recipients = m.Recipients
		return not.withContact(m)
	}
	return v
}
