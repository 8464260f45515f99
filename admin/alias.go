package admin

import (
	"context"
	"slices"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

// Aliases returns aliases by address.
func (a *Admin) Aliases(ctx context.Context, f AliasFilter) (Page[Alias], error) {
	p, err := authorize(ctx, SeePeople)
	if err != nil {
		return Page[Alias]{}, err
	}
	in, err := a.inDomain(p, f.Domain)
	if err != nil {
		return Page[Alias]{}, err
	}
	match := func(al *directory.Alias) bool {
		return contains(f.Query, al.Address.Display()) || slices.ContainsFunc(al.Targets, func(t mail.Path) bool { return contains(f.Query, t.Display()) })
	}
	if f.Query == "" {
		match = nil
	}
	return paginate(a.opts.Directory.AliasRows(in), match, f.Paging, describeAlias)
}

// Alias returns one alias.
func (a *Admin) Alias(ctx context.Context, address string) (Alias, error) {
	al, err := a.findAlias(ctx, SeePeople, address)
	return describeAlias(al), err
}

// findAlias returns an alias of which something may be done.
func (a *Admin) findAlias(ctx context.Context, r Right, address string) (directory.Alias, error) {
	p, err := a.authorizeAddress(ctx, r, address)
	if err != nil {
		return directory.Alias{}, err
	}
	return a.opts.Directory.Alias(p)
}

// AddAlias makes an alias, or adds targets to one.
func (a *Admin) AddAlias(ctx context.Context, address string, targets []string) (Alias, error) {
	return a.putAlias(ctx, address, targets, a.opts.Directory.AddAlias)
}

// SetAlias lets an address lead to these targets and no others; it makes the
// alias if there is none.
func (a *Admin) SetAlias(ctx context.Context, address string, targets []string) (Alias, error) {
	return a.putAlias(ctx, address, targets, a.opts.Directory.SetAlias)
}

func (a *Admin) putAlias(ctx context.Context, address string, targets []string, put func(context.Context, string, mail.Path, ...mail.Path) (directory.Alias, error)) (Alias, error) {
	if _, err := authorize(ctx, ChangePeople); err != nil {
		return Alias{}, err
	}
	p, err := parseAddress(address)
	if err != nil {
		return Alias{}, At("address", err)
	}
	if _, err := authorizeDomain(ctx, ChangePeople, p.Domain); err != nil {
		return Alias{}, err
	}
	to, err := parseAddresses(targets)
	if err != nil {
		return Alias{}, At("targets", err)
	}
	al, err := put(ctx, Actor(ctx), p, to...)
	return describeAlias(al), At("targets", err)
}

// RemoveAlias takes targets out of an alias; none named: the whole alias.
func (a *Admin) RemoveAlias(ctx context.Context, address string, targets []string) error {
	al, err := a.findAlias(ctx, ChangePeople, address)
	if err != nil {
		return err
	}
	to, err := parseAddresses(targets)
	if err != nil {
		return At("target", err)
	}
	return a.opts.Directory.RemoveAlias(ctx, Actor(ctx), al.Address, to...)
}

func describeAlias(al directory.Alias) Alias {
	return Alias{Address: al.Address.String(), Targets: pathTexts(al.Targets), Created: al.Created}
}

// domainTexts are domains for people, in a list that is never null.
func domainTexts(list []mail.Domain) []string {
	texts := make([]string, len(list))
	for i, d := range list {
		texts[i] = string(d)
	}
	return texts
}

func pathTexts(paths []mail.Path) []string {
	list := make([]string, len(paths))
	for i, p := range paths {
		list[i] = p.String()
	}
	return list
}
