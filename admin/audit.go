package admin

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mailbox"
)

// Audit returns changes, newest first.
func (a *Admin) Audit(ctx context.Context, f AuditFilter) (Page[directory.AuditEntry], error) {
	p, err := authorize(ctx, SeeAudit)
	if err != nil {
		return Page[directory.AuditEntry]{}, err
	}
	found, err := a.opts.Directory.FindAudit(ctx, directory.AuditFilter{Actor: f.Actor, Object: f.Object, Action: f.Action, Domains: p.Domains,
		Since: f.Since, Till: f.Till, Cursor: f.Cursor, Limit: f.limit()})
	if found.Items == nil {
		found.Items = []directory.AuditEntry{}
	}
	return Page[directory.AuditEntry]{Items: found.Items, Next: found.Next}, At("cursor", err)
}

// Undo brings back what a change made different. With dry nothing is changed.
func (a *Admin) Undo(ctx context.Context, id string, dry bool) (Preview, error) {
	p, err := authorize(ctx, SeeAudit)
	if err != nil {
		return Preview{}, err
	}
	if err := a.mayUndo(ctx, p, id); err != nil {
		return Preview{}, err
	}
	undone, err := a.opts.Directory.Undo(ctx, Actor(ctx), id, dry)
	if err != nil {
		return Preview{}, err
	}
	if acct := undone.Account; acct != nil && !dry {
		if err := a.opts.Mailboxes.Account(mailbox.AccountID(acct.ID)).SetQuota(ctx, acct.QuotaBytes, acct.QuotaMessages); err != nil {
			return Preview{}, err
		}
	}
	return preview(undone.Changes), nil
}

// mayUndo makes sure that who undoes a change could have made it.
func (a *Admin) mayUndo(ctx context.Context, p Principal, id string) error {
	e, err := a.opts.Directory.AuditEntry(ctx, id)
	if err != nil {
		return err
	}
	if !p.allDomains() { // they see the changes of others to their domains
		return &directory.Problem{Kind: ErrForbidden, Text: "only owners and admins undo changes"}
	}
	if _, err := authorize(ctx, rightFor(e.Action)); err != nil {
		return err
	}
	if owner := a.accountOf(e); owner != nil && !p.mayChange(owner.Role) {
		return &directory.Problem{Kind: ErrForbidden, Text: "only owners undo changes to owners"}
	}
	if strings.HasPrefix(e.Action, "setting.") {
		if err := a.authorizeSetting(ctx, e.Object); err != nil {
			return err
		}
	}
	if e.Security {
		_, err = authorizeSudo(ctx, GiveRoles)
	}
	return err
}

// rightFor is the right that a change of some kind needs.
func rightFor(action string) Right {
	switch kind, _, _ := strings.Cut(action, "."); kind {
	case "account", "alias", "quarantine":
		return ChangePeople
	case "domain":
		return ChangeDomains
	}
	return ChangeSystem
}

// accountOf returns the account that a change is about, nil if it is about
// none that is there.
func (a *Admin) accountOf(e directory.AuditEntry) *directory.Account {
	if !strings.HasPrefix(e.Action, "account.") {
		return nil
	}
	p, err := parseAddress(e.Object)
	if err != nil {
		return nil
	}
	acct, err := a.opts.Directory.AccountByAddress(p)
	if err != nil {
		return nil
	}
	return &acct
}

// Change is one thing that becomes another.
type Change struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	Text   string          `json:"text" doc:"In words."`
}

// Preview says what a change makes different.
type Preview struct {
	Changes []Change `json:"changes"`
}

// PreviewOf says what rehearsed changes make different.
func PreviewOf(r *directory.Rehearsal) Preview { return preview(r.Changes()) }

func preview(list []directory.FieldChange) Preview {
	p := Preview{Changes: []Change{}}
	for _, c := range list {
		p.Changes = append(p.Changes, Change(c))
	}
	return p
}
