package imapserver

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/wire"
)

// TestAutologout waits in all ways a client can wait.
func TestAutologout(t *testing.T) {
	const login = "a LOGIN " + testLogin + " " + testPassword + "\r\n"
	for _, tt := range []struct {
		name       string
		commands   []string
		atLeast    time.Duration
		noLonger   time.Duration
		lastAnswer string
	}{
		{"before the login", nil, 30 * time.Second, 2 * time.Minute, "* OK"},
		{"after it", []string{login}, 30 * time.Minute, 35 * time.Minute, "a OK"},
		{"in IDLE", []string{login, "b IDLE\r\n"}, 29 * time.Minute, 35 * time.Minute, "+ idling"},
		{"in the middle of a literal", []string{login, "b APPEND INBOX {10}\r\n", "half"}, time.Minute, 35 * time.Minute, "+ Ready"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newOffline(t)
				server, client := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					c := wire.NewConn(server, wire.Limits{})
					defer c.Close()
					run := f.srv.withDefaults()
					newSession(&run, c, &imapwire.Buffers{}).serve(t.Context())
				}()
				r := bufio.NewReader(client)
				last := readLine(t, r)
				for _, c := range tt.commands {
					if _, err := io.WriteString(client, c); err != nil {
						t.Fatal(err)
					}
					if strings.HasSuffix(c, "\n") {
						last = readLine(t, r)
					}
				}
				if !strings.HasPrefix(last, tt.lastAnswer) {
					t.Fatalf("last answer = %q", last)
				}
				start := time.Now()
				if got := readLine(t, r); got != "* BYE Autologout; idle for too long\r\n" {
					t.Errorf("got %q", got)
				}
				if waited := time.Since(start); waited < tt.atLeast || waited > tt.noLonger {
					t.Errorf("logged out after %v", waited)
				}
				client.Close()
				<-done
				f.store.Close()
			})
		})
	}
}

func readLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}
