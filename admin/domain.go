package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// Domains returns domains by name.
func (a *Admin) Domains(ctx context.Context, f DomainFilter) (Page[Domain], error) {
	p, err := authorize(ctx, SeeDomains)
	if err != nil {
		return Page[Domain]{}, err
	}
	match := func(d *directory.Domain) bool { return contains(f.Query, string(d.Name), d.Name.Unicode()) }
	if f.Query == "" {
		match = nil
	}
	page, err := paginate(a.opts.Directory.DomainRows(p.domains()), match, f.Paging, func(d directory.Domain) directory.Domain { return d })
	if err != nil {
		return Page[Domain]{}, err
	}
	views := make([]Domain, len(page.Items))
	for i, d := range page.Items {
		views[i] = a.describeDomain(d)
		if views[i].DNS, err = a.lastDNSState(ctx, d); err != nil {
			return Page[Domain]{}, err
		}
	}
	return Page[Domain]{Items: views, Next: page.Next, Total: page.Total}, nil
}

// Domain returns one domain with the records to publish.
func (a *Admin) Domain(ctx context.Context, name string) (Domain, error) {
	d, err := a.authorizeName(ctx, SeeDomains, name)
	if err != nil {
		return Domain{}, err
	}
	return a.describeWithRecords(d), nil
}

// authorizeName returns a domain of which something may be done.
func (a *Admin) authorizeName(ctx context.Context, r Right, name string) (directory.Domain, error) {
	p, err := authorize(ctx, r)
	if err != nil {
		return directory.Domain{}, err
	}
	d, err := a.findDomain(name)
	if err == nil && !p.sees(d.Name) {
		err = directory.NoDomain(d.Name)
	}
	if err != nil {
		return directory.Domain{}, err
	}
	return d, nil
}

// findDomain returns the domain of a name. What cannot be a name is not found.
func (a *Admin) findDomain(name string) (directory.Domain, error) {
	n, err := parseDomain(name)
	if err != nil {
		return directory.Domain{}, &directory.Problem{Kind: directory.ErrNotFound, Text: err.Error()}
	}
	return a.opts.Directory.Domain(n)
}

// AddDomain adds a domain and makes its DKIM keys.
func (a *Admin) AddDomain(ctx context.Context, n NewDomain) (Domain, error) {
	return a.addDomain(ctx, n, func(mail.Domain) ([]directory.DKIMKey, error) { return a.makeKeys() })
}

func (a *Admin) addDomain(ctx context.Context, n NewDomain, keys func(mail.Domain) ([]directory.DKIMKey, error)) (Domain, error) {
	if _, err := authorize(ctx, AddDomains); err != nil {
		return Domain{}, err
	}
	name, err := parseDomain(n.Name)
	if err != nil {
		return Domain{}, At("name", err)
	}
	new := directory.NewDomain{Name: name, Separator: n.Separator}
	if n.AliasOf != "" {
		if new.AliasOf, err = parseDomain(n.AliasOf); err != nil {
			return Domain{}, At("aliasOf", err)
		}
	}
	if n.CatchAll != "" {
		if new.CatchAll, err = parseAddress(n.CatchAll); err != nil {
			return Domain{}, At("catchAll", err)
		}
	}
	if new.Keys, err = keys(name); err != nil {
		return Domain{}, err
	}
	d, err := a.opts.Directory.AddDomain(ctx, Actor(ctx), new)
	if err != nil {
		return Domain{}, At("name", err)
	}
	return a.describeWithRecords(d), nil
}

