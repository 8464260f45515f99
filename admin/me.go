package admin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/signin"
	"github.com/mailstead/mailstead/mailbox"
)

// SignedIn is the principal of a browser's session.
func SignedIn(s directory.Session, acct directory.Account, sudo bool) Principal {
	return Principal{Kind: KindUser, Account: acct.ID, Address: acct.Address.String(), Role: acct.Role, Domains: acct.Domains,
		SessionID: s.ID, Sudo: sudo, session: s}
}

// authorizeMe is authorize for one's own account, which only a person has.
func (a *Admin) authorizeMe(ctx context.Context) (Principal, directory.Account, error) {
	p, err := authorize(ctx, OwnAccount)
	if err != nil {
		return p, directory.Account{}, err
	}
	if p.Kind != KindUser {
		return p, directory.Account{}, &directory.Problem{Kind: ErrForbidden, Text: "this is for people who are signed in; a key and the local socket have no account"}
	}
	acct, err := a.opts.Directory.Account(p.Account)
	return p, acct, err
}

// authorizeMeSudo is authorizeMe for what is dangerous.
func (a *Admin) authorizeMeSudo(ctx context.Context) (Principal, error) {
	p, _, err := a.authorizeMe(ctx)
	if err == nil {
		_, err = authorizeSudo(ctx, OwnAccount)
	}
	return p, err
}

// SignIn lets people sign in and prove again who they are; nil without a
// running server.
func (a *Admin) SignIn() *signin.Service { return a.opts.SignIn }

// Me is one's own account.
type Me struct {
	Account
	PasswordSet bool `json:"passwordSet" doc:"There is a password to sign in with."`
	TOTP        bool `json:"totp"`
	Passkeys    int  `json:"passkeys"`
	// RecoveryCodes are those that are left.
	RecoveryCodes int `json:"recoveryCodes" doc:"Number of codes that are left."`
}

// Me returns the account of who asks.
func (a *Admin) Me(ctx context.Context) (Me, error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return Me{}, err
	}
	me := Me{Account: a.describeAccount(acct), PasswordSet: a.opts.Directory.HasPassword(acct.ID)}
	if me.Usage, err = a.usage(ctx, mailbox.AccountID(acct.ID)); err != nil {
		return Me{}, err
	}
	f, err := a.opts.Directory.Factors(ctx, acct.ID)
	me.TOTP, me.Passkeys, me.RecoveryCodes = f.TOTP, f.Passkeys, f.RecoveryCodes
	return me, err
}

// MeChange says what changes: what is not nil.
type MeChange struct {
	Name             *string   `json:"name,omitempty"`
	Forward          *[]string `json:"forward,omitempty" maxItems:"20" doc:"Where mail goes on to; [] is nowhere."`
	KeepCopy         *bool     `json:"keepCopy,omitempty" doc:"File mail here, too, when it goes on."`
	AppPasswordsOnly *bool     `json:"appPasswordsOnly,omitempty" doc:"Refuse the password of the account to mail programs."`
}

// SetMe changes one's own account.
func (a *Admin) SetMe(ctx context.Context, ch MeChange) (Me, error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return Me{}, err
	}
	if ch.Forward != nil { // who sits at somebody's desk must not take their mail along
		if _, err := authorizeSudo(ctx, OwnAccount); err != nil {
			return Me{}, err
		}
	}
	as := AccountChange{Name: ch.Name, Forward: ch.Forward, KeepCopy: ch.KeepCopy, AppPasswordsOnly: ch.AppPasswordsOnly}
	change, err := as.parse()
	if err != nil {
		return Me{}, err
	}
	if _, err := a.opts.Directory.SetAccount(ctx, Actor(ctx), acct.ID, change); err != nil {
		return Me{}, At(as.blame(), err)
	}
	return a.Me(ctx)
}

// SetMyPassword sets another password; all other sessions end.
func (a *Admin) SetMyPassword(ctx context.Context, c signin.Client, current, password string) error {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return err
	}
	return At("password", a.opts.SignIn.ChangePassword(ctx, c, p.session, current, password))
}
