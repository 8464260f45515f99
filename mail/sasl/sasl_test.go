package sasl

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	scramlib "github.com/xdg-go/scram"
)

// users is an Authenticator with passwords in a map; ana has account 1.
type users map[string]string

func (u users) Password(_ context.Context, login, password string) (Identity, error) {
	if want, ok := u[login]; !ok || want != password {
		return Identity{}, ErrFailed
	}
	return Identity{Login: login, Account: 1}, nil
}

func (u users) SCRAMKeys(_ context.Context, login string) (SCRAMKeys, error) {
	return deriveKeys(u[login], []byte("0123456789abcdef"), 4096)
}

func (u users) SCRAMDone(_ context.Context, login string, proved *SCRAMKey) (Identity, error) {
	if _, ok := u[login]; !ok || proved == nil {
		return Identity{}, ErrFailed
	}
	return Identity{Login: login, Account: 1, AppPassword: proved.ID}, nil
}

func (users) Describe(string)                    {}
func (users) OnRevoke(func()) (stop func() bool) { return func() bool { return true } }
func (u users) Token(_ context.Context, login, token string) (Identity, error) {
	return u.Password(context.Background(), login, token)
}

var ana = users{"ana@example.org": "pencil", "we,ird=": "pencil"}

func TestMechanisms(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want []string
	}{
		{Options{}, []string{"SCRAM-SHA-256"}},
		{Options{Plain: true}, []string{"SCRAM-SHA-256", "PLAIN", "LOGIN"}},
		{Options{Plain: true, Tokens: true, TLSExporter: make([]byte, 32)}, []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"}},
	} {
		if got := Mechanisms(tt.o); !slices.Equal(got, tt.want) {
			t.Errorf("Mechanisms(%+v) = %v, want %v", tt.o, got, tt.want)
		}
	}
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "plain", ""} {
		if _, err := New(m, ana, Options{}); !errors.Is(err, ErrMechanism) {
			t.Errorf("New(%q) = %v", m, err)
		}
	}
}

// TestExchanges runs mechanisms that do not compute: responses in order.
func TestExchanges(t *testing.T) {
	all := Options{Plain: true, Tokens: true}
	for _, tt := range []struct {
		name, mechanism string
		responses       []string
		err             error
	}{
		{"plain", "PLAIN", []string{"\x00ana@example.org\x00pencil"}, nil},
		{"plain, acting for oneself", "PLAIN", []string{"ana@example.org\x00ana@example.org\x00pencil"}, nil},
		{"plain, acting for another", "PLAIN", []string{"root\x00ana@example.org\x00pencil"}, ErrFailed},
		{"plain, wrong", "PLAIN", []string{"\x00ana@example.org\x00pen"}, ErrFailed},
		{"plain, two parts", "PLAIN", []string{"ana@example.org\x00pencil"}, ErrSyntax},
		{"plain, four parts", "PLAIN", []string{"\x00ana@example.org\x00pencil\x00"}, ErrSyntax},
		{"plain, no password", "PLAIN", []string{"\x00ana@example.org\x00"}, ErrSyntax},
		{"plain, not UTF-8", "PLAIN", []string{"\x00ana\xff\x00pencil"}, ErrSyntax},
		{"login", "LOGIN", []string{"ana@example.org", "pencil"}, nil},
		{"login, wrong", "LOGIN", []string{"ana@example.org", "pen"}, ErrFailed},
		{"login, nothing", "LOGIN", []string{"", ""}, ErrSyntax},
		{"bearer", "OAUTHBEARER", []string{"n,a=ana@example.org,\x01host=h\x01port=1\x01auth=Bearer pencil\x01\x01"}, nil},
		{"bearer, could bind", "OAUTHBEARER", []string{"y,a=ana@example.org,\x01auth=Bearer pencil\x01\x01"}, nil},
		{"bearer, wrong", "OAUTHBEARER", []string{"n,a=ana@example.org,\x01auth=Bearer no\x01\x01", "\x01"}, ErrFailed},
		{"bearer, binding", "OAUTHBEARER", []string{"p=x,a=ana@example.org,\x01auth=Bearer pencil\x01\x01"}, ErrSyntax},
		{"bearer, no token", "OAUTHBEARER", []string{"n,a=ana@example.org,\x01host=h\x01\x01"}, ErrSyntax},
		{"xoauth2", "XOAUTH2", []string{"user=ana@example.org\x01auth=Bearer pencil\x01\x01"}, nil},
		{"xoauth2, basic", "XOAUTH2", []string{"user=ana@example.org\x01auth=Basic pencil\x01\x01"}, ErrSyntax},
		{"scram, garbage", "SCRAM-SHA-256", []string{"hello"}, ErrSyntax},
		{"scram, binding without -PLUS", "SCRAM-SHA-256", []string{"p=tls-exporter,,n=ana@example.org,r=12345678"}, ErrSyntax},
		{"scram, short nonce", "SCRAM-SHA-256", []string{"n,,n=ana@example.org,r=1"}, ErrSyntax},
		{"scram, bad escape", "SCRAM-SHA-256", []string{"n,,n=a=2,r=12345678"}, ErrSyntax},
		{"scram, no proof", "SCRAM-SHA-256", []string{"n,,n=ana@example.org,r=12345678", "c=biws"}, ErrSyntax},
		{"scram, proof of nothing", "SCRAM-SHA-256", []string{"n,,n=ana@example.org,r=12345678", "c=biws,r=12345678,p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))}, ErrFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(tt.mechanism, ana, all)
			if err != nil {
				t.Fatal(err)
			}
			if c, done, err := s.Next(context.Background(), nil); c == nil || done || err != nil {
				t.Fatalf("without initial response: %q, %v, %v", c, done, err)
			}
			var done bool
			for _, r := range tt.responses {
				if err != nil || done {
					t.Fatalf("ended before %q: %v", r, err)
				}
				_, done, err = s.Next(context.Background(), []byte(r))
			}
			if !errors.Is(err, tt.err) || done != (tt.err == nil) {
				t.Errorf("done %v, %v; want %v", done, err, tt.err)
			}
			if done && s.Identity() != (Identity{Login: "ana@example.org", Account: 1}) {
				t.Errorf("identity = %+v", s.Identity())
			}
		})
	}
}

