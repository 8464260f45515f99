package directory

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// row is an entry of a sorted list.
type row[V any] struct {
	key   string
	value *V
}

// list is sorted by key, and never changed: snapshots share it.
type list[V any] []row[V]

// newList sorts what a map has.
func newList[K comparable, V any](m map[K]*V, key func(*V) string) list[V] {
	l := make(list[V], 0, len(m))
	for _, v := range m {
		l = append(l, row[V]{key(v), v})
	}
	slices.SortFunc(l, func(a, b row[V]) int { return cmp.Compare(a.key, b.key) })
	return l
}

// find returns where a key is, or would be.
func (l list[V]) find(key string) (int, bool) {
	return slices.BinarySearchFunc(l, key, func(r row[V], k string) int { return cmp.Compare(r.key, k) })
}

// with returns a list in which some entries are replaced; nil is none.
func (l list[V]) with(changed map[string]*V) list[V] {
	if len(changed) == 0 {
		return l
	}
	next := make(list[V], 0, len(l)+len(changed))
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		i, found := l.find(key)
		next = append(next, l[:i]...)
		if v := changed[key]; v != nil {
			next = append(next, row[V]{key, v})
		}
		if found {
			i++
		}
		l = l[i:]
	}
	return append(next, l...)
}

// within returns the part whose keys begin with a prefix.
func (l list[V]) within(prefix string) list[V] {
	from, _ := l.find(prefix)
	l = l[from:]
	till, _ := slices.BinarySearchFunc(l, prefix, func(r row[V], p string) int {
		if strings.HasPrefix(r.key, p) {
			return -1
		}
		return 1
	})
	return l[:till]
}

// Rows are the domains, accounts or aliases of one moment, by their keys. To
// begin somewhere in them costs no more than at their begin.
type Rows[V any] struct{ parts []list[V] }

// rowsOf are all of a list or, where prefixes are named, the parts of it that
// begin with one of them.
func rowsOf[V any](l list[V], prefixes []string) Rows[V] {
	if prefixes == nil {
		return Rows[V]{[]list[V]{l}}
	}
	var r Rows[V]
	for _, p := range slices.Compact(slices.Sorted(slices.Values(prefixes))) {
		r.parts = append(r.parts, l.within(p))
	}
	return r
}

// Len is the number of rows.
func (r Rows[V]) Len() int {
	n := 0
	for _, l := range r.parts {
		n += len(l)
	}
	return n
}

// After yields the rows behind a key, in the order of keys; "" is all.
func (r Rows[V]) After(key string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, l := range r.parts {
			i, found := l.find(key)
			if found {
				i++
			}
			for _, e := range l[i:] {
				if !yield(e.key, *e.value) {
					return
				}
			}
		}
	}
}

// all returns the values.
func (l list[V]) all() []V {
	values := make([]V, len(l))
	for i, e := range l {
		values[i] = *e.value
	}
	return values
}

// addressPrefixes are those of addresses in some domains; nil: of all.
func addressPrefixes(domains []mail.Domain) []string {
	if domains == nil {
		return nil
	}
	list := []string{}
	for _, d := range domains {
		list = append(list, addressOrder(mail.Path{Domain: d}))
	}
	return list
}

// AccountRows are the accounts in some domains by address; nil: in all.
func (d *Directory) AccountRows(domains []mail.Domain) Rows[Account] {
	return rowsOf(d.current.Load().sorted.accounts, addressPrefixes(domains))
}

// AliasRows are the aliases in some domains by address; nil: in all.
func (d *Directory) AliasRows(domains []mail.Domain) Rows[Alias] {
	return rowsOf(d.current.Load().sorted.aliases, addressPrefixes(domains))
}

// DomainRows are some domains by name; nil: all.
func (d *Directory) DomainRows(domains []mail.Domain) Rows[Domain] {
	l := d.current.Load().sorted.domains
	if domains == nil {
		return Rows[Domain]{[]list[Domain]{l}}
	}
	var r Rows[Domain]
	for _, name := range slices.Compact(slices.Sorted(slices.Values(domains))) {
		if i, found := l.find(string(name)); found {
			r.parts = append(r.parts, l[i:i+1])
		}
	}
	return r
}

// AliasesTo returns the aliases that lead to an address directly, by address.
func (d *Directory) AliasesTo(p mail.Path) []mail.Path { return d.current.Load().leads()[p.Key()] }

// sortedLists are the values of a snapshot in the order in which people see
// them.
type sortedLists struct {
	domains  list[Domain]
	accounts list[Account]
	aliases  list[Alias]
}

// touched are the values that a change has replaced, by their keys in the
// sorted lists; nil are those that it has removed.
type touched struct {
	domains  map[string]*Domain
	accounts map[string]*Account
	aliases  map[string]*Alias
}

func newTouched() touched {
	return touched{map[string]*Domain{}, map[string]*Account{}, map[string]*Alias{}}
}

// sort brings the lists up to date.
func (s *snapshot) sort() {
	if s.sorted == nil {
		s.sorted = &sortedLists{newList(s.domains, domainOrder), newList(s.accounts, byDomain), newList(s.aliases, aliasOrder)}
		s.leads = leadsOf(s.sorted.aliases)
		return
	}
	before := s.sorted
	s.sorted = &sortedLists{before.domains.with(s.touched.domains), before.accounts.with(s.touched.accounts), before.aliases.with(s.touched.aliases)}
	if len(s.touched.aliases) > 0 {
		s.leads = leadsOf(s.sorted.aliases)
	}
}

func domainOrder(d *Domain) string { return string(d.Name) }
func aliasOrder(a *Alias) string   { return addressOrder(a.Address) }
