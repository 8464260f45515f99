package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	Verdict string   `json:"verdict" enum:"made,there,left-out,refused" doc:"there: it is here already."`
	Text    string   `json:"text,omitempty" doc:"Why it was not made."`
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
// itself; the accounts have no passwords.
func (a *Admin) ImportPeople(ctx context.Context, l PeopleList) (PeopleResult, error) {
	if _, err := authorize(ctx, ChangePeople); err != nil {
		return PeopleResult{}, err
	}
	entries, err := movein.ParseList(l.Format, l.Text)
	if err != nil {
		return PeopleResult{}, At("text", invalid("%v", err))
	}
	if l.DryRun {
		ctx = directory.Rehearse(ctx, &directory.Rehearsal{})
	}
	p := &peopleImport{admin: a, list: l, made: map[string]bool{}, result: PeopleResult{Rows: []PeopleRow{}}}
	for _, aliases := range []bool{false, true} { // what aliases lead to is there first
		for _, e := range entries {
			if len(e.Targets) > 0 != aliases {
				continue
			}
			if err := ctx.Err(); err != nil {
				return p.result, err
			}
			p.entry(ctx, &e)
		}
	}
	p.forward(ctx)
	return p.result, nil
}

// peopleImport is one ImportPeople.
type peopleImport struct {
	admin  *Admin
	list   PeopleList
	made   map[string]bool // addresses and domains of this list
	result PeopleResult
	later  []forwarding
}

// forwarding is an account that is made, and whose mail is to go on to others.
type forwarding struct {
	row     int
	account *movein.PeopleAccount
}

// entry makes one account or alias.
func (p *peopleImport) entry(ctx context.Context, e *movein.ListEntry) {
	row := PeopleRow{Line: e.Line, Address: e.Address, Kind: "account", Targets: e.Targets}
	domain, catchAll := strings.CutPrefix(e.Address, "@")
	if e.Domain != nil {
		p.ownDomain(ctx, e.Domain)
		return
	}
	switch {
	case e.LeftOut != "":
		row.Verdict, row.Text = "left-out", e.LeftOut
		p.result.Rows = append(p.result.Rows, row)
		return
	case catchAll:
		row.Kind = "catch-all"
	case len(e.Targets) > 0:
		row.Kind = "alias"
	}
	err := p.domain(ctx, e)
	switch {
	case err != nil:
	case catchAll && len(e.Targets) != 1:
		err = invalid("a catch-all leads to one address")
	case catchAll:
		err = p.catchAll(ctx, domain, e.Targets[0], &row)
	case row.Kind == "alias":
		err = p.alias(ctx, e)
	default:
		err = p.account(ctx, e, &row)
	}
	p.verdict(row, err)
}

// catchAll lets a domain have a catch-all, if it has none.
func (p *peopleImport) catchAll(ctx context.Context, domain, to string, row *PeopleRow) error {
	d, err := p.admin.authorizeName(ctx, ChangeDomains, domain)
	if err != nil {
		return err
	}
	if !d.CatchAll.IsNull() {
		if have := d.CatchAll.String(); !strings.EqualFold(have, to) {
			row.Text = "it leads to " + have + " here, and was left so"
		}
		return directory.ErrExists
	}
	_, err = p.admin.SetDomain(ctx, domain, DomainChange{CatchAll: &to})
	return err
}

// alias makes an alias, or adds the targets that it has not.
func (p *peopleImport) alias(ctx context.Context, e *movein.ListEntry) error {
	if p.leadsThere(ctx, e) {
		return directory.ErrExists
	}
	_, err := p.admin.AddAlias(ctx, e.Address, e.Targets)
	return err
}

// leadsThere reports whether an alias is here with all its targets, and is one
// that the principal may know of.
func (p *peopleImport) leadsThere(ctx context.Context, e *movein.ListEntry) bool {
	have, err := p.admin.findAlias(ctx, ChangePeople, e.Address)
	if err != nil {
		return false
	}
	targets, err := parseAddresses(e.Targets)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(targets, func(t mail.Path) bool {
		return !slices.ContainsFunc(have.Targets, func(h mail.Path) bool { return h.Key() == t.Key() })
	})
}

// forward lets the mail of new accounts go on, when all are there to whom it
// may go.
func (p *peopleImport) forward(ctx context.Context) {
	for _, f := range p.later {
		_, err := p.admin.SetAccount(ctx, f.account.Address, AccountChange{Forward: &f.account.Forward, KeepCopy: &f.account.KeepCopy})
		if err == nil {
			continue
		}
		row := &p.result.Rows[f.row]
		row.Verdict, row.Text = "refused", fmt.Sprintf("the account is made, but does not forward its mail: %v", err)
		p.result.Made--
		p.result.Refused++
	}
}

