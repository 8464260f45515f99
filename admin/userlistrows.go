package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
	"github.com/mailstead/mailstead/mail"
)

// What is made of each line of a list of people.

// A line that is left out is in the report, one that is passed over is not.
// What is there is here as what the line wants it to be: an account, an alias.
var (
	errLeftOut    = errors.New("admin: left out")
	errPassedOver = errors.New("admin: passed over")
	errThere      = errors.New("admin: there already")
)

// entry makes one domain, account or alias.
func (p *peopleImport) entry(ctx context.Context, e *movein.ListEntry) (PeopleRow, error) {
	if e.Domain != nil {
		return p.ownDomain(ctx, e.Domain)
	}
	row := PeopleRow{Line: e.Line, Address: e.Address, Kind: "account", Targets: e.Targets}
	domain, catchAll := strings.CutPrefix(e.Address, "@")
	switch {
	case e.LeftOut != "":
		row.Text = e.LeftOut
		return row, errLeftOut
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
	return row, err
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
		return errThere
	}
	_, err = p.in.SetDomain(ctx, domain, DomainChange{CatchAll: &to})
	return err
}

// alias makes an alias, or adds the targets that it has not.
func (p *peopleImport) alias(ctx context.Context, e *movein.ListEntry) error {
	if p.leadsThere(ctx, e) {
		return errThere
	}
	_, err := p.in.AddAlias(ctx, e.Address, e.Targets)
	if errors.Is(err, directory.ErrExists) {
		return fmt.Errorf("%w, which is no alias: `mailstead account set %s --forward ADDRESS` lets its mail go on", err, e.Address)
	}
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
	keys := pathKeys(have.Targets)
	slices.Sort(keys)
	return !slices.ContainsFunc(targets, func(t mail.Path) bool {
		_, found := slices.BinarySearch(keys, t.Key())
		return !found
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
		p.there = append(p.there, have)
		return errThere
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
		m.suspended, m.forward, m.keepCopy = e.Account.Suspended, e.Account.Forward, e.Account.KeepCopy
	}
	new, err := p.in.newAccount(ctx, n)
	if err != nil {
		return err
	}
	if m.of, err = p.in.opts.Directory.AddAccount(ctx, Actor(ctx), new); err != nil {
		return err
	}
	p.made = append(p.made, m)
	if e.Account != nil && (e.Account.Suspended || e.Account.AppPasswordsOnly) {
		_, err = p.in.SetAccount(ctx, e.Address, AccountChange{Suspended: &e.Account.Suspended, AppPasswordsOnly: &e.Account.AppPasswordsOnly})
	}
	return err
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
func (p *peopleImport) ownDomain(ctx context.Context, d *movein.PeopleDomain) (PeopleRow, error) {
	row := PeopleRow{Address: d.Name, Kind: "domain"}
	if !p.list.Domains {
		return row, errPassedOver // its accounts and aliases say so if it is missing
	}
	if d.AliasOf != "" {
		row.Targets = []string{d.AliasOf}
	}
	have, err := p.in.authorizeName(ctx, SeeDomains, d.Name)
	if err == nil {
		if differs(d, &have) {
			row.Text = "it is set up otherwise here, and was left so"
		}
		return row, errThere
	}
	if _, err = authorize(ctx, AddDomains); err == nil { // nobody else learns which there are
		err = p.addDomain(ctx, NewDomain{Name: d.Name, AliasOf: d.AliasOf, Separator: d.Separator})
		if err == nil && (d.Disabled || d.AppPasswordsOnly) {
			_, err = p.in.SetDomain(ctx, d.Name, DomainChange{Disabled: &d.Disabled, AppPasswordsOnly: &d.AppPasswordsOnly})
		}
	}
	return row, err
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
	if _, err := authorize(ctx, AddDomains); err != nil {
		return nil // likewise; nobody else learns which there are
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
	case errors.Is(err, errPassedOver):
		return
	case errors.Is(err, errLeftOut):
		row.Verdict = "left-out"
	case errors.Is(err, errThere):
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
