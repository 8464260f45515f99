package imapserver

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mailbox"
)

// login answers LOGIN (RFC 9051 section 6.2.3).
func (s *session) login(ctx context.Context, args *imapwire.Decoder) error {
	name := args.SP().AString()
	password := args.SP().AString()
	if err := args.End(); err != nil {
		return err
	}
	if s.loginDisabled() {
		return no(imap.ResponseCodePrivacyRequired, "Passwords are not taken without TLS")
	}
	id, err := s.auth.Password(ctx, name, password)
	return s.loggedIn(id, name, err)
}

// authenticate answers AUTHENTICATE (RFC 9051 section 6.2.2), with an initial
// response where the client sends one (RFC 4959).
func (s *session) authenticate(ctx context.Context, args *imapwire.Decoder) error {
	mechanism := args.SP().Name()
	var initial []byte
	if args.TrySP() {
		initial = args.Base64()
	}
	if err := args.End(); err != nil {
		return err
	}
	exchange, err := sasl.New(mechanism, s.auth, s.saslOptions())
	if errors.Is(err, sasl.ErrMechanism) {
		if s.loginDisabled() && (mechanism == "PLAIN" || mechanism == "LOGIN") {
			return no(imap.ResponseCodePrivacyRequired, "Passwords are not taken without TLS")
		}
		return no(imap.ResponseCodeCannot, "Mechanism is not available")
	}
	if err != nil {
		return err
	}
	id, err := s.exchange(ctx, args, exchange, initial)
	return s.loggedIn(id, id.Login, err)
}

// exchange passes challenges and responses until one side is done.
func (s *session) exchange(ctx context.Context, args *imapwire.Decoder, x sasl.Server, response []byte) (sasl.Identity, error) {
	for {
		challenge, done, err := x.Next(ctx, response)
		if err != nil {
			return sasl.Identity{}, err
		}
		if done {
			return x.Identity(), nil
		}
		s.out.Raw("+ ").Raw(base64.StdEncoding.EncodeToString(challenge)).CRLF()
		line, err := args.ReadLine()
		if err != nil {
			return sasl.Identity{}, err
		}
		if line == "*" {
			return sasl.Identity{}, bad("Authentication was cancelled")
		}
		if response, err = base64.StdEncoding.DecodeString(strings.TrimSpace(line)); err != nil {
			return sasl.Identity{}, bad("Response is not base64")
		}
	}
}

// loggedIn ends a login, well or not. login is what was typed, for the log.
func (s *session) loggedIn(id sasl.Identity, login string, err error) error {
	var named *mail.Error
	switch {
	case errors.Is(err, sasl.ErrSyntax):
		s.failures++
		err = bad("Response is malformed")
	case errors.Is(err, sasl.ErrFailed):
		s.failures++
		s.log.Info("login failed", "login", login)
	case errors.As(err, &named) && !named.Status.Temporary():
		s.failures++
	}
	if err != nil {
		if s.failures >= maxAuthFailures {
			s.bye("", "Too many failed logins")
		}
		return err
	}
	s.state = authenticated
	s.account = s.srv.Boxes.Account(mailbox.AccountID(id.Account))
	s.conn.Expire(time.Time{})
	s.conn.SetIdle(autologout)
	s.dec.SetBounds(imapwire.Bounds{MaxSkip: s.appendLimit + maxSkip})
	s.log = s.log.With("login", id.Login)
	s.log.Info("login")
	s.watchLogin()
	return s.okCode(s.capabilityCode(), "Logged in")
}
