package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// login logs in by a service and says what came of it.
func login(d *Directory, service, who, password string) string {
	id, err := d.Authenticator(home, service).Password(ctx, who, password)
	var named *mail.Error
	if errors.As(err, &named) && !named.Status.Temporary() {
		return fmt.Sprint(named.Code)
	}
	if err == nil && id.AppPassword != "" {
		return fmt.Sprint(id.Account, " by app")
	}
	return answer(id, err)
}

func (d *Directory) mustAppPassword(t *testing.T, account uint32, n NewAppPassword) (AppPassword, string) {
	t.Helper()
	if n.Label == "" {
		n.Label = "Phone"
	}
	p, secret, err := d.AddAppPassword(t.Context(), actor, account, n)
	if err != nil {
		t.Fatal(err)
	}
	return p, secret
}

func TestAppPasswordLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		_, all := d.mustAppPassword(t, 1, NewAppPassword{})
		_, imap := d.mustAppPassword(t, 1, NewAppPassword{Protocols: []Protocol{ProtocolIMAP}})
		_, short := d.mustAppPassword(t, 1, NewAppPassword{Expires: time.Now().Add(time.Hour)})
		_, gone := d.mustAppPassword(t, 5, NewAppPassword{})
		if len(strings.ReplaceAll(all, "-", "")) != 16 || len(all) != 19 {
			t.Errorf("secret %q", all)
		}
		for _, tt := range []struct{ name, service, login, password, want string }{
			{"IMAP", "imap", "ana@example.org", all, "1 by app"},
			{"submission", "submission", "ana@example.org", all, "1 by app"},
			{"POP3", "pop3", "ana@example.org", all, "1 by app"},
			{"filter scripts", "managesieve", "ana@example.org", all, "1 by app"},
			{"the account itself", "web", "ana@example.org", all, "failed"},
			{"by an alias", "imap", "info@example.org", all, "1 by app"},
			{"typed in capitals with spaces", "imap", "ana@example.org", " " + strings.ToUpper(strings.ReplaceAll(all, "-", " ")), "1 by app"},
			{"in one", "imap", "ana@example.org", strings.ReplaceAll(all, "-", ""), "1 by app"},
			{"cut off", "imap", "ana@example.org", all[:18], "failed"},
			{"somebody else's", "imap", "bo@example.org", all, "failed"},
			{"another protocol", "submission", "ana@example.org", imap, "535"},
			{"its protocol", "imap", "ana@example.org", imap, "1 by app"},
			{"IMAP is good for scripts", "managesieve", "ana@example.org", imap, "1 by app"},
			{"still good", "imap", "ana@example.org", short, "1 by app"},
			{"of a suspended account", "imap", "gone@example.org", gone, "failed"},
			{"the password of the account", "imap", "ana@example.org", "correct horse", "1"},
		} {
			if got := login(d, tt.service, tt.login, tt.password); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
		time.Sleep(time.Hour)
		if got := login(d, "imap", "ana@example.org", short); got != "535" {
			t.Errorf("expired: %s", got)
		}
		if n := hashes(d, func() { login(d, "imap", "ana@example.org", all) }); n != 0 {
			t.Errorf("an app password was hashed %d times as slowly as one of a person", n)
		}
	})
}

// An app password is let in while guesses at the account are held back.
func TestAppPasswordDuringPenalty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		_, secret := d.mustAppPassword(t, 1, NewAppPassword{})
		fail(t, d, home, "ana@example.org", freeOfLogin+1)
		if got := try(d, home, "ana@example.org", "correct horse"); got != "later" {
			t.Errorf("the password: %s", got)
		}
		if got := login(d, "imap", "ana@example.org", secret); got != "1 by app" {
			t.Errorf("the app password: %s", got)
		}
	})
}

