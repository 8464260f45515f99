package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/explain"
	"github.com/mailstead/mailstead/mail/trace"
)

// TestStories writes to the simulated remotes, and to somebody who does not
// exist here, and reads what is told of each message.
func TestStories(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir)
	for _, to := range []string{"a@bigmail.test", "b@slow.test", "c@strict.test", "d@down.test"} {
		if err := i.submits(i.Accounts[0], to, "story of "+to); err != nil {
			t.Fatal(err)
		}
	}
	askFor(t, i.SMTP, "nobody@example.test")
	eventually(t, "all to be tried", func() bool {
		log := i.log.String()
		return strings.Contains(log, "<a@bigmail.test> result=delivered") && strings.Contains(log, "<b@slow.test> result=delivered") &&
			strings.Contains(log, "<c@strict.test> result=bounced") && strings.Contains(log, "<d@down.test> result=deferred")
	})
	i.stop(t)
	log, err := trace.Open(filepath.Join(dir, "trace.db"), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, tt := range []struct {
		to, direction, outcome string   // "": any
		want                   []string // severity, text and explanation of lines, in this order
	}{
		{"a@bigmail.test", "out", "delivered", []string{
			"info AUTH PLAIN: The client logs in",
			"info RCPT TO:<a@bigmail.test>: The client names a recipient.",
			"ok 250 2.0.0 queued as", "responsible for it now",
			"info Connected to mx.bigmail.test",
			"ok 250 mx.bigmail.test PIPELINING", "what it can do",
			"ok TLS1.3", "encrypted from here on",
			"ok a@bigmail.test delivered by mx.bigmail.test", "has taken the message",
		}},
		{"b@slow.test", "out", "delivered", []string{
			"warn 451 4.7.1 greylisted", "The other server says no for now",
			"warn b@slow.test deferred by mx.slow.test", "slow.test asks to come back later", "This is normal.",
			"ok b@slow.test delivered by mx.slow.test",
		}},
		{"c@strict.test", "out", "bounced", []string{
			"fail 550 5.7.1 our policy", "The other server says no for good",
			"fail c@strict.test bounced by mx.strict.test", "strict.test refuses by its own rules",
			"warn alice@example.test is told: failed", "who did not get the message",
		}},
		{"d@down.test", "out", "", []string{ // deferred, and bounced in the end
			"warn No connection to mx.down.test", "did not answer",
			"warn d@down.test deferred", "No server of down.test answers", "It is tried again.",
		}},
		{"nobody@example.test", "in", "refused", []string{
			"HELO elsewhere.test: The client says its name",
			"info RCPT TO:<nobody@example.test>: The client names a recipient.",
			"fail 550 5.1.1", "This server says no for good: there is no such mailbox.",
		}},
	} {
		q := trace.Query{Text: tt.to, Direction: tt.direction}
		found, err := log.Find(context.Background(), q)
		if err != nil || len(found) != 1 || tt.outcome != "" && found[0].Outcome != tt.outcome || (found[0].Reason == "") != (tt.outcome == "delivered") {
			t.Errorf("%s: %+v, %v", tt.to, found, err)
			continue
		}
		tr, err := log.Show(context.Background(), found[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, l := range explain.Story(&tr) {
			fmt.Fprintf(&b, "%s %s: %s\n", l.Severity, l.Text, l.Explain)
		}
		rest := b.String()
		for _, w := range tt.want {
			at := strings.Index(rest, w)
			if at < 0 {
				t.Errorf("%s: %q is missing, or not after the others, in\n%s", tt.to, w, b.String())
				break
			}
			rest = rest[at+len(w):]
		}
	}
}

// askFor names a recipient on port 25.
func askFor(t *testing.T, addr, to string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for _, line := range []string{"", "HELO elsewhere.test", "MAIL FROM:<x@elsewhere.test>", "RCPT TO:<" + to + ">", "QUIT"} {
		if line != "" {
			fmt.Fprint(c, line+"\r\n")
		}
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}
