package imapserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/wire"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of a session.
const (
	loginTime       = 3 * time.Minute  // from the greeting to a login, whatever is done
	loginIdle       = 1 * time.Minute  // for one turn before the login
	autologout      = 31 * time.Minute // RFC 9051 section 5.4: at least 30
	maxBadBefore    = 5                // bad commands before the login: nobody who speaks IMAP has them
	maxBad          = 50               // and after it
	maxAuthFailures = 3
	maxSkip         = 16 << 20 // octets of refused literals, beside a message
)

// boundsBefore are those before the login, when thousands of strangers may
// come: a line as long as RFC 2683 section 3.2.1.5 asks for, and a password.
var boundsBefore = imapwire.Bounds{MaxLine: 8 << 10, MaxString: 4 << 10, MaxSkip: 1 << 20}

// state is a bit, so that a command can be allowed in several.
type state uint8

const (
	notAuthenticated state = 1 << iota
	authenticated
	selected
	loggedOut

	anyState = notAuthenticated | authenticated | selected
	loggedIn = authenticated | selected
)

// session is one connection. Its methods run in one goroutine, but for the
// reading of IDLE and the good-bye at the stop.
type session struct {
	srv  *Server
	conn *wire.Conn
	log  *slog.Logger
	dec  *imapwire.Decoder
	out  *imapwire.Encoder

	state   state
	auth    sasl.Authenticator
	unwatch func() (done bool) // of the login
	account *mailbox.Account
	box     *openBox // in state selected

	// Enabled by the client (RFC 9051 section 6.3.1), not to be taken back.
	rev2, utf8, condStore bool

	cmd         call
	reply       reply
	bad         int
	failures    int // of logins
	appendLimit int64
	idling      bool  // the other goroutine reads: it must not touch out
	broken      error // of writing: there is nobody to answer any more

	mu       sync.Mutex
	waiting  bool          // in a read: no answer is being written
	stopping string        // why the session is to end; "": it goes on
	told     bool          // and the client knows
	revoked  chan struct{} // closed when the session was told that its login is no longer good
}

// call is the command that runs.
type call struct {
	tag   string
	name  string // with "UID " before it where it is so
	byUID bool
	// expunge says that the answer may tell of expunged messages.
	expunge bool
}

// reply is how a command ends when it succeeds.
type reply struct {
	code string // without brackets
	text string
}

func newSession(srv *Server, c *wire.Conn, shared *imapwire.Buffers) *session {
	s := &session{srv: srv, conn: c, state: notAuthenticated, appendLimit: srv.MaxAppend()}
	s.log = srv.Logger.With("remote", c.Remote().Addr().String(), "tls", c.TLS() != nil)
	s.out = imapwire.NewEncoder(writer{s}, shared)
	s.dec = imapwire.NewDecoder(s, imapwire.Options{Bounds: boundsBefore, BeforeRead: s.beforeRead, Continue: s.continueLiteral, Buffers: shared})
	return s
}

// serve runs the session to its end. stopping is done when the server stops:
// a command under way then has Limits.Grace to end.
func (s *session) serve(stopping context.Context) {
	defer s.release()
	ctx, cancel := context.WithCancel(context.WithoutCancel(stopping))
	defer cancel()
	told := make(chan struct{})
	forget := context.AfterFunc(stopping, func() {
		defer close(told)
		s.stop("Server is shutting down")
		time.AfterFunc(s.srv.Limits.Grace, cancel)
	})
	defer func() {
		if !forget() {
			<-told
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in an IMAP session", "command", s.cmd.name, "err", p, "stack", string(debug.Stack()))
		}
	}()
	s.conn.SetIdle(loginIdle)
	s.conn.Expire(time.Now().Add(loginTime))
	s.auth = s.srv.Auth.Authenticator(s.conn.Remote().Addr(), "imap")
	s.greet()
	for s.state != loggedOut {
		if err := s.dec.Next(); err != nil {
			s.lost(err)
			break
		}
		s.command(ctx)
	}
	if err := s.out.Flush(); err != nil {
		s.log.Debug("write", "err", err)
	}
}

// watchLogin ends the session when its login is no longer good.
func (s *session) watchLogin() {
	s.revoked = make(chan struct{})
	s.unwatch = s.auth.OnRevoke(func() {
		defer close(s.revoked)
		s.stop("The login is no longer valid")
	})
}

