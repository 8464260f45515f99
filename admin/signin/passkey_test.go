package signin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/signin/passkeytest"
)

const origin = "https://mail.example.org"

// register makes a passkey for ana.
func (f *fixture) register(t *testing.T, a *passkeytest.Authenticator) directory.Passkey {
	t.Helper()
	return f.registerAt(t, home, a)
}

func (f *fixture) registerAt(t *testing.T, c Client, a *passkeytest.Authenticator) directory.Passkey {
	t.Helper()
	session := f.anaSession(t)
	begun, err := f.RegisterBegin(t.Context(), c, session)
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.RegisterFinish(t.Context(), c, session, begun.Ticket, must(a.Create(begun.PublicKey))(t), "Phone")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// anaSession is a session of ana that is fresh enough for everything, without
// a sign-in.
func (f *fixture) anaSession(t *testing.T) directory.Session {
	t.Helper()
	_, s, err := f.dir.AddSession(t.Context(), directory.NewSession{Account: f.ana, Method: directory.ByPassword})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// must unwraps the result of something that works.
func must(b []byte, err error) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// passkey signs in with a passkey.
func (f *fixture) passkey(t *testing.T, a *passkeytest.Authenticator, address string) (Result, error) {
	t.Helper()
	begun, err := f.PasskeyBegin(t.Context(), home, address)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := a.Get(begun.PublicKey)
	if err != nil {
		return Result{}, err
	}
	return f.PasskeyFinish(t.Context(), home, begun.Ticket, credential)
}

func TestPasskey(t *testing.T) {
	for _, tt := range []struct {
		name string
		a    passkeytest.Authenticator
	}{
		{"verifies its user", passkeytest.Authenticator{Verified: true}},
		{"does not", passkeytest.Authenticator{}},
		{"synced", passkeytest.Authenticator{Verified: true, Synced: true, NoCount: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t)
			a := &tt.a
			a.Origin = origin
			made := f.register(t, a)
			if made.Label != "Phone" || made.RPID != "mail.example.org" || made.BackupState != a.Synced {
				t.Errorf("made %+v", made)
			}
			for _, address := range []string{"", "ana@example.org", ""} {
				r, err := f.passkey(t, a, address)
				if err != nil {
					t.Fatalf("%q: %v", address, err)
				}
				if r.Account.ID != f.ana || r.Token == "" || r.Session.Method != directory.ByPasskey {
					t.Errorf("%q: %+v", address, r)
				}
			}
			list, err := f.Passkeys(t.Context(), f.ana)
			if err != nil || len(list) != 1 || list[0].SignCount != a.Count || list[0].LastUsed.IsZero() {
				t.Errorf("passkeys: %+v, %v", list, err)
			}
		})
	}
}

// TestPasskeyAndTOTP: a passkey that has verified its user is two factors, one
// that has not is one.
func TestPasskeyAndTOTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		secret, _ := f.totp(t)
		time.Sleep(time.Minute)
		a := passkeytest.New(origin)
		f.register(t, a)
		if r, err := f.passkey(t, a, ""); err != nil || r.Token == "" {
			t.Errorf("verified: %+v, %v", r, err)
		}
		a.Verified = false
		r, err := f.passkey(t, a, "")
		if err != nil || r.Token != "" || r.Ticket == "" {
			t.Fatalf("not verified: %+v, %v", r, err)
		}
		r, err = f.TOTP(t.Context(), home, r.Ticket, directory.TOTPCode(secret, time.Now()))
		if err != nil || r.Session.Method != directory.ByPasskeyTOTP {
			t.Errorf("with a code: %+v, %v", r, err)
		}
	})
}

