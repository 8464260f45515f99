package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
	"github.com/mailstead/mailstead/mail"
)

// Aliases and catch-alls of a list may lead to each other, in any order.

// wakers knows which of them wait for what.
type wakers struct {
	target map[*movein.ListEntry]string // for which each waits; "": for none that can come
	by     map[string][]sleeper         // by what would let mail for the target arrive
}

type sleeper struct {
	entry  *movein.ListEntry
	target string
}

// aliases makes those of the waiting aliases and catch-alls that lead to what is
// there. Each is tried again only when something is made that it has missed: a
// long chain in the wrong order must not hold up others.
func (p *peopleImport) aliases(ctx context.Context) error {
	w := wakers{map[*movein.ListEntry]string{}, map[string][]sleeper{}}
	ready := slices.Clone(p.waiting)
	for len(ready) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := ready[0]
		ready = ready[1:]
		row, err := p.entry(ctx, e)
		if errors.Is(err, directory.ErrNotFound) {
			w.wait(e, p.in.opts.Directory)
			continue
		}
		p.verdict(row, err)
		if err == nil {
			ready = append(ready, w.wake(e)...)
		}
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(e *movein.ListEntry) bool {
		_, waits := w.target[e]
		return !waits
	})
	return nil
}

// wait lets an entry wait for the first target that is missing.
func (w *wakers) wait(e *movein.ListEntry, d *directory.Directory) {
	w.target[e] = ""
	for _, text := range e.Targets {
		t, err := parseAddress(text)
		if err != nil {
			return
		}
		if missing := d.Missing(t); len(missing) > 0 {
			w.target[e] = t.Key()
			for _, m := range missing {
				w.by[m.Key()] = append(w.by[m.Key()], sleeper{e, t.Key()})
			}
			return
		}
	}
}

// wake returns those that wait for an entry, which is made.
func (w *wakers) wake(made *movein.ListEntry) (ready []*movein.ListEntry) {
	key := entryKey(made)
	for _, s := range w.by[key] {
		if w.target[s.entry] == s.target { // not woken by something else yet
			delete(w.target, s.entry)
			ready = append(ready, s.entry)
		}
	}
	delete(w.by, key)
	return ready
}

// entryKey is the key of the address of an alias or catch-all.
func entryKey(e *movein.ListEntry) string {
	if domain, ok := strings.CutPrefix(e.Address, "@"); ok {
		name, _ := parseDomain(domain)
		return mail.Path{Domain: name}.Key()
	}
	addr, _ := parseAddress(e.Address)
	return addr.Key()
}
