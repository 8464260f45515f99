package admin

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin/autoconfig"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/qr"
)

// AppPassword is a password for one mail program.
type AppPassword struct {
	ID           string               `json:"id"`
	Label        string               `json:"label"`
	Protocols    []directory.Protocol `json:"protocols" enum:"imap,pop3,smtp"`
	Expires      time.Time            `json:"expires,omitzero"`
	Created      time.Time            `json:"created"`
	LastUsed     time.Time            `json:"lastUsed,omitzero"`
	LastIP       string               `json:"lastIp,omitempty"`
	LastProtocol directory.Protocol   `json:"lastProtocol,omitempty"`
	Password     string               `json:"password,omitempty" doc:"The password itself; shown only when it is made."`
	SetupURL     string               `json:"setupUrl,omitempty" doc:"A page that sets up a device with this password, once, within ten minutes; only when it is made."`
	SetupQRSVG   string               `json:"setupQrSvg,omitempty" doc:"The address of that page as a QR code."`
}

// NewAppPassword is a password to make.
type NewAppPassword struct {
	Label     string               `json:"label" minLength:"1" maxLength:"100"`
	Protocols []directory.Protocol `json:"protocols,omitempty" enum:"imap,pop3,smtp" doc:"None: all."`
	Expires   time.Time            `json:"expires,omitzero"`
}

// Device is what has logged in to an account: a program, with one password.
type Device struct {
	Client        string             `json:"client,omitempty" doc:"What it calls itself."`
	AppPasswordID string             `json:"appPasswordId,omitempty" doc:"Absent: it uses the password of the account."`
	Label         string             `json:"label,omitempty"`
	Protocol      directory.Protocol `json:"protocol"`
	FirstSeen     time.Time          `json:"firstSeen"`
	LastSeen      time.Time          `json:"lastSeen"`
	IP            string             `json:"ip,omitempty"`
	Logins        int                `json:"logins"`
}

// Login is one sign-in, or several like it in a row.
type Login struct {
	ID          string             `json:"id"`
	Time        time.Time          `json:"time" doc:"Of the first."`
	Last        time.Time          `json:"last"`
	Count       int                `json:"count"`
	OK          bool               `json:"ok"`
	Login       string             `json:"login"`
	Known       bool               `json:"known" doc:"There is an account of that login."`
	Protocol    directory.Protocol `json:"protocol"`
	Method      string             `json:"method,omitempty"`
	IP          string             `json:"ip,omitempty"`
	Client      string             `json:"client,omitempty"`
	AppPassword string             `json:"appPassword,omitempty" doc:"Its label."`
	Reason      string             `json:"reason,omitempty"`
}

// MyAppPasswords returns one's own app passwords.
func (a *Admin) MyAppPasswords(ctx context.Context) (Page[AppPassword], error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return Page[AppPassword]{}, err
	}
	return a.appPasswords(p.Account), nil
}

// AddMyAppPassword makes an app password.
func (a *Admin) AddMyAppPassword(ctx context.Context, n NewAppPassword) (AppPassword, error) {
	p, err := a.authorizeMeSudo(ctx)
	if err != nil {
		return AppPassword{}, err
	}
	made, secret, err := a.opts.Directory.AddAppPassword(ctx, Actor(ctx), p.Account, directory.NewAppPassword{Label: n.Label, Protocols: n.Protocols, Expires: n.Expires})
	if err != nil {
		field := "label"
		if !n.Expires.IsZero() {
			field = "expires"
		}
		return AppPassword{}, At(field, err)
	}
	view := describeAppPassword(made)
	view.Password = secret
	return view, a.offerSetup(p.Account, &view)
}

// offerSetup adds the page that sets up a device with a new app password.
func (a *Admin) offerSetup(account uint32, p *AppPassword) error {
	if a.opts.Clients == nil || a.opts.Web == "" {
		return nil
	}
	acct, err := a.opts.Directory.Account(account)
	if err != nil {
		return err
	}
	if p.SetupURL, _, err = a.opts.Clients.Offer(autoconfig.Person{Address: acct.Address, Name: acct.Name, Password: p.Password}, p.Label); err != nil {
		return err
	}
	p.SetupQRSVG, err = qr.SVG(p.SetupURL)
	return err
}

// RemoveMyAppPassword revokes an app password.
func (a *Admin) RemoveMyAppPassword(ctx context.Context, id string) error {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return err
	}
	return a.opts.Directory.RemoveAppPassword(ctx, Actor(ctx), p.Account, id)
}

// MyDevices returns what has logged in to one's own account.
func (a *Admin) MyDevices(ctx context.Context) (Page[Device], error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return Page[Device]{}, err
	}
	return a.devices(ctx, p.Account)
}

