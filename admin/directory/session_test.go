package directory

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// session begins a session.
func (d *Directory) session(t *testing.T, account uint32) (string, Session) {
	t.Helper()
	token, s, err := d.AddSession(t.Context(), NewSession{Account: account, Method: ByPassword, IP: home, UserAgent: "Firefox"})
	if err != nil {
		t.Fatal(err)
	}
	return token, s
}

// signedIn reports whether a token stands for a session.
func (d *Directory) signedIn(t *testing.T, token string) bool {
	t.Helper()
	_, err := d.UseSession(t.Context(), token, home)
	if err != nil && !errors.Is(err, ErrSignedOut) {
		t.Fatal(err)
	}
	return err == nil
}

func TestSession(t *testing.T) {
	d := town(t)
	long := strings.Repeat("x", 3*maxLoginClient)
	token, made, err := d.AddSession(t.Context(), NewSession{Account: 1, Method: ByPasskey, IP: netip.MustParseAddr("::ffff:192.0.2.1"), UserAgent: "a\r\nb" + long})
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.UseSession(t.Context(), token, home)
	if err != nil || got != made {
		t.Errorf("got %+v, %v; made %+v", got, err, made)
	}
	if got.Account != 1 || got.Method != ByPasskey || got.IP != home || len(got.UserAgent) > maxLoginClient || !strings.HasPrefix(got.UserAgent, "abx") {
		t.Errorf("%+v", got)
	}
	for name, token := range map[string]string{
		"none": "", "short": token[1:], "long": token + "A", "changed": flip(token, 20),
		"of another account": flip(token, 5), "changed at the end": flip(token, len(token)-2), "not base64": strings.Repeat("!", len(token)),
		"padding bits": strings.Repeat("A", len(token)-1) + "\n",
	} {
		if d.signedIn(t, token) {
			t.Errorf("%s: %q is a session", name, token)
		}
	}
	if _, _, err := d.AddSession(t.Context(), NewSession{Account: 99}); !errors.Is(err, ErrSignedOut) {
		t.Errorf("account that is not there: %v", err)
	}
}

// flip changes a character of a token.
func flip(token string, at int) string {
	c := byte('A')
	if token[at] == 'A' {
		c = 'B'
	}
	return token[:at] + string(c) + token[at+1:]
}

// TestTokensAreNotKept looks for what was handed out in the file.
func TestTokensAreNotKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "system.db")
	d := openAt(t, file)
	d.mustDomain(t, NewDomain{Name: "example.org"})
	d.mustAccount(t, "ana@example.org")
	token, _ := d.session(t, 1)
	link, _, err := d.AddLink(t.Context(), actor, 1, Invite)
	if err != nil {
		t.Fatal(err)
	}
	code, _, err := d.NewSetupCode(t.Context(), actor, SetupCodeFor)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("Firefox")) {
		t.Fatal("the session is not in the file at all")
	}
	for name, secret := range map[string]string{"session": token, "link": link, "setup code": code, "setup code without hyphens": strings.ReplaceAll(code, "-", "")} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("the file has the %s", name)
		}
	}
}

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		idle, _ := d.session(t, 1)
		used, _ := d.session(t, 1)
		for passed := time.Duration(0); passed < SessionMost; passed += SessionIdle - time.Hour {
			if !d.signedIn(t, used) {
				t.Fatalf("ended after %v", passed)
			}
			if want := passed < SessionIdle; d.listed(t, idle) != want {
				t.Errorf("idle session after %v: signed in is %v", passed, !want)
			}
			time.Sleep(SessionIdle - time.Hour)
		}
		if d.signedIn(t, used) {
			t.Error("a session that is always used never ends")
		}
		if list, err := d.Sessions(t.Context(), 1); err != nil || len(list) != 0 {
			t.Errorf("left: %v, %v", list, err)
		}
	})
}

// listed reports whether a token is that of a listed session of account 1;
// that does not count as use.
func (d *Directory) listed(t *testing.T, token string) bool {
	t.Helper()
	_, hash, ok := parseToken(token)
	if !ok {
		t.Fatal(token)
	}
	list, err := d.Sessions(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.ID == hash.id() {
			return true
		}
	}
	return false
}

func TestLastSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		token, made := d.session(t, 1)
		use := func(wait time.Duration, from netip.Addr) Session {
			time.Sleep(wait)
			s, err := d.UseSession(t.Context(), token, from)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if err := d.SessionLives(t.Context(), 1, made.ID); err != nil {
			t.Error(err)
		}
		if s := use(59*time.Second, abroad); s.LastSeen != made.LastSeen || s.IP != home {
			t.Errorf("written within a minute: %+v", s)
		}
		if s := use(time.Second, abroad); s.LastSeen.Sub(made.LastSeen) != time.Minute || s.IP != abroad {
			t.Errorf("not written after a minute: %+v", s)
		}
	})
}