// makeKeys makes the keys of a new domain: RSA, which everybody can verify,
// and Ed25519, which some can.
func (a *Admin) makeKeys() ([]directory.DKIMKey, error) {
	var keys []directory.DKIMKey
	for _, alg := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		k, err := a.makeKey(alg)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// makeKey makes a key that is named by its month.
func (a *Admin) makeKey(alg dkim.Algorithm) (directory.DKIMKey, error) {
	signer, err := dkim.GenerateKey(alg)
	if err != nil {
		return directory.DKIMKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return directory.DKIMKey{}, fmt.Errorf("make DKIM key: %w", err)
	}
	now := a.opts.Now().UTC()
	return directory.DKIMKey{Selector: string(alg) + now.Format("200601"), Algorithm: string(alg), PKCS8: der, Created: now}, nil
}

// SetDomain changes a domain.
func (a *Admin) SetDomain(ctx context.Context, name string, ch DomainChange) (Domain, error) {
	old, err := a.authorizeName(ctx, ChangeDomains, name)
	if err != nil {
		return Domain{}, err
	}
	if ch.Disabled != nil && *ch.Disabled {
		if err := a.mayClose(ctx, old.Name); err != nil {
			return Domain{}, err
		}
	}
	to := directory.DomainChange{Separator: ch.Separator, Disabled: ch.Disabled, AppPasswordsOnly: ch.AppPasswordsOnly}
	if ch.CatchAll != nil {
		to.CatchAll = new(mail.Path)
		if *ch.CatchAll != "" {
			if *to.CatchAll, err = parseAddress(*ch.CatchAll); err != nil {
				return Domain{}, At("catchAll", err)
			}
		}
	}
	d, err := a.opts.Directory.SetDomain(ctx, Actor(ctx), old.Name, to)
	if err != nil {
		return Domain{}, At("separator", err)
	}
	return a.describeWithRecords(d), nil
}

// mayClose refuses to close a domain with somebody in it whose account the
// principal may not change.
func (a *Admin) mayClose(ctx context.Context, d mail.Domain) error {
	p := PrincipalOf(ctx)
	for _, acct := range a.opts.Directory.AccountRows([]mail.Domain{d}).After("") {
		if !p.mayChange(acct.Role) {
			return &directory.Problem{Kind: ErrForbidden, Text: "your role does not allow to change an account of the role " + string(acct.Role) + ", and " + acct.Address.Display() + " is in this domain"}
		}
	}
	return nil
}

// RemoveDomain removes a domain, and with force its accounts.
func (a *Admin) RemoveDomain(ctx context.Context, name string, force bool) error {
	d, err := a.authorizeName(ctx, AddDomains, name)
	if err != nil {
		return err
	}
	if _, err := authorizeSudo(ctx, AddDomains); err != nil {
		return err
	}
	if err := a.mayClose(ctx, d.Name); err != nil {
		return err
	}
	removed, err := a.opts.Directory.RemoveDomain(ctx, Actor(ctx), d.Name, force)
	if err != nil {
		return err
	}
	if err := errors.Join(a.forgetDNS(ctx, d.Name), a.forgetPublished(ctx, d.Name)); err != nil {
		return err
	}
	for _, acct := range removed {
		if err := a.opts.Mailboxes.DropAccount(ctx, mailbox.AccountID(acct.ID)); err != nil {
			return fmt.Errorf("the domain is removed, but not the mail of %s: %w", acct.Address, err)
		}
	}
	return nil
}

func (a *Admin) describeDomain(d directory.Domain) Domain {
	only := []mail.Domain{d.Name}
	view := Domain{Name: string(d.Name), AliasOf: string(d.AliasOf), CatchAll: d.CatchAll.String(), Separator: d.Separator,
		Disabled: d.Disabled, AppOnly: d.AppPasswordsOnly, Created: d.Created, Accounts: a.opts.Directory.AccountRows(only).Len(), Aliases: a.opts.Directory.AliasRows(only).Len(), Keys: publicKeys(d)}
	if view.Separator == "" {
		view.Separator = directory.DefaultSeparator
	}
	return view
}

// publicKeys are the public sides of a domain's keys.
func publicKeys(d directory.Domain) []DKIMKey {
	keys := []DKIMKey{}
	for _, k := range d.Keys {
		key := DKIMKey{Selector: k.Selector, Algorithm: k.Algorithm, Created: k.Created, State: k.State.String()}
		if signer, err := k.Signer(); err == nil { // was checked when it came in
			dk := dkim.Key{Domain: d.Name, Selector: k.Selector, Signer: signer}
			key.Name, key.Record = dkim.RecordName(dk), dkim.Record(dk)
		}
		keys = append(keys, key)
	}
	return keys
}

// lastDNSState is how the DNS of a domain stood; nil is not known.
func (a *Admin) lastDNSState(ctx context.Context, d directory.Domain) (*DNSState, error) {
	r, err := a.lastDNS(ctx, a.plan(d))
	if err != nil || r.CheckedAt.IsZero() {
		return nil, err
	}
	return &DNSState{CheckedAt: r.CheckedAt, Summary: r.Summary}, nil
}

func (a *Admin) describeWithRecords(d directory.Domain) Domain {
	view := a.describeDomain(d)
	view.Records, view.Provider = a.plan(d).Records(""), a.providerOf(d.Name)
	return view
}
