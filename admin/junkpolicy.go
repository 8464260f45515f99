package admin

import (
	"context"
	"errors"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/verdict"
)

// PolicyScope says for whom a policy is: one of a domain, an account or an
// address, or the whole server. The closest one holds.
type PolicyScope struct {
	RuleScope
	Address string // for mail to this address, such as a subaddress or an alias
}

// JunkPolicy is what is done at which score.
type JunkPolicy struct {
	Own   *verdict.Policy `json:"own,omitempty" doc:"Absent: that of the next wider scope holds."`
	Holds verdict.Policy  `json:"holds" doc:"What holds, whoever has said so."`
}

// policyScope finds whom a policy is for, as scope does.
func (a *Admin) policyScope(ctx context.Context, s PolicyScope, wide, r Right) (directory.RuleScope, error) {
	if s.Address == "" {
		return a.scope(ctx, s.RuleScope, wide, r)
	}
	if s.Domain != "" || s.Account != "" {
		return directory.RuleScope{}, At("address", invalid("name a domain, an account or an address, not two of them"))
	}
	p, err := a.authorizeAddress(ctx, r, s.Address)
	if err != nil {
		return directory.RuleScope{}, err
	}
	_, err = a.opts.Directory.Domain(p.Domain)
	return directory.RuleScope{Address: p}, err
}

// JunkPolicy returns the policy of a scope.
func (a *Admin) JunkPolicy(ctx context.Context, s PolicyScope) (JunkPolicy, error) {
	scope, err := a.policyScope(ctx, s, SeePeople, SeePeople)
	if err != nil {
		return JunkPolicy{}, err
	}
	return a.junkPolicy(scope), nil
}

func (a *Admin) junkPolicy(s directory.RuleScope) JunkPolicy {
	own, holds := a.opts.Directory.JunkPolicy(s)
	return JunkPolicy{Own: own, Holds: holds}
}

// SetJunkPolicy gives a scope a policy of its own.
func (a *Admin) SetJunkPolicy(ctx context.Context, s PolicyScope, p verdict.Policy) (JunkPolicy, error) {
	return a.changePolicy(ctx, s, &p)
}

// ResetJunkPolicy takes it away: that of the next wider scope holds again.
func (a *Admin) ResetJunkPolicy(ctx context.Context, s PolicyScope) (JunkPolicy, error) {
	return a.changePolicy(ctx, s, nil)
}

func (a *Admin) changePolicy(ctx context.Context, s PolicyScope, p *verdict.Policy) (JunkPolicy, error) {
	scope, err := a.policyScope(ctx, s, ChangeSystem, ChangePeople)
	if err != nil {
		return JunkPolicy{}, err
	}
	return a.putPolicy(ctx, scope, p)
}

func (a *Admin) putPolicy(ctx context.Context, s directory.RuleScope, p *verdict.Policy) (JunkPolicy, error) {
	if err := checkPolicy(p); err != nil {
		return JunkPolicy{}, err
	}
	if err := a.opts.Directory.SetJunkPolicy(ctx, Actor(ctx), s, p); err != nil {
		return JunkPolicy{}, err
	}
	return a.junkPolicy(s), nil
}

// checkPolicy names the field that is wrong.
func checkPolicy(p *verdict.Policy) error {
	if p == nil {
		return nil
	}
	var wrong *verdict.PolicyError
	if err := p.Check(); errors.As(err, &wrong) {
		return At(wrong.Field, invalid("%s", wrong.Text))
	}
	return nil
}

// MyJunkPolicy returns the policy of one's own account.
func (a *Admin) MyJunkPolicy(ctx context.Context) (JunkPolicy, error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return JunkPolicy{}, err
	}
	return a.junkPolicy(directory.RuleScope{Account: acct.ID}), nil
}

// SetMyJunkPolicy gives one's own account a policy; nil takes it away.
func (a *Admin) SetMyJunkPolicy(ctx context.Context, p *verdict.Policy) (JunkPolicy, error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return JunkPolicy{}, err
	}
	return a.putPolicy(ctx, directory.RuleScope{Account: acct.ID}, p)
}
