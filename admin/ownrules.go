package admin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/verdict"
)

// OwnRules says what a domain, an account, an address or the server has of its
// own; no name is that of the server.
type OwnRules struct {
	RuleScope
	Address string          `json:"address,omitempty" doc:"For mail to this address."`
	Entries int             `json:"entries" doc:"How many are on its list."`
	Policy  *verdict.Policy `json:"policy,omitempty" doc:"Absent: that of the next wider scope holds."`
}

// OwnRules returns who has a list or a policy of their own, as far as the
// principal sees them.
func (a *Admin) OwnRules(ctx context.Context) (Page[OwnRules], error) {
	p, err := authorize(ctx, SeePeople)
	if err != nil {
		return Page[OwnRules]{}, err
	}
	items := []OwnRules{}
	for _, r := range a.opts.Directory.OwnRules() {
		if view, ok := a.describeRules(p, r); ok {
			items = append(items, view)
		}
	}
	return whole(items), nil
}

// describeRules is what a principal sees of the rules of a scope.
func (a *Admin) describeRules(p Principal, r directory.OwnRules) (view OwnRules, ok bool) {
	view = OwnRules{Entries: r.Entries, Policy: r.Policy}
	switch {
	case r.Scope.Account != 0:
		acct, err := a.opts.Directory.Account(r.Scope.Account)
		if err != nil {
			return view, false // was removed meanwhile
		}
		view.Account = acct.Address.String()
		return view, p.sees(acct.Address.Domain)
	case !r.Scope.Address.IsNull():
		view.Address = r.Scope.Address.String()
		return view, p.sees(r.Scope.Address.Domain)
	case r.Scope.Domain != "":
		view.Domain = string(r.Scope.Domain)
		return view, p.sees(r.Scope.Domain)
	}
	return view, p.allDomains()
}
