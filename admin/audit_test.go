package admin

import (
	"context"
	"errors"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mailbox"
)

// TestUndo undoes changes as those who may and who may not.
func TestUndo(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	boss := must[Account](t)(a.AddAccount(ctx, NewAccount{Address: "boss@example.org", Role: "owner"}))
	ana := must[Account](t)(a.AddAccount(ctx, NewAccount{Address: "ana@example.org"}))
	as := func(r Role, sudo bool) context.Context {
		return WithPrincipal(t.Context(), Principal{Kind: KindUser, Address: "x@example.org", Role: r, Sudo: sudo})
	}
	size, role := int64(1<<20), "support"
	for _, tt := range []struct {
		name   string
		change func() (Account, error)
		ctx    context.Context
		err    error
	}{
		{"quota, by an admin", func() (Account, error) {
			return a.SetAccount(ctx, ana.Address, AccountChange{QuotaBytes: &size})
		}, as(directory.RoleAdmin, false), nil},
		{"quota of an owner, by an admin", func() (Account, error) {
			return a.SetAccount(ctx, boss.Address, AccountChange{QuotaBytes: &size})
		}, as(directory.RoleAdmin, true), ErrForbidden},
		{"role, by an admin", func() (Account, error) { return a.SetAccount(ctx, ana.Address, AccountChange{Role: &role}) }, as(directory.RoleAdmin, true), ErrForbidden},
		{"role, by an owner who has to sign in again", nil, as(directory.RoleOwner, false), ErrReauth},
		{"role, by an owner", nil, as(directory.RoleOwner, true), nil},
		{"by support", nil, as(directory.RoleSupport, true), ErrForbidden},
		{"by nobody", nil, t.Context(), ErrSignedOut},
	} {
		if tt.change != nil {
			must[Account](t)(tt.change())
		}
		id := must[Page[directory.AuditEntry]](t)(a.Audit(ctx, AuditFilter{})).Items[0].ID
		if _, err := a.Undo(tt.ctx, id, false); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
	}
	if got := quota(t, a, ana.ID); got != (mailbox.Usage{}) {
		t.Errorf("the mailboxes keep the quota that was undone: %+v", got)
	}
	if got := must[Account](t)(a.Account(ctx, ana.Address)); got.Role != "user" || got.QuotaBytes != 0 {
		t.Errorf("account %+v", got)
	}
}
