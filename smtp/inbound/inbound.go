package inbound

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

// Defaults of Options.
const (
	defaultMaxHops = 100 // RFC 5321 section 6.3
	defaultBudget  = 10 * time.Second

	// Clients wait ten minutes for the reply (RFC 5321 section 4.5.3.2.6).
	defaultFilterBudget = 5 * time.Minute
)

// Deliverer takes mail for our domains. *delivery.MDA is one. Its errors are
// *mail.Errors.
type Deliverer interface {
	// CheckRecipient says at RCPT whether mail of size octets (0: not known)
	// for to would be taken: 5.7.1 for a domain that is not ours.
	CheckRecipient(ctx context.Context, to mail.Path, size int64) error
	// Reach says whom mail for recipients reaches: each account once, and
	// account 0 for a recipient that leads elsewhere only.
	Reach(ctx context.Context, to []mail.Recipient) []delivery.Reached
	// Deliver puts a message on stable storage for all its recipients.
	Deliver(ctx context.Context, m delivery.Mail) error
}

// Policies say what people want to be done with their mail. They are asked for
// each message and answer from memory.
type Policies interface {
	// AllowsClient reports whether the list of the server allows a network.
	AllowsClient(netip.Addr) bool
	// Rules returns what holds for mail that reaches an account by an address;
	// account 0 is for addresses that lead elsewhere.
	Rules(account uint32, by mail.Path) verdict.Rules
}

// noPolicies are the defaults for everybody.
type noPolicies struct{}

func (noPolicies) AllowsClient(netip.Addr) bool { return false }
func (noPolicies) Rules(uint32, mail.Path) verdict.Rules {
	return verdict.Rules{Policy: verdict.Default()}
}

// Options are what a Service works with. Hostname, Resolver and Deliverer
// must be set; zero values of the others are defaults.
type Options struct {
	Hostname  mail.Domain // our name in Received, and the authserv-id
	Resolver  dns.Resolver
	Deliverer Deliverer
	Trace     *trace.Log // may be nil
	Door      *Door      // nil: everybody may come in

	MaxHops      int           // Received fields; 0 is 100
	Budget       time.Duration // for authentication, and for the final checks; 0 is 10 s
	LenientDMARC func() bool   // p=reject files to \Junk; asked for each message, nil is no
	Trust        func() Trust  // who may overrule DMARC; nil: nobody
	Checks       []Check       // run beside SPF and DKIM
	Filters      []Check       // run when it is known who sent the message, and nothing refused it
	FilterBudget time.Duration // for Filters; 0 is 5 min
	Scorer       junk.Scorer   // nil: what the checks say is all
	Final        []Check       // run last; they accept, or refuse for now
	Policies     Policies      // nil: the defaults for everybody
	ForwardJunk  func() bool   // junk for addresses that lead elsewhere only goes on; nil: it is refused
	// Observe is told of each message that was taken or refused, not of those
	// that could not be stored; it must not wait.
	Observe func(m *Mail, v Verdict)
	Intake  *message.Intake // shared by services; nil: its own, in the system's folder
	Disk    *disk.Guard     // says whether there is room; nil: there is

	Now    func() time.Time
	Rand   io.Reader // nil: crypto/rand
	Logger *slog.Logger
}

// Service is the Handler of port 25.
type Service struct {
	opts   Options
	stages []stage // one after the other
	final  stage
	checks int // in all stages
}

var _ smtpserver.Handler = (*Service)(nil)

// New makes a Service.
func New(opts Options) *Service {
	opts.MaxHops = cmp.Or(opts.MaxHops, defaultMaxHops)
	opts.Budget = cmp.Or(opts.Budget, defaultBudget)
	opts.FilterBudget = cmp.Or(opts.FilterBudget, defaultFilterBudget)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Rand == nil {
		opts.Rand = rand.Reader
	}
	if opts.Policies == nil {
		opts.Policies = noPolicies{}
	}
	if opts.LenientDMARC == nil {
		opts.LenientDMARC = func() bool { return false }
	}
	if opts.ForwardJunk == nil {
		opts.ForwardJunk = func() bool { return false }
	}
	if opts.Trust == nil {
		opts.Trust = func() Trust { return Trust{} }
	}
	if opts.Intake == nil {
		opts.Intake = message.NewIntake("")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	var own []Check
	if opts.Door != nil {
		own = opts.Door.checks()
		opts.Final = append([]Check{{"greylist", opts.Door.checkGreylist}}, opts.Final...)
	}
	s := &Service{opts: opts}
	// Authentication has one budget. DMARC has its part of it for itself, or
	// strangers could use up the time in which their forgery is found out.
	proofs := opts.Budget * 2 / 3
	own = append([]Check{{"iprev", s.checkReverse}, {"spf", s.checkSPF}, {"dkim", s.checkDKIM}, {"arc", s.checkARC}}, own...)
	s.stages = []stage{
		{[]Check{{"loop", s.checkLoop}}, 1, 0},
		{slices.Concat(own, opts.Checks), len(own), proofs},
		{[]Check{{"dmarc", s.checkDMARC}}, 1, opts.Budget - proofs},
		{opts.Filters, 0, opts.FilterBudget},
	}
	s.final = stage{opts.Final, 0, opts.Budget}
	s.checks = len(opts.Final)
	for _, st := range s.stages {
		s.checks += len(st.checks)
	}
	return s
}

// Connect starts a session, if the door lets the client in.
func (s *Service) Connect(ctx context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
	door := s.opts.Door
	if door == nil {
		return &session{service: s, conn: c}, nil
	}
	v, not := door.enter(ctx, c, s.opts.Policies.AllowsClient(c.Remote.Addr()))
	if not != nil {
		s.turnAway(ctx, c, not)
		return nil, not.Refusal
	}
	return &session{service: s, conn: c, visit: v}, nil
}