// TestSCRAMVector is the exchange of RFC 7677 section 3.
func TestSCRAMVector(t *testing.T) {
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	keys, err := deriveKeys("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	s := &scramServer{auth: fixed{keys: keys}, nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"}
	for i, step := range [][2]string{
		{"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		{"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
		{"", ""},
	} {
		got, done, err := s.Next(context.Background(), []byte(step[0]))
		if err != nil || string(got) != step[1] || done != (i == 2) {
			t.Fatalf("step %d: %q, %v, %v; want %q", i, got, done, err, step[1])
		}
	}
}

type fixed struct {
	Unwatched
	keys SCRAMKeys
}

func (f fixed) Password(context.Context, string, string) (Identity, error) {
	return Identity{}, ErrFailed
}
func (f fixed) SCRAMKeys(context.Context, string) (SCRAMKeys, error)    { return f.keys, nil }
func (f fixed) Token(context.Context, string, string) (Identity, error) { return Identity{}, ErrFailed }
func (f fixed) SCRAMDone(_ context.Context, login string, proved *SCRAMKey) (Identity, error) {
	if proved == nil {
		return Identity{}, ErrFailed
	}
	return Identity{Login: login, Account: 1, AppPassword: proved.ID}, nil
}

// TestSCRAMWithMore: any of several passwords will do, and who has logged in
// says which.
func TestSCRAMWithMore(t *testing.T) {
	salt := []byte("0123456789abcdef")
	keys, err := SCRAMKeysFor("pencil", salt)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"one", "two"} {
		k, err := SCRAMKeysFor("password "+id, salt)
		if err != nil {
			t.Fatal(err)
		}
		keys.More = append(keys.More, SCRAMKey{ID: id, StoredKey: k.StoredKey, ServerKey: k.ServerKey})
	}
	for password, want := range map[string]string{"pencil": "", "password one": "one", "password two": "two", "password three": "nobody"} {
		c, err := scramlib.SHA256.NewClient("ana@example.org", password, "")
		if err != nil {
			t.Fatal(err)
		}
		s, err := New("SCRAM-SHA-256", fixed{keys: keys}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := "nobody"
		if converse(t, c.NewConversation(), s) {
			got = s.Identity().AppPassword
		}
		if got != want {
			t.Errorf("%s logs in as %q, want %q", password, got, want)
		}
	}
}

// TestSCRAMClient runs a client of another project against the server.
func TestSCRAMClient(t *testing.T) {
	exporter := []byte("0123456789abcdef0123456789abcdef")
	for _, tt := range []struct {
		name, login, password string
		mechanism             string
		offered               []byte // our side of the binding
		clients               []byte // the client's
		ok                    bool
	}{
		{"without TLS", "ana@example.org", "pencil", "SCRAM-SHA-256", nil, nil, true},
		{"escaped login", "we,ird=", "pencil", "SCRAM-SHA-256", nil, nil, true},
		{"wrong password", "ana@example.org", "pen", "SCRAM-SHA-256", nil, nil, false},
		{"unknown login", "bo@example.org", "pencil", "SCRAM-SHA-256", nil, nil, false},
		{"bound", "ana@example.org", "pencil", "SCRAM-SHA-256-PLUS", exporter, exporter, true},
		{"bound to another connection", "ana@example.org", "pencil", "SCRAM-SHA-256-PLUS", exporter, []byte("another connection's exporter..."), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := scramlib.SHA256.NewClient(tt.login, tt.password, "")
			if err != nil {
				t.Fatal(err)
			}
			conv := c.NewConversation()
			if tt.clients != nil {
				conv = c.NewConversationWithChannelBinding(scramlib.ChannelBinding{Type: scramlib.ChannelBindingTLSExporter, Data: tt.clients})
			}
			s, err := New(tt.mechanism, ana, Options{TLSExporter: tt.offered})
			if err != nil {
				t.Fatal(err)
			}
			if ok := converse(t, conv, s); ok != tt.ok {
				t.Errorf("logged in: %v, want %v", ok, tt.ok)
			}
		})
	}
	// A client that can bind and is told that we cannot.
	s, _ := New("SCRAM-SHA-256", ana, Options{TLSExporter: exporter})
	if _, _, err := s.Next(context.Background(), []byte("y,,n=ana@example.org,r=12345678")); !errors.Is(err, ErrFailed) {
		t.Errorf("a downgrade was not noticed: %v", err)
	}
}

