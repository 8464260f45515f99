package smtpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"

	gosasl "github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/smtp"
)

// adapter is go-smtp's view of a Session. Arguments come from the filter,
// which has parsed them.
type adapter struct {
	f      *filter
	binary bool // BODY=BINARYMIME
}

func (a *adapter) Mail(string, *gosmtp.MailOptions) error {
	env := a.f.env
	a.binary = env.Body == mail.BodyBinaryMIME
	return engineError(a.f.session.Mail(a.f.work, &env))
}

func (a *adapter) Rcpt(string, *gosmtp.RcptOptions) error {
	return engineError(a.f.session.Rcpt(a.f.work, a.f.rcpt))
}

func (a *adapter) Data(r io.Reader) error {
	defer a.f.taking.Done()
	body := &bodyReader{r: r, bare: &a.f.bare, binary: a.binary, left: a.f.maxSize}
	if !a.f.inChunks {
		body.r, body.watched = dataReader{a.f}, true
	}
	text, err := a.f.session.Data(a.f.work, body)
	if err != nil {
		return engineError(err)
	}
	return &gosmtp.SMTPError{Code: 250, EnhancedCode: gosmtp.EnhancedCode{2, 0, 0}, Message: text}
}

// Reset does nothing: go-smtp may call it while Data is still under way. The
// filter resets before the next transaction.
func (a *adapter) Reset() {}

// Logout does nothing: the session is closed when the connection is.
func (a *adapter) Logout() error { return nil }

// engineError makes go-smtp answer as smtp.ReplyFor says.
func engineError(err error) error {
	if err == nil {
		return nil
	}
	r := smtp.ReplyFor(err)
	return &gosmtp.SMTPError{Code: r.Code, Message: r.Text,
		EnhancedCode: gosmtp.EnhancedCode{int(r.Status.Class), int(r.Status.Subject), int(r.Status.Detail)}}
}

var (
	errBareNewline = &mail.Error{Status: mail.Status{Class: 5, Subject: 6}, Code: 554, Text: "a line does not end in CRLF; CR and LF may not stand alone"}
	errTooLarge    = &mail.Error{Status: mail.StatusTooLarge, Code: 552, Text: "the message is larger than this server takes"}
)

// bodyReader is the message for the Session: bounded, and with an error in
// place of an end when line ends were bad.
type bodyReader struct {
	r       io.Reader
	bare    *atomic.Bool // the filter saw a CR or LF of its own
	binary  bool
	watched bool // the filter watches the line ends
	left    int64
	cr      bool // the last octet was CR
	err     error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		b.err = errTooLarge
		return 0, b.err
	}
	if b.bare.Load() || !b.binary && !b.watched && (!b.scan(p[:n]) || err == io.EOF && b.cr) {
		b.err = errBareNewline
		return 0, b.err
	}
	if err == io.ErrClosedPipe || errors.Is(err, gosmtp.ErrDataReset) {
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	return n, err
}

// scan reports whether CR and LF come only together.
func (b *bodyReader) scan(p []byte) bool {
	for len(p) > 0 {
		if b.cr {
			if p[0] != '\n' {
				return false
			}
			b.cr, p = false, p[1:]
			continue
		}
		i := bytes.IndexByte(p, '\r')
		line := p
		if i >= 0 {
			line = p[:i]
		}
		if bytes.IndexByte(line, '\n') >= 0 {
			return false
		}
		if i < 0 {
			return true
		}
		b.cr, p = true, p[i+1:]
	}
	return true
}

// AuthMechanisms implements gosmtp.AuthSession; the filter writes the reply to
// EHLO itself.
func (a *adapter) AuthMechanisms() []string { return nil }

// Auth begins an exchange.
func (a *adapter) Auth(mechanism string) (gosasl.Server, error) {
	f := a.f
	auth := f.service.Auth.Authenticator(f.conn.Remote.Addr(), "submission")
	auth.Describe(f.conn.hello)
	s, err := sasl.New(mechanism, auth, f.saslOptions())
	if err != nil {
		return nil, engineError(authError(err))
	}
	return &exchange{f: f, auth: auth, server: s}, nil
}

// exchange is a sasl.Server for go-smtp.
type exchange struct {
	f      *filter
	auth   sasl.Authenticator
	server sasl.Server
}

func (x *exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = x.server.Next(x.f.work, response)
	if err == nil && done {
		err = x.f.session.Login(x.f.work, x.server.Identity())
		stop := x.auth.OnRevoke(x.f.revoke)
		context.AfterFunc(x.f.work, func() { stop() }) // the end of the connection
	}
	if err != nil {
		return nil, false, engineError(authError(err))
	}
	return challenge, done, nil
}

// authError names a failed login for the peer (RFC 4954 section 6).
func authError(err error) error {
	var named *mail.Error
	switch {
	case errors.As(err, &named):
		return err
	case errors.Is(err, sasl.ErrFailed):
		return &mail.Error{Status: mail.StatusAuthFailed, Text: "login or password is wrong", Err: err}
	case errors.Is(err, sasl.ErrSyntax):
		return &mail.Error{Status: mail.Status{Class: 5, Subject: 5, Detail: 2}, Code: 501, Text: "the exchange is malformed", Err: err}
	case errors.Is(err, sasl.ErrMechanism):
		return &mail.Error{Status: mail.Status{Class: 5, Subject: 5, Detail: 4}, Code: 504, Text: "mechanism is not on offer", Err: err}
	}
	return &mail.Error{Status: mail.Status{Class: 4, Subject: 7}, Code: 454, Text: "login is not possible now, try again later", Err: err}
}
