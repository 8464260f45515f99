package signin

import (
	"context"
	"encoding/base32"
	"fmt"
	"net/url"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/qr"
)

// TOTPSetup is what an authenticator app needs.
type TOTPSetup struct {
	Secret string // base32, to type
	URI    string // otpauth://totp/…
	QR     string // the URI as SVG
}

// Factors returns what an account can prove itself with beside its password.
func (s *Service) Factors(ctx context.Context, account uint32) (directory.Factors, error) {
	return s.dir.Factors(ctx, account)
}

// TOTPBegin makes a secret for an authenticator app. Nothing changes until
// TOTPConfirm, for which there are 15 minutes and five tries.
func (s *Service) TOTPBegin(_ context.Context, session directory.Session) (TOTPSetup, error) {
	if err := s.needSudo(session); err != nil {
		return TOTPSetup{}, err
	}
	a, err := s.dir.Account(session.Account)
	if err != nil {
		return TOTPSetup{}, err
	}
	secret, err := s.dir.NewTOTPSecret()
	if err != nil {
		return TOTPSetup{}, err
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	label := url.PathEscape(s.opts.Name + ":" + a.Address.String())
	set := TOTPSetup{Secret: text, URI: fmt.Sprintf("otpauth://totp/%s?secret=%s&issuer=%s", label, text, url.PathEscape(s.opts.Name))}
	if set.QR, err = qr.SVG(set.URI); err != nil {
		return TOTPSetup{}, err
	}
	s.secrets.put(fmt.Sprint(session.Account), session.ID, secret)
	return set, nil
}

// TOTPConfirm turns TOTP on, if code is one of the app that was set up, and
// returns recovery codes. They are shown once: only their hashes are kept.
func (s *Service) TOTPConfirm(ctx context.Context, session directory.Session, code string) ([]string, error) {
	secret, ok := s.secrets.try(session.ID)
	if !ok {
		return nil, errTicket()
	}
	actor, err := s.actor(session)
	if err != nil {
		return nil, err
	}
	ok, err = s.dir.SetTOTP(ctx, actor, session.Account, secret, code)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, problem(ErrCode, "this code is not right; make sure that the clock of your device is, and try the next code")
	}
	s.secrets.take(session.ID)
	return s.dir.NewRecoveryCodes(ctx, actor, session.Account)
}

// TOTPRemove turns TOTP off; the recovery codes go with it.
func (s *Service) TOTPRemove(ctx context.Context, session directory.Session) error {
	actor, err := s.trustedActor(session)
	if err != nil {
		return err
	}
	return s.dir.RemoveTOTP(ctx, actor, session.Account)
}

// RecoveryCodes makes new recovery codes; those made before are dead.
func (s *Service) RecoveryCodes(ctx context.Context, session directory.Session) ([]string, error) {
	actor, err := s.trustedActor(session)
	if err != nil {
		return nil, err
	}
	return s.dir.NewRecoveryCodes(ctx, actor, session.Account)
}

// actor names the person of a session in the audit log.
func (s *Service) actor(session directory.Session) (string, error) {
	a, err := s.dir.Account(session.Account)
	return a.Address.String(), err
}

// trustedActor is actor, but only after a fresh proof.
func (s *Service) trustedActor(session directory.Session) (string, error) {
	if err := s.needSudo(session); err != nil {
		return "", err
	}
	return s.actor(session)
}
