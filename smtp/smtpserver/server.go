package smtpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/wire"
	"github.com/mailstead/mailstead/smtp"
)

// Handler holds the policy of one service. Errors it returns become replies
// through smtp.ReplyFor; a *mail.Error decides status, code and text.
type Handler interface {
	// Connect is asked before the greeting; an error is the greeting (554 or
	// 421) and the end. It may take its time, see Conn.TalksEarly.
	Connect(ctx context.Context, c *Conn) (Session, error)
}

// Session is the policy of one connection. Its methods are called one after
// the other. The server has already checked syntax, order, parameters, SIZE
// against the limit and the number of recipients.
type Session interface {
	// Login tells who has logged in; only on services with an Authenticator.
	Login(ctx context.Context, id sasl.Identity) error
	// Mail starts a transaction; env has no recipients yet. A 421 of this method
	// and those below ends the session.
	Mail(ctx context.Context, env *mail.Envelope) error
	// Rcpt adds a recipient, or refuses it.
	Rcpt(ctx context.Context, r mail.Recipient) error
	// Data takes the message, dot-stuffing undone, line ends CRLF throughout
	// unless BODY=BINARYMIME (a bare CR or LF makes body fail with 554 5.6.0).
	// A transfer that was cut off makes body fail with io.ErrUnexpectedEOF. The
	// text of a nil error follows "250 2.0.0 ".
	Data(ctx context.Context, body io.Reader) (text string, err error)
	// Reset ends what is left of a transaction, before the next one begins.
	Reset()
	// Close ends the session.
	Close()
}

// Authenticators makes the sasl.Authenticator of a connection. service is
// "submission", "imap" or "pop3".
type Authenticators interface {
	Authenticator(remote netip.Addr, service string) sasl.Authenticator
}

// Defaults of a Server.
const (
	defaultMaxSize       = 50 << 20
	defaultMaxRecipients = 1000
)

// Server is one service: port 25, 587 or 465. Handler and Hostname are needed.
type Server struct {
	Handler  Handler
	Hostname mail.Domain

	TLS      *tls.Config    // nil: no STARTTLS
	Implicit bool           // TLS from the first octet
	Auth     Authenticators // nil: no AUTH
	// PlainAuth allows to log in without TLS; for load tests on loopback.
	PlainAuth bool

	MaxSize       int64 // octets of a message; 50 MiB if 0
	MaxRecipients int   // of a transaction; 1,000 if 0 (RFC 5321 section 4.5.3.1.8: at least 100)
	// Sizes, if it is set, is asked at each connection, in place of MaxSize and
	// MaxRecipients.
	Sizes   func() (octets int64, recipients int)
	Limits  wire.Limits
	Limiter *wire.Limiter // shared by services; nil: its own
	Proxies func() []netip.Prefix
	Logger  *slog.Logger
}

// sizes are those of a connection that begins now.
func (s *Server) sizes() (octets int64, recipients int) {
	octets, recipients = s.MaxSize, s.MaxRecipients
	if s.Sizes != nil {
		octets, recipients = s.Sizes()
	}
	if octets <= 0 {
		octets = defaultMaxSize
	}
	if recipients <= 0 {
		recipients = defaultMaxRecipients
	}
	return octets, recipients
}

// Serve runs the service until ctx is done or l fails, and returns when all
// sessions have ended: at the next command, or after Limits.Grace.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	svc := *s
	if svc.Logger == nil {
		svc.Logger = slog.New(slog.DiscardHandler)
	}
	run := &service{Server: svc, handOver: newHandOver(l.Addr())}
	engine := gosmtp.NewServer(run)
	engine.Domain = string(svc.Hostname)
	engine.AllowInsecureAuth = true // the filter knows better
	engine.EnableBINARYMIME = true
	engine.MaxLineLength = 0 // the filter bounds lines
	engine.ErrorLog = engineLog{svc.Logger}
	var wg sync.WaitGroup
	wg.Go(func() { engine.Serve(run.handOver) })
	defer wg.Wait()
	defer engine.Close()
	defer run.handOver.Close() // the engine does not know of it before it has begun
	opts := wire.Options{Limits: svc.Limits, Limiter: svc.Limiter, Proxies: svc.Proxies, Logger: svc.Logger,
		Busy: smtp.Reply{Code: 421, Status: mail.Status{Class: 4, Subject: 7}, Text: "too many connections from your address, try again later"}.String(),
		Full: smtp.Reply{Code: 421, Status: mail.Status{Class: 4, Subject: 3, Detail: 2}, Text: "all connections of this server are in use, try again later"}.String()}
	if svc.Implicit {
		opts.TLS = svc.TLS
	}
	return wire.Serve(ctx, l, opts, run.serve)
}

// engineLog takes what go-smtp logs: ends of connections, and panics, which it
// survives and which are bugs of ours.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if strings.HasPrefix(text, "panic") {
		l.log.Error("smtp", "err", text)
		return
	}
	l.log.Debug("smtp", "text", text)
}

func (l engineLog) Println(args ...any) { l.log.Debug("smtp", "text", fmt.Sprint(args...)) }

// service is one running Serve.
type service struct {
	Server
	handOver *handOver
	wide     atomic.Int32 // buffers in use
}

// serve runs one connection to its end.
func (s *service) serve(ctx context.Context, wc *wire.Conn) {
	c := &Conn{ID: newConnID(), Remote: wc.Remote(), Local: wc.Local(), Start: time.Now(), wire: wc}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx)) // what is under way may end in the grace time
	defer cancel()
	sess, err := s.Handler.Connect(work, c)
	if err != nil {
		r := smtp.ReplyFor(err)
		if r.Code != 421 {
			r.Code = 554
		}
		wc.Write(r.Append(nil))
		return
	}
	defer sess.Close()
	f := newFilter(ctx, work, s, c, sess)
	stop := context.AfterFunc(ctx, f.stopping)
	defer stop()
	if s.handOver.give(f) {
		<-f.closed
		cancel()
		f.taking.Wait()
		f.giveWide()
	}
}

// NewSession implements gosmtp.Backend; it is called at EHLO or HELO.
func (s *service) NewSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	return &adapter{f: c.Conn().(*filter)}, nil
}

// handOver is the listener of go-smtp: it accepts what was guarded already.
type handOver struct {
	addr  net.Addr
	conns chan *filter
	done  chan struct{}
	once  sync.Once
}

func newHandOver(addr net.Addr) *handOver {
	return &handOver{addr: addr, conns: make(chan *filter), done: make(chan struct{})}
}

func (h *handOver) give(f *filter) bool {
	select {
	case h.conns <- f:
		return true
	case <-h.done:
		return false
	}
}

func (h *handOver) Accept() (net.Conn, error) {
	select {
	case f := <-h.conns:
		return f, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handOver) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handOver) Addr() net.Addr { return h.addr }