// TestAppPasswordBySCRAM: mechanisms that show no password take app passwords,
// too, as they are shown or without hyphens, whatever becomes of the password
// of the account.
func TestAppPasswordBySCRAM(t *testing.T) {
	d := town(t)
	if _, err := d.AddAccount(ctx, actor, NewAccount{Address: path(t, "new@example.org")}); err != nil {
		t.Fatal(err)
	}
	both := func(step, who, secret, want string) {
		t.Helper()
		for _, form := range []string{secret, strings.ReplaceAll(secret, "-", "")} {
			if got := scramLogin(t, d, who, form); got != want {
				t.Errorf("%s: %s as %s: %s, want %s", step, who, form, got, want)
			}
		}
	}
	p, ana := d.mustAppPassword(t, 1, NewAppPassword{Protocols: []Protocol{ProtocolIMAP}})
	_, second := d.mustAppPassword(t, 1, NewAppPassword{})
	_, fresh := d.mustAppPassword(t, 6, NewAppPassword{})
	both("made", "ana@example.org", ana, "1")
	both("made", "info@example.org", second, "1")
	both("no other password", "new@example.org", fresh, "6")
	both("of somebody else", "bo@example.org", ana, "failed")
	if got := scramBy(t, d, "submission", "ana@example.org", ana); !strings.Contains(got, "not for SMTP") {
		t.Errorf("another protocol: %s", got)
	}
	if got := scramBy(t, d, "web", "ana@example.org", ana); got != "failed" {
		t.Errorf("the account itself: %s", got)
	}
	for _, id := range []uint32{1, 6} {
		if err := d.SetPassword(ctx, actor, id, "battery staple"); err != nil {
			t.Fatal(err)
		}
	}
	both("password changed", "ana@example.org", ana, "1")
	both("password set", "new@example.org", fresh, "6")
	if got := scramLogin(t, d, "new@example.org", "battery staple"); got != "6" {
		t.Errorf("the password: %s", got)
	}
	d = openAt(t, reopen(t, d))
	both("opened again", "ana@example.org", ana, "1")
	if err := d.RemoveAppPassword(ctx, actor, 1, p.ID); err != nil {
		t.Fatal(err)
	}
	both("revoked", "ana@example.org", ana, "failed")
	both("the other one", "ana@example.org", second, "1")
	if last := d.AppPasswords(1)[0]; last.LastProtocol != ProtocolIMAP {
		t.Errorf("its last use: %+v", last)
	}
}

