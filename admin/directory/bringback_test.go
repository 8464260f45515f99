package directory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/verdict"
)

// copyOf makes a copy of the directory, as a backup has it, and returns an
// account of it.
func (d *Directory) copyOf(t *testing.T, account uint32) AccountCopy {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Backup(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := openAt(t, file).CopyAccount(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// summary is what came back in one line.
func (b *BroughtBack) summary() string {
	var parts []string
	if b.Password {
		parts = append(parts, "password")
	}
	if b.SecondFactor {
		parts = append(parts, "totp")
	}
	parts = append(parts, b.AppPasswords...)
	parts = append(parts, b.Passkeys...)
	return strings.Join(parts, " ")
}

// fullHome is a directory whose first account has all that is removed with one.
type fullHome struct {
	*Directory
	t       *testing.T
	phone   AppPassword
	secret  string
	passkey Passkey
	handle  []byte
}

func newFullHome(t *testing.T) *fullHome {
	t.Helper()
	h := &fullHome{Directory: town(t), t: t}
	h.phone, h.secret = h.mustAppPassword(t, 1, NewAppPassword{Label: "Phone"})
	h.mustAppPassword(t, 1, NewAppPassword{Label: "Laptop"})
	h.passkey = h.addPasskey(t, 1, "credential", 7)
	h.handle = h.UserHandle(1)
	h.setTOTP(1)
	if _, err := h.PutListEntry(t.Context(), actor, RuleScope{Account: 1}, verdict.Entry{Verb: verdict.Block, Subject: "@prizes.test"}); err != nil {
		t.Fatal(err)
	}
	policy := verdict.Default()
	if err := h.SetJunkPolicy(t.Context(), actor, RuleScope{Address: path(t, "ana@example.org")}, &policy); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *fullHome) setTOTP(account uint32) {
	h.t.Helper()
	secret, err := h.NewTOTPSecret()
	if err != nil {
		h.t.Fatal(err)
	}
	if ok, err := h.SetTOTP(h.t.Context(), actor, account, secret, TOTPCode(secret, time.Now())); !ok || err != nil {
		h.t.Fatal(ok, err)
	}
}

func (h *fullHome) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestBringBack removes an account and brings it back: what went with it works
// as before, under another number.
func TestBringBack(t *testing.T) {
	h := newFullHome(t)
	old := h.copyOf(t, 1)
	h.must(h.RemoveAccount(ctx, actor, 1))
	if got := login(h.Directory, "imap", "ana@example.org", h.secret); got != "failed" {
		t.Fatalf("of an account that is gone: %s", got)
	}
	rehearsed, err := h.BringBack(Rehearse(ctx, &Rehearsal{}), actor, old)
	if !errors.Is(err, ErrRehearsed) || len(h.Accounts()) != 4 {
		t.Fatalf("rehearsal: %v", err)
	}
	for range 2 { // the second time, after it was removed once more
		b, err := h.BringBack(ctx, actor, old)
		h.must(err)
		if got := b.summary(); got != "password totp Laptop Phone Passkey" || got != rehearsed.summary() {
			t.Errorf("came back: %s; rehearsed: %s; left: %q", got, rehearsed.summary(), b.Left)
		}
		if want := []string{"deep@example.org", "info@example.org"}; !slices.Equal(slices.Sorted(slices.Values(b.Aliases)), want) {
			t.Errorf("aliases = %q, want %q", b.Aliases, want)
		}
		if staff, _ := h.Alias(path(t, "staff@example.org")); len(staff.Targets) != 1 || !slices.ContainsFunc(b.Left, func(s string) bool { return strings.Contains(s, "staff@example.org") }) {
			t.Errorf("staff = %v, left = %q", staff, b.Left)
		}
		if b.Filters != 1 || !b.JunkPolicy || len(h.ListEntries(RuleScope{Account: b.Account.ID})) != 1 {
			t.Errorf("%d filters, policy %v", b.Filters, b.JunkPolicy)
		}
		if own, _ := h.JunkPolicy(RuleScope{Address: path(t, "ana@example.org")}); own == nil {
			t.Error("the policy of the address is gone")
		}
		id := fmt.Sprint(b.Account.ID)
		for _, tt := range []struct{ login, password, want string }{
			{"ana@example.org", h.secret, id + " by app"},
			{"deep@example.org", h.secret, id + " by app"},
			{"ana@example.org", "correct horse", id},
		} {
			if got := login(h.Directory, "imap", tt.login, tt.password); got != tt.want {
				t.Errorf("%s logs in: %s, want %s", tt.login, got, tt.want)
			}
		}
		if got := scramLogin(t, h.Directory, "ana@example.org", h.secret); got != id {
			t.Errorf("by SCRAM: %s", got)
		}
		if a, err := h.AccountByHandle(h.handle); err != nil || a.ID != b.Account.ID || string(h.UserHandle(a.ID)) != string(h.handle) {
			t.Errorf("the authenticator knows account %d, %v", a.ID, err)
		}
		if f, err := h.Factors(ctx, b.Account.ID); err != nil || !f.TOTP || f.Passkeys != 1 {
			t.Errorf("factors = %+v, %v", f, err)
		}
		if _, secret := h.mustAppPassword(t, b.Account.ID, NewAppPassword{Label: "New"}); login(h.Directory, "imap", "ana@example.org", secret) != id+" by app" {
			t.Error("a new app password does not work")
		}
		if _, err := h.BringBack(ctx, actor, old); !errors.Is(err, ErrExists) {
			t.Errorf("once more: %v", err)
		}
		h.must(h.RemoveAccount(ctx, actor, b.Account.ID))
	}
	if _, err := h.AccountByHandle(h.UserHandle(0)); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody's handle: %v", err)
	}
}

// TestBringBackLeavesWhatWasRevoked changes an account between the copy and its
// end: what did not let anybody in at the end lets nobody in afterwards.
func TestBringBackLeavesWhatWasRevoked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(h *fullHome) error
		want   string
		left   int // sentences about what does not come back
	}{
		{"nothing", func(*fullHome) error { return nil }, "password totp Laptop Phone Passkey", 1},
		{"an app password was revoked", func(h *fullHome) error { return h.RemoveAppPassword(ctx, actor, 1, h.phone.ID) }, "password totp Laptop Passkey", 2},
		{"a passkey was removed", func(h *fullHome) error { return h.RemovePasskey(ctx, actor, 1, h.passkey.ID) }, "password totp Laptop Phone", 2},
		{"another password", func(h *fullHome) error { return h.SetPassword(ctx, actor, 1, "another horse") }, "totp Laptop Phone Passkey", 2},
		{"no second factor any more", func(h *fullHome) error { return h.RemoveTOTP(ctx, actor, 1) }, "password Laptop Phone Passkey", 0},
		{"all factors lost", func(h *fullHome) error { return h.RemoveFactors(ctx, actor, 1) }, "password Laptop Phone", 1},
		{"another second factor", func(h *fullHome) error { h.setTOTP(1); return nil }, "Laptop Phone", 2},
		{"a newer app password is not in the copy", func(h *fullHome) error { h.mustAppPassword(h.t, 1, NewAppPassword{Label: "New"}); return nil }, "password totp Laptop Phone Passkey", 1},
		{"of somebody else", func(h *fullHome) error { return h.SetPassword(ctx, actor, 2, "another horse") }, "password totp Laptop Phone Passkey", 1},
		{"revoked after it was brought back before", func(h *fullHome) error {
			old := h.copyOf(h.t, 1)
			h.must(h.RemoveAccount(ctx, actor, 1))
			b, err := h.BringBack(ctx, actor, old)
			h.must(err)
			h.must(h.RemoveAppPassword(ctx, actor, b.Account.ID, h.phone.ID))
			return h.RemoveAccount(ctx, actor, b.Account.ID)
		}, "password totp Laptop Passkey", 2},
		{"the log does not reach back", func(h *fullHome) error {
			return h.update(ctx, actor, func(c *change) error {
				return c.tx.Bucket(bucketAudit).Delete(auditKey(c.tx.Bucket(bucketAudit).Sequence()))
			})
		}, "", 4},
		{"the log is that of another life", func(h *fullHome) error {
			return h.update(ctx, "somebody else", func(c *change) error {
				b := c.tx.Bucket(bucketAudit)
				if err := b.SetSequence(b.Sequence() - 1); err != nil {
					return err
				}
				return c.audit("domain.set", "example.org", nil, nil)
			})
		}, "", 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newFullHome(t)
			old := h.copyOf(t, 1)
			h.must(tt.change(h))
			if _, err := h.Account(1); err == nil {
				h.must(h.RemoveAccount(ctx, actor, 1))
			}
			b, err := h.BringBack(ctx, actor, old)
			h.must(err)
			if got := b.summary(); got != tt.want {
				t.Errorf("came back: %q, want %q", got, tt.want)
			}
			if len(b.Left) != tt.left+1 { // and one alias
				t.Errorf("left: %q, want %d sentences", b.Left, tt.left+1)
			}
		})
	}
	t.Run("of another server", func(t *testing.T) {
		old := newFullHome(t).copyOf(t, 1)
		d := open(t)
		d.mustDomain(t, NewDomain{Name: "example.org"})
		b, err := d.BringBack(ctx, actor, old)
		if err != nil || b.summary() != "" || b.Filters != 1 || len(b.Aliases) != 3 {
			t.Errorf("came back: %+v, %v", b, err)
		}
	})
}

