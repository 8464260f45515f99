package directory

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLink(t *testing.T) {
	for _, tt := range []struct {
		name    string
		purpose Purpose
		between func(t *testing.T, d *Directory)
		want    error
	}{
		{"invite", Invite, nil, nil},
		{"reset", Reset, nil, nil},
		{"invite in time", Invite, after(InviteFor - time.Second), nil},
		{"invite too late", Invite, after(InviteFor), ErrLink},
		{"reset in time", Reset, after(ResetFor - time.Second), nil},
		{"reset too late", Reset, after(ResetFor), ErrLink},
		{"newer one", Reset, func(t *testing.T, d *Directory) {
			if _, _, err := d.AddLink(t.Context(), actor, 1, Invite); err != nil {
				t.Fatal(err)
			}
		}, ErrLink},
		{"newer one of somebody else", Reset, func(t *testing.T, d *Directory) {
			if _, _, err := d.AddLink(t.Context(), actor, 2, Invite); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"password set meanwhile", Reset, func(t *testing.T, d *Directory) {
			if err := d.SetPassword(t.Context(), actor, 1, "second horse"); err != nil {
				t.Fatal(err)
			}
		}, ErrLink},
		{"suspended and resumed", Reset, func(t *testing.T, d *Directory) {
			for _, suspended := range []bool{true, false} {
				if _, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Suspended: &suspended}); err != nil {
					t.Fatal(err)
				}
			}
		}, ErrLink},
		{"removed", Reset, func(t *testing.T, d *Directory) {
			if err := d.RemoveAccount(t.Context(), actor, 1); err != nil {
				t.Fatal(err)
			}
		}, ErrLink},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := town(t)
				session, _ := d.session(t, 1)
				token, made, err := d.AddLink(t.Context(), actor, 1, tt.purpose)
				if err != nil {
					t.Fatal(err)
				}
				if tt.between != nil {
					tt.between(t, d)
				}
				got, err := d.Link(t.Context(), token)
				if !errors.Is(err, tt.want) || err == nil && (got.Account.ID != 1 || got.Purpose != tt.purpose || !got.Expires.Equal(made.Expires)) {
					t.Errorf("look: %+v, %v", got, err)
				}
				if _, err := d.UseLink(t.Context(), token, "third horse"); !errors.Is(err, tt.want) {
					t.Errorf("use: %v", err)
				}
				if tt.want != nil {
					return
				}
				if got := try(d, home, "ana@example.org", "third horse"); got != "1" {
					t.Errorf("log in: %s", got)
				}
				if d.signedIn(t, session) {
					t.Error("an older session goes on")
				}
				if _, err := d.UseLink(t.Context(), token, "fourth horse"); !errors.Is(err, ErrLink) {
					t.Errorf("second use: %v", err)
				}
			})
		})
	}
}

// after lets time pass. Sessions that are over by then are no matter.
func after(wait time.Duration) func(*testing.T, *Directory) {
	return func(*testing.T, *Directory) { time.Sleep(wait) }
}

// TestLinkBadPassword: a password that cannot be one does not use a link up.
func TestLinkBadPassword(t *testing.T) {
	d := town(t)
	token, _, err := d.AddLink(t.Context(), actor, 1, Invite)
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", "short", "ana@example.org"} {
		if _, err := d.UseLink(t.Context(), token, password); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if _, err := d.UseLink(t.Context(), token, "third horse"); err != nil {
		t.Error(err)
	}
}

func TestAddLink(t *testing.T) {
	d := town(t)
	if _, _, err := d.AddLink(t.Context(), actor, 99, Invite); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	if _, _, err := d.AddLink(t.Context(), actor, 5, Invite); !errors.Is(err, ErrInvalid) {
		t.Errorf("suspended: %v", err)
	}
	if _, _, err := d.AddLink(t.Context(), actor, 1, "party"); err == nil {
		t.Error("a purpose that is none")
	}
	session, _ := d.session(t, 1)
	if _, err := d.Link(t.Context(), session); !errors.Is(err, ErrLink) {
		t.Errorf("token of a session: %v", err)
	}
}

func TestSetupCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		redeem := func(what, code string, want error) string {
			t.Helper()
			token, _, err := d.RedeemSetupCode(t.Context(), code, home)
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
			return token
		}
		fresh := func() string {
			code, expires, err := d.NewSetupCode(t.Context(), actor, SetupCodeFor)
			if err != nil || time.Until(expires) != SetupCodeFor || len(code) != len("K7P4-9QXD-22MB") {
				t.Fatal(code, expires, err)
			}
			return code
		}
		inside := func(token string) bool {
			t.Helper()
			_, err := d.SetupSession(t.Context(), token)
			if err != nil && !errors.Is(err, ErrSignedOut) {
				t.Fatal(err)
			}
			return err == nil
		}
		redeem("none was made", "K7P4-9QXD-22MB", ErrSetupCode)
		if d.InSetup() {
			t.Error("in the first run before there is a code")
		}
		old, code := fresh(), fresh()
		if !d.InSetup() {
			t.Error("not in the first run with a code on its way")
		}
		redeem("replaced", old, ErrSetupCode)
		token := redeem("right", code, nil)
		redeem("again", code, ErrSetupCode)
		if !inside(token) || inside("") || inside(flip(token, 20)) {
			t.Error("setup session is not right")
		}
		if !d.InSetup() {
			t.Error("not in the first run with a browser in it")
		}
		if d.signedIn(t, token) {
			t.Error("a setup session is a session")
		}
		second := fresh()
		if !inside(token) {
			t.Error("a code that nobody has redeemed ends the session")
		}
		next := redeem("second", second, nil)
		if inside(token) || !inside(next) {
			t.Error("two browsers are in")
		}
		code = fresh()
		time.Sleep(SetupCodeFor)
		redeem("too late", code, ErrSetupCode)
		time.Sleep(SetupSessionFor)
		if inside(next) {
			t.Error("a setup session never ends")
		}
		next = redeem("third", fresh(), nil)
		code = fresh()
		if err := d.EndSetup(t.Context(), actor, next); err != nil {
			t.Fatal(err)
		}
		if inside(next) {
			t.Error("in after the end")
		}
		redeem("after the end", code, ErrSetupCode)
		if d.InSetup() {
			t.Error("in the first run after its end")
		}
	})
}

func TestSetupThrottle(t *testing.T) {
	d := town(t)
	code, _, err := d.NewSetupCode(t.Context(), actor, SetupCodeFor)
	if err != nil {
		t.Fatal(err)
	}
	for range freeOfLogin + 1 {
		if _, _, err := d.RedeemSetupCode(t.Context(), "K7P4-9QXD-22MB", abroad); !errors.Is(err, ErrSetupCode) {
			t.Fatal(err)
		}
	}
	var put *Throttled
	if _, _, err := d.RedeemSetupCode(t.Context(), code, abroad); !errors.As(err, &put) {
		t.Errorf("guesser: %v", err)
	}
	if _, _, err := d.RedeemSetupCode(t.Context(), code, home); err != nil {
		t.Errorf("admin: %v", err)
	}
}