// reopen closes a directory and returns where it is.
func reopen(t *testing.T, d *Directory) string {
	t.Helper()
	file := d.db.Path()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAppPasswordsOnly(t *testing.T) {
	d := town(t)
	_, secret := d.mustAppPassword(t, 1, NewAppPassword{})
	yes, no := true, false
	set := func(account, domain *bool) {
		t.Helper()
		if _, err := d.SetAccount(t.Context(), actor, 1, AccountChange{AppPasswordsOnly: account}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.SetDomain(t.Context(), actor, "example.org", DomainChange{AppPasswordsOnly: domain}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name            string
		account, domain *bool
		main            string
	}{{"neither", &no, &no, "1"}, {"account", &yes, &no, "534"}, {"domain", &no, &yes, "534"}, {"no more", &no, &no, "1"}} {
		set(tt.account, tt.domain)
		for _, service := range []string{"imap", "submission", "pop3"} {
			if got := login(d, service, "ana@example.org", "correct horse"); got != tt.main {
				t.Errorf("%s: %s: %s, want %s", tt.name, service, got, tt.main)
			}
			if got := login(d, service, "ana@example.org", "wrong horse"); got != "failed" {
				t.Errorf("%s: a guess is told %s", tt.name, got)
			}
			if got := login(d, service, "ana@example.org", secret); got != "1 by app" {
				t.Errorf("%s: app password: %s", tt.name, got)
			}
		}
		if got := login(d, "web", "ana@example.org", "correct horse"); got != "1" {
			t.Errorf("%s: console: %s", tt.name, got)
		}
		wantScram := map[string]string{"1": "1", "534": errAppPasswordNeeded.Error()}[tt.main]
		if got := scramLogin(t, d, "ana@example.org", "correct horse"); got != wantScram {
			t.Errorf("%s: SCRAM: %s", tt.name, got)
		}
		if got := scramLogin(t, d, "ana@example.org", "wrong horse"); got != "failed" {
			t.Errorf("%s: a guess by SCRAM is told %s", tt.name, got)
		}
	}
}

func TestAppPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		for _, n := range []NewAppPassword{
			{}, {Label: " "}, {Label: "a\nb"}, {Label: strings.Repeat("x", maxLabel+1)},
			{Label: "x", Protocols: []Protocol{"web"}}, {Label: "x", Expires: time.Now()},
		} {
			if _, _, err := d.AddAppPassword(t.Context(), actor, 1, n); !errors.Is(err, ErrInvalid) {
				t.Errorf("%+v: %v", n, err)
			}
		}
		if _, _, err := d.AddAppPassword(t.Context(), actor, 99, NewAppPassword{Label: "x"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("no account: %v", err)
		}
		p, secret := d.mustAppPassword(t, 1, NewAppPassword{Label: " Phone ", Protocols: []Protocol{ProtocolSMTP, ProtocolIMAP}})
		if p.Label != "Phone" || fmt.Sprint(p.Protocols) != "[imap smtp]" {
			t.Errorf("made %+v", p)
		}
		time.Sleep(time.Second)
		second, _ := d.mustAppPassword(t, 1, NewAppPassword{Label: "Tablet"})
		list := d.AppPasswords(1)
		if len(list) != 2 || list[0].ID != second.ID || !list[1].LastUsed.IsZero() {
			t.Errorf("list %+v", list)
		}
		login(d, "imap", "ana@example.org", secret)
		used, err := d.AppPassword(1, p.ID)
		if err != nil || !used.LastUsed.Equal(time.Now()) || used.LastIP != home || used.LastProtocol != ProtocolIMAP {
			t.Errorf("used %+v, %v", used, err)
		}
		file := d.db.Path()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = openAt(t, file)
		if again, err := d.AppPassword(1, p.ID); err != nil || fmt.Sprint(again) != fmt.Sprint(used) {
			t.Errorf("reopened: %+v, %v; want %+v", again, err, used)
		}
		if got := login(d, "imap", "ana@example.org", secret); got != "1 by app" {
			t.Errorf("reopened: %s", got)
		}
		if err := d.RemoveAppPassword(t.Context(), actor, 2, p.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("removed by somebody else: %v", err)
		}
		if err := d.RemoveAppPassword(t.Context(), actor, 1, p.ID); err != nil {
			t.Fatal(err)
		}
		if got := login(d, "imap", "ana@example.org", secret); got != "failed" {
			t.Errorf("removed: %s", got)
		}
		entries, err := d.Audit(t.Context(), 2)
		if err != nil || entries[0].Action != "app-password.remove" || entries[0].Object != "ana@example.org" || strings.Contains(string(entries[0].Before), "hash") ||
			!strings.Contains(string(entries[0].Before), `"Phone"`) {
			t.Errorf("audit %+v, %v", entries, err)
		}
		for range maxAppPasswords - 1 {
			d.mustAppPassword(t, 1, NewAppPassword{})
		}
		if _, _, err := d.AddAppPassword(t.Context(), actor, 1, NewAppPassword{Label: "x"}); !errors.Is(err, ErrInvalid) {
			t.Errorf("too many: %v", err)
		}
		if err := d.RemoveAccount(t.Context(), actor, 1); err != nil {
			t.Fatal(err)
		}
		if n := len(d.current.Load().appPasswords); n != 0 {
			t.Errorf("%d app passwords of nobody", n)
		}
	})
}

// TestRevoke: a session hears when its login is no longer good, whatever the
// reason, and no other does.
func TestRevoke(t *testing.T) {
	yes := true
	suspend := func(d *Directory, id uint32) error {
		_, err := d.SetAccount(ctx, actor, id, AccountChange{Suspended: &yes})
		return err
	}
	for _, tt := range []struct {
		name      string
		do        func(d *Directory, app string) error
		main, app bool // which session ends
	}{
		{"app password revoked", func(d *Directory, app string) error { return d.RemoveAppPassword(ctx, actor, 1, app) }, false, true},
		{"password changed", func(d *Directory, _ string) error { return d.SetPassword(ctx, actor, 1, "battery staple") }, true, false},
		{"account suspended", func(d *Directory, _ string) error { return suspend(d, 1) }, true, true},
		{"account removed", func(d *Directory, _ string) error { return d.RemoveAccount(ctx, actor, 1) }, true, true},
		{"domain disabled", func(d *Directory, _ string) error {
			_, err := d.SetDomain(ctx, actor, "example.org", DomainChange{Disabled: &yes})
			return err
		}, true, true},
		{"app passwords only", func(d *Directory, _ string) error {
			_, err := d.SetAccount(ctx, actor, 1, AccountChange{AppPasswordsOnly: &yes})
			return err
		}, true, false},
		{"somebody else suspended", func(d *Directory, _ string) error { return suspend(d, 2) }, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := town(t)
				p, secret := d.mustAppPassword(t, 1, NewAppPassword{})
				ended := func(password string) (done *bool, stop func() bool) {
					auth := d.Authenticator(home, "imap")
					if _, err := auth.Password(ctx, "ana@example.org", password); err != nil {
						t.Fatal(err)
					}
					done = new(bool)
					return done, auth.OnRevoke(func() { *done = true })
				}
				main, stopMain := ended("correct horse")
				app, stopApp := ended(secret)
				closed, stopClosed := ended(secret)
				if !stopClosed() {
					t.Error("a session that ended itself was told")
				}
				if err := tt.do(d, p.ID); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if *main != tt.main || *app != tt.app || *closed {
					t.Errorf("ended: %v, %v, %v; want %v, %v, false", *main, *app, *closed, tt.main, tt.app)
				}
				if stopMain() == tt.main || stopApp() == tt.app {
					t.Error("stop does not tell what became of the session")
				}
				if len(d.watchers.all) != 0 {
					t.Errorf("%d sessions are kept", len(d.watchers.all))
				}
			})
		})
	}
}

