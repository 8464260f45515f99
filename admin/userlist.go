package admin

import (
	"cmp"
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
	case errors.Is(err, context.DeadlineExceeded):
		return tooLong()
	}
	return err
}

func tooLong() error {
	return &directory.Problem{Kind: ErrUnavailable, Text: "it took too long, so that nothing was changed; divide it"}
}

// peopleImport is a list that is made.
type peopleImport struct {
	list    PeopleList
	entries []movein.ListEntry
	keys    map[mail.Domain][]directory.DKIMKey // of domains to make
	domains map[mail.Domain]error               // that were missing; nil: is made
	result  PeopleResult
	made    []madeAccount

	in *Admin // within the change
}

// madeAccount is an account that is made, and what it gets when all are there
// to whom its mail may go.
type madeAccount struct {
	row   int
	of    directory.Account
	later AccountChange
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
	p.in = in
	for _, aliases := range []bool{false, true} { // what aliases lead to is there first
		for _, e := range p.entries {
			if len(e.Targets) > 0 != aliases {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			p.entry(ctx, &e)
		}
	}
	p.complete(ctx)
	return p.invite(ctx)
}

// complete gives accounts what they get last.
func (p *peopleImport) complete(ctx context.Context) {
	for i := range p.made {
		m := &p.made[i]
		if m.later == (AccountChange{}) {
			continue
		}
		if _, err := p.in.SetAccount(ctx, m.of.Address.String(), m.later); err != nil {
			p.refuse(m.row, fmt.Errorf("the account is made, but does not forward its mail: %w", err))
		}
	}
}

// invite makes the links of accounts that can be used.
func (p *peopleImport) invite(ctx context.Context) error {
	if !p.list.Invite || p.list.DryRun {
		return nil
	}
	var ids []uint32
	var rows []int
	for _, m := range p.made {
		if m.later.Suspended == nil {
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
	accounts := make([]directory.Account, len(p.made))
	for i := range p.made {
		accounts[i] = p.made[i].of
	}
	for i, err := range a.createAll(context.WithoutCancel(ctx), accounts) {
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

// entry makes one domain, account or alias.
func (p *peopleImport) entry(ctx context.Context, e *movein.ListEntry) {
	if e.Domain != nil {
		p.ownDomain(ctx, e.Domain)
		return
	}
	row := PeopleRow{Line: e.Line, Address: e.Address, Kind: "account", Targets: e.Targets}
	domain, catchAll := strings.CutPrefix(e.Address, "@")
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
	d, err := p.in.authorizeName(ctx, ChangeDomains, domain)
	if err != nil {
		return err
	}
	if !d.CatchAll.IsNull() {
		if want, err := parseAddress(to); err != nil || want.Key() != d.CatchAll.Key() {
			row.Text = "it leads to " + d.CatchAll.String() + " here, and was left so"
		}
		return directory.ErrExists
	}
	_, err = p.in.SetDomain(ctx, domain, DomainChange{CatchAll: &to})
	return err
}

// alias makes an alias, or adds the targets that it has not.
func (p *peopleImport) alias(ctx context.Context, e *movein.ListEntry) error {
	if p.leadsThere(ctx, e) {
		return directory.ErrExists
	}
	_, err := p.in.AddAlias(ctx, e.Address, e.Targets)
	return err
}

// leadsThere reports whether an alias is here with all its targets, and is one
// that the principal may know of.
func (p *peopleImport) leadsThere(ctx context.Context, e *movein.ListEntry) bool {
	have, err := p.in.findAlias(ctx, ChangePeople, e.Address)
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

// account makes an account.
func (p *peopleImport) account(ctx context.Context, e *movein.ListEntry, row *PeopleRow) error {
	addr, err := parseAddress(e.Address)
	if err != nil {
		return err
	}
	if _, err := authorizeDomain(ctx, ChangePeople, addr.Domain); err != nil {
		return err
	}
	if have, err := p.in.opts.Directory.AccountByAddress(addr); err == nil {
		if others := differences(e.Account, &have); len(others) > 0 {
			row.Text = "here it has another " + strings.Join(others, ", ") + ", and was left so"
		}
		return directory.ErrExists
	}
	n := NewAccount{Address: e.Address, Name: e.Name}
	m := madeAccount{row: len(p.result.Rows)}
	if e.Quota != "" {
		size, err := directory.ParseSize(e.Quota)
		if err != nil {
			return err
		}
		n.QuotaBytes = &size
	}
	if e.Account != nil {
		n.QuotaBytes, n.QuotaMessages, n.Role, n.Domains = &e.Account.QuotaBytes, &e.Account.QuotaMessages, e.Account.Role, e.Account.Domains
		m.later = laterOf(e.Account)
	}
	new, err := p.in.newAccount(ctx, n)
	if err != nil {
		return err
	}
	if m.of, err = p.in.opts.Directory.AddAccount(ctx, Actor(ctx), new); err == nil {
		p.made = append(p.made, m)
	}
	return err
}

// laterOf is what an account of another server of ours gets last.
func laterOf(a *movein.PeopleAccount) AccountChange {
	ch := AccountChange{}
	if a.Suspended {
		ch.Suspended = &a.Suspended
	}
	if a.AppPasswordsOnly {
		ch.AppPasswordsOnly = &a.AppPasswordsOnly
	}
	if len(a.Forward) > 0 {
		ch.Forward, ch.KeepCopy = &a.Forward, &a.KeepCopy
	}
	return ch
}

// differences names what of an account here is not as in the list.
func differences(want *movein.PeopleAccount, have *directory.Account) (list []string) {
	if want == nil {
		return nil
	}
	role, _ := directory.ParseRole(want.Role)
	domains, _ := parseDomains(want.Domains)
	forward, _ := parseAddresses(want.Forward)
	for _, part := range []struct {
		name string
		same bool
	}{
		{"name", want.Name == have.Name},
		{"role", role == have.Role},
		{"set of domains", sameElements(domains, have.Domains)},
		{"quota", want.QuotaBytes == have.QuotaBytes && want.QuotaMessages == have.QuotaMessages},
		{"suspension", want.Suspended == have.Suspended},
		{"forwarding", sameElements(pathKeys(forward), pathKeys(have.Forward)) && (len(forward) == 0 || want.KeepCopy == have.KeepCopy)},
		{"rule for its password", want.AppPasswordsOnly == have.AppPasswordsOnly},
	} {
		if !part.same {
			list = append(list, part.name)
		}
	}
	return list
}

func pathKeys(paths []mail.Path) (keys []string) {
	for _, p := range paths {
		keys = append(keys, p.Key())
	}
	return keys
}

// sameElements reports whether two lists have the same in them.
func sameElements[T cmp.Ordered](a, b []T) bool {
	sorted := func(list []T) []T { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(sorted(a), sorted(b))
}

// ownDomain makes a domain of another server of ours, if that is wanted.
func (p *peopleImport) ownDomain(ctx context.Context, d *movein.PeopleDomain) {
	if !p.list.Domains {
		return // its accounts and aliases say so if it is missing
	}
	row := PeopleRow{Address: d.Name, Kind: "domain"}
	if d.AliasOf != "" {
		row.Targets = []string{d.AliasOf}
	}
	have, err := p.in.findDomain(d.Name)
	switch {
	case err == nil:
		if err = directory.ErrExists; differs(d, &have) {
			row.Text = "it is set up otherwise here, and was left so"
		}
	default:
		err = p.addDomain(ctx, NewDomain{Name: d.Name, AliasOf: d.AliasOf, Separator: d.Separator})
		if err == nil && (d.Disabled || d.AppPasswordsOnly) {
			_, err = p.in.SetDomain(ctx, d.Name, DomainChange{Disabled: &d.Disabled, AppPasswordsOnly: &d.AppPasswordsOnly})
		}
	}
	p.verdict(row, err)
}

// differs reports whether a domain here is not as in the list. Its catch-all
// has a row of its own.
func differs(want *movein.PeopleDomain, have *directory.Domain) bool {
	of, _ := mail.ParseDomain(want.AliasOf)
	return of != have.AliasOf || cmp.Or(want.Separator, directory.DefaultSeparator) != cmp.Or(have.Separator, directory.DefaultSeparator) ||
		want.Disabled != have.Disabled || want.AppPasswordsOnly != have.AppPasswordsOnly
}

// domain makes the domain of an address, if it is missing and that is wanted.
func (p *peopleImport) domain(ctx context.Context, e *movein.ListEntry) error {
	_, name, _ := strings.Cut(e.Address, "@")
	d, err := mail.ParseDomain(name)
	if err != nil || !p.list.Domains {
		return nil // the account or alias says what is wrong
	}
	if _, err := p.in.opts.Directory.Domain(d); err == nil {
		return nil
	}
	err, tried := p.domains[d]
	if !tried {
		err = p.addDomain(ctx, NewDomain{Name: string(d)})
		p.domains[d] = err
		p.verdict(PeopleRow{Line: e.Line, Address: string(d), Kind: "domain"}, err)
	}
	if err != nil {
		return fmt.Errorf("its domain is not here: %w", err)
	}
	return nil
}

func (p *peopleImport) addDomain(ctx context.Context, n NewDomain) error {
	_, err := p.in.addDomain(ctx, n, func(d mail.Domain) ([]directory.DKIMKey, error) {
		if keys := p.keys[d]; keys != nil || p.list.DryRun {
			return keys, nil
		}
		return p.in.makeKeys() // it was removed a moment ago
	})
	return err
}

// verdict notes what came of a row.
func (p *peopleImport) verdict(row PeopleRow, err error) {
	switch {
	case errors.Is(err, directory.ErrExists):
		row.Verdict = "there"
		p.result.There++
	case err == nil:
		row.Verdict = "made"
		p.result.Made++
	default:
		row.Verdict, row.Text = "refused", err.Error()
		p.result.Refused++
	}
	p.result.Rows = append(p.result.Rows, row)
}
