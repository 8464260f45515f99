package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

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
	AddAccount bool `json:"addAccount,omitempty" doc:"If there is no such account any more, also add it as it was in the backup: name, role, quota, forwarding, filters and aliases, and the ways to sign in that were not revoked since."`
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

// BackupMessages lists messages of an account in a backup, mailbox by mailbox,
// the newest first. A page may have fewer than its limit, even none, before the
// last: a search looks at a bounded number of messages at a time. That somebody
// looked is written to the audit log, once for all pages.
func (a *Admin) BackupMessages(ctx context.Context, id, account string, sel backup.Selection, p Paging) (Page[backup.Message], error) {
	s, _, err := a.backupServiceSudo(ctx) // it is mail of somebody else
	if err != nil {
		return Page[backup.Message]{}, err
	}
	after, err := p.place()
	if err != nil {
		return Page[backup.Message]{}, err
	}
	list, next, err := s.Browse(ctx, id, account, sel, after, p.limit())
	if err != nil {
		return Page[backup.Message]{}, ofBackup(err)
	}
	page := Page[backup.Message]{Items: list}
	if next != nil {
		page.Next = cursor(fmt.Sprintf("%d/%d", next.Mailbox, next.UID))
	}
	return page, a.noteLook(ctx, id, account)
}

// noteLook writes into the audit log that somebody looks into an account of a
// backup, if they have not done so for a while.
func (a *Admin) noteLook(ctx context.Context, id, account string) error {
	return a.looks.note(look{Actor(ctx), id, strings.ToLower(account)}, a.opts.Now(), func() error {
		return a.opts.Directory.Record(ctx, Actor(ctx), "backup.browse", account, id)
	})
}

// place is where a page of messages of a backup begins.
func (p Paging) place() (backup.Place, error) {
	key, err := p.after()
	if err != nil || key == "" {
		return backup.Place{}, err
	}
	var at backup.Place
	if _, err := fmt.Sscanf(key, "%d/%d", &at.Mailbox, &at.UID); err != nil || at.Mailbox == 0 {
		return backup.Place{}, At("cursor", invalid("the cursor is not one of this list; begin without"))
	}
	return at, nil
}

// lookPause is how long nobody may have looked before another look begins.
const lookPause = 15 * time.Minute

// looks are those into mail of others that are under way. A cursor could not
// say whether a look is new: whoever makes one up would leave no trace.
type looks struct {
	mu   sync.Mutex
	last map[look]time.Time
}

// look is that of somebody into an account of a backup.
type look struct{ actor, backup, account string }

// note calls record if a look begins.
func (l *looks) note(this look, now time.Time, record func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.last, func(_ look, at time.Time) bool { return now.Sub(at) > lookPause })
	if _, on := l.last[this]; !on {
		if err := record(); err != nil {
			return err
		}
	}
	if l.last == nil {
		l.last = map[look]time.Time{}
	}
	l.last[this] = now
	return nil
}

// StartRestore begins to bring messages back; with DryRun it says what would be
// added.
func (a *Admin) StartRestore(ctx context.Context, n NewRestore) (Job, error) {
	s, p, err := a.backupServiceSudo(ctx)
	if err != nil {
		return Job{}, err
	}
	to, err := a.restoreTo(&n)
	if err != nil {
		return Job{}, err
	}
	if err := a.roomFor("mail cannot be brought back now", 0); err != nil && !n.DryRun {
		return Job{}, err
	}
	if n.Backup == "" {
		if n.Backup, err = s.Latest(ctx); err != nil {
			return Job{}, ofBackup(err)
		}
	}
	return a.start(p, jobRestore, func(ctx context.Context, p *Progress) (any, error) { return a.restore(ctx, p, s, &n, to) })
}

