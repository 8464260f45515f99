package movein

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// People are the domains, accounts and aliases in the file that `mailstead
// export --settings` writes. Secrets are not in it.
type People struct {
	Domains  []PeopleDomain  `toml:"domains,omitempty"`
	Accounts []PeopleAccount `toml:"accounts,omitempty"`
	Aliases  []PeopleAlias   `toml:"aliases,omitempty"`
}

// PeopleDomain is a domain.
type PeopleDomain struct {
	Name             string `toml:"name"`
	AliasOf          string `toml:"alias-of,omitempty"`
	CatchAll         string `toml:"catch-all,omitempty"`
	Separator        string `toml:"separator,omitempty"`
	Disabled         bool   `toml:"disabled,omitempty"`
	AppPasswordsOnly bool   `toml:"app-passwords-only,omitempty"`
}

// PeopleAccount is an account.
type PeopleAccount struct {
	Address          string   `toml:"address"`
	Name             string   `toml:"name,omitempty"`
	Role             string   `toml:"role,omitempty"`
	Domains          []string `toml:"domains,omitempty"` // of a domain-admin
	QuotaBytes       int64    `toml:"quota-bytes"`       // 0: no limit
	QuotaMessages    int64    `toml:"quota-messages"`
	Suspended        bool     `toml:"suspended,omitempty"`
	Forward          []string `toml:"forward,omitempty"`
	KeepCopy         bool     `toml:"keep-copy,omitempty"`
	AppPasswordsOnly bool     `toml:"app-passwords-only,omitempty"`
}

// PeopleAlias is an alias.
type PeopleAlias struct {
	Address string   `toml:"address"`
	Targets []string `toml:"targets"`
}

// parsePeople reads such a file, and passes over what else is in it.
func parsePeople(text string) ([]ListEntry, error) {
	var p People
	if err := toml.Unmarshal([]byte(text), &p); err != nil {
		return nil, fmt.Errorf("this is not what `mailstead export --settings` writes: %w", err)
	}
	return p.List(), nil
}

// List is the same as a list. Domains come first, those that are aliases of
// others behind these, and their catch-alls last, which may lead to accounts.
// Aliases come behind those they lead to.
func (p *People) List() (list []ListEntry) {
	for _, aliases := range []bool{false, true} {
		for i := range p.Domains {
			if d := &p.Domains[i]; (d.AliasOf != "") == aliases {
				list = append(list, ListEntry{Address: d.Name, Domain: d})
			}
		}
	}
	for i := range p.Accounts {
		list = append(list, ListEntry{Address: p.Accounts[i].Address, Name: p.Accounts[i].Name, Account: &p.Accounts[i]})
	}
	for _, a := range targetsFirst(p.Aliases) {
		list = append(list, alias(0, a.Address, a.Targets))
	}
	for _, d := range p.Domains {
		if d.CatchAll != "" {
			list = append(list, alias(0, "@"+d.Name, []string{d.CatchAll}))
		}
	}
	return list
}

// targetsFirst orders aliases so that what one leads to comes before it.
func targetsFirst(aliases []PeopleAlias) []PeopleAlias {
	at := map[string]int{}
	for i, a := range aliases {
		at[strings.ToLower(a.Address)] = i
	}
	sorted := make([]PeopleAlias, 0, len(aliases))
	seen := make([]bool, len(aliases))
	var add func(i int)
	add = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true // also ends circles, which are refused when they are made
		for _, t := range aliases[i].Targets {
			if j, ok := at[strings.ToLower(t)]; ok {
				add(j)
			}
		}
		sorted = append(sorted, aliases[i])
	}
	for i := range aliases {
		add(i)
	}
	return sorted
}