// MyLogins returns one's own sign-ins, the newest first.
func (a *Admin) MyLogins(ctx context.Context, page Paging) (Page[Login], error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return Page[Login]{}, err
	}
	return a.logins(ctx, directory.LoginFilter{Account: p.Account, Cursor: page.Cursor, Limit: page.limit()})
}

// AppPasswords returns the app passwords of an account.
func (a *Admin) AppPasswords(ctx context.Context, address string) (Page[AppPassword], error) {
	acct, err := a.findAccount(ctx, SeePeople, address)
	if err != nil {
		return Page[AppPassword]{}, err
	}
	return a.appPasswords(acct.ID), nil
}

// RemoveAppPassword revokes an app password of an account.
func (a *Admin) RemoveAppPassword(ctx context.Context, address, id string) error {
	acct, err := a.changeAccount(ctx, address)
	if err != nil {
		return err
	}
	return a.opts.Directory.RemoveAppPassword(ctx, Actor(ctx), acct.ID, id)
}

// Sessions returns the browsers in which an account is signed in.
func (a *Admin) Sessions(ctx context.Context, address string) (Page[WebSession], error) {
	acct, err := a.findAccount(ctx, SeePeople, address)
	if err != nil {
		return Page[WebSession]{}, err
	}
	list, err := a.opts.Directory.Sessions(ctx, acct.ID)
	return describeSessions(list, PrincipalOf(ctx).SessionID), err
}

// EndSession signs a browser of an account out.
func (a *Admin) EndSession(ctx context.Context, address, id string) error {
	acct, err := a.changeAccount(ctx, address)
	if err != nil {
		return err
	}
	return a.opts.Directory.EndSession(ctx, acct.ID, id)
}

// Devices returns what has logged in to an account.
func (a *Admin) Devices(ctx context.Context, address string) (Page[Device], error) {
	acct, err := a.findAccount(ctx, SeePeople, address)
	if err != nil {
		return Page[Device]{}, err
	}
	return a.devices(ctx, acct.ID)
}

// AccountLogins returns the sign-ins of an account, the newest first.
func (a *Admin) AccountLogins(ctx context.Context, address string, page Paging) (Page[Login], error) {
	if _, err := authorize(ctx, SeeSignIns); err != nil {
		return Page[Login]{}, err
	}
	acct, err := a.findAccount(ctx, SeePeople, address)
	if err != nil {
		return Page[Login]{}, err
	}
	return a.logins(ctx, directory.LoginFilter{Account: acct.ID, Cursor: page.Cursor, Limit: page.limit()})
}

// LoginFilter narrows a list of sign-ins; empty fields do not.
type LoginFilter struct {
	Paging
	Query string
	OK    *bool
}

// Logins returns the sign-ins of all accounts, the newest first.
func (a *Admin) Logins(ctx context.Context, f LoginFilter) (Page[Login], error) {
	p, err := authorize(ctx, SeeSignIns)
	if err != nil {
		return Page[Login]{}, err
	}
	return a.logins(ctx, directory.LoginFilter{Query: f.Query, OK: f.OK, Domains: p.Domains, Cursor: f.Cursor, Limit: f.limit()})
}

func (a *Admin) appPasswords(account uint32) Page[AppPassword] {
	list := []AppPassword{}
	for _, p := range a.opts.Directory.AppPasswords(account) {
		list = append(list, describeAppPassword(p))
	}
	return whole(list)
}

func describeAppPassword(p directory.AppPassword) AppPassword {
	return AppPassword{ID: p.ID, Label: p.Label, Protocols: append([]directory.Protocol{}, p.Protocols...), Expires: p.Expires, Created: p.Created,
		LastUsed: p.LastUsed, LastIP: addrText(p.LastIP), LastProtocol: p.LastProtocol}
}

func (a *Admin) devices(ctx context.Context, account uint32) (Page[Device], error) {
	found, err := a.opts.Directory.Devices(ctx, account)
	list := []Device{}
	for _, d := range found {
		list = append(list, Device{Client: d.Client, AppPasswordID: d.AppPassword, Label: d.Label, Protocol: d.Protocol, FirstSeen: d.FirstSeen,
			LastSeen: d.LastSeen, IP: addrText(d.IP), Logins: d.Logins})
	}
	return whole(list), err
}

func (a *Admin) logins(ctx context.Context, f directory.LoginFilter) (Page[Login], error) {
	found, err := a.opts.Directory.Logins(ctx, f)
	page := Page[Login]{Items: []Login{}, Next: found.Next}
	for _, e := range found.Items {
		page.Items = append(page.Items, Login{ID: e.ID, Time: e.Time, Last: e.Last, Count: e.Count, OK: e.OK, Login: e.Login, Known: e.Account != 0,
			Protocol: e.Protocol, Method: e.Method, IP: addrText(e.IP), Client: e.Client, AppPassword: e.Label, Reason: e.Reason})
	}
	return page, At("cursor", err)
}