// restoreTo is who gets what is brought back: nil if that account is brought
// back as well. n.To is filled in.
func (a *Admin) restoreTo(n *NewRestore) (*directory.Account, error) {
	if n.Account == "" {
		return nil, At("account", invalid("say whose mail is brought back"))
	}
	if len(n.UIDs) > 0 && n.Mailbox == "" {
		return nil, At("mailbox", invalid("UIDs are those of one mailbox; name it"))
	}
	if n.To == "" {
		n.To = n.Account
	}
	path, err := parseAddress(n.To)
	if err != nil {
		return nil, At("to", err)
	}
	acct, err := a.opts.Directory.AccountByAddress(path)
	switch missing := errors.Is(err, directory.ErrNotFound); {
	case missing && n.AddAccount && strings.EqualFold(n.To, n.Account):
		return nil, nil
	case missing:
		return nil, &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no account " + n.To + " to bring mail back to; bring it back as well (--add-account), add another one (`mailstead account add " + n.To + "`), or name one that is there"}
	case err != nil:
		return nil, err
	}
	return &acct, nil
}

// restore is the job that brings back; to is that of restoreTo.
func (a *Admin) restore(ctx context.Context, p *Progress, s *backup.Service, n *NewRestore, to *directory.Account) (any, error) {
	var back *directory.BroughtBack
	live := backup.Live{Boxes: a.opts.Mailboxes}
	if to == nil {
		b, err := a.bringBack(ctx, s, n)
		if err != nil {
			return nil, err
		}
		back, to = &b, &b.Account
	}
	if back == nil || !n.DryRun {
		live.Account = a.opts.Mailboxes.Account(mailbox.AccountID(to.ID))
	}
	in := backup.Into{Backup: n.Backup, Address: n.Account, Selection: n.Selection, Mailbox: n.Into, DryRun: n.DryRun}
	res, err := s.RestoreInto(ctx, in, live, p.Set)
	if back != nil {
		res.Account, res.Back = n.To, back
		if errors.Is(err, backup.ErrNotInBackup) && n.Mailbox == "" { // it had no such mail
			err = nil
		}
	}
	var ended error // before its end
	if res.Incomplete != "" && ctx.Err() != nil {
		ended = context.Cause(ctx)
		res.Incomplete = ended.Error()
	}
	ctx = context.WithoutCancel(ctx) // what was done is noted
	switch {
	case err != nil:
		return res, err
	case n.DryRun: // it names messages
		return res, a.noteLook(ctx, n.Backup, n.Account)
	}
	noted := a.opts.Directory.Record(ctx, Actor(ctx), "backup.restore", n.To, map[string]any{"backup": n.Backup, "from": n.Account, "added": res.Added})
	return res, errors.Join(noted, ended)
}

// bringBack adds an account that was removed, with what went with it; a dry run
// rehearses it. A role that whoever asks may not give becomes that of a user.
func (a *Admin) bringBack(ctx context.Context, s *backup.Service, n *NewRestore) (directory.BroughtBack, error) {
	old, err := s.AccountOf(ctx, n.Backup, n.Account)
	if err != nil {
		return directory.BroughtBack{}, ofBackup(err)
	}
	if authorizeRole(ctx, directory.RoleUser, old.Account.Role) != nil {
		old.Account.Role, old.Account.Domains = directory.RoleUser, nil
	}
	if n.DryRun {
		back, err := a.opts.Directory.BringBack(directory.Rehearse(ctx, &directory.Rehearsal{}), Actor(ctx), old)
		if errors.Is(err, directory.ErrRehearsed) {
			err = nil
		}
		return back, err
	}
	back, err := a.opts.Directory.BringBack(ctx, Actor(ctx), old)
	if err != nil {
		return back, err
	}
	if err := a.createMailboxes(ctx, back.Account); err != nil {
		undo := a.opts.Directory.RemoveAccount(context.WithoutCancel(ctx), Actor(ctx), back.Account.ID)
		return back, errors.Join(fmt.Errorf("make the mailboxes of %s: %w", back.Address, err), undo)
	}
	return back, nil
}