// A login that is no longer good when the session begins to watch it ends, too.
func TestRevokeBeforeWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		p, secret := d.mustAppPassword(t, 1, NewAppPassword{})
		auth := d.Authenticator(netip.Addr{}, "imap")
		if _, err := auth.Password(ctx, "ana@example.org", secret); err != nil {
			t.Fatal(err)
		}
		if err := d.RemoveAppPassword(ctx, actor, 1, p.ID); err != nil {
			t.Fatal(err)
		}
		ended := false
		defer auth.OnRevoke(func() { ended = true })()
		if synctest.Wait(); !ended {
			t.Error("it goes on")
		}
	})
}

func FuzzParseAppSecret(f *testing.F) {
	for _, s := range []string{"", "abcd-efgh-ijkl-mnop", "ABCD EFGH IJKL MNOP", "abcdefghijklmnop", "0000111188882345", "abcd\u00a0efgh ijkl mnop", strings.Repeat("-", 100), "correct horse!!!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		secret, ok := parseAppSecret(typed)
		if !ok {
			return
		}
		if len(secret) != appSecretLetters || strings.Trim(secret, letters) != "" {
			t.Fatalf("%q is read as %q", typed, secret)
		}
		if again, ok := parseAppSecret(formatAppSecret(secret)); !ok || again != secret {
			t.Fatalf("%q is written as %q and read as %q", secret, formatAppSecret(secret), again)
		}
	})
}
