package imapserver

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
)

// watchedAuth is a fakeAuth whose logins can be revoked, and which remembers
// what clients call themselves.
type watchedAuth struct {
	mu      sync.Mutex
	watches map[*func()]bool
	clients []string
}

func (w *watchedAuth) Authenticator(netip.Addr, string) sasl.Authenticator {
	return &watchedLogin{auth: w}
}

type watchedLogin struct {
	fakeAuth
	auth *watchedAuth
}

func (l *watchedLogin) Describe(client string) {
	l.auth.mu.Lock()
	defer l.auth.mu.Unlock()
	l.auth.clients = append(l.auth.clients, client)
}

func (l *watchedLogin) OnRevoke(f func()) (stop func() bool) {
	over, end := context.WithCancel(context.Background())
	stopped := context.AfterFunc(over, f)
	revoke := func() { end() }
	l.auth.mu.Lock()
	defer l.auth.mu.Unlock()
	if l.auth.watches == nil {
		l.auth.watches = map[*func()]bool{}
	}
	l.auth.watches[&revoke] = true
	return func() bool {
		ended := stopped()
		end()
		l.auth.mu.Lock()
		defer l.auth.mu.Unlock()
		delete(l.auth.watches, &revoke)
		return ended
	}
}

func (w *watchedAuth) revoke() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for f := range w.watches {
		(*f)()
	}
}

// TestRevoked revokes the login while clients wait in every way. Who is not
// logged in stays.
func TestRevoked(t *testing.T) {
	auth := &watchedAuth{}
	f := newFixture(t, func(s *Server) { s.Auth = auth })
	fresh, idle, literal, between := f.dial(), f.login("INBOX"), f.login("INBOX"), f.login("INBOX")
	fresh.mustExpect("* OK <*>")
	idle.mustSend("a IDLE\r\n")
	idle.mustExpect("+ idling")
	literal.mustSend("a APPEND INBOX {100}\r\n")
	literal.mustExpect("+ Ready for literal data")
	between.mustSend("a NOOP\r\n")
	between.mustExpect("a OK <*>")
	gone := f.login("INBOX")
	gone.run("a LOGOUT")
	auth.revoke()
	for name, c := range map[string]*testClient{"idle": idle, "literal": literal, "between": between} {
		if err := c.expect("* BYE The login is no longer valid"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.expectEOF(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if lines := fresh.run("a NOOP"); lines[0] != "a OK NOOP done" {
		t.Errorf("who was not logged in: %q", lines)
	}
	f.stop()
	fresh.mustExpect("* BYE Server is shutting down")
	if err := <-f.done; err != nil {
		t.Error(err)
	}
	f.done <- nil
	if auth.mu.Lock(); len(auth.watches) != 0 {
		t.Errorf("%d sessions are watched after their end", len(auth.watches))
	}
	auth.mu.Unlock()
}

func TestClientIsDescribed(t *testing.T) {
	auth := &watchedAuth{}
	f := newFixture(t, func(s *Server) { s.Auth = auth })
	c := f.dial()
	c.mustExpect("* OK <*>")
	c.run(`a ID ("Name" "Mutt" "version" "2.2" "x" NIL)`)
	c.run("b LOGIN " + testLogin + " " + testPassword)
	c.run("c ID NIL")
	c.run(`d ID ("vendor" "x")`)
	auth.mu.Lock()
	defer auth.mu.Unlock()
	if !slices.Equal(auth.clients, []string{"Mutt 2.2"}) {
		t.Errorf("clients %q", auth.clients)
	}
}

// refusing is an authenticator that says why.
type refusing struct {
	fakeAuth
	err error
}

func (r refusing) Authenticator(netip.Addr, string) sasl.Authenticator { return r }

func (r refusing) Password(context.Context, string, string) (sasl.Identity, error) {
	return sasl.Identity{}, r.err
}

// TestRefusalsSayWhy: what a login fails with is told where it has a text for
// the person, and ends the session after a few times where it is for good.
func TestRefusalsSayWhy(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
		ends bool
	}{
		{"for good", &mail.Error{Status: mail.Status{Class: 5, Subject: 7, Detail: 9}, Text: "use an app password"}, "a NO [ALERT] Use an app password", true},
		{"for now", &mail.Error{Status: mail.Status{Class: 4, Subject: 7}, Text: "try again in 5s"}, "a NO [UNAVAILABLE] Try again in 5s", false},
		{"without a text", &mail.Error{Status: mail.Status{Class: 5, Subject: 7}}, "a NO [ALERT] Login is not possible now", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(s *Server) { s.Auth = refusing{err: tt.err} })
			c := f.dial()
			c.mustExpect("* OK <*>")
			for range maxAuthFailures - 1 {
				if lines := c.run("a LOGIN x y"); lines[0] != tt.want {
					t.Fatalf("%q, want %q", lines, tt.want)
				}
			}
			if lines := c.run("a LOGIN x y"); (lines[0] == "* BYE Too many failed logins") != tt.ends {
				t.Errorf("the last: %q", lines)
			}
		})
	}
}
