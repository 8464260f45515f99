package directory

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Separators of subaddresses.
const (
	DefaultSeparator = "+"
	NoSeparator      = "off" // no subaddresses in this domain
	separators       = "+-_=.~#%"
)

// Domain is one of our own domains.
type Domain struct {
	Name     mail.Domain
	AliasOf  mail.Domain // addresses here mean those of this domain; "" for none
	CatchAll mail.Path   // gets mail for addresses that are unknown; null for none
	// Separator is between address and subaddress; "" is DefaultSeparator.
	Separator string
	Disabled  bool // takes no mail, and its people cannot log in
	// AppPasswordsOnly refuses the passwords of its accounts to mail programs.
	AppPasswordsOnly bool
	Created          time.Time
	Keys             []DKIMKey
}

// DKIMKey is a key that mail of a domain is signed with.
type DKIMKey struct {
	Selector  string
	Algorithm string // "rsa" or "ed25519"
	PKCS8     []byte // private; never shown
	Created   time.Time
	State     KeyState
}

// String keeps the private key out of logs.
func (k DKIMKey) String() string { return k.Selector + " (" + k.Algorithm + ") [redacted]" }

// GoString is like String.
func (k DKIMKey) GoString() string { return k.String() }

// Signer returns the private key.
func (k DKIMKey) Signer() (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("DKIM key %s: %w", k.Selector, err)
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("DKIM key %s cannot sign", k.Selector)
	}
	return s, nil
}

// NewDomain is what AddDomain needs; only Name must be there.
type NewDomain struct {
	Name      mail.Domain
	AliasOf   mail.Domain
	CatchAll  mail.Path
	Separator string
	Keys      []DKIMKey
}

// DomainChange says what SetDomain changes: what is not nil.
type DomainChange struct {
	CatchAll  *mail.Path // null path: none any more
	Separator *string
	Disabled  *bool
	// AppPasswordsOnly is for all accounts of the domain.
	AppPasswordsOnly *bool
	Keys             *[]DKIMKey
}

// Domains returns all domains by name.
func (d *Directory) Domains() []Domain {
	return d.current.Load().sorted.domains.all()
}

// Domain returns one domain.
func (d *Directory) Domain(name mail.Domain) (Domain, error) {
	return d.current.Load().domain(name)
}

func (s *snapshot) domain(name mail.Domain) (Domain, error) {
	if dom := s.domains[name]; dom != nil {
		return *dom, nil
	}
	return Domain{}, NoDomain(name)
}

// NoDomain says that a domain is not ours.
func NoDomain(name mail.Domain) error {
	return notFound("%s is not a domain of this server; `mailstead domain add %s` makes it one", name.Unicode(), name.Unicode())
}

// AddDomain adds a domain.
func (d *Directory) AddDomain(ctx context.Context, actor string, n NewDomain) (Domain, error) {
	dom := &Domain{Name: n.Name, AliasOf: n.AliasOf, CatchAll: n.CatchAll, Separator: n.Separator, Keys: slices.Clone(n.Keys)}
	err := d.update(ctx, actor, func(c *change) error {
		if err := c.next.checkNewDomain(dom); err != nil {
			return err
		}
		dom.Created = c.now.UTC()
		return c.putDomain("domain.add", nil, dom)
	})
	if err != nil {
		return Domain{}, err
	}
	return *dom, nil
}

// SetDomain changes a domain.
func (d *Directory) SetDomain(ctx context.Context, actor string, name mail.Domain, ch DomainChange) (Domain, error) {
	var dom Domain
	err := d.update(ctx, actor, func(c *change) error {
		old, err := c.next.domain(name)
		if err != nil {
			return err
		}
		dom = old
		ch.apply(&dom)
		if err := c.next.checkDomain(&dom); err != nil {
			return err
		}
		return c.putDomain("domain.set", &old, &dom)
	})
	return dom, err
}

func (ch *DomainChange) apply(d *Domain) {
	if ch.CatchAll != nil {
		d.CatchAll = *ch.CatchAll
	}
	if ch.Separator != nil {
		d.Separator = *ch.Separator
	}
	if ch.Disabled != nil {
		d.Disabled = *ch.Disabled
	}
	if ch.AppPasswordsOnly != nil {
		d.AppPasswordsOnly = *ch.AppPasswordsOnly
	}
	if ch.Keys != nil {
		d.Keys = slices.Clone(*ch.Keys)
	}
}

