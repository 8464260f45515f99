package signin

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
)

// Invite makes a link by which a new person sets their password: its token,
// and until when it lasts. Older links of the account are dead from then on.
func (s *Service) Invite(ctx context.Context, actor string, account uint32) (string, directory.Link, error) {
	return s.dir.AddLink(ctx, actor, account, directory.Invite)
}

// InviteAll is Invite for many accounts in one change.
func (s *Service) InviteAll(ctx context.Context, actor string, accounts []uint32) ([]string, []directory.Link, error) {
	return s.dir.AddLinks(ctx, actor, accounts, directory.Invite)
}

// Reset makes a link by which somebody sets another password.
func (s *Service) Reset(ctx context.Context, actor string, account uint32) (string, directory.Link, error) {
	return s.dir.AddLink(ctx, actor, account, directory.Reset)
}

// Look says what the token of a link is for; directory.ErrLink if it is of no
// use, or no longer.
func (s *Service) Look(ctx context.Context, token string) (directory.Link, error) {
	return s.dir.Link(ctx, token)
}

// Accept sets the password of the account that a link leads to, and signs in.
// All other sessions of the account end, and the link.
func (s *Service) Accept(ctx context.Context, c Client, token, password string) (Result, error) {
	l, err := s.dir.UseLink(ctx, token, password)
	if err != nil {
		return Result{}, putOff(err)
	}
	try := Attempt{Login: l.Account.Address.String(), Account: l.Account.ID, Method: directory.ByReset}
	if l.Purpose == directory.Invite {
		try.Method = directory.ByInvite
	}
	return s.proved(ctx, c, try)
}

// RemoveFactors takes TOTP, recovery codes and passkeys from an account whose
// owner has lost them.
func (s *Service) RemoveFactors(ctx context.Context, actor string, account uint32) error {
	return s.dir.RemoveFactors(ctx, actor, account)
}

// SetupCode makes a code that lets one browser into the first-run wizard
// within an hour. Only somebody on the server itself may ask for it.
func (s *Service) SetupCode(ctx context.Context) (string, time.Time, error) {
	return s.dir.NewSetupCode(ctx, "setup", directory.SetupCodeFor)
}

// HandOver makes a code for a browser that is in the wizard already, by which
// it goes on at another address of this server.
func (s *Service) HandOver(ctx context.Context) (string, time.Time, error) {
	return s.dir.NewSetupCode(ctx, "setup", directory.HandOverFor)
}

// Redeem uses a setup code up, and returns the token of a setup session.
func (s *Service) Redeem(ctx context.Context, c Client, code string) (string, time.Time, error) {
	token, expires, err := s.dir.RedeemSetupCode(ctx, code, c.Remote)
	return token, expires, putOff(err)
}

// SetupSession reports until when the setup session of a token lasts;
// directory.ErrSignedOut if there is none.
func (s *Service) SetupSession(ctx context.Context, token string) (time.Time, error) {
	return s.dir.SetupSession(ctx, token)
}

// FinishSetup ends the setup session and signs in the owner it has made.
func (s *Service) FinishSetup(ctx context.Context, c Client, token string, owner uint32) (Result, error) {
	a, err := s.dir.Account(owner)
	if err != nil {
		return Result{}, err
	}
	if err := s.dir.EndSetup(ctx, a.Address.String(), token); err != nil {
		return Result{}, err
	}
	return s.begin(ctx, c, Attempt{Login: a.Address.String(), Account: owner, Method: directory.BySetup})
}
