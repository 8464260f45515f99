package certs

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/caddyserver/certmagic"
)

// keyForRenewal returns the key that certificates of the host name have.
// certmagic asks for it when no other order for the name is under way.
func (a *acmeCA) keyForRenewal() (crypto.PrivateKey, error) {
	if err := a.settle(context.Background()); err != nil {
		return nil, err
	}
	return a.keys.forRenewal(), nil
}

// keyChange is one change of the key of the host name.
type keyChange struct {
	want string // digest that the new key must have; "": any
	took string // of the key that was taken; "": none was
}

// keyForChange returns the key that follows, at the same moment as
// keyForRenewal: an order that came before may have made another one the next.
func (a *acmeCA) keyForChange() (crypto.PrivateKey, error) {
	if err := a.settle(context.Background()); err != nil {
		return nil, err
	}
	key, took, err := a.keys.forChange()
	if err != nil {
		return nil, err
	}
	if a.change.want != "" && a.change.want != took {
		return nil, &RenewError{
			Problem: "The key of " + a.host + " was left as it is: by now another key is the next one than that whose TLSA record is published",
			Advice:  "Publish the record of the next key, wait for twice its TTL, and try again.",
		}
	}
	a.change.took = took
	return key, nil
}

// obtain brings the certificate of a name into the cache: from storage, or
// from a CA, in one attempt.
func (a *acmeCA) obtain(ctx context.Context, name string) error {
	err := a.config(name).ManageSync(ctx, []string{name})
	if err == nil || ctx.Err() != nil {
		return err
	}
	removed, removeErr := a.removeUseless(ctx, name)
	if !removed {
		return errors.Join(err, removeErr)
	}
	return a.config(name).ManageSync(ctx, []string{name})
}

// removeUseless removes what is stored for a name and makes no certificate, of
// any CA: as long as it is there, certmagic takes nothing else. It waits for
// orders for the name, so that it does not look at what is being written.
func (a *acmeCA) removeUseless(ctx context.Context, name string) (removed bool, err error) {
	var stems []string
	for _, issuer := range a.config(name).Issuers {
		stem := strings.TrimSuffix(certmagic.StorageKeys.SiteCert(issuer.IssuerKey(), name), partCert)
		if a.pairs.useless(stem) {
			stems = append(stems, stem)
		}
	}
	if len(stems) == 0 {
		return false, nil // as nearly always
	}
	if err := a.pairs.Lock(ctx, orderLock(name)); err != nil {
		return false, fmt.Errorf("wait for orders for %s: %w", name, err)
	}
	defer a.pairs.Unlock(context.WithoutCancel(ctx), orderLock(name))
	for _, stem := range stems {
		if !a.pairs.useless(stem) {
			continue
		}
		if err := a.pairs.remove(stem); err != nil {
			return removed, fmt.Errorf("remove a certificate of %s that has no key: %w", name, err)
		}
		removed = true
	}
	return removed, nil
}

// orderLock is what certmagic holds while it orders for a name.
func orderLock(name string) string { return "issue_cert_" + name }

// renew gets a new certificate although there is a good one.
func (a *acmeCA) renew(ctx context.Context, name string) error {
	return a.replace(ctx, a.config(name), name)
}

// changeKey gets the certificate of the host name with its next key, which must
// be the one with the digest want if that is not "". An order that fails or is
// given up leaves the keys as they were.
func (a *acmeCA) changeKey(ctx context.Context, want string) error {
	if !a.changing.TryLock() {
		return &RenewError{
			Problem: "The key of " + a.host + " is being changed already",
			Advice:  "Wait until that is over. For one more change, publish the record of the key that is the next one then.",
		}
	}
	defer a.changing.Unlock()
	a.change = keyChange{want: want}
	err := a.replace(ctx, a.configs[a.byDNS(a.host)][nextKey], a.host)
	if err := errors.Join(err, a.settle(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	return a.showsChange()
}

// showsChange makes sure that the host name is shown with the key of the change
// and no other. Of several CAs the certificate that is dated latest is taken,
// and some date theirs back by hours.
func (a *acmeCA) showsChange() error {
	held := a.held(a.host)
	shown := len(held) > 0
	for _, c := range held {
		if d, err := digest(c.Leaf.PublicKey); err != nil || d != a.change.took {
			shown = false
		}
	}
	if shown {
		return nil
	}
	return &RenewError{
		Problem: "The key of " + a.host + " is still the old one: the certificate with the next key is dated earlier than the one that is shown, or another one was had meanwhile",
		Advice:  "Mail is delivered as before. Leave the TLSA records as they are, and change the key again tomorrow.",
	}
}

// replace gets a certificate as cfg says and shows it in place of the old ones.
func (a *acmeCA) replace(ctx context.Context, cfg *certmagic.Config, name string) error {
	if _, err := a.removeUseless(ctx, name); err != nil {
		return err
	}
	if err := cfg.RenewCertSync(ctx, name, true); err != nil {
		return err
	}
	// It is there: whoever gives up now gets it all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	return a.load(ctx, cfg, name)
}

// adopt shows what another Manager has had stored for a name, if this one would
// take it from there, and follows its change of keys.
func (a *acmeCA) adopt(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	if name == a.host {
		a.keys.follow()
	}
	if err := a.load(ctx, a.config(name), name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if name == a.host {
		return a.settle(ctx)
	}
	return nil
}

// load shows the certificate that is stored, in place of all that are not newer:
// certmagic would go on showing any of them. They are looked for afterwards, as
// it may have renewed one while an order waited.
func (a *acmeCA) load(ctx context.Context, cfg *certmagic.Config, name string) error {
	fresh, err := cfg.CacheManagedCertificate(ctx, name)
	if err != nil {
		return fmt.Errorf("load the new certificate: %w", err)
	}
	var replaced []string
	for _, c := range a.held(name) {
		if c.Hash() != fresh.Hash() && !c.Leaf.NotBefore.After(fresh.Leaf.NotBefore) {
			replaced = append(replaced, c.Hash())
		}
	}
	a.cache.Remove(replaced)
	return nil
}
