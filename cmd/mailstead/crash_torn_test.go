package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/api"
)

// TestTornAccount: the database of one account is torn. The others are served,
// senders to that one are told to try again, and with a good copy all of its
// mail is there.
func TestTornAccount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		tear func(good []byte) []byte
	}{
		{"pages of noise", func(b []byte) []byte { return append(b[:8192:8192], bytes.Repeat([]byte{0xa5}, len(b)-8192)...) }},
		{"all of it noise", func(b []byte) []byte { return bytes.Repeat([]byte("noise"), len(b)/5) }},
		{"cut off", func(b []byte) []byte { return b[:3*4096] }},
		{"cut to an octet", func(b []byte) []byte { return b[:1] }},
		{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"pages of zeros", func(b []byte) []byte { return append(b[:8192:8192], make([]byte, len(b)-8192)...) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			(&torn{diskUser: diskUser{crash: newCrash(t)}}).play(t, tt.tear)
		})
	}
}

// torn is a server of which the database of the first account is torn.
type torn struct {
	diskUser
	file string
}

func (u *torn) play(t *testing.T, tear func([]byte) []byte) {
	u.i = u.start(t)
	u.prepare(t, u.i)
	for range 3 {
		if err := u.deliver(false); err != nil {
			t.Fatal(err)
		}
	}
	u.report(t, "before", u.check(t, u.i, true))
	u.find(t)
	u.i.stop(t)
	good, err := os.ReadFile(u.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(u.file, tear(bytes.Clone(good)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"torn", "started again"} {
		u.i = u.start(t)
		u.served(t, when)
		u.i.kill(t)
	}
	if kept, _ := filepath.Glob(u.file + ".damaged-*"); len(kept) != 1 {
		t.Errorf("what was torn is kept as %q", kept)
	}
	if err := os.WriteFile(u.file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	u.end(t, u.start(t), "with a good copy")
}

// find finds the file.
func (u *torn) find(t *testing.T) {
	t.Helper()
	op, err := api.Dial(t.Context(), adminSocket(u.i.Data), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	a, err := op.Account(t.Context(), u.i.Accounts[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	u.file = filepath.Join(u.dir, "store", "acct", fmt.Sprint(a.ID), "mail.db")
}

// served: the first account is told that it cannot be read, on a connection
// that goes on, and so are senders to it; the second is served.
func (u *torn) served(t *testing.T, when string) {
	t.Helper()
	ill, well := u.i.Accounts[0], u.i.Accounts[1]
	conn := u.i.dialFast(t, ill)
	if err := conn.run("SELECT INBOX", nil); err == nil || !strings.Contains(err.Error(), ": NO [UNAVAILABLE]") {
		t.Errorf("%s: SELECT of a torn database: %v", when, err)
	}
	if err := conn.run("NOOP", nil); err != nil {
		t.Errorf("%s: after it: %v", when, err)
	}
	smtp, err := dialSMTP(t.Context(), u.i.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer smtp.Close()
	for range 2 {
		if answer, err := answerTo(sendText(t.Context(), smtp, "x@slow.test", []string{ill.Address}, messageText("refused"))); err != nil || answer == "OK" {
			t.Errorf("%s: mail for the torn account: %s, %v", when, answer, err)
		}
		name := u.name(mailed, false)
		op := u.create(opMailed, place{"INBOX", ""}, thingID{well.Address, name})
		if err := sendText(t.Context(), smtp, "x@slow.test", []string{well.Address}, messageText(name)); err != nil {
			t.Fatalf("%s: mail for the other account: %v", when, err)
		}
		op.done()
	}
	n := len(messages(t, u.i.dialIMAP(t, well, nil), "INBOX"))
	u.mu.Lock()
	defer u.mu.Unlock()
	if want := u.count[opMailed] - 3; n != want { // the first three were for both
		t.Errorf("%s: the other account has %d messages, want %d", when, n, want)
	}
}
