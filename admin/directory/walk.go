package directory

import (
	"slices"

	"github.com/mailstead/mailstead/mail"
)

// walk finds out whether mail comes back to an address, or to a catch-all, that is
// about to lead somewhere. While it walks, whatever will come there does: also
// mail that others get so far, as a catch-all gets the subaddresses of an alias
// that is not there yet.
type walk struct {
	in    *snapshot // of a change, which has it to itself
	to    mail.Path
	place func() (undo func()) // lets all mail that will come to to lead to it
	seen  map[string]bool      // does not come back
}

// walkTo is a walk to an account or alias, which need not be there yet.
func (s *snapshot) walkTo(p mail.Path) *walk {
	itself := &Alias{Address: p, Targets: []mail.Path{p}}
	return &walk{in: s, to: p, place: func() func() { return put(s.aliases, p.Key(), itself) }, seen: map[string]bool{}}
}

// walkToCatchAll is a walk to what is unknown in a domain, which need not be there
// yet either. No address has its name: it has no local-part.
func (s *snapshot) walkToCatchAll(d *Domain) *walk {
	to := mail.Path{Domain: d.Name}
	itself := *d
	itself.CatchAll = to
	return &walk{in: s, to: to, place: func() func() { return put(s.domains, d.Name, &itself) }, seen: map[string]bool{}}
}

// put sets m[k] until undo is called.
func put[K comparable, V any](m map[K]V, k K, v V) (undo func()) {
	old, was := m[k]
	m[k] = v
	return func() {
		if was {
			m[k] = old
		} else {
			delete(m, k)
		}
	}
}

// from reports whether mail for p comes back through aliases, forwarding and
// catch-alls. What an earlier walk has seen does not.
func (w *walk) from(p mail.Path) bool {
	defer w.place()()
	return w.follow(p)
}

func (w *walk) follow(p mail.Path) bool {
	key, end := p.Key(), w.to.Key()
	if key == end {
		return true
	}
	if w.seen[key] {
		return false
	}
	w.seen[key] = true
	account, targets := w.in.step(p)
	if account != 0 {
		a := w.in.accounts[account]
		if a.Address.Key() == end {
			return true // by a subaddress
		}
		targets = a.Forward
	}
	return slices.ContainsFunc(targets, w.follow)
}