// TestBringBackForwards: mail goes on only to where it still went when the
// account was removed, and where it can go.
func TestBringBackForwards(t *testing.T) {
	d := town(t)
	forward := func(to ...string) {
		t.Helper()
		var list []mail.Path
		for _, s := range to {
			list = append(list, path(t, s))
		}
		if _, err := d.SetAccount(ctx, actor, 1, AccountChange{Forward: &list}); err != nil {
			t.Fatal(err)
		}
	}
	forward("me@far.test", "intruder@far.test", "bo@example.org")
	old := d.copyOf(t, 1)
	forward("me@far.test", "bo@example.org")
	bo, err := d.AccountByAddress(path(t, "bo@example.org"))
	if err == nil {
		err = d.RemoveAccount(ctx, actor, 1)
	}
	if err == nil {
		err = d.RemoveAccount(ctx, actor, bo.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.BringBack(ctx, actor, old)
	if err != nil || !slices.Equal(b.Forward, []string{"me@far.test"}) || len(b.Account.Forward) != 1 {
		t.Errorf("forwards to %q (%v), left %q", b.Forward, err, b.Left)
	}
}

// TestBringBackNumberTaken: after a restore of everything the number of an
// account can be another one's, whose passkeys it must not take over.
func TestBringBackNumberTaken(t *testing.T) {
	h := newFullHome(t)
	old := h.copyOf(t, 1)
	h.must(h.RemoveAccount(ctx, actor, 1))
	h.must(h.update(ctx, actor, func(c *change) error {
		a := *c.next.accounts[2]
		was := a
		a.Origin = 1
		return c.putAccount("account.set", &was, &a)
	}))
	b, err := h.BringBack(ctx, actor, old)
	if err != nil || b.summary() != "" || b.Account.Origin != 0 {
		t.Errorf("came back: %q with the number %d, %v", b.summary(), b.Account.Origin, err)
	}
}

// TestBringBackRights: an account may do no more than when it was removed.
func TestBringBackRights(t *testing.T) {
	yes := true
	role := func(r Role, domains ...mail.Domain) AccountChange { return AccountChange{Role: &r, Domains: &domains} }
	for _, tt := range []struct {
		name            string
		before, between AccountChange
		want            string
	}{
		{"as it was", role(RoleAdmin), AccountChange{}, "admin [] false"},
		{"a weaker role since", role(RoleAdmin), role(RoleSupport), "support [] false"},
		{"a stronger role since", role(RoleSupport), role(RoleAdmin), "support [] false"},
		{"fewer domains since", role(RoleDomainAdmin, "example.org", "dash.org"), role(RoleDomainAdmin, "dash.org"), "domain-admin [dash.org] false"},
		{"other domains since", role(RoleDomainAdmin, "example.org"), role(RoleDomainAdmin, "dash.org"), "user [] false"},
		{"suspended since", AccountChange{}, AccountChange{Suspended: &yes}, "user [] true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := town(t)
			set := func(ch AccountChange) {
				t.Helper()
				if _, err := d.SetAccount(ctx, actor, 1, ch); err != nil {
					t.Fatal(err)
				}
			}
			set(tt.before)
			old := d.copyOf(t, 1)
			set(tt.between)
			if err := d.RemoveAccount(ctx, actor, 1); err != nil {
				t.Fatal(err)
			}
			b, err := d.BringBack(ctx, actor, old)
			if got := fmt.Sprintf("%s %v %v", b.Account.Role, b.Account.Domains, b.Account.Suspended); err != nil || got != tt.want {
				t.Errorf("came back as %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}
