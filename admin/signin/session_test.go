package signin

import (
	"encoding/xml"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

func TestReauth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		secret, _ := f.totp(t)
		session := f.anaSession(t)
		for _, tt := range []struct {
			name string
			fn   func() (directory.Session, error)
			want error
		}{
			{"wrong password", func() (directory.Session, error) { return f.ReauthPassword(t.Context(), home, session, wrong) }, ErrFailed},
			{"right password", func() (directory.Session, error) { return f.ReauthPassword(t.Context(), home, session, right) }, nil},
			{"wrong code", func() (directory.Session, error) { return f.ReauthCode(t.Context(), home, session, "12345") }, ErrCode},
			{"right code", func() (directory.Session, error) {
				return f.ReauthCode(t.Context(), home, session, directory.TOTPCode(secret, time.Now()))
			}, nil},
			{"no passkey", func() (directory.Session, error) {
				_, err := f.ReauthPasskeyBegin(t.Context(), home, session)
				return directory.Session{}, err
			}, ErrPasskey},
		} {
			time.Sleep(directory.SudoFor)
			got, err := tt.fn()
			wantErr(t, tt.name, err, tt.want)
			last := f.history.attempts[len(f.history.attempts)-1]
			if failed := !last.OK && last.Account == f.ana; failed != (tt.want == ErrFailed || tt.want == ErrCode) {
				t.Errorf("%s: history ends with %+v", tt.name, last)
			}
			f.history.attempts = append(f.history.attempts, Attempt{})
			if f.Sudo(got) != (tt.want == nil) {
				t.Errorf("%s: trusted until %v", tt.name, got.Sudo)
			}
		}
	})
}

// TestSudoIsAsked: what is dangerous is refused without a fresh proof.
func TestSudoIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		f.totp(t)
		session := f.anaSession(t)
		time.Sleep(directory.SudoFor)
		for name, fn := range map[string]func() error{
			"TOTPBegin":     func() error { _, err := f.TOTPBegin(t.Context(), session); return err },
			"TOTPRemove":    func() error { return f.TOTPRemove(t.Context(), session) },
			"RecoveryCodes": func() error { _, err := f.RecoveryCodes(t.Context(), session); return err },
			"RegisterBegin": func() error { _, err := f.RegisterBegin(t.Context(), home, session); return err },
			"RemovePasskey": func() error { return f.RemovePasskey(t.Context(), session, "x") },
		} {
			if err := fn(); !errors.Is(err, ErrReauth) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestChangePassword(t *testing.T) {
	f := open(t)
	current, other := f.signIn(t), f.signIn(t)
	change := func(current directory.Session, old, new string, want error) {
		t.Helper()
		wantErr(t, new, f.ChangePassword(t.Context(), home, current, old, new), want)
	}
	change(current.Session, wrong, "another horse", ErrFailed)
	change(current.Session, right, "short", directory.ErrInvalid)
	change(current.Session, right, "another horse", nil)
	_, _, err := f.Session(t.Context(), home, current.Token)
	wantErr(t, "this session", err, nil)
	_, _, err = f.Session(t.Context(), home, other.Token)
	wantErr(t, "the other session", err, directory.ErrSignedOut)
	_, err = f.Password(t.Context(), home, "ana@example.org", right)
	wantErr(t, "old password", err, ErrFailed)
}

// TestFirstPassword: whoever has only a passkey may set a password.
func TestFirstPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		p, err := mail.ParseAddress("new@example.org")
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.dir.AddAccount(t.Context(), "test", directory.NewAccount{Address: p})
		if err != nil {
			t.Fatal(err)
		}
		_, session, err := f.dir.AddSession(t.Context(), directory.NewSession{Account: a.ID, Method: directory.ByPasskey})
		if err != nil {
			t.Fatal(err)
		}
		stale := session
		stale.Sudo = time.Now()
		wantErr(t, "stale", f.ChangePassword(t.Context(), home, stale, "", right), ErrReauth)
		wantErr(t, "fresh", f.ChangePassword(t.Context(), home, session, "", right), nil)
		wantErr(t, "second", f.ChangePassword(t.Context(), home, session, "", "another horse"), ErrFailed)
	})
}

