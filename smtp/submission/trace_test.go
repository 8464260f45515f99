package submission

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

const secret = "correct horse"

// anaOnly lets ana log in with a password.
type anaOnly struct{}

func (anaOnly) Authenticator(netip.Addr, string) sasl.Authenticator { return anaLogin{} }

type anaLogin struct{ sasl.Authenticator }

func (anaLogin) Describe(string)             {}
func (anaLogin) OnRevoke(func()) func() bool { return func() bool { return true } }

func (anaLogin) Password(_ context.Context, login, password string) (sasl.Identity, error) {
	if login != "ana@example.org" || password != secret {
		return sasl.Identity{}, sasl.ErrFailed
	}
	return sasl.Identity{Login: login, Account: 1}, nil
}

// converse says lines and waits for the reply after each that ends a turn.
func converse(t *testing.T, addr string, lines ...string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	reply := func() {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if len(line) < 4 || line[3] != '-' {
				return
			}
		}
	}
	reply()
	for _, line := range lines {
		fmt.Fprint(c, line+"\r\n")
		reply()
	}
}

// TestTraceHasTheDialogue sends two messages in one session, and a refused
// one between them. Each story has its own lines, to the last reply, and none
// has the password.
func TestTraceHasTheDialogue(t *testing.T) {
	log, err := trace.Open(filepath.Join(t.TempDir(), "trace.db"), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := &site{}
	svc := New(Options{Hostname: "mx.example.org", Senders: s, Domains: s, Deliver: s, Trace: log})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	srv := smtpserver.Server{Handler: svc, Hostname: "mx.example.org", Auth: anaOnly{}, PlainAuth: true}
	go func() { ended <- srv.Serve(ctx, l) }()
	credentials := base64.StdEncoding.EncodeToString([]byte("\x00ana@example.org\x00" + secret))
	converse(t, l.Addr().String(), "EHLO laptop", "AUTH PLAIN "+credentials,
		"MAIL FROM:<ana@example.org>", "RCPT TO:<one@else.example>", "DATA", "From: ana@example.org\r\nSubject: Top secret\r\n\r\nHello.\r\n.",
		"MAIL FROM:<ana@example.org>", "RCPT TO:<gone@example.org>", "RSET",
		"MAIL FROM:<ana@example.org>", "RCPT TO:<three@else.example>", "DATA", "From: ana@example.org\r\n\r\nHello.\r\n.", "QUIT")
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := log.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text, outcome string
		want          []string // in this order
		not           []string
	}{
		{"one@else.example", "accepted", []string{"S: 220", "C: EHLO laptop", "C: AUTH PLAIN", "S: 235", "C: MAIL FROM:<ana@example.org>", "S: 250",
			"C: RCPT TO:<one@else.example>", "C: DATA", "S: 354", "S: 250 2.0.0 queued as"}, []string{"gone@", "three@"}},
		{"gone@example.org", "refused", []string{"C: MAIL FROM:<ana@example.org>", "S: 250", "C: RCPT TO:<gone@example.org>", "S: 550 5.1.1", "C: RSET"},
			[]string{"<one@", "three@", "AUTH"}},
		{"three@else.example", "accepted", []string{"C: MAIL FROM:<ana@example.org>", "C: RCPT TO:<three@else.example>", "S: 250 2.0.0 queued as", "C: QUIT"},
			[]string{"<one@", "gone@", "AUTH"}},
	} {
		found, err := log.Find(context.Background(), trace.Query{Text: tt.text})
		if err != nil || len(found) != 1 || found[0].Outcome != tt.outcome {
			t.Fatalf("%s: %+v, %v", tt.text, found, err)
		}
		if tt.outcome == "refused" && (found[0].Reason == "" || found[0].Cause == "") {
			t.Errorf("the refusal has no reason: %+v", found[0])
		}
		story, err := log.Show(context.Background(), found[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, e := range story.Events {
			if e.Kind == trace.Dialogue {
				b.WriteString(e.Text + "\n")
			}
		}
		rest := b.String()
		for _, w := range tt.want {
			i := strings.Index(rest, w)
			if i < 0 {
				t.Errorf("%s: %q is missing or in the wrong place:\n%s", tt.text, w, b.String())
				break
			}
			rest = rest[i:]
		}
		for _, w := range append(tt.not, credentials, secret, "Hello.", "Top secret") {
			if strings.Contains(b.String(), w) {
				t.Errorf("%s: %q should not be in\n%s", tt.text, w, b.String())
			}
		}
	}
}