// account makes an account, with an invitation if that is wanted.
func (p *peopleImport) account(ctx context.Context, e *movein.ListEntry, row *PeopleRow) error {
	n := BulkRow{Address: e.Address, Name: e.Name, Quota: e.Quota}
	addr, err := parseAddress(e.Address)
	if err != nil {
		return err
	}
	if have, err := p.admin.opts.Directory.AccountByAddress(addr); err == nil && have.Address == addr {
		return directory.ErrExists
	}
	err = p.admin.addRow(ctx, &n, p.list.Invite)
	row.Invite = n.Invite
	if err != nil || e.Account == nil || p.list.DryRun {
		return err
	}
	if _, err := p.admin.SetAccount(ctx, e.Address, accountChange(e.Account)); err != nil {
		return fmt.Errorf("the account is made, but not all of it: %w", err)
	}
	if len(e.Account.Forward) > 0 {
		p.later = append(p.later, forwarding{row: len(p.result.Rows), account: e.Account})
	}
	return nil
}

// accountChange is what another server of ours had of an account, but for where
// its mail goes on to.
func accountChange(a *movein.PeopleAccount) AccountChange {
	ch := AccountChange{QuotaBytes: &a.QuotaBytes, QuotaMessages: &a.QuotaMessages}
	if a.Role != "" && a.Role != string(directory.RoleUser) {
		ch.Role = &a.Role
	}
	if len(a.Domains) > 0 {
		ch.Domains = &a.Domains
	}
	if a.Suspended {
		ch.Suspended = &a.Suspended
	}
	if a.AppPasswordsOnly {
		ch.AppPasswordsOnly = &a.AppPasswordsOnly
	}
	return ch
}

// ownDomain makes a domain of another server of ours, if that is wanted.
func (p *peopleImport) ownDomain(ctx context.Context, d *movein.PeopleDomain) {
	if !p.list.Domains {
		return // its accounts and aliases say so if it is missing
	}
	_, err := p.admin.AddDomain(ctx, NewDomain{Name: d.Name, AliasOf: d.AliasOf, Separator: d.Separator})
	if err == nil && (d.Disabled || d.AppPasswordsOnly) {
		_, err = p.admin.SetDomain(ctx, d.Name, DomainChange{Disabled: &d.Disabled, AppPasswordsOnly: &d.AppPasswordsOnly})
	}
	row := PeopleRow{Address: d.Name, Kind: "domain"}
	if d.AliasOf != "" {
		row.Targets = []string{d.AliasOf}
	}
	p.verdict(row, err)
}

// domain makes the domain of an address, if it is missing and that is wanted.
func (p *peopleImport) domain(ctx context.Context, e *movein.ListEntry) error {
	_, name, _ := strings.Cut(e.Address, "@")
	d, err := mail.ParseDomain(name)
	if err != nil || !p.list.Domains || p.made[string(d)] {
		return nil // the account or alias says what is wrong
	}
	if _, err := p.admin.opts.Directory.Domain(d); err == nil {
		return nil
	}
	_, err = p.admin.AddDomain(ctx, NewDomain{Name: string(d)})
	p.verdict(PeopleRow{Line: e.Line, Address: string(d), Kind: "domain"}, err)
	if err != nil && !errors.Is(err, directory.ErrRehearsed) {
		return fmt.Errorf("its domain is not here: %w", err)
	}
	p.made[string(d)] = true
	return nil
}

// verdict notes what came of a row. In a rehearsal what leads to something that
// would be made before it would be made, too.
func (p *peopleImport) verdict(row PeopleRow, err error) {
	rehearsed := p.rehearsedBefore(&row)
	switch {
	case errors.Is(err, directory.ErrExists):
		row.Verdict = "there"
		p.result.There++
	case err == nil, errors.Is(err, directory.ErrRehearsed), rehearsed:
		row.Verdict = "made"
		p.result.Made++
		p.made[strings.ToLower(row.Address)] = true
	default:
		row.Verdict, row.Text = "refused", err.Error()
		p.result.Refused++
	}
	p.result.Rows = append(p.result.Rows, row)
}

// rehearsedBefore reports whether a row only fails because what it needs was
// rehearsed, and not made.
func (p *peopleImport) rehearsedBefore(row *PeopleRow) bool {
	if !p.list.DryRun {
		return false
	}
	if _, err := parseAddress(row.Address); err != nil && row.Kind != "domain" && row.Kind != "catch-all" {
		return false
	}
	if _, domain, ok := strings.Cut(row.Address, "@"); ok && p.made[strings.ToLower(domain)] {
		return true
	}
	for _, t := range row.Targets {
		if p.made[strings.ToLower(t)] {
			return true
		}
	}
	return false
}
