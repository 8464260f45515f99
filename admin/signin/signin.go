package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
)

// service is what the directory calls logins that come from here.
const service = "web"

// Options of a Service. Directory is needed.
type Options struct {
	Directory *directory.Directory
	// Origins returns where browsers reach the server, as in
	// "https://mail.example.org" or "https://localhost:10443"; passkeys work
	// only there. It may change while the server runs.
	Origins func() []string
	// Name is what authenticators show beside an account; "Mailstead" if "".
	Name string
	// History remembers who signed in and who could not; nil: the directory.
	History History
	// Observe is told of each attempt; it may be nil, and has to be quick.
	Observe func(Attempt)

	Now    func() time.Time
	Random io.Reader // crypto/rand if nil
	Logger *slog.Logger
}

// History remembers attempts to sign in.
type History interface {
	SignedIn(ctx context.Context, a Attempt)
}

// Attempt is one attempt to sign in.
type Attempt struct {
	Time    time.Time
	Login   string // as it was typed; "" where nothing was
	Account uint32 // 0 where it is not known
	Remote  netip.Addr
	Agent   string
	Method  directory.SessionMethod
	OK      bool
	Reason  string // of a failure: "wrong password", "wrong code", …
}

// Service signs people in. Its methods may be called concurrently.
type Service struct {
	opts       Options
	dir        *directory.Directory
	pending    *tickets[pending]
	ceremonies *tickets[ceremony]
	secrets    *tickets[[]byte] // of TOTP, that no code has confirmed yet
}

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Name == "" {
		o.Name = "Mailstead"
	}
	if o.History == nil {
		o.History = loginHistory{o.Directory}
	}
	if o.Origins == nil {
		o.Origins = func() []string { return nil }
	}
	s := &Service{opts: o, dir: o.Directory, pending: newTickets[pending](ticketLife, o.Now, o.Random),
		ceremonies: newTickets[ceremony](ticketLife, o.Now, o.Random), secrets: newTickets[[]byte](totpSetupLife, o.Now, o.Random)}
	s.pending.unused = s.abandoned
	return s
}

// Client is the browser that asks.
type Client struct {
	Remote netip.Addr
	Agent  string // User-Agent
	Host   string // Host of the request, with its port where there is one
}

// Result is what a step of a sign-in leads to: a session with its token, or a
// ticket for TOTP and Recovery.
type Result struct {
	Account directory.Account
	Session directory.Session
	Token   string
	Ticket  string
}

// pending is a sign-in that needs a code.
type pending struct {
	try      Attempt
	client   Client
	password time.Time // when the password of the account was set
}

// abandoned notes that somebody took a first step and no second one. Whoever
// finds it in their history and was it not knows that their password is known.
func (s *Service) abandoned(p pending) {
	p.try.Reason = "right so far, but no code followed"
	s.note(context.Background(), p.client, p.try)
}

// withCode and withRecovery say what the method of a session is when the
// second step was a code.
var (
	withCode = map[directory.SessionMethod]directory.SessionMethod{
		directory.ByPassword: directory.ByPasswordTOTP,
		directory.ByPasskey:  directory.ByPasskeyTOTP,
		directory.ByReset:    directory.ByResetTOTP,
	}
	withRecovery = map[directory.SessionMethod]directory.SessionMethod{
		directory.ByPassword: directory.ByPasswordRecovery,
		directory.ByPasskey:  directory.ByPasskeyRecovery,
		directory.ByReset:    directory.ByResetRecovery,
	}
)

// Password begins a sign-in by address and password.
func (s *Service) Password(ctx context.Context, c Client, address, password string) (Result, error) {
	try := Attempt{Login: address, Method: directory.ByPassword}
	id, err := s.dir.Authenticator(c.Remote, service).Password(ctx, address, password)
	if err != nil {
		return Result{}, s.refuse(ctx, c, try, s.passwordError(err))
	}
	try.Account = id.Account
	return s.proved(ctx, c, try)
}

// passwordError says what a failure of the directory means to the person.
func (s *Service) passwordError(err error) error {
	if errors.Is(err, sasl.ErrFailed) {
		return errFailed()
	}
	return putOff(err)
}

