package signin

import (
	"context"
	"encoding/base32"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

const (
	right = "correct horse"
	wrong = "incorrect horse"
)

// home is the browser of most tests.
var home = Client{Remote: netip.MustParseAddr("192.0.2.1"), Agent: "Firefox", Host: "mail.example.org"}

// away is the same from another net.
func away(n byte) Client {
	c := home
	c.Remote = netip.AddrFrom4([4]byte{198, 51, 100, n})
	return c
}

// fixture is a service over a real directory with two accounts.
type fixture struct {
	*Service
	dir     *directory.Directory
	ana, bo uint32
	history *history
}

// history keeps what it is told.
type history struct{ attempts []Attempt }

func (h *history) SignedIn(_ context.Context, a Attempt) { h.attempts = append(h.attempts, a) }

func open(t *testing.T) *fixture {
	t.Helper()
	d, err := directory.Open(filepath.Join(t.TempDir(), "system.db"), directory.Options{Cost: directory.Cost{MemoryKiB: 8, Time: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if _, err := d.AddDomain(t.Context(), "test", directory.NewDomain{Name: "example.org"}); err != nil {
		t.Fatal(err)
	}
	f := &fixture{dir: d, history: &history{}}
	f.ana, f.bo = f.account(t, "ana@example.org"), f.account(t, "bo@example.org")
	f.Service = New(Options{Directory: d, History: f.history, Origins: func() []string {
		return []string{"https://mail.example.org", "https://localhost:10443", "https://192.0.2.7"}
	}})
	return f
}

func (f *fixture) account(t *testing.T, address string) uint32 {
	t.Helper()
	p, err := mail.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.dir.AddAccount(t.Context(), "test", directory.NewAccount{Address: p, Password: right})
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// signIn signs ana in by password.
func (f *fixture) signIn(t *testing.T) Result {
	t.Helper()
	r, err := f.Password(t.Context(), home, "ana@example.org", right)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// totp turns TOTP on for ana, and returns the secret and recovery codes.
func (f *fixture) totp(t *testing.T) ([]byte, []string) {
	t.Helper()
	session := f.signIn(t).Session
	set, err := f.TOTPBegin(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(set.Secret)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := f.TOTPConfirm(t.Context(), session, directory.TOTPCode(secret, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return secret, codes
}

// wantErr checks the kind of an error; nil is none.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestPassword(t *testing.T) {
	f := open(t)
	for i, tt := range []struct {
		address, password string
		want              error
	}{
		{"ana@example.org", right, nil},
		{"ANA@example.org", right, nil},
		{"ana@example.org", wrong, ErrFailed},
		{"nobody@example.org", right, ErrFailed},
		{"ana", right, ErrFailed},
		{"", "", ErrFailed},
		{strings.Repeat("x", 9999), right, ErrFailed},
	} {
		r, err := f.Password(t.Context(), away(byte(i)), tt.address, tt.password)
		wantErr(t, tt.address, err, tt.want)
		if (r.Token != "") != (tt.want == nil) || r.Ticket != "" {
			t.Errorf("%.20s: token %q, ticket %q", tt.address, r.Token, r.Ticket)
		}
		if a := f.history.attempts[i]; a.OK != (tt.want == nil) || a.Login != tt.address {
			t.Errorf("%.20s: history has %+v", tt.address, a)
		}
	}
}

func TestSessionIsNewAtEachSignIn(t *testing.T) {
	f := open(t)
	first, second := f.signIn(t), f.signIn(t)
	if first.Token == second.Token || first.Session.ID == second.Session.ID {
		t.Error("two sign-ins have one session")
	}
	for _, r := range []Result{first, second} {
		session, a, err := f.Session(t.Context(), home, r.Token)
		if err != nil || session.ID != r.Session.ID || a.ID != f.ana {
			t.Errorf("session %v of account %d: %v", session.ID, a.ID, err)
		}
	}
	if err := f.SignOut(t.Context(), first.Session); err != nil {
		t.Fatal(err)
	}
	_, _, err := f.Session(t.Context(), home, first.Token)
	wantErr(t, "after sign-out", err, directory.ErrSignedOut)
	_, _, err = f.Session(t.Context(), home, second.Token)
	wantErr(t, "the other one", err, nil)
}

func TestTOTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		secret, recovery := f.totp(t)
		code := func() string { return directory.TOTPCode(secret, time.Now()) }
		ticket := func() string {
			r := f.signIn(t)
			if r.Token != "" || r.Ticket == "" {
				t.Fatalf("password alone gave token %q, ticket %q", r.Token, r.Ticket)
			}
			return r.Ticket
		}
		finish := func(what, ticket, code string, want error) {
			t.Helper()
			r, err := f.TOTP(t.Context(), home, ticket, code)
			wantErr(t, what, err, want)
			if (r.Token != "") != (want == nil) {
				t.Errorf("%s: token %q", what, r.Token)
			}
		}
		finish("the code that confirmed", ticket(), code(), ErrCode)
		time.Sleep(directory.TOTPPeriod)
		used, tk := code(), ticket()
		finish("next code", tk, used, nil)
		finish("ticket again", tk, used, ErrTicket)
		finish("code again", ticket(), used, ErrCode)
		time.Sleep(directory.TOTPPeriod)
		finish("with a space", ticket(), code()[:3]+" "+code()[3:], nil)
		finish("made-up ticket", "x", code(), ErrTicket)
		tk = ticket()
		time.Sleep(ticketLife)
		finish("stale ticket", tk, code(), ErrTicket)

		for i, want := range []error{nil, ErrCode} {
			r, err := f.Recovery(t.Context(), home, ticket(), strings.ToLower(recovery[0]))
			wantErr(t, "recovery code", err, want)
			if i == 0 && r.Session.Method != directory.ByPasswordRecovery {
				t.Errorf("method is %s", r.Session.Method)
			}
		}
		if left, err := f.Factors(t.Context(), f.ana); err != nil || left.RecoveryCodes != len(recovery)-1 {
			t.Errorf("%+v, %v", left, err)
		}
	})
}