// TestPasskeyLies has authenticators and browsers that lie at sign-in.
func TestPasskeyLies(t *testing.T) {
	for _, tt := range []struct {
		name string
		lie  func(a *passkeytest.Authenticator)
		want error
	}{
		{"none", func(*passkeytest.Authenticator) {}, nil},
		{"another origin", func(a *passkeytest.Authenticator) { a.Origin = "https://mail.example.net" }, ErrFailed},
		{"another port", func(a *passkeytest.Authenticator) { a.Origin = origin + ":8443" }, ErrFailed},
		{"no TLS", func(a *passkeytest.Authenticator) { a.Origin = "http://mail.example.org" }, ErrFailed},
		{"another RP", func(a *passkeytest.Authenticator) { a.RPID = "example.org" }, ErrFailed},
		{"nobody there", func(a *passkeytest.Authenticator) { a.Absent = true }, ErrFailed},
		{"another ceremony", func(a *passkeytest.Authenticator) { a.Type = "webauthn.create" }, ErrFailed},
		{"counted back", func(a *passkeytest.Authenticator) { a.Count = 0 }, directory.ErrSignCount},
		{"lost its counter", func(a *passkeytest.Authenticator) { a.Count, a.NoCount = 0, true }, directory.ErrSignCount},
		{"another ID", func(a *passkeytest.Authenticator) { a.ID = make([]byte, 32) }, ErrFailed},
		{"no handle", func(a *passkeytest.Authenticator) { a.Handle = nil }, ErrFailed},
		{"made-up handle", func(a *passkeytest.Authenticator) { a.Handle[3]++ }, ErrFailed},
		{"can be copied now", func(a *passkeytest.Authenticator) { a.Synced = true }, ErrFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t)
			a := passkeytest.New(origin)
			f.register(t, a)
			if _, err := f.passkey(t, a, ""); err != nil { // counts to 2
				t.Fatal(err)
			}
			tt.lie(a)
			r, err := f.passkey(t, a, "")
			wantErr(t, tt.name, err, tt.want)
			if (r.Token != "") != (tt.want == nil) {
				t.Errorf("token %q", r.Token)
			}
			last := f.history.attempts[len(f.history.attempts)-1]
			if last.OK != (tt.want == nil) || !last.OK && last.Reason == "" {
				t.Errorf("history has %+v", last)
			}
		})
	}
}

// TestPasskeyOfSomebodyElse: a passkey signs in its own account and no other.
func TestPasskeyOfSomebodyElse(t *testing.T) {
	f := open(t)
	a := passkeytest.New(origin)
	f.register(t, a)
	if _, err := f.passkey(t, a, "bo@example.org"); err == nil {
		t.Error("it was offered for bo")
	}
	begun, err := f.PasskeyBegin(t.Context(), home, "bo@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for name, handle := range map[string][]byte{"ana": f.dir.UserHandle(f.ana), "bo": f.dir.UserHandle(f.bo), "nobody": nil} {
		a.Handle = handle
		credential := must(a.Get(withoutList(t, begun.PublicKey)))(t)
		_, err := f.PasskeyFinish(t.Context(), home, begun.Ticket, credential)
		wantErr(t, "handle of "+name, err, ErrFailed)
		if begun, err = f.PasskeyBegin(t.Context(), home, "bo@example.org"); err != nil {
			t.Fatal(err)
		}
	}
}

// withoutList lets a browser sign that ignores allowCredentials.
func withoutList(t *testing.T, options []byte) []byte {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	delete(o, "allowCredentials")
	b, err := json.Marshal(o)
	return must(b, err)(t)
}

func TestPasskeyTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		a := passkeytest.New(origin)
		f.register(t, a)
		begin := func() Ceremony {
			begun, err := f.PasskeyBegin(t.Context(), home, "")
			if err != nil {
				t.Fatal(err)
			}
			return begun
		}
		finish := func(what string, c Client, ticket string, credential []byte, want error) {
			t.Helper()
			_, err := f.PasskeyFinish(t.Context(), c, ticket, credential)
			wantErr(t, what, err, want)
		}
		begun := begin()
		credential := must(a.Get(begun.PublicKey))(t)
		finish("first", home, begun.Ticket, credential, nil)
		finish("replayed", home, begun.Ticket, credential, ErrTicket)
		finish("replayed with another ticket", home, begin().Ticket, credential, ErrFailed)

		begun = begin()
		credential = must(a.Get(begun.PublicKey))(t)
		time.Sleep(ticketLife)
		finish("too late", home, begun.Ticket, credential, ErrTicket)

		begun = begin()
		credential = must(a.Get(begun.PublicKey))(t)
		local := home
		local.Host = "localhost:10443"
		finish("at another host", local, begun.Ticket, credential, ErrTicket)

		session := f.anaSession(t)
		reauth, err := f.ReauthPasskeyBegin(t.Context(), home, session)
		if err != nil {
			t.Fatal(err)
		}
		finish("ticket of another ceremony", home, reauth.Ticket, must(a.Get(reauth.PublicKey))(t), ErrTicket)
	})
}

