package admin

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// Domains returns all domains.
func (a *Admin) Domains(context.Context) ([]Domain, error) {
	list := []Domain{}
	for _, d := range a.opts.Directory.Domains() {
		list = append(list, a.describeDomain(d))
	}
	return list, nil
}

// Domain returns one domain with the records to publish.
func (a *Admin) Domain(_ context.Context, name string) (Domain, error) {
	d, err := a.findDomain(name)
	if err != nil {
		return Domain{}, err
	}
	return a.describeWithRecords(d), nil
}

func (a *Admin) findDomain(name string) (directory.Domain, error) {
	n, err := parseDomain(name)
	if err != nil {
		return directory.Domain{}, err
	}
	return a.opts.Directory.Domain(n)
}

// AddDomain adds a domain and makes its DKIM keys.
func (a *Admin) AddDomain(ctx context.Context, n NewDomain) (Domain, error) {
	name, err := parseDomain(n.Name)
	if err != nil {
		return Domain{}, err
	}
	new := directory.NewDomain{Name: name, Separator: n.Separator}
	if n.AliasOf != "" {
		if new.AliasOf, err = parseDomain(n.AliasOf); err != nil {
			return Domain{}, err
		}
	}
	if n.CatchAll != "" {
		if new.CatchAll, err = parseAddress(n.CatchAll); err != nil {
			return Domain{}, err
		}
	}
	if new.Keys, err = a.makeKeys(); err != nil {
		return Domain{}, err
	}
	d, err := a.opts.Directory.AddDomain(ctx, Actor(ctx), new)
	if err != nil {
		return Domain{}, err
	}
	return a.describeWithRecords(d), nil
}

// makeKeys makes the keys of a new domain: RSA, which everybody can verify,
// and Ed25519, which some can.
func (a *Admin) makeKeys() ([]directory.DKIMKey, error) {
	now := a.opts.Now().UTC()
	var keys []directory.DKIMKey
	for _, alg := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		signer, err := dkim.GenerateKey(alg)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(signer)
		if err != nil {
			return nil, fmt.Errorf("make DKIM key: %w", err)
		}
		keys = append(keys, directory.DKIMKey{Selector: string(alg) + now.Format("200601"), Algorithm: string(alg), PKCS8: der, Created: now})
	}
	return keys, nil
}

// SetDomain changes a domain.
func (a *Admin) SetDomain(ctx context.Context, name string, ch DomainChange) (Domain, error) {
	n, err := parseDomain(name)
	if err != nil {
		return Domain{}, err
	}
	to := directory.DomainChange{Separator: ch.Separator, Disabled: ch.Disabled, AppPasswordsOnly: ch.AppPasswordsOnly}
	if ch.CatchAll != nil {
		to.CatchAll = new(mail.Path)
		if *ch.CatchAll != "" {
			if *to.CatchAll, err = parseAddress(*ch.CatchAll); err != nil {
				return Domain{}, err
			}
		}
	}
	d, err := a.opts.Directory.SetDomain(ctx, Actor(ctx), n, to)
	if err != nil {
		return Domain{}, err
	}
	return a.describeWithRecords(d), nil
}

// RemoveDomain removes a domain, and with force its accounts.
func (a *Admin) RemoveDomain(ctx context.Context, name string, force bool) error {
	n, err := parseDomain(name)
	if err != nil {
		return err
	}
	removed, err := a.opts.Directory.RemoveDomain(ctx, Actor(ctx), n, force)
	if err != nil {
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
	view := Domain{Name: string(d.Name), AliasOf: string(d.AliasOf), CatchAll: d.CatchAll.String(), Separator: d.Separator,
		Disabled: d.Disabled, AppOnly: d.AppPasswordsOnly, Created: d.Created, Keys: []DKIMKey{}}
	if view.Separator == "" {
		view.Separator = directory.DefaultSeparator
	}
	for _, acct := range a.opts.Directory.Accounts() {
		if acct.Address.Domain == d.Name {
			view.Accounts++
		}
	}
	for _, al := range a.opts.Directory.Aliases() {
		if al.Address.Domain == d.Name {
			view.Aliases++
		}
	}
	for _, k := range d.Keys {
		key := DKIMKey{Selector: k.Selector, Algorithm: k.Algorithm, Created: k.Created}
		if signer, err := k.Signer(); err == nil { // was checked when it came in
			dk := dkim.Key{Domain: d.Name, Selector: k.Selector, Signer: signer}
			key.Name, key.Record = dkim.RecordName(dk), dkim.Record(dk)
		}
		view.Keys = append(view.Keys, key)
	}
	return view
}

func (a *Admin) describeWithRecords(d directory.Domain) Domain {
	view := a.describeDomain(d)
	view.Records = a.records(view)
	return view
}
