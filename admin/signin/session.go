package signin

import (
	"context"
	"errors"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/sasl"
)

// Session returns the session that a token stands for, and its account.
// directory.ErrSignedOut means that there is none.
func (s *Service) Session(ctx context.Context, c Client, token string) (directory.Session, directory.Account, error) {
	session, err := s.dir.UseSession(ctx, token, c.Remote)
	if err != nil {
		return directory.Session{}, directory.Account{}, err
	}
	a, err := s.dir.Account(session.Account)
	if errors.Is(err, directory.ErrNotFound) {
		return directory.Session{}, directory.Account{}, problem(directory.ErrSignedOut, "this account has been removed")
	}
	return session, a, err
}

// Lives returns nil as long as a session goes on, for streams that outlast a
// request; directory.ErrSignedOut when it has ended. It does not count as use.
func (s *Service) Lives(ctx context.Context, session directory.Session) error {
	return s.dir.SessionLives(ctx, session.Account, session.ID)
}

// Sudo reports whether the person of a session has proved who they are in the
// last ten minutes.
func (s *Service) Sudo(session directory.Session) bool {
	left := session.Sudo.Sub(s.opts.Now())
	return left > 0 && left <= directory.SudoFor // more is of before the clock was set back
}

// needSudo refuses what wants a fresh proof.
func (s *Service) needSudo(session directory.Session) error {
	if !s.Sudo(session) {
		return errReauth()
	}
	return nil
}

// SignOut ends a session.
func (s *Service) SignOut(ctx context.Context, session directory.Session) error {
	err := s.dir.EndSession(ctx, session.Account, session.ID)
	if errors.Is(err, directory.ErrNotFound) {
		return nil // it ended meanwhile
	}
	return err
}

// Sessions returns the sessions of an account, the one used last first.
func (s *Service) Sessions(ctx context.Context, account uint32) ([]directory.Session, error) {
	return s.dir.Sessions(ctx, account)
}

// EndSession ends a session of an account by its ID.
func (s *Service) EndSession(ctx context.Context, account uint32, id string) error {
	return s.dir.EndSession(ctx, account, id)
}

// EndSessions ends all sessions of an account but the one named; "" is none.
func (s *Service) EndSessions(ctx context.Context, account uint32, except string) error {
	return s.dir.EndSessions(ctx, account, except)
}

// ReauthPassword proves again who somebody is, by their password.
func (s *Service) ReauthPassword(ctx context.Context, c Client, session directory.Session, password string) (directory.Session, error) {
	a, err := s.dir.Account(session.Account)
	if err != nil {
		return directory.Session{}, err
	}
	if err := s.checkPassword(ctx, c, a, password); err != nil {
		return directory.Session{}, err
	}
	return s.dir.Reauthenticated(ctx, session.Account, session.ID)
}

// checkPassword refuses a password that is not that of an account.
func (s *Service) checkPassword(ctx context.Context, c Client, a directory.Account, password string) error {
	id, err := s.dir.Authenticator(c.Remote, service).Password(ctx, a.Address.String(), password)
	if errors.Is(err, sasl.ErrFailed) || err == nil && id.Account != a.ID {
		err = problem(ErrFailed, "this is not your password")
	}
	if err != nil {
		return s.refuse(ctx, c, Attempt{Account: a.ID, Login: a.Address.String(), Method: directory.ByPassword}, putOff(err))
	}
	return nil
}

// ReauthCode proves again who somebody is, by a code from their app.
func (s *Service) ReauthCode(ctx context.Context, c Client, session directory.Session, code string) (directory.Session, error) {
	ok, err := s.dir.UseTOTP(ctx, session.Account, code, c.Remote)
	if err == nil && !ok {
		err = errCode()
	}
	if err != nil {
		return directory.Session{}, s.refuse(ctx, c, Attempt{Account: session.Account, Method: directory.ByPasswordTOTP}, putOff(err))
	}
	return s.dir.Reauthenticated(ctx, session.Account, session.ID)
}

// ChangePassword sets another password for the account of a session. All its
// other sessions end. An account without a password needs a fresh proof in
// place of the current one.
func (s *Service) ChangePassword(ctx context.Context, c Client, session directory.Session, current, password string) error {
	a, err := s.dir.Account(session.Account)
	if err != nil {
		return err
	}
	if s.dir.PasswordChanged(a.ID).IsZero() {
		err = s.needSudo(session)
	} else {
		err = s.checkPassword(ctx, c, a, current)
	}
	if err != nil {
		return err
	}
	return s.dir.ChangePassword(ctx, a.Address.String(), a.ID, password, session.ID)
}