func TestPasskeyReauth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		a := passkeytest.New(origin)
		f.register(t, a)
		r := f.signIn(t)
		time.Sleep(directory.SudoFor)
		if f.Sudo(r.Session) {
			t.Fatal("still trusted")
		}
		_, err := f.RegisterBegin(t.Context(), home, r.Session)
		wantErr(t, "register", err, ErrReauth)
		begun, err := f.ReauthPasskeyBegin(t.Context(), home, r.Session)
		if err != nil {
			t.Fatal(err)
		}
		other := f.anaSession(t)
		credential := must(a.Get(begun.PublicKey))(t)
		_, err = f.ReauthPasskeyFinish(t.Context(), home, other, begun.Ticket, credential)
		wantErr(t, "in another session", err, ErrTicket)
		register, err := f.RegisterBegin(t.Context(), home, other)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.ReauthPasskeyFinish(t.Context(), home, other, register.Ticket, must(a.Get(register.PublicKey))(t))
		wantErr(t, "with the ticket of a registration", err, ErrTicket)
		if begun, err = f.ReauthPasskeyBegin(t.Context(), home, r.Session); err != nil {
			t.Fatal(err)
		}
		session, err := f.ReauthPasskeyFinish(t.Context(), home, r.Session, begun.Ticket, must(a.Get(begun.PublicKey))(t))
		if err != nil || !f.Sudo(session) {
			t.Errorf("%+v, %v", session, err)
		}
	})
}

// TestPasskeyTellsNothing: beginning with an address looks alike for those
// with passkeys, those without and those who do not exist.
func TestPasskeyTellsNothing(t *testing.T) {
	f := open(t)
	f.register(t, passkeytest.New(origin))
	options := func(address string) (list []string) {
		begun, err := f.PasskeyBegin(t.Context(), home, address)
		if err != nil {
			t.Fatal(err)
		}
		var o struct {
			RPID             string `json:"rpId"`
			AllowCredentials []struct {
				ID, Type   string
				Transports []string
			}
		}
		if err := json.Unmarshal(begun.PublicKey, &o); err != nil {
			t.Fatal(err)
		}
		for _, c := range o.AllowCredentials {
			raw, err := base64.RawURLEncoding.DecodeString(c.ID)
			if err != nil || c.Type != "public-key" || len(raw) < 16 || len(c.Transports) == 0 {
				t.Errorf("%s: %+v, %v", address, c, err)
			}
			list = append(list, fmt.Sprint(c))
		}
		return list
	}
	for _, address := range []string{"ana@example.org", "bo@example.org", "nobody@example.org", "x"} {
		first, second := options(address), options(address)
		if len(first) != 1 || len(second) != 1 || first[0] != second[0] {
			t.Errorf("%s: %v, then %v", address, first, second)
		}
	}
	if a, b := options("bo@example.org"), options("nobody@example.org"); a[0] == b[0] {
		t.Error("two logins have one made-up passkey")
	}
}

func TestOrigins(t *testing.T) {
	f := open(t)
	for _, tt := range []struct {
		host string
		want string
	}{
		{"mail.example.org", origin},
		{"MAIL.example.org:443", origin},
		{"localhost:10443", "https://localhost:10443"},
		{"mail.example.org:8443", ""},
		{"localhost", ""},
		{"192.0.2.7", ""},
		{"evil.example", ""},
		{"", ""},
	} {
		got, err := f.originFor(tt.host)
		if got != tt.want || (err == nil) != (tt.want != "") || f.PasskeysAt(tt.host) != (tt.want != "") {
			t.Errorf("%q: %q, %v; want %q", tt.host, got, err, tt.want)
		}
	}
}

