package admin

import (
	"context"
	"net/url"
	"time"

	"github.com/mailstead/mailstead/admin/autoconfig"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/qr"
)

// InviteLink lets somebody set a password.
type InviteLink struct {
	URL     string    `json:"url" doc:"To send to the person. It works once."`
	Purpose string    `json:"purpose" enum:"invite,reset"`
	Expires time.Time `json:"expires"`
}

// Invite makes a link by which the person of an account sets a password: the
// first, or another one. Older links of the account are dead from then on.
func (a *Admin) Invite(ctx context.Context, address string) (InviteLink, error) {
	acct, err := a.changeAccountSudo(ctx, address)
	if err != nil {
		return InviteLink{}, err
	}
	return a.invite(ctx, acct)
}

var errNoInvitations = &directory.Problem{Kind: ErrUnavailable, Text: "only a running server invites people; start it with `mailstead serve`"}

// inviteURL has the token in the fragment, which browsers do not send.
func (a *Admin) inviteURL(token string) string { return a.opts.Web + "/account/invite#" + token }

func (a *Admin) invite(ctx context.Context, acct directory.Account) (InviteLink, error) {
	if a.opts.SignIn == nil {
		return InviteLink{}, errNoInvitations
	}
	begin := a.opts.SignIn.Invite
	if a.opts.Directory.HasPassword(acct.ID) {
		begin = a.opts.SignIn.Reset
	}
	token, link, err := begin(ctx, Actor(ctx), acct.ID)
	if err != nil {
		return InviteLink{}, err
	}
	return InviteLink{URL: a.inviteURL(token), Purpose: string(link.Purpose), Expires: link.Expires}, nil
}

// RemoveFactors takes passkeys and codes from an account whose owner has lost
// them.
func (a *Admin) RemoveFactors(ctx context.Context, address string) error {
	acct, err := a.changeAccountSudo(ctx, address)
	if err != nil {
		return err
	}
	return a.opts.Directory.RemoveFactors(ctx, Actor(ctx), acct.ID)
}

// ClientSetup is what somebody types into a mail program.
type ClientSetup struct {
	autoconfig.Setup
	Help      string `json:"help,omitempty" doc:"A page that says how."`
	HelpQRSVG string `json:"helpQrSvg,omitempty" doc:"The address of that page as a QR code, for the phone."`
}

// MyClientSetup says what to type into a mail program for one's own account.
func (a *Admin) MyClientSetup(ctx context.Context) (ClientSetup, error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return ClientSetup{}, err
	}
	if a.opts.Clients == nil {
		return ClientSetup{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server knows its ports"}
	}
	v := ClientSetup{Setup: a.opts.Clients.Setup(acct.Address)}
	if a.opts.Web == "" {
		return v, nil
	}
	v.Help = a.opts.Web + "/help?address=" + url.QueryEscape(acct.Address.String())
	v.HelpQRSVG, err = qr.SVG(v.Help)
	return v, err
}
