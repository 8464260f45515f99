package admin

import (
	"context"
	"errors"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

// maxResolveSteps bounds what is followed of groups of groups.
const maxResolveSteps = 200

// Resolution says who gets mail for an address.
type Resolution struct {
	Address   string        `json:"address"`
	Steps     []ResolveStep `json:"steps" doc:"In the order in which they are followed."`
	Accounts  []string      `json:"accounts" doc:"Whose mailboxes it ends in."`
	Elsewhere []string      `json:"elsewhere" doc:"Addresses of other servers that it goes on to."`
	Refused   bool          `json:"refused" doc:"Mail for the address is refused."`
}

// ResolveStep is what one address means.
type ResolveStep struct {
	Address string   `json:"address"`
	Kind    string   `json:"kind" enum:"account,leads-to,forwards,elsewhere,refused"`
	To      []string `json:"to,omitempty"`
	Text    string   `json:"text"`
}

// Resolve follows an address until it ends in mailboxes or leaves this server.
func (a *Admin) Resolve(ctx context.Context, address string) (Resolution, error) {
	p, err := authorize(ctx, SeePeople)
	if err != nil {
		return Resolution{}, err
	}
	addr, err := parseAddress(address)
	if err != nil {
		return Resolution{}, At("address", err)
	}
	if !p.sees(addr.Domain) {
		return Resolution{}, directory.NoDomain(addr.Domain)
	}
	r := Resolution{Address: addr.String(), Steps: []ResolveStep{}, Accounts: []string{}, Elsewhere: []string{}}
	seen := map[string]bool{}
	for next := []mail.Path{addr}; len(next) > 0 && len(r.Steps) < maxResolveSteps; next = next[1:] {
		if at := next[0]; !seen[at.Key()] {
			seen[at.Key()] = true
			next = append(next, a.resolveStep(ctx, p, &r, at)...)
		}
	}
	r.Refused = len(r.Accounts) == 0 && len(r.Elsewhere) == 0
	return r, nil
}

// resolveStep notes what an address means, and returns where it leads. What
// becomes of mail in a domain of others is not for the principal's eyes.
func (a *Admin) resolveStep(ctx context.Context, p Principal, r *Resolution, at mail.Path) []mail.Path {
	step := ResolveStep{Address: at.String()}
	defer func() { r.Steps = append(r.Steps, step) }()
	if !a.opts.Directory.IsLocal(at.Domain) {
		step.Kind, step.Text = "elsewhere", "goes on to another server"
		r.Elsewhere = append(r.Elsewhere, at.String())
		return nil
	}
	if !p.sees(at.Domain) {
		step.Kind, step.Text = "elsewhere", "goes on to a domain that is not one of yours"
		r.Elsewhere = append(r.Elsewhere, at.String())
		return nil
	}
	id, targets, err := a.opts.Directory.Resolve(ctx, at)
	var refusal *mail.Error
	if errors.As(err, &refusal) {
		step.Kind, step.Text = "refused", "is refused: "+refusal.Text
		return nil
	}
	step.To = pathTexts(targets)
	if id == 0 {
		step.Kind, step.Text = "leads-to", "is not a mailbox itself and leads to others"
		return targets
	}
	acct, err := a.opts.Directory.Account(id)
	if err != nil {
		step.Kind, step.Text = "refused", "is removed just now"
		return nil
	}
	r.Accounts = append(r.Accounts, acct.Address.String())
	step.Kind, step.Text = "account", "is filed in the mailbox of "+acct.Address.String()
	if len(targets) > 0 {
		step.Kind, step.Text = "forwards", step.Text+", and goes on"
	}
	return targets
}
