package directory

import (
	"context"
	"slices"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Bounds of aliases.
const (
	maxTargets    = 500 // of one alias; larger groups want a mailing list
	maxAliasDepth = 10  // aliases of aliases that are followed
)

// Alias is an address that leads to others, here or elsewhere. With several
// targets it is a group.
type Alias struct {
	Address mail.Path
	Targets []mail.Path
	Created time.Time
}

// Aliases returns all aliases by address.
func (d *Directory) Aliases() []Alias {
	return d.current.Load().sorted.aliases.all()
}

// Alias returns one alias.
func (d *Directory) Alias(p mail.Path) (Alias, error) {
	if a := d.current.Load().aliases[p.Key()]; a != nil {
		return *a, nil
	}
	return Alias{}, NoAlias(p)
}

// NoAlias says that there is no alias of an address.
func NoAlias(p mail.Path) error {
	return notFound("there is no alias %s; `mailstead alias list` shows all", p.Display())
}

func (s *snapshot) aliasesOf(name mail.Domain) []Alias {
	found := map[string]*Alias{}
	for k, a := range s.aliases {
		if a.Address.Domain == name {
			found[k] = a
		}
	}
	return sorted(found, func(a *Alias) string { return addressOrder(a.Address) })
}

// AddAlias makes an alias, or adds targets to one.
func (d *Directory) AddAlias(ctx context.Context, actor string, p mail.Path, targets ...mail.Path) (Alias, error) {
	var a Alias
	err := d.update(ctx, actor, func(c *change) error {
		old := c.next.aliases[p.Key()]
		action := "alias.set"
		if old == nil {
			if err := c.next.checkNewAddress(p); err != nil {
				return err
			}
			action, a = "alias.add", Alias{Address: p, Created: c.now.UTC()}
		} else {
			a = *old
			a.Targets = slices.Clone(old.Targets)
		}
		if err := c.next.addTargets(&a, targets); err != nil {
			return err
		}
		return c.putAlias(action, old, &a)
	})
	return a, err
}

// SetAlias lets an address lead to these targets and no others; it makes the
// alias if there is none.
func (d *Directory) SetAlias(ctx context.Context, actor string, p mail.Path, targets ...mail.Path) (Alias, error) {
	var a Alias
	err := d.update(ctx, actor, func(c *change) error {
		old, action := c.next.aliases[p.Key()], "alias.set"
		a = Alias{Address: p, Created: c.now.UTC()}
		if old != nil {
			a.Address, a.Created = old.Address, old.Created
		} else if err := c.next.checkNewAddress(p); err != nil {
			return err
		} else {
			action = "alias.add"
		}
		if err := c.next.addTargets(&a, targets); err != nil {
			return err
		}
		return c.putAlias(action, old, &a)
	})
	return a, err
}

func (s *snapshot) addTargets(a *Alias, targets []mail.Path) error {
	if len(targets) == 0 {
		return invalid("say where %s leads: one or more addresses", a.Address.Display())
	}
	have := map[string]bool{}
	for _, t := range a.Targets {
		have[t.Key()] = true
	}
	circle := s.aliases[a.Address.Key()] != nil || s.mayBeLedTo(a.Address) // can there be one?
	back := s.walkTo(a.Address)                                            // by all targets
	for _, t := range targets {
		if have[t.Key()] {
			continue
		}
		if t.Key() == a.Address.Key() {
			return invalid("%s cannot lead to itself", t.Display())
		}
		if err := s.checkTarget(t); err != nil {
			return err
		}
		if (circle || s.isBelow(t, a.Address)) && back.from(t) {
			return invalid("%s leads to %s; the mail would go in a circle", t.Display(), a.Address.Display())
		}
		if len(a.Targets) == maxTargets {
			return invalid("an alias has at most %d targets", maxTargets)
		}
		have[t.Key()] = true
		a.Targets = append(a.Targets, t)
	}
	return nil
}

func containsPath(paths []mail.Path, p mail.Path) bool {
	return slices.ContainsFunc(paths, func(o mail.Path) bool { return o.Key() == p.Key() })
}

// RemoveAlias takes targets out of an alias, and the whole alias when none is
// named or none is left. What leads to an alias that is gone, leads there no
// more.
func (d *Directory) RemoveAlias(ctx context.Context, actor string, p mail.Path, targets ...mail.Path) error {
	return d.update(ctx, actor, func(c *change) error {
		old := c.next.aliases[p.Key()]
		if old == nil {
			return NoAlias(p)
		}
		for _, t := range targets {
			if !containsPath(old.Targets, t) {
				return notFound("%s does not lead to %s", p.Display(), t.Display())
			}
		}
		if len(targets) == 0 {
			return c.dropAlias(old)
		}
		return c.dropTargets(old, func(t mail.Path) bool { return containsPath(targets, t) })
	})
}

// dropTargets removes targets from an alias, and the alias with the last one.
func (c *change) dropTargets(old *Alias, drop func(mail.Path) bool) error {
	left := slices.DeleteFunc(slices.Clone(old.Targets), drop)
	switch {
	case len(left) == len(old.Targets):
		return nil
	case len(left) == 0:
		return c.dropAlias(old)
	}
	return c.putAlias("alias.set", old, &Alias{Address: old.Address, Targets: left, Created: old.Created})
}

// dropAlias removes an alias and what leads to it.
func (c *change) dropAlias(a *Alias) error {
	if err := c.putAlias("alias.remove", a, nil); err != nil {
		return err
	}
	key := a.Address.Key()
	return c.forgetTargets(func(p mail.Path) bool { return p.Key() == key })
}

// forgetTargets removes addresses wherever mail leads to them.
func (c *change) forgetTargets(gone func(mail.Path) bool) error {
	lead := map[string]*Alias{}
	for k, a := range c.next.aliases {
		if slices.ContainsFunc(a.Targets, gone) {
			lead[k] = a
		}
	}
	for _, a := range sorted(lead, aliasOrder) {
		now := c.next.aliases[a.Address.Key()]
		if now == nil {
			continue // went with another
		}
		if err := c.dropTargets(now, gone); err != nil {
			return err
		}
	}
	if err := c.forgetForwards(gone); err != nil {
		return err
	}
	for _, d := range sorted(c.next.domains, func(d *Domain) mail.Domain { return d.Name }) {
		if d.CatchAll.IsNull() || !gone(d.CatchAll) {
			continue
		}
		after := d
		after.CatchAll = mail.Path{}
		if err := c.putDomain("domain.set", &d, &after); err != nil {
			return err
		}
	}
	return nil
}

// putAlias replaces before by after; nil is none.
func (c *change) putAlias(action string, before, after *Alias) error {
	var old, new *aliasRecord
	var row any
	a := after
	if before != nil {
		a, old = before, before.record()
		delete(c.next.aliases, before.Address.Key())
		c.next.touched.aliases[aliasOrder(before)] = nil
	}
	if after != nil {
		new = after.record()
		row = new
		kept := *after
		c.next.aliases[after.Address.Key()] = &kept
		c.next.led.add(after.Targets...)
		c.next.touched.aliases[aliasOrder(after)] = &kept
	}
	if err := c.put(bucketAliases, []byte(a.Address.Key()), row); err != nil {
		return err
	}
	return c.audit(action, text(a.Address), old, new)
}
