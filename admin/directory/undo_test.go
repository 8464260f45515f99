package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// newest returns the ID of the newest change.
func newest(t *testing.T, d *Directory) string {
	t.Helper()
	list, err := d.Audit(t.Context(), 1)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0].ID
}

// must fails the test for an error beside a result that does not matter.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestUndo(t *testing.T) {
	name, other, sep, yes := "Ana", "Anna", "-", true
	quota, owner := int64(1<<20), RoleOwner
	setAccount := func(ch AccountChange) func(*testing.T, *Directory) {
		return func(t *testing.T, d *Directory) { must[Account](t)(d.SetAccount(ctx, actor, 1, ch)) }
	}
	setting := func(value string) func(*testing.T, *Directory) {
		return func(t *testing.T, d *Directory) { must[Setting](t)(d.SetSetting(ctx, actor, "queue.expire", value)) }
	}
	addAlias := func(address, to string) func(*testing.T, *Directory) {
		return func(t *testing.T, d *Directory) {
			must[Alias](t)(d.AddAlias(ctx, actor, path(t, address), path(t, to)))
		}
	}
	removeAlias := func(address string) func(*testing.T, *Directory) {
		return func(t *testing.T, d *Directory) {
			if err := d.RemoveAlias(ctx, actor, path(t, address)); err != nil {
				t.Fatal(err)
			}
		}
	}
	setDomain := func(ch DomainChange) func(*testing.T, *Directory) {
		return func(t *testing.T, d *Directory) { must[Domain](t)(d.SetDomain(ctx, actor, "example.org", ch)) }
	}
	for _, tt := range []struct {
		name         string
		do, meantime func(*testing.T, *Directory)
		err          error
		says         string
	}{
		{"setting", setting("3d"), nil, nil, `queue.expire: "3d" → "5d"`},
		{"setting, changed again", setting("3d"), setting("4d"), ErrConflict, `"4d" now, not "3d"`},
		{"setting, brought back already", setting("3d"), setting("5d"), ErrConflict, ""},
		{"name", setAccount(AccountChange{Name: &name}), nil, nil, `name: "Ana" → nothing`},
		{"name, changed again", setAccount(AccountChange{Name: &name}), setAccount(AccountChange{Name: &other}), ErrConflict, `it is "Anna" now`},
		{"name, and the quota was changed", setAccount(AccountChange{Name: &name}), setAccount(AccountChange{QuotaBytes: &quota}), nil, "name"},
		{"suspended", setAccount(AccountChange{Suspended: &yes}), nil, nil, "suspended: true → nothing"},
		{"role", setAccount(AccountChange{Role: &owner}), nil, ErrInUse, "owner"},
		{"forward", setAccount(AccountChange{Forward: &[]mail.Path{{Local: "a", Domain: "elsewhere.example"}}}), nil, nil, "forward"},
		{"account gone", setAccount(AccountChange{Name: &name}), func(t *testing.T, d *Directory) {
			if err := d.RemoveAccount(ctx, actor, 1); err != nil {
				t.Fatal(err)
			}
		}, ErrConflict, "is gone"},
		{"domain", setDomain(DomainChange{Separator: &sep}), nil, nil, `separator: "-" → nothing`},
		{"domain, changed again", setDomain(DomainChange{Disabled: &yes}), setDomain(DomainChange{Disabled: new(bool)}), ErrConflict, "disabled"},
		{"alias made", addAlias("x@example.org", "ana@example.org"), nil, nil, `targets: ["ana@example.org"] → nothing`},
		{"alias made, led to since", addAlias("x@example.org", "ana@example.org"), addAlias("y@example.org", "x@example.org"), ErrConflict, "y@example.org leads to"},
		{"alias extended", addAlias("info@example.org", "bo@example.org"), nil, nil, "targets"},
		{"alias extended twice", addAlias("info@example.org", "bo@example.org"), addAlias("info@example.org", "z@elsewhere.example"), ErrConflict, "z@elsewhere.example"},
		{"alias removed", removeAlias("staff@example.org"), nil, nil, "targets"},
		{"alias removed, address taken", removeAlias("staff@example.org"), func(t *testing.T, d *Directory) { d.mustAccount(t, "staff@example.org") }, ErrExists, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := town(t)
			state := func() string { return fmt.Sprint(d.Domains(), d.Accounts(), d.Aliases(), d.Settings()) }
			tt.do(t, d)
			id := newest(t, d)
			if tt.meantime != nil {
				tt.meantime(t, d)
			}
			before := state()
			dry, dryErr := d.Undo(ctx, "ops", id, true)
			if state() != before {
				t.Error("a try has changed something")
			}
			u, err := d.Undo(ctx, "ops", id, false)
			if !errors.Is(err, tt.err) || fmt.Sprint(dryErr) != fmt.Sprint(err) || fmt.Sprint(dry.Changes) != fmt.Sprint(u.Changes) {
				t.Fatalf("%+v, %v; tried: %+v, %v; want %v", u, err, dry, dryErr, tt.err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tt.says) || state() != before {
					t.Errorf("%v; changed: %v", err, state() != before)
				}
				return
			}
			if len(u.Changes) != 1 || !strings.Contains(u.Changes[0].Text, tt.says) {
				t.Errorf("changes %+v", u.Changes)
			}
			e := must[AuditEntry](t)(d.AuditEntry(ctx, id))
			by := must[AuditEntry](t)(d.AuditEntry(ctx, e.UndoneBy))
			if e.Undoable || by.Undoes != id || by.Actor != "ops" {
				t.Errorf("entry %+v, undone by %+v", e, by)
			}
			if _, err := d.Undo(ctx, "ops", id, false); !errors.Is(err, ErrConflict) {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// TestUndoBringsBack undoes a change and that undo, and looks at the result.
func TestUndoBringsBack(t *testing.T) {
	d := town(t)
	state := func() string { return fmt.Sprint(d.Domains(), d.Accounts(), d.Aliases(), d.Settings()) }
	before := state()
	name, quota, keep := "Ana", int64(5), true
	must[Account](t)(d.SetAccount(ctx, actor, 1, AccountChange{Name: &name, QuotaBytes: &quota, KeepCopy: &keep, Forward: &[]mail.Path{path(t, "bo@example.org")}}))
	after := state()
	id := newest(t, d)
	u := must[Undone](t)(d.Undo(ctx, actor, id, false))
	if u.Account == nil || u.Account.QuotaBytes != 0 || state() != before {
		t.Errorf("undone: %+v\n%s\n%s", u, state(), before)
	}
	must[Undone](t)(d.Undo(ctx, actor, newest(t, d), false))
	if state() != after {
		t.Errorf("done again:\n%s\n%s", state(), after)
	}
}

func TestNotUndoable(t *testing.T) {
	d := town(t)
	p, _ := d.mustAppPassword(t, 1, NewAppPassword{})
	for _, tt := range []struct {
		name     string
		do       func() error
		security bool
	}{
		{"password", func() error { return d.SetPassword(ctx, actor, 1, "battery staple") }, false},
		{"secret", func() error { _, err := d.SetSetting(ctx, actor, "relay.password", "hush-hush"); return err }, false},
		{"app password", func() error { return d.RemoveAppPassword(ctx, actor, 1, p.ID) }, true},
		{"new account", func() error { d.mustAccount(t, "new@example.org"); return nil }, false},
		{"account removed", func() error { return d.RemoveAccount(ctx, actor, 5) }, false},
		{"domain removed", func() error { _, err := d.RemoveDomain(ctx, actor, "none.org", true); return err }, false},
		{"DKIM keys", func() error {
			keys := []DKIMKey{{Selector: "s", Algorithm: "ed25519", PKCS8: testKey(t)}}
			_, err := d.SetDomain(ctx, actor, "example.org", DomainChange{Keys: &keys})
			return err
		}, false},
		{"passkey", func() error {
			_, err := d.AddPasskey(ctx, actor, Passkey{Account: 1, CredentialID: []byte("id"), PublicKey: []byte("key"), Label: "Phone"})
			return err
		}, true},
		{"passkey renamed", func() error {
			list, err := d.Passkeys(ctx, 1)
			if err != nil {
				return err
			}
			_, err = d.RenamePasskey(ctx, actor, 1, list[0].ID, "Key ring")
			return err
		}, true},
		{"TOTP", func() error { d.totp(t, 1); return nil }, true},
		{"recovery codes", func() error { _, err := d.NewRecoveryCodes(ctx, actor, 1); return err }, true},
		{"invite", func() error { _, _, err := d.AddLink(ctx, actor, 1, Invite); return err }, false},
		{"queue", func() error { return d.Record(ctx, actor, "queue.cancel", "abc", nil) }, false},
	} {
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		e := must[AuditEntry](t)(d.AuditEntry(ctx, newest(t, d)))
		if e.Undoable || e.Security != tt.security {
			t.Errorf("%s: %+v", tt.name, e)
		}
		if _, err := d.Undo(ctx, actor, e.ID, false); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, id := range []string{"", "x", "0", "99999", "-1"} {
		if _, err := d.Undo(ctx, actor, id, false); !errors.Is(err, ErrNotFound) {
			t.Errorf("change %q: %v", id, err)
		}
	}
	role := RoleSupport
	must[Account](t)(d.SetAccount(ctx, actor, 1, AccountChange{Role: &role}))
	if e := must[AuditEntry](t)(d.AuditEntry(ctx, newest(t, d))); !e.Security || !e.Undoable {
		t.Errorf("a role: %+v", e)
	}
}

func TestFindAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		time.Sleep(time.Hour)
		start := time.Now()
		for i := range 5 {
			if _, err := d.SetSetting(t.Context(), fmt.Sprint("ops", i%2), "queue.expire", fmt.Sprint(i+1, "d")); err != nil {
				t.Fatal(err)
			}
		}
		d.mustAppPassword(t, 3, NewAppPassword{})
		all := must[[]AuditEntry](t)(d.Audit(t.Context(), 1000))
		for _, tt := range []struct {
			name string
			f    AuditFilter
			n    int
		}{
			{"all", AuditFilter{Limit: 500}, len(all)},
			{"actor", AuditFilter{Actor: "OPS1"}, 2},
			{"action", AuditFilter{Action: "setting.set"}, 5},
			{"kind", AuditFilter{Action: "setting"}, 5},
			{"no kind", AuditFilter{Action: "sett"}, 0},
			{"object", AuditFilter{Object: "queue."}, 5},
			{"since", AuditFilter{Since: start}, 6},
			{"till", AuditFilter{Till: start.Add(-time.Minute), Limit: 500}, len(all) - 6},
			{"domain", AuditFilter{Domains: []mail.Domain{"dash.org"}}, 5},
			{"no domains", AuditFilter{Domains: []mail.Domain{}}, 0},
		} {
			if page := must[Page[AuditEntry]](t)(d.FindAudit(t.Context(), tt.f)); len(page.Items) != tt.n || page.Next != "" {
				t.Errorf("%s: %d entries and next %q, want %d", tt.name, len(page.Items), page.Next, tt.n)
			}
		}
		var paged []AuditEntry
		f := AuditFilter{Limit: 7}
		for {
			page := must[Page[AuditEntry]](t)(d.FindAudit(t.Context(), f))
			paged = append(paged, page.Items...)
			if f.Cursor = page.Next; f.Cursor == "" {
				break
			}
		}
		if !slices.EqualFunc(paged, all, func(a, b AuditEntry) bool { return a.ID == b.ID && a.Action == b.Action }) {
			t.Errorf("by pages: %d entries, at once %d", len(paged), len(all))
		}
		if _, err := d.FindAudit(t.Context(), AuditFilter{Cursor: "nonsense"}); !errors.Is(err, ErrInvalid) {
			t.Errorf("a cursor that is none: %v", err)
		}
	})
}