// TestPasskeysOfTwoHosts: a passkey for one host name is not offered under
// another.
func TestPasskeysOfTwoHosts(t *testing.T) {
	f := open(t)
	local := home
	local.Host = "localhost:10443"
	a, b := passkeytest.New(origin), passkeytest.New("https://localhost:10443")
	f.register(t, a)
	if p := f.registerAt(t, local, b); p.RPID != "localhost" {
		t.Errorf("RP ID is %s", p.RPID)
	}
	begun, err := f.PasskeyBegin(t.Context(), local, "ana@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Get(begun.PublicKey); err == nil {
		t.Error("the passkey for mail.example.org is offered under localhost")
	}
	_, err = f.PasskeyFinish(t.Context(), local, begun.Ticket, must(b.Get(begun.PublicKey))(t))
	wantErr(t, "the other one", err, nil)
}

func TestRegisterLies(t *testing.T) {
	for _, tt := range []struct {
		name string
		lie  func(a *passkeytest.Authenticator)
	}{
		{"another origin", func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" }},
		{"another RP", func(a *passkeytest.Authenticator) { a.RPID = "evil.example" }},
		{"nobody there", func(a *passkeytest.Authenticator) { a.Absent = true }},
		{"another ceremony", func(a *passkeytest.Authenticator) { a.Type = "webauthn.get" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t)
			session := f.anaSession(t)
			begun, err := f.RegisterBegin(t.Context(), home, session)
			if err != nil {
				t.Fatal(err)
			}
			a := passkeytest.New(origin)
			tt.lie(a)
			_, err = f.RegisterFinish(t.Context(), home, session, begun.Ticket, must(a.Create(begun.PublicKey))(t), "")
			wantErr(t, tt.name, err, ErrPasskey)
		})
	}
}

func TestRegister(t *testing.T) {
	f := open(t)
	a := passkeytest.New(origin)
	made := f.register(t, a)
	session := f.anaSession(t)
	begun, err := f.RegisterBegin(t.Context(), home, session)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Create(begun.PublicKey); err == nil {
		t.Error("an authenticator may make a second passkey for the account")
	}
	renamed, err := f.RenamePasskey(t.Context(), session, made.ID, " Key ring ")
	if err != nil || renamed.Label != "Key ring" {
		t.Errorf("%+v, %v", renamed, err)
	}
	_, err = f.RenamePasskey(t.Context(), session, made.ID, "two\nlines")
	wantErr(t, "two lines", err, directory.ErrInvalid)
	bo, err := f.Password(t.Context(), home, "bo@example.org", right)
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, "by bo", f.RemovePasskey(t.Context(), bo.Session, made.ID), directory.ErrNotFound)
	wantErr(t, "by ana", f.RemovePasskey(t.Context(), session, made.ID), nil)
	_, err = f.passkey(t, a, "")
	wantErr(t, "removed", err, ErrFailed)
}

func TestPasskeyOfSuspended(t *testing.T) {
	f := open(t)
	a := passkeytest.New(origin)
	f.register(t, a)
	yes := true
	if _, err := f.dir.SetAccount(t.Context(), "test", f.ana, directory.AccountChange{Suspended: &yes}); err != nil {
		t.Fatal(err)
	}
	_, err := f.passkey(t, a, "")
	wantErr(t, "suspended", err, ErrFailed)
}

// FuzzCredential sends what browsers might instead of credentials.
func FuzzCredential(f *testing.F) {
	a := passkeytest.New(origin)
	created, err := a.Create([]byte(`{"rp":{"id":"mail.example.org"},"user":{"id":"AAAA"},"challenge":"AAAA"}`))
	if err != nil {
		f.Fatal(err)
	}
	got, err := a.Get([]byte(`{"rpId":"mail.example.org","challenge":"AAAA"}`))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{created, got, nil, []byte("{}"), []byte(`{"id":"AA","type":"public-key","response":{}}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, credential []byte) {
		if p, err := parseAssertion(credential); err == nil && len(p.RawID) == 0 {
			t.Error("assertion without ID")
		} else if err != nil && !errors.Is(err, ErrPasskey) {
			t.Error(err)
		}
		if p, err := parseAttestation(credential); err == nil && len(p.Response.AttestationObject.AuthData.AttData.CredentialID) == 0 {
			t.Error("attestation without ID")
		} else if err != nil && !errors.Is(err, ErrPasskey) {
			t.Error(err)
		}
	})
}