// TestFullDisk: somebody who is signed in stays so when nothing can be written.
func TestFullDisk(t *testing.T) {
	now := time.Now()
	file := filepath.Join(t.TempDir(), "system.db")
	d, err := Open(file, Options{Cost: cheap, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.mustDomain(t, NewDomain{Name: "example.org"})
	d.mustAccount(t, "ana@example.org")
	token, made := d.session(t, 1)
	d.db.MaxSize = 1 // it cannot grow any more
	reader, err := d.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback() // until then no page is free again
	for range 1000 {
		now = now.Add(seenEvery)
		s, err := d.UseSession(t.Context(), token, home)
		if err != nil || s.ID != made.ID {
			t.Fatalf("%+v, %v", s, err)
		}
		if !s.LastSeen.Equal(now) {
			return // it could not be written
		}
	}
	t.Error("the disk never was full")
}

// TestSessionsAreBounded: the session used longest ago makes room.
func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		first, _ := d.session(t, 1)
		time.Sleep(time.Minute)
		second, _ := d.session(t, 1)
		other, _ := d.session(t, 2)
		for range maxSessions - 2 {
			time.Sleep(time.Second)
			d.session(t, 1)
		}
		time.Sleep(time.Minute)
		if !d.signedIn(t, first) { // used last, now
			t.Fatal("ended too early")
		}
		time.Sleep(time.Second)
		d.session(t, 1)
		if list, err := d.Sessions(t.Context(), 1); err != nil || len(list) != maxSessions {
			t.Errorf("%d sessions, %v", len(list), err)
		}
		if !d.signedIn(t, first) || d.signedIn(t, second) || !d.signedIn(t, other) {
			t.Error("another session than the one used longest ago has made room")
		}
	})
}

// TestWhatEndsSessions changes an account in each way.
func TestWhatEndsSessions(t *testing.T) {
	yes, role := true, RoleAdmin
	for _, tt := range []struct {
		name   string
		change func(d *Directory, id string) error
		// current is the session the change is made in, other another of the
		// account, stranger one of another account.
		current, other, stranger bool
	}{
		{"name", func(d *Directory, _ string) error {
			name := "Ana"
			_, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Name: &name})
			return err
		}, true, true, true},
		{"own change of password", func(d *Directory, id string) error {
			return d.ChangePassword(t.Context(), actor, 1, "another horse", id)
		}, true, false, true},
		{"password set by an admin", func(d *Directory, _ string) error {
			return d.SetPassword(t.Context(), actor, 1, "another horse")
		}, false, false, true},
		{"suspended", func(d *Directory, _ string) error {
			_, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Suspended: &yes})
			return err
		}, false, false, true},
		{"role", func(d *Directory, _ string) error {
			_, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Role: &role})
			return err
		}, false, false, true},
		{"removed", func(d *Directory, _ string) error { return d.RemoveAccount(t.Context(), actor, 1) }, false, false, true},
		{"domain disabled", func(d *Directory, _ string) error {
			_, err := d.SetDomain(t.Context(), actor, "example.org", DomainChange{Disabled: &yes})
			return err
		}, false, false, false},
		{"factors removed", func(d *Directory, _ string) error { return d.RemoveFactors(t.Context(), actor, 1) }, false, false, true},
		{"one revoked", func(d *Directory, id string) error { return d.EndSession(t.Context(), 1, id) }, false, true, true},
		{"others revoked", func(d *Directory, id string) error { return d.EndSessions(t.Context(), 1, id) }, true, false, true},
		{"all revoked", func(d *Directory, _ string) error { return d.EndSessions(t.Context(), 1, "") }, false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := town(t)
			current, s := d.session(t, 1)
			other, _ := d.session(t, 1)
			stranger, _ := d.session(t, 2)
			if err := tt.change(d, s.ID); err != nil {
				t.Fatal(err)
			}
			if err := d.SessionLives(t.Context(), 1, s.ID); (err == nil) != tt.current || err != nil && !errors.Is(err, ErrSignedOut) {
				t.Errorf("current lives: %v", err)
			}
			got := [3]bool{d.signedIn(t, current), d.signedIn(t, other), d.signedIn(t, stranger)}
			if want := [3]bool{tt.current, tt.other, tt.stranger}; got != want {
				t.Errorf("current, other, of a stranger: %v, want %v", got, want)
			}
		})
	}
}

// TestSessionsStayEnded: what was ended by suspension does not come back.
func TestSessionsStayEnded(t *testing.T) {
	d := town(t)
	token, _ := d.session(t, 1)
	for _, suspended := range []bool{true, false} {
		if _, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Suspended: &suspended}); err != nil {
			t.Fatal(err)
		}
	}
	if d.signedIn(t, token) {
		t.Error("the session is back")
	}
}