func (s *session) release() {
	if s.unwatch != nil && !s.unwatch() {
		<-s.revoked
	}
	s.out.Release()
	s.dec.Release()
}

// writer writes to the connection and remembers that it has failed.
type writer struct{ s *session }

func (w writer) Write(p []byte) (int, error) {
	n, err := w.s.conn.Write(p)
	if err != nil {
		w.s.broken = err
	}
	return n, err
}

// beforeRead writes the answers so far before we wait for the client.
func (s *session) beforeRead() error {
	if s.idling {
		return nil
	}
	return s.out.Flush()
}

// Read reads from the connection for the decoder. While it waits, stop may
// write.
func (s *session) Read(p []byte) (int, error) {
	s.mu.Lock()
	if s.stopping != "" {
		s.sayStopping()
		s.mu.Unlock()
		return 0, errStopping
	}
	s.waiting = true
	s.mu.Unlock()
	n, err := s.conn.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	if s.told {
		return 0, errStopping
	}
	return n, err
}

// errStopping means that the session is to end and the client knows.
var errStopping = errors.New("imapserver: session is to end")

// stop says BYE to a client that we wait for. A command under way ends first.
func (s *session) stop(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = why
	if s.waiting {
		s.sayStopping()
		s.conn.Close() // ends the read
	}
}

// sayStopping says BYE, once; s.mu is held. All answers were written before.
func (s *session) sayStopping() {
	if s.told {
		return
	}
	s.told = true
	io.WriteString(s.conn, "* BYE "+s.stopping+"\r\n")
	s.conn.Flush()
}

// lost ends the session after the connection has, or after what cannot be
// understood any more.
func (s *session) lost(err error) {
	switch {
	case errors.Is(err, errStopping):
	case errors.Is(err, imapwire.ErrFlood):
		s.bye("TOOBIG", "Too much data that cannot be used")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.bye("", "Autologout; idle for too long")
	}
	s.log.Debug("connection ended", "err", err)
	s.state = loggedOut
}

// bye ends the session with an untagged BYE.
func (s *session) bye(code, text string) {
	s.status("*", "BYE", code, text)
	s.state = loggedOut
}

// command reads the rest of one command, runs it and answers it.
func (s *session) command(ctx context.Context) {
	s.cmd, s.reply = call{}, reply{}
	err := s.run(ctx)
	if s.broken != nil {
		s.lost(s.broken)
		return
	}
	if skip := s.dec.Skip(); skip != nil {
		s.lost(skip)
		return
	}
	s.answer(ctx, err)
	s.log.Debug("command", "command", s.cmd.name, "err", err)
	if s.out.Full() {
		if err := s.out.Flush(); err != nil {
			s.lost(err)
		}
	}
	limit := maxBad
	if s.state == notAuthenticated {
		limit = maxBadBefore
	}
	if s.state != loggedOut && s.bad > limit {
		s.bye("", "Too many bad commands")
	}
}

// run reads tag and name and runs the handler.
func (s *session) run(ctx context.Context) error {
	d := s.dec
	tag := d.Tag()
	name := d.SP().Name()
	if name == "UID" {
		name += " " + d.SP().Name()
		s.cmd.byUID = true
	}
	if err := d.Err(); err != nil {
		s.cmd.tag = tag // if it was readable: then the answer has it
		return err
	}
	c, ok := commands[name]
	s.cmd.tag, s.cmd.name, s.cmd.expunge = tag, name, c.expunge
	switch {
	case !ok:
		return bad("Unknown command")
	case c.in&s.state == 0:
		return errState(s.state, c.in)
	}
	return c.run(s, ctx, d)
}

// errState says what is missing for a command.
func errState(now, in state) error {
	switch {
	case now == notAuthenticated:
		return bad("Log in first")
	case now == authenticated && in&selected != 0:
		return bad("Select a mailbox first")
	}
	return bad("Command is not allowed now")
}

// continueLiteral asks the client for a literal.
func (s *session) continueLiteral() error {
	s.out.Raw("+ Ready for literal data\r\n")
	return nil
}

// greet says who we are (RFC 9051 section 7.1.5).
func (s *session) greet() {
	s.status("*", "OK", s.capabilityCode(), string(s.srv.Hostname)+" Mailstead is ready")
}
