package smtpserver

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/mailstead/mailstead/mail/sasl"
)

// watched are users whose logins can be revoked.
type watched struct {
	mu      sync.Mutex
	clients []string
	revoke  []func()
	stopped int
}

func (w *watched) Authenticator(netip.Addr, string) sasl.Authenticator {
	return &watchedUser{watched: w}
}

type watchedUser struct {
	users
	*watched
}

func (u *watchedUser) Authenticator(netip.Addr, string) sasl.Authenticator { return u }

func (u *watchedUser) Describe(client string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clients = append(u.clients, client)
}

func (u *watchedUser) OnRevoke(f func()) (stop func() bool) {
	over, end := context.WithCancel(context.Background())
	stopped := context.AfterFunc(over, f)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.revoke = append(u.revoke, end)
	return func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.stopped++
		return stopped()
	}
}

// TestRevoked ends a session whose login is no longer good: one that waits for
// a command now, one that sends a message after it.
func TestRevoked(t *testing.T) {
	auth, r := &watched{}, &recorder{}
	s := testServer(r)
	s.Auth = auth
	addr := start(t, s)
	login := func() *bufio.ReadWriter {
		c := dial(t, addr)
		rw := bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
		fmt.Fprintf(c, "EHLO phone.example\r\nAUTH PLAIN AGFuYUBleGFtcGxlLm9yZwBwZW5jaWw=\r\n")
		readUntil(t, rw.Reader, "235 ")
		return rw
	}
	say := func(c *bufio.ReadWriter, text string) {
		c.WriteString(text)
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	waiting, sending := login(), login()
	say(sending, "MAIL FROM:<ana@example.org>\r\nRCPT TO:<bo@example.org>\r\nDATA\r\n")
	readUntil(t, sending.Reader, "354 ")
	auth.mu.Lock()
	if strings.Join(auth.clients, " ") != "phone.example phone.example" || len(auth.revoke) != 2 {
		t.Errorf("clients %q, %d watches", auth.clients, len(auth.revoke))
	}
	for _, f := range auth.revoke {
		f()
	}
	auth.mu.Unlock()
	readUntil(t, waiting.Reader, "421 4.7.0 the login is no longer valid")
	say(sending, "Subject: x\r\n\r\nlast words\r\n.\r\n")
	readUntil(t, sending.Reader, "250 2.0.0")
	readUntil(t, sending.Reader, "421 4.7.0 the login is no longer valid")
}