// TestTicketEndsWithPassword: a sign-in that began with the old password
// cannot be finished.
func TestTicketEndsWithPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		secret, _ := f.totp(t)
		ticket := f.signIn(t).Ticket
		time.Sleep(time.Minute)
		if err := f.dir.SetPassword(t.Context(), "test", f.ana, "another horse"); err != nil {
			t.Fatal(err)
		}
		_, err := f.TOTP(t.Context(), home, ticket, directory.TOTPCode(secret, time.Now()))
		wantErr(t, "after the change", err, ErrTicket)
	})
}

// TestAbandoned: a right password without a code is in the history.
func TestAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		f.totp(t)
		before := len(f.history.attempts)
		if _, err := f.Password(t.Context(), away(9), "ana@example.org", right); err != nil {
			t.Fatal(err)
		}
		time.Sleep(ticketLife)
		f.signIn(t) // notices
		if len(f.history.attempts) != before+1 {
			t.Fatalf("history has %+v", f.history.attempts[before:])
		}
		if a := f.history.attempts[before]; a.OK || a.Account != f.ana || a.Remote != away(9).Remote || a.Reason == "" {
			t.Errorf("history has %+v", a)
		}
	})
}

// TestBruteForce: guessing is slowed down, and whoever is at home gets in.
func TestBruteForce(t *testing.T) {
	f := open(t)
	f.signIn(t)
	var err error
	tries := 0
	for ; !errors.Is(err, ErrLater) && tries < 100; tries++ {
		_, err = f.Password(t.Context(), away(1), "ana@example.org", wrong+string(rune('a'+tries)))
	}
	if tries > 10 || RetryAfter(err) <= 0 {
		t.Errorf("put off after %d tries, for %v: %v", tries, RetryAfter(err), err)
	}
	_, err = f.Password(t.Context(), away(1), "ana@example.org", right)
	wantErr(t, "the right one, at last", err, ErrLater)
	_, err = f.Password(t.Context(), home, "ana@example.org", right)
	wantErr(t, "at home", err, nil)
}

// TestGuessedCodes: a ticket has few tries, and new tickets do not give more.
func TestGuessedCodes(t *testing.T) {
	f := open(t)
	f.totp(t)
	looked := 0
	for range 20 {
		r, err := f.Password(t.Context(), away(2), "ana@example.org", right)
		if err != nil {
			t.Fatal(err)
		}
		for range ticketTries + 1 {
			_, err := f.TOTP(t.Context(), away(2), r.Ticket, "x")
			switch {
			case errors.Is(err, ErrCode):
				looked++
			case !errors.Is(err, ErrLater) && !errors.Is(err, ErrTicket):
				t.Fatal(err)
			}
		}
	}
	if looked > 2*ticketTries {
		t.Errorf("%d guesses were looked at", looked)
	}
}

func TestTOTPSetup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		session := f.anaSession(t)
		set, err := f.TOTPBegin(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(set.URI)
		if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Mailstead:ana@example.org" ||
			u.Query().Get("secret") != set.Secret || u.Query().Get("issuer") != "Mailstead" {
			t.Errorf("URI %s, %v", set.URI, err)
		}
		if err := xml.Unmarshal([]byte(set.QR), new(struct{ XMLName xml.Name })); err != nil {
			t.Errorf("QR: %v", err)
		}
		_, err = f.TOTPConfirm(t.Context(), session, "x")
		wantErr(t, "wrong code", err, ErrCode)
		if r := f.signIn(t); r.Token == "" {
			t.Error("codes are asked for before one was right")
		}
		time.Sleep(totpSetupLife)
		_, err = f.TOTPConfirm(t.Context(), session, "x")
		wantErr(t, "too late", err, ErrTicket)
		session = f.anaSession(t)
		_, err = f.TOTPConfirm(t.Context(), session, "x")
		wantErr(t, "never begun", err, ErrTicket)

		_, codes := f.totp(t)
		if len(codes) != 10 {
			t.Errorf("%d recovery codes", len(codes))
		}
		if err := f.TOTPRemove(t.Context(), f.anaSession(t)); err != nil {
			t.Fatal(err)
		}
		if r := f.signIn(t); r.Token == "" {
			t.Error("codes are asked for after removal")
		}
	})
}

func TestLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		token, link, err := f.Invite(t.Context(), "test", f.bo)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Look(t.Context(), token); err != nil || got.Account.ID != f.bo || !got.Expires.Equal(link.Expires) {
			t.Errorf("%+v, %v", got, err)
		}
		r, err := f.Accept(t.Context(), home, token, "another horse")
		if err != nil || r.Account.ID != f.bo || r.Token == "" || r.Session.Method != directory.ByInvite {
			t.Errorf("%+v, %v", r, err)
		}
		_, err = f.Accept(t.Context(), home, token, "a third horse")
		wantErr(t, "again", err, directory.ErrLink)

		secret, _ := f.totp(t)
		time.Sleep(time.Minute)
		if token, _, err = f.Reset(t.Context(), "test", f.ana); err != nil {
			t.Fatal(err)
		}
		r, err = f.Accept(t.Context(), home, token, "another horse")
		if err != nil || r.Token != "" || r.Ticket == "" {
			t.Fatalf("a link takes the place of the code: %+v, %v", r, err)
		}
		r, err = f.TOTP(t.Context(), home, r.Ticket, directory.TOTPCode(secret, time.Now()))
		if err != nil || r.Session.Method != directory.ByResetTOTP {
			t.Errorf("%+v, %v", r, err)
		}
		if err := f.RemoveFactors(t.Context(), "test", f.ana); err != nil {
			t.Fatal(err)
		}
		r, err = f.Password(t.Context(), home, "ana@example.org", "another horse")
		if err != nil || r.Token == "" {
			t.Errorf("without factors: %+v, %v", r, err)
		}
	})
}

func TestSetup(t *testing.T) {
	f := open(t)
	code, _, err := f.SetupCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Redeem(t.Context(), home, "K7P4-9QXD-22MB")
	wantErr(t, "wrong code", err, directory.ErrSetupCode)
	token, _, err := f.Redeem(t.Context(), home, code)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.SetupSession(t.Context(), token); err != nil {
		t.Error(err)
	}
	r, err := f.FinishSetup(t.Context(), home, token, f.ana)
	if err != nil || r.Account.ID != f.ana || r.Token == "" || r.Session.Method != directory.BySetup {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = f.FinishSetup(t.Context(), home, token, f.bo)
	wantErr(t, "again", err, directory.ErrSignedOut)
	_, _, err = f.Session(t.Context(), home, token)
	wantErr(t, "as a session", err, directory.ErrSignedOut)
}

// TestHistoryOfDirectory: without another History, the directory keeps it.
func TestHistoryOfDirectory(t *testing.T) {
	f := open(t)
	s := New(Options{Directory: f.dir})
	if _, err := s.Password(t.Context(), home, "ana@example.org", right); err != nil {
		t.Fatal(err)
	}
	_, err := s.Password(t.Context(), home, "ana@example.org", wrong)
	wantErr(t, "wrong", err, ErrFailed)
	page, err := f.dir.Logins(t.Context(), directory.LoginFilter{})
	if err != nil || len(page.Items) != 2 {
		t.Fatalf("%+v, %v", page, err)
	}
	for i, ok := range []bool{false, true} {
		if e := page.Items[i]; e.OK != ok || e.Protocol != directory.ProtocolWeb || e.IP != home.Remote || e.Client != home.Agent || e.Login != "ana@example.org" {
			t.Errorf("%+v", e)
		}
	}
}
