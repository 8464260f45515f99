package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mailbox"
)

// NewRestore says what is brought back from a backup into an account of the
// running server; only Account must be there.
type NewRestore struct {
	Backup  string `json:"backup,omitempty" maxLength:"60" doc:"Absent: the last one."`
	Account string `json:"account" maxLength:"320" doc:"Its address in the backup."`
	backup.Selection
	To   string `json:"to,omitempty" maxLength:"320" doc:"Address of the account that gets the messages; absent: the same."`
	Into string `json:"into,omitempty" maxLength:"1000" doc:"Mailbox that gets the messages; absent: those where they were."`
	// AddAccount brings back an account that was removed.
	AddAccount bool `json:"addAccount,omitempty" doc:"If there is no such account any more, also add it as it was in the backup: name, role, quota, forwarding, password."`
	DryRun     bool `json:"dryRun,omitempty" doc:"Only say what would be added."`
}

// jobRestore is the kind of the job.
const jobRestore = "restore"

// BackupAccounts lists the accounts of a backup, with their mailboxes.
func (a *Admin) BackupAccounts(ctx context.Context, id string) (Page[backup.AccountSurvey], error) {
	s, err := a.backupService(ctx)
	if err != nil {
		return Page[backup.AccountSurvey]{}, err
	}
	list, err := s.Accounts(ctx, id)
	if err != nil {
		return Page[backup.AccountSurvey]{}, ofBackup(err)
	}
	return whole(list), nil
}

// BackupMessages lists messages of an account in a backup: the first 500 that
// are meant. That somebody looked is written to the audit log.
func (a *Admin) BackupMessages(ctx context.Context, id, account string, sel backup.Selection) (Page[backup.Message], error) {
	s, _, err := a.backupServiceSudo(ctx) // it is mail of somebody else
	if err != nil {
		return Page[backup.Message]{}, err
	}
	list, err := s.Messages(ctx, id, account, sel, 1, maxBackupMessages)
	if err != nil {
		return Page[backup.Message]{}, ofBackup(err)
	}
	return whole(list), a.opts.Directory.Record(ctx, Actor(ctx), "backup.browse", account, id)
}

// maxBackupMessages is how many messages a list has.
const maxBackupMessages = 500

// StartRestore begins to bring messages back; with DryRun it says what would be
// added.
func (a *Admin) StartRestore(ctx context.Context, n NewRestore) (Job, error) {
	s, p, err := a.backupServiceSudo(ctx)
	if err != nil {
		return Job{}, err
	}
	if n.Account == "" {
		return Job{}, At("account", invalid("say whose mail is brought back"))
	}
	if len(n.UIDs) > 0 && n.Mailbox == "" {
		return Job{}, At("mailbox", invalid("UIDs are those of one mailbox; name it"))
	}
	to := n.To
	if to == "" {
		to = n.Account
	}
	path, err := parseAddress(to)
	if err != nil {
		return Job{}, At("to", err)
	}
	acct, err := a.opts.Directory.AccountByAddress(path)
	missing := errors.Is(err, directory.ErrNotFound)
	if missing && (!n.AddAccount || !strings.EqualFold(to, n.Account)) {
		return Job{}, &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no account " + to + " to bring mail back to; bring it back as well (--add-account), add another one (`mailstead account add " + to + "`), or name one that is there"}
	}
	if err != nil && !missing {
		return Job{}, err
	}
	if n.Backup == "" {
		if n.Backup, err = s.Latest(ctx); err != nil {
			return Job{}, ofBackup(err)
		}
	}
	return a.start(p, jobRestore, func(ctx context.Context, p *Progress) (any, error) {
		if missing {
			if acct, err = a.bringBack(ctx, s, &n); err != nil {
				return nil, err
			}
		}
		live := backup.Live{Boxes: a.opts.Mailboxes}
		if acct.ID != 0 { // else a dry run
			live.Account = a.opts.Mailboxes.Account(mailbox.AccountID(acct.ID))
		}
		in := backup.Into{Backup: n.Backup, Address: n.Account, Selection: n.Selection, Mailbox: n.Into, DryRun: n.DryRun}
		res, err := s.RestoreInto(ctx, in, live, p.Set)
		if missing {
			res.Account = to
			if errors.Is(err, backup.ErrNotInBackup) && n.Mailbox == "" { // it had no such mail
				err = nil
			}
		}
		if err != nil || n.DryRun {
			return res, err
		}
		return res, a.opts.Directory.Record(ctx, Actor(ctx), "backup.restore", to, map[string]any{"backup": n.Backup, "from": n.Account, "added": res.Added})
	})
}

// bringBack adds an account that was removed; in a dry run it is only looked
// up, and has no number. A role that whoever asks may not give becomes that of
// a user.
func (a *Admin) bringBack(ctx context.Context, s *backup.Service, n *NewRestore) (directory.Account, error) {
	old, err := s.AccountOf(ctx, n.Backup, n.Account)
	if err != nil {
		return directory.Account{}, ofBackup(err)
	}
	if authorizeRole(ctx, directory.RoleUser, old.Account.Role) != nil {
		old.Account.Role, old.Account.Domains = directory.RoleUser, nil
	}
	if n.DryRun {
		if _, err := a.opts.Directory.Domain(old.Account.Address.Domain); err != nil {
			return directory.Account{}, err
		}
		return directory.Account{}, nil
	}
	acct, err := a.opts.Directory.BringBack(ctx, Actor(ctx), old)
	if err != nil {
		return acct, err
	}
	if err := a.createMailboxes(ctx, acct); err != nil {
		undo := a.opts.Directory.RemoveAccount(context.WithoutCancel(ctx), Actor(ctx), acct.ID)
		return acct, errors.Join(fmt.Errorf("make the mailboxes of %s: %w", acct.Address, err), undo)
	}
	return acct, nil
}