func TestEndSessionOfOthers(t *testing.T) {
	d := town(t)
	token, s := d.session(t, 1)
	for _, tt := range []struct {
		account uint32
		id      string
	}{{2, s.ID}, {1, ""}, {1, s.ID[2:]}, {1, s.ID + "00"}, {1, "zz"}, {1, strings.Repeat("0", len(s.ID))}} {
		if err := d.EndSession(t.Context(), tt.account, tt.id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%d %q: %v", tt.account, tt.id, err)
		}
	}
	if !d.signedIn(t, token) {
		t.Error("ended")
	}
}

func TestReauthenticated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		token, made := d.session(t, 1)
		if time.Until(made.Sudo) != SudoFor {
			t.Errorf("a sign-in is good until %v", made.Sudo)
		}
		time.Sleep(time.Hour)
		s, err := d.Reauthenticated(t.Context(), 1, made.ID)
		if err != nil || time.Until(s.Sudo) != SudoFor {
			t.Errorf("%v, %v", s.Sudo, err)
		}
		if got, err := d.UseSession(t.Context(), token, home); err != nil || !got.Sudo.Equal(s.Sudo) {
			t.Errorf("%v, %v", got.Sudo, err)
		}
		if _, err := d.Reauthenticated(t.Context(), 2, made.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("of somebody else: %v", err)
		}
		time.Sleep(SessionIdle)
		if _, err := d.Reauthenticated(t.Context(), 1, made.ID); !errors.Is(err, ErrSignedOut) {
			t.Errorf("when it is over: %v", err)
		}
	})
}

// TestSignInRecords reads rows as they were written by each version.
func TestSignInRecords(t *testing.T) {
	for _, tt := range []struct {
		file   string
		record any
	}{
		{"session.json", &sessionRecord{}},
		{"link.json", &linkRecord{}},
		{"totp.json", &totpRecord{}},
		{"recovery.json", &recoveryRecord{}},
		{"passkey.json", &passkeyRecord{}},
		{"setup.json", &setupRecord{}},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", "signin-v1", tt.file))
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.TrimSpace(b)
		if err := decode(append([]byte{1}, b...), tt.record); err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
		if again, err := encode(tt.record); err != nil || !bytes.Equal(again[1:], b) {
			t.Errorf("%s is written as %s, %v", tt.file, again[1:], err)
		}
	}
}

func TestForgetSignIn(t *testing.T) {
	d := town(t)
	secret := d.totp(t, 1)
	if _, err := d.NewRecoveryCodes(t.Context(), actor, 1); err != nil {
		t.Fatal(err)
	}
	p, err := d.AddPasskey(t.Context(), actor, Passkey{Account: 1, CredentialID: []byte("id"), PublicKey: []byte("key")})
	if err != nil {
		t.Fatal(err)
	}
	link, _, err := d.AddLink(t.Context(), actor, 1, Reset)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := d.Factors(t.Context(), 1); err != nil || f != (Factors{TOTP: true, Passkeys: 1, RecoveryCodes: recoveryCodes}) {
		t.Errorf("before: %+v, %v", f, err)
	}
	if err := d.RemoveAccount(t.Context(), actor, 1); err != nil {
		t.Fatal(err)
	}
	if f, err := d.Factors(t.Context(), 1); err != nil || f != (Factors{}) {
		t.Errorf("after: %+v, %v", f, err)
	}
	if _, err := d.Link(t.Context(), link); !errors.Is(err, ErrLink) {
		t.Errorf("link: %v", err)
	}
	if ok, err := d.UseTOTP(t.Context(), 1, TOTPCode(secret, time.Now()), home); ok || err != nil {
		t.Errorf("TOTP: %v, %v", ok, err)
	}
	if err := d.UsePasskey(t.Context(), 1, p.ID, 9, false); !errors.Is(err, ErrNotFound) {
		t.Errorf("passkey: %v", err)
	}
}

func FuzzCode(f *testing.F) {
	for _, s := range []string{"K7P4-9QXD-22MB", "k7p49qxd22mb", "OIL1", "", "é", strings.Repeat("-", 99), "K7P4 9QXD 22MU"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		normal, ok := normaliseCode(s)
		if !ok {
			return
		}
		if len(normal) != codeLength || len(s) > maxCodeText {
			t.Errorf("%q → %q", s, normal)
		}
		if again, ok := normaliseCode(normal); !ok || again != normal {
			t.Errorf("%q → %q → %q", s, normal, again)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add(strings.Repeat("A", 48))
	f.Add("")
	f.Add(strings.Repeat("_", 47) + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		if account, hash, ok := parseToken(s); ok && (len(s) != 48 || hash == (tokenHash{}) || fmt.Sprint(account) == "") {
			t.Errorf("%q → %d", s, account)
		}
	})
}
