package directory

import (
	"cmp"
	"maps"
	"slices"

	"github.com/mailstead/mailstead/mail"
)

// snapshot is everything at one moment. It does not change once it is in
// place, nor does what it points to.
type snapshot struct {
	domains     map[mail.Domain]*Domain
	accounts    map[uint32]*Account
	byAddress   map[string]uint32 // mail.Path.Key of primary addresses
	credentials map[uint32]*credential
	aliases     map[string]*Alias // by mail.Path.Key
	settings    map[string]string // those that differ from the default

	appPasswords map[secretHash]*appPassword
	apiKeys      map[string]*apiKey      // by ID
	dnsProviders map[string]*DNSProvider // by name
	rules        map[string]*rules       // by RuleScope.key

	values map[string]any // of all settings; made by index
	apps   map[uint32][]*appPassword
	first  map[mail.Domain]uint32 // oldest account of a domain that is not suspended; "": of all

	sorted  *sortedLists // nil: not yet made
	touched touched      // since sorted was made
	leads   func() map[string][]mail.Path
	led     *led // within Together; else nil
}

func newSnapshot() *snapshot {
	return &snapshot{
		domains:     map[mail.Domain]*Domain{},
		accounts:    map[uint32]*Account{},
		byAddress:   map[string]uint32{},
		credentials: map[uint32]*credential{},
		aliases:     map[string]*Alias{},
		settings:    map[string]string{},

		appPasswords: map[secretHash]*appPassword{},
		apiKeys:      map[string]*apiKey{},
		dnsProviders: map[string]*DNSProvider{},
		rules:        map[string]*rules{},

		touched: newTouched(),
	}
}

// clone copies the maps; what they point to is replaced, never changed.
func (s *snapshot) clone() *snapshot {
	return &snapshot{
		domains:     maps.Clone(s.domains),
		accounts:    maps.Clone(s.accounts),
		byAddress:   maps.Clone(s.byAddress),
		credentials: maps.Clone(s.credentials),
		aliases:     maps.Clone(s.aliases),
		settings:    maps.Clone(s.settings),

		appPasswords: maps.Clone(s.appPasswords),
		apiKeys:      maps.Clone(s.apiKeys),
		dnsProviders: maps.Clone(s.dnsProviders),
		rules:        maps.Clone(s.rules),

		values: s.values,
		sorted: s.sorted, leads: s.leads, touched: newTouched(),
	}
}

// index makes what is derived from the rest.
func (s *snapshot) index() {
	s.values = settingValues(s.settings)
	s.sort()
	s.apps = map[uint32][]*appPassword{}
	for _, p := range s.appPasswords {
		s.apps[p.Account] = append(s.apps[p.Account], p)
	}
	s.first = s.firsts()
	s.led = nil
}

func (s *snapshot) firsts() map[mail.Domain]uint32 {
	first := map[mail.Domain]uint32{}
	for id, a := range s.accounts {
		if a.Suspended {
			continue
		}
		for _, d := range []mail.Domain{a.Address.Domain, ""} {
			if have, ok := first[d]; !ok || id < have {
				first[d] = id
			}
		}
	}
	return first
}

// sorted returns the values of m in the order of a key.
func sorted[K comparable, V any, O cmp.Ordered](m map[K]*V, order func(*V) O) []V {
	list := make([]V, 0, len(m))
	for _, v := range m {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b V) int { return cmp.Compare(order(&a), order(&b)) })
	return list
}