// RemoveDomain removes a domain with its aliases. While accounts have their
// address in it this is refused, unless force is set: then they are removed,
// too, and returned.
func (d *Directory) RemoveDomain(ctx context.Context, actor string, name mail.Domain, force bool) (removed []Account, err error) {
	err = d.update(ctx, actor, func(c *change) error {
		if _, err := c.next.domain(name); err != nil {
			return err
		}
		for _, other := range c.next.domains {
			if other.AliasOf == name {
				return inUse("%s is an alias of %s; remove it first", other.Name.Unicode(), name.Unicode())
			}
		}
		removed = c.next.accountsOf(name)
		if len(removed) > 0 && !force {
			return inUse("%s has %d accounts, %s is the first; remove them first, or repeat with --force to delete them with all their mail",
				name.Unicode(), len(removed), removed[0].Address.Display())
		}
		for i := range removed {
			if err := c.dropAccount(&removed[i]); err != nil {
				return err
			}
		}
		for _, a := range c.next.aliasesOf(name) {
			if c.next.aliases[a.Address.Key()] == nil {
				continue // went with another
			}
			if err := c.dropAlias(&a); err != nil {
				return err
			}
		}
		if err := c.forgetTargets(func(p mail.Path) bool { return p.Domain == name }); err != nil {
			return err
		}
		if err := c.forgetDomain(name); err != nil {
			return err
		}
		if err := c.forgetRules(func(s RuleScope) bool { return s.Domain == name || s.Address.Domain == name }); err != nil {
			return err
		}
		return c.putDomain("domain.remove", c.next.domains[name], nil)
	})
	if err != nil {
		return nil, err
	}
	return removed, nil
}

// putDomain replaces before by after; nil is none.
func (c *change) putDomain(action string, before, after *Domain) error {
	var old, new *domainRecord
	name := after
	if before != nil {
		old, name = before.record(), before
	}
	var row any
	if after != nil {
		new = after.record()
		row = new
		kept := *after
		c.next.domains[after.Name] = &kept
		c.next.led.addDomain(after)
		c.next.touched.domains[domainOrder(after)] = &kept
	} else {
		delete(c.next.domains, before.Name)
		c.next.touched.domains[domainOrder(before)] = nil
	}
	if err := c.put(bucketDomains, []byte(name.Name), row); err != nil {
		return err
	}
	if old != nil {
		old = old.public()
	}
	if new != nil {
		new = new.public()
	}
	return c.audit(action, string(name.Name), old, new)
}

func (s *snapshot) checkNewDomain(d *Domain) error {
	if p, err := mail.ParseDomain(string(d.Name)); err != nil || p != d.Name || d.Name.IsLiteral() {
		return invalid("%q is not a domain name; write it as in example.org", d.Name)
	}
	if !strings.Contains(string(d.Name), ".") {
		return invalid("%s is not a complete domain name; write it as in example.org", d.Name)
	}
	if s.domains[d.Name] != nil {
		return exists("%s is a domain of this server already", d.Name.Unicode())
	}
	return s.checkDomain(d)
}

func (s *snapshot) checkDomain(d *Domain) error {
	if d.AliasOf != "" {
		to := s.domains[d.AliasOf]
		switch {
		case d.AliasOf == d.Name:
			return invalid("%s cannot be an alias of itself", d.Name.Unicode())
		case to == nil:
			return notFound("%s is not a domain of this server; add it before its alias", d.AliasOf.Unicode())
		case to.AliasOf != "":
			return invalid("%s is itself an alias of %s; use that one", to.Name.Unicode(), to.AliasOf.Unicode())
		}
	}
	if d.Separator != "" && d.Separator != NoSeparator && (len(d.Separator) != 1 || !strings.Contains(separators, d.Separator)) {
		return invalid("%q cannot separate subaddresses; use one of %s, or %q for none", d.Separator, separators, NoSeparator)
	}
	for i, k := range d.Keys {
		if _, err := k.Signer(); err != nil {
			return invalid("%v", err)
		}
		if slices.ContainsFunc(d.Keys[:i], func(o DKIMKey) bool { return o.Selector == k.Selector }) {
			return invalid("two DKIM keys have the selector %s", k.Selector)
		}
	}
	return s.checkCatchAll(d)
}

// checkCatchAll makes sure that what is unknown in a domain arrives somewhere, and
// not as something else that is unknown in it. One that stays as it is hinders no
// other change of the domain.
func (s *snapshot) checkCatchAll(d *Domain) error {
	old := s.domains[d.Name]
	if d.CatchAll.IsNull() || old != nil && old.CatchAll == d.CatchAll && old.Separator == d.Separator {
		return nil
	}
	without := *d
	without.CatchAll = mail.Path{}
	undo := put(s.domains, d.Name, &without) // neither the old one takes it, nor itself
	err := s.checkTarget(d.CatchAll)
	undo()
	if err == nil && s.walkToCatchAll(d).from(d.CatchAll) {
		err = invalid("%s leads to unknown addresses of %s; the mail would go in a circle", d.CatchAll.Display(), d.Name.Unicode())
	}
	return err
}

// checkTarget makes sure that an address that is ours exists.
func (s *snapshot) checkTarget(p mail.Path) error {
	if p.Domain == "" {
		return invalid("%q is not a whole address; write it as in ana@example.org", p.Local)
	}
	if s.domains[p.Domain] == nil {
		return nil
	}
	if id, targets := s.step(p); id == 0 && targets == nil {
		return notFound("there is no account or alias %s; `mailstead account add %s` makes it", p.Display(), p.Display())
	}
	return nil
}