func converse(t *testing.T, c *scramlib.ClientConversation, s Server) bool {
	msg, err := c.Step("")
	for range 5 {
		if err != nil {
			return false
		}
		challenge, done, serr := s.Next(context.Background(), []byte(msg))
		if serr != nil {
			return false
		}
		if done {
			return c.Valid()
		}
		msg, err = c.Step(string(challenge))
	}
	t.Fatal("the exchange has no end")
	return false
}

func TestMakeSCRAMKeys(t *testing.T) {
	a, err1 := MakeSCRAMKeys("pencil")
	b, err2 := MakeSCRAMKeys("pencil")
	if err1 != nil || err2 != nil || string(a.Salt) == string(b.Salt) || len(a.Salt) != saltSize {
		t.Errorf("salts %x %x, %v %v", a.Salt, b.Salt, err1, err2)
	}
	if _, err := MakeSCRAMKeys("bell\x07"); err == nil {
		t.Error("a control character was taken")
	}
}

func TestPrepare(t *testing.T) {
	composed, err1 := Prepare("caf\u00e9")
	decomposed, err2 := Prepare("cafe\u0301")
	if err1 != nil || err2 != nil || composed != decomposed {
		t.Errorf("%q, %q, %v, %v", composed, decomposed, err1, err2)
	}
	if _, err := Prepare("tab\there"); err == nil {
		t.Error("a control character was taken")
	}
}

func FuzzServer(f *testing.F) {
	f.Add(uint8(0), []byte("n,,n=ana@example.org,r=12345678"), []byte("c=biws,r=12345678,p=AAAA"))
	f.Add(uint8(2), []byte("n,a=x,\x01auth=Bearer t\x01\x01"), []byte("\x01"))
	f.Add(uint8(4), []byte("\x00a\x00b"), []byte(""))
	f.Add(uint8(5), []byte("a"), []byte("b"))
	mechanisms := Mechanisms(Options{Plain: true, Tokens: true, TLSExporter: make([]byte, 32)})
	f.Fuzz(func(t *testing.T, m uint8, one, two []byte) {
		s, err := New(mechanisms[int(m)%len(mechanisms)], fixed{}, Options{Plain: true, Tokens: true, TLSExporter: make([]byte, 32)})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range [][]byte{one, two, two} {
			_, done, err := s.Next(context.Background(), r)
			if done {
				t.Fatalf("logged in with %q, %q", one, two)
			}
			if err != nil {
				return
			}
		}
	})
}
