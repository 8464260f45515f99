package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// KeyState says what is done with a DKIM key. A key is first published, so
// that nobody is asked to verify what they cannot look up yet; then it signs;
// and when another has taken its place it stays published until the mail that
// it signed has been read (RFC 6376 section 3.1).
type KeyState string

const (
	KeySigning KeyState = "" // rows of before there were states
	KeyNew     KeyState = "new"
	KeyRetired KeyState = "retired"
)

// String is "signing" for KeySigning.
func (s KeyState) String() string {
	if s == KeySigning {
		return "signing"
	}
	return string(s)
}

// maxKeys bounds the keys of a domain, signing or not.
const maxKeys = 10

// AddKey adds a key that does not sign yet. Its selector gets a number when
// there is one of its name.
func (d *Directory) AddKey(ctx context.Context, actor string, domain mail.Domain, k DKIMKey) (Domain, error) {
	k.State = KeyNew
	return d.changeKeys(ctx, actor, domain, func(keys []DKIMKey) ([]DKIMKey, error) {
		if !validSelector(k.Selector) {
			return nil, invalid("%q cannot be a selector; use letters, digits and hyphens, 63 at most", k.Selector)
		}
		if len(keys) >= maxKeys {
			return nil, invalid("a domain has at most %d DKIM keys; remove one that is retired", maxKeys)
		}
		if findKey(keys, k.Selector) >= 0 {
			return nil, exists("there is a DKIM key %s already; choose another selector", k.Selector)
		}
		return append(keys, k), nil
	})
}

// FreeSelector returns a selector that begins with name and is not taken.
func (d *Domain) FreeSelector(name string) string {
	for _, more := range []string{"", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"} {
		if findKey(d.Keys, name+more) < 0 {
			return name + more
		}
	}
	return name // AddKey refuses it
}

// ActivateKey makes a key sign in the place of those of its algorithm.
func (d *Directory) ActivateKey(ctx context.Context, actor string, domain mail.Domain, selector string) (Domain, error) {
	return d.changeKeys(ctx, actor, domain, func(keys []DKIMKey) ([]DKIMKey, error) {
		at := findKey(keys, selector)
		if at < 0 {
			return nil, noKey(selector)
		}
		for i := range keys {
			if keys[i].Algorithm == keys[at].Algorithm && keys[i].State == KeySigning {
				keys[i].State = KeyRetired
			}
		}
		keys[at].State = KeySigning
		return keys, nil
	})
}

// RetireKey makes a key sign no more.
func (d *Directory) RetireKey(ctx context.Context, actor string, domain mail.Domain, selector string) (Domain, error) {
	return d.changeKeys(ctx, actor, domain, func(keys []DKIMKey) ([]DKIMKey, error) {
		at := findKey(keys, selector)
		if at < 0 {
			return nil, noKey(selector)
		}
		if keys[at].State == KeySigning && signing(keys) == 1 {
			return nil, inUse("%s is the only key that signs mail of %s; activate another first", selector, domain.Unicode())
		}
		keys[at].State = KeyRetired
		return keys, nil
	})
}

// RemoveKey removes a key that does not sign.
func (d *Directory) RemoveKey(ctx context.Context, actor string, domain mail.Domain, selector string) (Domain, error) {
	return d.changeKeys(ctx, actor, domain, func(keys []DKIMKey) ([]DKIMKey, error) {
		at := findKey(keys, selector)
		if at < 0 {
			return nil, noKey(selector)
		}
		if keys[at].State == KeySigning {
			return nil, inUse("%s signs mail now; retire it first", selector)
		}
		return slices.Delete(keys, at, at+1), nil
	})
}

// changeKeys changes the keys of a domain.
func (d *Directory) changeKeys(ctx context.Context, actor string, name mail.Domain, fn func([]DKIMKey) ([]DKIMKey, error)) (Domain, error) {
	var dom Domain
	err := d.update(ctx, actor, func(c *change) error {
		old, err := c.next.domain(name)
		if err != nil {
			return err
		}
		dom = old
		if dom.Keys, err = fn(slices.Clone(old.Keys)); err != nil {
			return err
		}
		if err := c.next.checkDomain(&dom); err != nil {
			return err
		}
		return c.putDomain("dkim.set", &old, &dom)
	})
	return dom, err
}

func noKey(selector string) error {
	return notFound("there is no DKIM key %q; `mailstead dkim show` lists them", selector)
}

func findKey(keys []DKIMKey, selector string) int {
	return slices.IndexFunc(keys, func(k DKIMKey) bool { return strings.EqualFold(k.Selector, selector) })
}

func signing(keys []DKIMKey) (n int) {
	for _, k := range keys {
		if k.State == KeySigning {
			n++
		}
	}
	return n
}

// validSelector reports whether a name can be a label of the DNS, written in
// lower case.
func validSelector(s string) bool {
	odd := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' }
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' && !strings.ContainsFunc(s, odd)
}
