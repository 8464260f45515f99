package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/signin"
)

// Passkey is a passkey as its owner sees it.
type Passkey struct {
	ID       string    `json:"id"`
	Label    string    `json:"label"`
	Host     string    `json:"host" doc:"The name of the server under which it works."`
	Synced   bool      `json:"synced" doc:"It may be copied to other devices."`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"lastUsed,omitzero"`
}

func describePasskey(k directory.Passkey) Passkey {
	return Passkey{ID: k.ID, Label: k.Label, Host: k.RPID, Synced: k.BackupEligible, Created: k.Created, LastUsed: k.LastUsed}
}

// MyPasskeys returns one's own passkeys.
func (a *Admin) MyPasskeys(ctx context.Context) (Page[Passkey], error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return Page[Passkey]{}, err
	}
	keys, err := a.opts.SignIn.Passkeys(ctx, p.Account)
	list := []Passkey{}
	for _, k := range keys {
		list = append(list, describePasskey(k))
	}
	return whole(list), err
}

// AddPasskeyBegin begins to make a passkey.
func (a *Admin) AddPasskeyBegin(ctx context.Context, c signin.Client) (signin.Ceremony, error) {
	p, err := a.authorizeMeSudo(ctx)
	if err != nil {
		return signin.Ceremony{}, err
	}
	return a.opts.SignIn.RegisterBegin(ctx, c, p.session)
}

// AddPasskey adds the passkey that the browser has made.
func (a *Admin) AddPasskey(ctx context.Context, c signin.Client, ticket string, credential []byte, label string) (Passkey, error) {
	p, err := a.authorizeMeSudo(ctx)
	if err != nil {
		return Passkey{}, err
	}
	k, err := a.opts.SignIn.RegisterFinish(ctx, c, p.session, ticket, credential, label)
	return describePasskey(k), At("label", err)
}

// RenamePasskey gives a passkey another label.
func (a *Admin) RenamePasskey(ctx context.Context, id, label string) (Passkey, error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return Passkey{}, err
	}
	k, err := a.opts.SignIn.RenamePasskey(ctx, p.session, id, label)
	return describePasskey(k), At("label", err)
}

// RemovePasskey removes a passkey.
func (a *Admin) RemovePasskey(ctx context.Context, id string) error {
	p, err := a.authorizeMeSudo(ctx)
	if err != nil {
		return err
	}
	return a.opts.SignIn.RemovePasskey(ctx, p.session, id)
}

// TOTPBegin makes a secret for an authenticator app.
func (a *Admin) TOTPBegin(ctx context.Context) (signin.TOTPSetup, error) {
	p, err := a.authorizeMeSudo(ctx)
	if err != nil {
		return signin.TOTPSetup{}, err
	}
	return a.opts.SignIn.TOTPBegin(ctx, p.session)
}

// TOTPConfirm turns TOTP on, and returns recovery codes.
func (a *Admin) TOTPConfirm(ctx context.Context, code string) ([]string, error) {
	p, err := a.authorizeMeSudo(ctx)
	if err != nil {
		return nil, err
	}
	return a.opts.SignIn.TOTPConfirm(ctx, p.session, code)
}

// TOTPRemove turns TOTP off.
func (a *Admin) TOTPRemove(ctx context.Context) error {
	p, err := a.authorizeMeSudo(ctx)
	if err != nil {
		return err
	}
	return a.opts.SignIn.TOTPRemove(ctx, p.session)
}

// NewRecoveryCodes makes recovery codes; those made before are dead.
func (a *Admin) NewRecoveryCodes(ctx context.Context) ([]string, error) {
	p, err := a.authorizeMeSudo(ctx)
	if err != nil {
		return nil, err
	}
	return a.opts.SignIn.RecoveryCodes(ctx, p.session)
}

// WebSession is a browser in which somebody is signed in.
type WebSession struct {
	ID        string                  `json:"id"`
	Current   bool                    `json:"current" doc:"The one that asks."`
	Created   time.Time               `json:"created"`
	LastSeen  time.Time               `json:"lastSeen"`
	IP        string                  `json:"ip"`
	UserAgent string                  `json:"userAgent"`
	Method    directory.SessionMethod `json:"method" doc:"How they signed in."`
}

func describeSessions(list []directory.Session, current string) Page[WebSession] {
	views := []WebSession{}
	for _, s := range list {
		views = append(views, WebSession{ID: s.ID, Current: s.ID == current, Created: s.Created, LastSeen: s.LastSeen, IP: s.IP.String(), UserAgent: s.UserAgent, Method: s.Method})
	}
	return whole(views)
}

// MySessions returns the browsers in which one is signed in.
func (a *Admin) MySessions(ctx context.Context) (Page[WebSession], error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return Page[WebSession]{}, err
	}
	list, err := a.opts.SignIn.Sessions(ctx, p.Account)
	return describeSessions(list, p.SessionID), err
}

// EndMySession signs a browser out.
func (a *Admin) EndMySession(ctx context.Context, id string) error {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return err
	}
	return a.opts.SignIn.EndSession(ctx, p.Account, id)
}

// EndMyOtherSessions signs all other browsers out.
func (a *Admin) EndMyOtherSessions(ctx context.Context) error {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return err
	}
	return a.opts.SignIn.EndSessions(ctx, p.Account, p.SessionID)
}

// SignOut ends the session of who asks.
func (a *Admin) SignOut(ctx context.Context) error {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return err
	}
	return a.opts.SignIn.SignOut(ctx, p.session)
}

// Proof shows who somebody is: one of a password, a code, and what a passkey
// has signed.
type Proof struct {
	Password   string
	Code       string
	Ticket     string
	Credential json.RawMessage
}

// Reauth proves again who one is, for some minutes.
func (a *Admin) Reauth(ctx context.Context, c signin.Client, proof Proof) error {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return err
	}
	switch {
	case proof.Password != "":
		_, err = a.opts.SignIn.ReauthPassword(ctx, c, p.session, proof.Password)
	case proof.Code != "":
		_, err = a.opts.SignIn.ReauthCode(ctx, c, p.session, proof.Code)
	case proof.Ticket != "":
		_, err = a.opts.SignIn.ReauthPasskeyFinish(ctx, c, p.session, proof.Ticket, proof.Credential)
	default:
		err = At("password", invalid("send your password, a code, or what a passkey has signed"))
	}
	return err
}

// ReauthBegin asks for one of one's passkeys.
func (a *Admin) ReauthBegin(ctx context.Context, c signin.Client) (signin.Ceremony, error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return signin.Ceremony{}, err
	}
	return a.opts.SignIn.ReauthPasskeyBegin(ctx, c, p.session)
}
