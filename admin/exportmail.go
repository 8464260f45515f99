package admin

import (
	"context"
	"fmt"

	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/transfer"
)

// MailExport is all mail of an account on its way to an operator.
type MailExport struct {
	Address string
	admin   *Admin
	account mailbox.AccountID
}

// OpenMailExport makes sure that all mail of an account may be taken out. That
// somebody does is written to the audit log before the first message goes.
func (a *Admin) OpenMailExport(ctx context.Context, address string) (*MailExport, error) {
	acct, err := a.findAccount(ctx, SeePeople, address) // whose accounts others have is nobody's business
	if err != nil {
		return nil, err
	}
	if _, err := authorizeSudo(ctx, ChangeSystem); err != nil { // it is mail of somebody else
		return nil, err
	}
	e := &MailExport{Address: acct.Address.String(), admin: a, account: mailbox.AccountID(acct.ID)}
	return e, a.opts.Directory.Record(ctx, Actor(ctx), "account.export", e.Address, nil)
}

// Write gives the mail to w.
func (e *MailExport) Write(ctx context.Context, w transfer.Writer) error {
	boxes := e.admin.opts.Mailboxes
	if err := transfer.Write(ctx, boxes, boxes.Account(e.account), w); err != nil {
		return fmt.Errorf("export of %s: %w", e.Address, err)
	}
	return nil
}

// ExportMail is both.
func (a *Admin) ExportMail(ctx context.Context, address string, w transfer.Writer) error {
	e, err := a.OpenMailExport(ctx, address)
	if err != nil {
		return err
	}
	return e.Write(ctx, w)
}
