package admin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// NewDKIMKey is a key to make.
type NewDKIMKey struct {
	Algorithm string `json:"algorithm" enum:"rsa,ed25519"`
	Selector  string `json:"selector,omitempty" maxLength:"63" doc:"Its name in the DNS; named by algorithm and month if it is not given."`
}

// DKIMKeys returns the keys of a domain, those that sign and the others.
func (a *Admin) DKIMKeys(ctx context.Context, name string) (Page[DKIMKey], error) {
	d, err := a.authorizeName(ctx, SeeDomains, name)
	if err != nil {
		return Page[DKIMKey]{}, err
	}
	return whole(publicKeys(d)), nil
}

// AddDKIMKey makes a key. It does not sign until it is activated, so that its
// record can be published first.
func (a *Admin) AddDKIMKey(ctx context.Context, name string, n NewDKIMKey) (DKIMKey, error) {
	d, err := a.authorizeName(ctx, ChangeDomains, name)
	if err != nil {
		return DKIMKey{}, err
	}
	if n.Algorithm != string(dkim.RSA) && n.Algorithm != string(dkim.Ed25519) {
		return DKIMKey{}, At("algorithm", invalid("%q is no algorithm of DKIM; choose rsa or ed25519", n.Algorithm))
	}
	k, err := a.makeKey(dkim.Algorithm(n.Algorithm))
	if err != nil {
		return DKIMKey{}, err
	}
	if k.Selector = n.Selector; n.Selector == "" {
		k.Selector = d.FreeSelector(n.Algorithm + k.Created.Format("200601"))
	}
	d, err = a.opts.Directory.AddKey(ctx, Actor(ctx), d.Name, k)
	if err != nil {
		return DKIMKey{}, At("selector", err)
	}
	return keyOf(d, k.Selector)
}

// ActivateDKIMKey makes a key sign, in the place of those of its algorithm. A
// key that others cannot look up would make every signature fail, so that one
// that the DNS does not have is refused, unless force says otherwise.
func (a *Admin) ActivateDKIMKey(ctx context.Context, name, selector string, force bool) (DKIMKey, error) {
	d, err := a.authorizeName(ctx, ChangeDomains, name)
	if err != nil {
		return DKIMKey{}, err
	}
	if _, err := keyOf(d, selector); err != nil {
		return DKIMKey{}, err
	}
	if !force {
		if err := a.wantPublished(ctx, d, selector); err != nil {
			return DKIMKey{}, err
		}
	}
	return a.changeKey(ctx, d, selector, a.opts.Directory.ActivateKey)
}

// wantPublished asks the DNS for the record of a key.
func (a *Admin) wantPublished(ctx context.Context, d directory.Domain, selector string) error {
	r, err := a.checkDNS(ctx, d)
	if err != nil {
		return err
	}
	for _, rec := range r.Records() {
		if rec.ID == "dkim-"+selector && rec.State != dnsadvice.OK {
			return &directory.Problem{Kind: directory.ErrConflict, Text: "the DNS does not have the record of " + selector + " yet: " + rec.Text +
				". Publish it and try again; with force it signs all the same, and others find its signatures broken until then"}
		}
	}
	return nil
}

// RetireDKIMKey makes a key sign no more. Its record should stay published for
// some days, for mail that is on its way.
func (a *Admin) RetireDKIMKey(ctx context.Context, name, selector string) (DKIMKey, error) {
	d, err := a.authorizeName(ctx, ChangeDomains, name)
	if err != nil {
		return DKIMKey{}, err
	}
	return a.changeKey(ctx, d, selector, a.opts.Directory.RetireKey)
}

// RemoveDKIMKey removes a key that does not sign.
func (a *Admin) RemoveDKIMKey(ctx context.Context, name, selector string) error {
	d, err := a.authorizeName(ctx, ChangeDomains, name)
	if err != nil {
		return err
	}
	_, err = a.opts.Directory.RemoveKey(ctx, Actor(ctx), d.Name, selector)
	return err
}

func (a *Admin) changeKey(ctx context.Context, d directory.Domain, selector string,
	change func(context.Context, string, mail.Domain, string) (directory.Domain, error)) (DKIMKey, error) {
	d, err := change(ctx, Actor(ctx), d.Name, selector)
	if err != nil {
		return DKIMKey{}, err
	}
	return keyOf(d, selector)
}

// keyOf returns the public side of one key.
func keyOf(d directory.Domain, selector string) (DKIMKey, error) {
	for _, k := range publicKeys(d) {
		if k.Selector == selector {
			return k, nil
		}
	}
	return DKIMKey{}, &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no DKIM key " + selector + " of " + d.Name.Unicode()}
}
