package directory

import (
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
	aliased map[mail.Domain]bool // domains that have aliases
}

func newLed(s *snapshot) *led {
	l := &led{map[string]bool{}, map[mail.Domain]bool{}}
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

// mayBeLedTo is false if certainly nothing leads to p, which is not here yet.
func (s *snapshot) mayBeLedTo(p mail.Path) bool {
	return s.led == nil || s.led.keys[p.Key()] || s.led.aliased[p.Domain]
}
