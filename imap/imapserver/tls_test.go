package imapserver

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/mailstead/mailstead/mail/wire"
)

// startTLS goes over to TLS after the server has agreed.
func (c *testClient) startTLS() *tls.Conn {
	c.t.Helper()
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
	return conn
}

func (c *testClient) mustExpect(patterns ...string) {
	c.t.Helper()
	for _, p := range patterns {
		if err := c.expect(p); err != nil {
			c.t.Fatalf("want %s, %v", p, err)
		}
	}
}

func (c *testClient) mustSend(s string) {
	c.t.Helper()
	if err := c.send(s); err != nil {
		c.t.Fatal(err)
	}
}

func withTLS(t testing.TB) func(*Server) {
	return func(s *Server) { s.TLS, s.PlainAuth = testTLS(t), false }
}

func TestStartTLS(t *testing.T) {
	f := newFixture(t, withTLS(t))
	c := f.dial()
	c.mustExpect("* OK [CAPABILITY <*> STARTTLS LOGINDISABLED IDLE AUTH=SCRAM-SHA-256] <*>")
	c.mustSend("a LOGIN ana@example.org secret\r\nb AUTHENTICATE PLAIN AGFuYUBleGFtcGxlLm9yZwBzZWNyZXQ=\r\n")
	c.mustExpect("a NO [PRIVACYREQUIRED] <*>", "b NO [PRIVACYREQUIRED] <*>")
	// What is sent ahead in plain text may come from somebody else.
	c.mustSend("c STARTTLS\r\nd NOOP\r\n")
	c.mustExpect("c OK Begin TLS negotiation now")
	c.startTLS()
	c.mustSend("e CAPABILITY\r\n")
	c.mustExpect("* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN", "e OK <*>")
	c.mustSend("f STARTTLS\r\ng AUTHENTICATE PLAIN AGFuYUBleGFtcGxlLm9yZwBzZWNyZXQ=\r\n")
	c.mustExpect("f BAD TLS is on already", "g OK [CAPABILITY <*>] Logged in")
}

func TestStartTLSNotOffered(t *testing.T) {
	f := newFixture(t)
	c := f.dial()
	c.mustExpect("* OK <*>")
	c.mustSend("a STARTTLS\r\n")
	c.mustExpect("a BAD TLS is not available")
}

// TestSCRAM logs in with implicit TLS, bound to its channel or not.
func TestSCRAM(t *testing.T) {
	f := newFixture(t, withTLS(t), func(s *Server) { s.Implicit = true })
	for _, tt := range []struct {
		name, mechanism string
		password        string
		plus, initial   bool
		want            string
	}{
		{"plain", "SCRAM-SHA-256", testPassword, false, true, "<*> OK <*> Logged in"},
		{"no initial response", "SCRAM-SHA-256", testPassword, false, false, "<*> OK <*> Logged in"},
		{"bound", "SCRAM-SHA-256-PLUS", testPassword, true, true, "<*> OK <*> Logged in"},
		{"wrong", "SCRAM-SHA-256", "wrong", false, true, "<*> NO [AUTHENTICATIONFAILED] <*>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := f.dial()
			conn := c.startTLS()
			c.mustExpect("* OK <*>")
			client, err := scram.SHA256.NewClient(testLogin, tt.password, "")
			if err != nil {
				t.Fatal(err)
			}
			conv := client.NewConversation()
			if tt.plus {
				state := conn.ConnectionState()
				binding, err := scram.NewTLSExporterBinding(&state)
				if err != nil {
					t.Fatal(err)
				}
				conv = client.NewConversationWithChannelBinding(binding)
			}
			c.scram(conv, tt.mechanism, tt.initial)
			c.mustExpect(tt.want)
		})
	}
}

// scram plays the client's part up to the tagged response.
func (c *testClient) scram(conv *scram.ClientConversation, mechanism string, initial bool) {
	c.t.Helper()
	first, err := conv.Step("")
	if err != nil {
		c.t.Fatal(err)
	}
	next := base64.StdEncoding.EncodeToString([]byte(first))
	if initial {
		c.mustSend("a AUTHENTICATE " + mechanism + " " + next + "\r\n")
	} else {
		c.mustSend("a AUTHENTICATE " + mechanism + "\r\n")
		c.mustExpect("+ ")
		c.mustSend(next + "\r\n")
	}
	for {
		b, err := c.r.Peek(2)
		if err != nil {
			c.t.Fatal(err)
		}
		if string(b) != "+ " {
			return
		}
		line, err := c.line()
		if err != nil {
			c.t.Fatal(err)
		}
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(line, "+ "))
		if err != nil {
			c.t.Fatal(err)
		}
		answer, err := conv.Step(string(challenge))
		if err != nil && !conv.Done() {
			c.t.Fatal(err)
		}
		c.mustSend(base64.StdEncoding.EncodeToString([]byte(answer)) + "\r\n")
	}
}

func TestTooManyConnections(t *testing.T) {
	f := newFixture(t, func(s *Server) { s.Limits = wire.Limits{PerAddr: 1} })
	first := f.dial()
	first.mustExpect("* OK <*>")
	second := f.dial()
	second.mustExpect("* BYE [UNAVAILABLE] <*>")
	if err := second.expectEOF(); err != nil {
		t.Error(err)
	}
}
