package admin

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
	"github.com/mailstead/mailstead/mail"
)

// PeopleList is a list of accounts and aliases of another mail system.
type PeopleList struct {
	Format  movein.ListFormat `json:"format,omitempty" enum:"auto,csv,mox,mailinabox,mailstead" doc:"auto if absent: by its looks."`
	Text    string            `json:"text" maxLength:"1000000" doc:"csv: address, name, quota, aliases, with a first line that names the columns or without. mox: its domains.conf. mailinabox: what mail/users and mail/aliases of its API give, as JSON or text. mailstead: the file of mailstead export --settings."`
	Domains bool              `json:"domains,omitempty" doc:"Also add domains that are missing."`
	Invite  bool              `json:"invite,omitempty" doc:"Make a link for each person to set a password."`
	DryRun  bool              `json:"dryRun,omitempty" doc:"Make nothing, and say what would be made."`
}

// PeopleRow is what came of one account or alias.
type PeopleRow struct {
	Line    int      `json:"line,omitempty"`
	Address string   `json:"address"`
	Kind    string   `json:"kind" enum:"domain,account,alias,catch-all"`
	Targets []string `json:"targets,omitempty"`
	Verdict string   `json:"verdict" enum:"made,there,left-out,refused" doc:"there: it is here already, and was left as it is."`
	Text    string   `json:"text,omitempty" doc:"Why it was not made, or what of it is otherwise here."`
	Invite  string   `json:"invite,omitempty" doc:"Link by which the person sets a password."`
}

// PeopleResult is what came of a list.
type PeopleResult struct {
	Rows    []PeopleRow `json:"rows"`
	Made    int         `json:"made"`
	There   int         `json:"there"`
	Refused int         `json:"refused"`
}

// ImportPeople makes the accounts and aliases of a list, which stand each for
// itself; the accounts have no passwords. All is one change of the directory: a
// dry run makes the same and takes it back, and what is interrupted has made
// nothing.
func (a *Admin) ImportPeople(ctx context.Context, l PeopleList) (PeopleResult, error) {
	entries, err := movein.ParseList(l.Format, l.Text)
	if err != nil {
		err = At("text", invalid("%v", err))
	}
	if _, denied := authorize(ctx, ChangePeople); denied != nil {
		err = denied
	}
	if err != nil {
		return PeopleResult{}, err
	}
	p, err := a.newPeopleImport(ctx, entries, l)
	if err != nil {
		return PeopleResult{}, err
	}
	if err := a.together(ctx, l.DryRun, p.run); err != nil {
		return PeopleResult{}, err
	}
	a.createPeople(ctx, p)
	return p.result, nil
}

// together makes changes as one, or only rehearses them; see
// [directory.Directory.Together].
func (a *Admin) together(ctx context.Context, dry bool, do func(context.Context, *Admin) error) error {
	if dry {
		ctx = directory.Rehearse(ctx, &directory.Rehearsal{})
	}
	err := a.opts.Directory.Together(ctx, func(d *directory.Directory) error {
		opts := a.opts
		opts.Directory = d
		return do(ctx, &Admin{opts: opts, hub: a.hub, jobs: a.jobs, checks: a.checks, server: a.server, alerts: a.alerts, started: a.started, close: a.close})
	})
	switch {
	case dry && errors.Is(err, directory.ErrRehearsed):
		return nil
	case errors.Is(err, directory.ErrTooLong), errors.Is(err, context.DeadlineExceeded):
		return tooLong()
	}
	return err
}

func tooLong() error {
	return &directory.Problem{Kind: ErrUnavailable, Text: "it took too long, so that nothing was changed: split the file, and send the parts one after the other"}
}

// peopleImport is a list that is made.
type peopleImport struct {
	list    PeopleList
	entries []movein.ListEntry
	keys    map[mail.Domain][]directory.DKIMKey // of domains to make
	domains map[mail.Domain]error               // that were missing; nil: is made
	result  PeopleResult
	made    []madeAccount
	there   []directory.Account // were here before
	waiting []*movein.ListEntry // aliases and catch-alls that lead to what is not there yet

	in *Admin // within the change
}

// madeAccount is an account that is made, and where its mail goes when all are
// there to whom it may go.
type madeAccount struct {
	row       int
	of        directory.Account
	suspended bool
	forward   []string
	keepCopy  bool
}