// putOff makes an ErrLater of what the directory does not look at yet.
func putOff(err error) error {
	var e *mail.Error
	if errors.As(err, &e) && e.Status.Temporary() {
		return &laterError{err}
	}
	return err
}

// proved goes on after a first step: to a session, or to a ticket when the
// account asks for codes.
func (s *Service) proved(ctx context.Context, c Client, try Attempt) (Result, error) {
	f, err := s.dir.Factors(ctx, try.Account)
	if err != nil {
		return Result{}, err
	}
	if !f.TOTP {
		return s.begin(ctx, c, try)
	}
	a, err := s.dir.Account(try.Account)
	if err != nil {
		return Result{}, err
	}
	text, err := s.pending.add(fmt.Sprint(try.Account), pending{try, c, s.dir.PasswordChanged(try.Account)})
	return Result{Account: a, Ticket: text}, err
}

// TOTP ends a sign-in by a code from an authenticator app.
func (s *Service) TOTP(ctx context.Context, c Client, ticket, code string) (Result, error) {
	return s.second(ctx, c, ticket, withCode, func(account uint32) (bool, error) {
		return s.dir.UseTOTP(ctx, account, code, c.Remote)
	})
}

// Recovery ends a sign-in by a recovery code.
func (s *Service) Recovery(ctx context.Context, c Client, ticket, code string) (Result, error) {
	return s.second(ctx, c, ticket, withRecovery, func(account uint32) (bool, error) {
		return s.dir.UseRecoveryCode(ctx, account, code, c.Remote)
	})
}

func (s *Service) second(ctx context.Context, c Client, ticket string, method map[directory.SessionMethod]directory.SessionMethod, check func(uint32) (bool, error)) (Result, error) {
	p, ok := s.pending.try(ticket)
	if !ok || !p.password.Equal(s.dir.PasswordChanged(p.try.Account)) {
		return Result{}, errTicket()
	}
	try := p.try
	try.Method = method[try.Method]
	ok, err := check(try.Account)
	if err != nil {
		return Result{}, s.refuse(ctx, c, try, putOff(err))
	}
	if !ok {
		return Result{}, s.refuse(ctx, c, try, errCode())
	}
	s.pending.take(ticket)
	return s.begin(ctx, c, try)
}

// begin begins a session. It is always a new one.
func (s *Service) begin(ctx context.Context, c Client, try Attempt) (Result, error) {
	token, session, err := s.dir.AddSession(ctx, directory.NewSession{
		Account: try.Account, Method: try.Method, IP: c.Remote, UserAgent: c.Agent})
	if errors.Is(err, directory.ErrSignedOut) { // suspended or removed meanwhile
		return Result{}, s.refuse(ctx, c, try, errFailed())
	}
	if err != nil {
		return Result{}, err
	}
	a, err := s.dir.Account(try.Account)
	if err != nil {
		return Result{}, err
	}
	try.OK = true
	s.note(ctx, c, try)
	s.opts.Logger.InfoContext(ctx, "signed in", "login", a.Address, "account", a.ID, "remote", c.Remote, "service", service, "method", try.Method)
	return Result{Account: a, Session: session, Token: token}, nil
}

// refuse notes a failure and returns it.
func (s *Service) refuse(ctx context.Context, c Client, try Attempt, err error) error {
	for _, r := range []struct {
		kind   error
		reason string
	}{
		{ErrFailed, "wrong login, password or passkey"},
		{ErrCode, "wrong code"},
		{ErrLater, "too many attempts"},
		{ErrPasskey, "passkey not usable"},
		{directory.ErrSignCount, "passkey counter went back"},
	} {
		if errors.Is(err, r.kind) {
			try.Reason = r.reason
			s.note(ctx, c, try)
			s.opts.Logger.InfoContext(ctx, "sign-in failed", "account", try.Account, "remote", c.Remote, "service", service, "method", try.Method, "reason", r.reason)
			break
		}
	}
	return err
}

func (s *Service) note(ctx context.Context, c Client, try Attempt) {
	try.Time, try.Remote, try.Agent = s.opts.Now().UTC(), c.Remote, c.Agent
	s.opts.History.SignedIn(ctx, try)
	if s.opts.Observe != nil {
		s.opts.Observe(try)
	}
}
