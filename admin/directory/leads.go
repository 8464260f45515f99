package directory

import (
	"strings"
	"sync"

	"github.com/mailstead/mailstead/mail"
)

// leadsOf returns what finds aliases by the key of what they lead to. It is
// made when somebody asks first.
func leadsOf(aliases list[Alias]) func() map[string][]mail.Path {
	return sync.OnceValue(func() map[string][]mail.Path {
		by := map[string][]mail.Path{}
		for _, e := range aliases {
			for _, t := range e.value.Targets {
				by[t.Key()] = append(by[t.Key()], e.value.Address)
			}
		}
		return by
	})
}

// led are the addresses to which something leads, and may have some to which
// nothing does any more. It is kept while many changes are made as one: without
// it each new alias would walk along all that were made before.
type led struct {
	keys    map[string]bool      // of targets, forwarding and catch-alls
	below   map[string]bool      // separators, each with an address that one of keys is a subaddress of by it
	aliased map[mail.Domain]bool // domains that have aliases
}

func newLed(s *snapshot) *led {
	l := &led{map[string]bool{}, map[string]bool{}, map[mail.Domain]bool{}}
	for _, a := range s.aliases {
		l.add(a.Targets...)
	}
	for _, a := range s.accounts {
		l.add(a.Forward...)
	}
	for _, d := range s.domains {
		l.addDomain(d)
	}
	return l
}

// add notes where something leads; nobody asks a led that is nil.
func (l *led) add(to ...mail.Path) {
	if l == nil {
		return
	}
	for _, p := range to {
		l.keys[p.Key()] = true
		for i := range len(p.Local) {
			if sep := p.Local[i : i+1]; i > 0 && strings.Contains(separators, sep) { // which one the domain has may change
				l.below[sep+mail.Path{Local: p.Local[:i], Domain: p.Domain}.Key()] = true
			}
		}
	}
}

func (l *led) addDomain(d *Domain) {
	if l == nil {
		return
	}
	l.add(d.CatchAll)
	if d.AliasOf != "" {
		l.aliased[d.AliasOf] = true
	}
}

// mayBeLedTo is false if certainly nothing leads to p, which is not here yet, nor
// to a subaddress of it.
func (s *snapshot) mayBeLedTo(p mail.Path) bool {
	if s.led == nil || s.led.keys[p.Key()] || s.led.aliased[p.Domain] {
		return true
	}
	if role, ok := s.values[string(Postmaster)].(mail.Path); ok && role.Key() == p.Key() {
		return true
	}
	dom := s.domains[p.Domain]
	return dom == nil || s.led.below[dom.separator()+p.Key()]
}

// isBelow reports whether t is a subaddress of p.
func (s *snapshot) isBelow(t, p mail.Path) bool {
	dom := s.domains[t.Domain]
	if dom == nil || t.Domain != p.Domain {
		return false
	}
	for base := range dom.bases(t) {
		if base.Key() == p.Key() {
			return true
		}
	}
	return false
}