// newPeopleImport makes sure that who asks may have a list made, and does what
// takes time: other changes wait while it is made.
func (a *Admin) newPeopleImport(ctx context.Context, entries []movein.ListEntry, l PeopleList) (*peopleImport, error) {
	p := &peopleImport{list: l, entries: entries, keys: map[mail.Domain][]directory.DKIMKey{}, domains: map[mail.Domain]error{}, result: PeopleResult{Rows: []PeopleRow{}}}
	if l.Invite && a.opts.SignIn == nil {
		return nil, errNoInvitations
	}
	if l.Invite && !l.DryRun || slices.ContainsFunc(entries, givesRights) {
		if _, err := authorizeSudo(ctx, ChangePeople); err != nil {
			return nil, err
		}
	}
	if _, err := authorize(ctx, AddDomains); err != nil || l.DryRun || !l.Domains {
		return p, nil // there are no new domains that need keys
	}
	return p, p.makeKeys(ctx, a)
}

// givesRights reports whether an account is one that only a person who has
// shown who they are makes.
func givesRights(e movein.ListEntry) bool {
	return e.Account != nil && (len(e.Account.Forward) > 0 || len(e.Account.Domains) > 0 || e.Account.Role != "" && e.Account.Role != string(directory.RoleUser))
}

// makeKeys makes the DKIM keys of domains that are missing.
func (p *peopleImport) makeKeys(ctx context.Context, a *Admin) error {
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	var mu sync.Mutex
	seen := map[mail.Domain]bool{}
	for _, e := range p.entries {
		name, err := parseDomain(e.Address[strings.IndexByte(e.Address, '@')+1:])
		if _, known := a.opts.Directory.Domain(name); err != nil || known == nil || seen[name] || e.LeftOut != "" {
			continue
		}
		seen[name] = true
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			keys, err := a.makeKeys()
			mu.Lock()
			defer mu.Unlock()
			p.keys[name] = keys
			return err
		})
	}
	err := g.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		return tooLong()
	}
	return err
}

// run makes the list within one change.
func (p *peopleImport) run(ctx context.Context, in *Admin) error {
	if err := p.accounts(ctx, in); err != nil {
		return err
	}
	if err := p.aliases(ctx); err != nil {
		return err
	}
	return p.end(ctx)
}

// accounts makes domains and accounts; aliases and catch-alls wait.
func (p *peopleImport) accounts(ctx context.Context, in *Admin) error {
	p.in = in
	for i := range p.entries {
		e := &p.entries[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(e.Targets) > 0 {
			p.waiting = append(p.waiting, e)
			continue
		}
		p.verdict(p.entry(ctx, e))
	}
	return nil
}

// end refuses what leads nowhere, lets accounts forward, and makes links.
func (p *peopleImport) end(ctx context.Context) error {
	for _, e := range p.waiting {
		p.verdict(p.entry(ctx, e))
	}
	p.waiting = nil
	for i := range p.made {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := &p.made[i]
		if len(m.forward) == 0 {
			continue
		}
		if _, err := p.in.SetAccount(ctx, m.of.Address.String(), AccountChange{Forward: &m.forward, KeepCopy: &m.keepCopy}); err != nil {
			p.refuse(m.row, fmt.Errorf("the account is made, but does not forward its mail: %w", err))
		}
	}
	return p.invite(ctx)
}

// invite makes the links of accounts that can be used.
func (p *peopleImport) invite(ctx context.Context) error {
	if !p.list.Invite || p.list.DryRun {
		return nil
	}
	var ids []uint32
	var rows []int
	for _, m := range p.made {
		if !m.suspended && p.result.Rows[m.row].Verdict == "made" {
			ids, rows = append(ids, m.of.ID), append(rows, m.row)
		}
	}
	tokens, _, err := p.in.opts.Directory.AddLinks(ctx, Actor(ctx), ids, directory.Invite)
	for j, row := range rows {
		if err == nil {
			p.result.Rows[row].Invite = p.in.inviteURL(tokens[j])
		}
	}
	return err
}

// createPeople makes the mailboxes of accounts that are made, also if nobody
// waits for it any more.
func (a *Admin) createPeople(ctx context.Context, p *peopleImport) {
	if p.list.DryRun {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for i, err := range a.mailboxesOf(ctx, p.there) { // somebody who was interrupted may not have come so far
		if err != nil {
			a.opts.Logger.ErrorContext(ctx, "mailboxes of an account", "account", p.there[i].ID, "err", err)
		}
	}
	accounts := make([]directory.Account, len(p.made))
	for i := range p.made {
		accounts[i] = p.made[i].of
	}
	for i, err := range a.createAll(ctx, accounts) {
		if err != nil {
			p.result.Rows[p.made[i].row].Invite = ""
			p.refuse(p.made[i].row, err)
		}
	}
}

// refuse takes back what was said of a row.
func (p *peopleImport) refuse(row int, err error) {
	r := &p.result.Rows[row]
	if r.Verdict == "made" {
		p.result.Made--
		p.result.Refused++
	}
	r.Verdict, r.Text = "refused", err.Error()
}
