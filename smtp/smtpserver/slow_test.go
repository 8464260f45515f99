package smtpserver

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail/wire"
)

// TestSlowClients: who sends an octet a second is told so, and cut off, when
// his turn is over: with each command line, in a SASL exchange and in a
// message; whoever sends a message at the floor or above is waited for.
func TestSlowClients(t *testing.T) {
	limits := wire.Limits{Idle: 5 * time.Minute, MinRate: 512, PerAddr: -1, PerNet: -1}
	transaction := "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n"
	for _, tt := range []struct {
		name, before string
		replies      int
		octets       int // a second
		ends         time.Duration
		answer       string
	}{
		{"silent", "", 0, 0, 5 * time.Minute, "421 4.4.2"},
		{"command", "", 0, 1, 5 * time.Minute, "421 4.4.2"},
		{"exchange", "AUTH PLAIN\r\n", 1, 1, 5 * time.Minute, "421 4.4.2"},
		{"message", transaction + "DATA\r\n", 3, 1, 5 * time.Minute, "421 4.4.2"},
		{"message, nearly fast enough", transaction + "DATA\r\n", 3, 500, 4 * time.Hour, "421 4.4.2"},
		{"message, fast enough", transaction + "DATA\r\n", 3, 600, 0, "250 2.0.0"},
		{"chunk", transaction + "BDAT 1000000 LAST\r\n", 2, 1, 5 * time.Minute, "421 4.4.2"},
		{"chunk that is refused", "BDAT 1000000 LAST\r\n", 0, 1, 5 * time.Minute, "421 4.4.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{}
				s := testServer(r)
				s.Limits, s.MaxSize = limits, 50<<20
				here, there := net.Pipe()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- s.Serve(ctx, &oneConn{conn: there, done: make(chan struct{})}) }()
				br := bufio.NewReader(here)
				readUntil(t, br, "220 ")
				io.WriteString(here, "EHLO slow\r\n")
				readUntil(t, br, "250 ")
				for line := range strings.Lines(tt.before) {
					io.WriteString(here, line)
					if tt.replies--; tt.replies >= 0 {
						br.ReadString('\n')
					}
				}
				start := time.Now()
				var client sync.WaitGroup
				client.Go(func() { dribble(here, tt.octets, 8*time.Hour) })
				answer, _ := br.ReadString('\n')
				took := time.Since(start)
				if !strings.HasPrefix(answer, tt.answer) {
					t.Errorf("answered %q, want %q", answer, tt.answer)
				}
				if tt.ends > 0 {
					if rest, _ := io.ReadAll(br); len(rest) > 0 || time.Since(start) > took {
						t.Errorf("goes on with %q for %v", rest, time.Since(start)-took)
					}
				}
				if tt.ends > 0 && (took < tt.ends/2 || took > tt.ends+10*time.Second) {
					t.Errorf("ended after %v, want %v", took, tt.ends)
				}
				here.Close()
				client.Wait()
				cancel()
				if err := <-ended; err != nil || len(r.taken) > 0 && tt.answer != "250 2.0.0" {
					t.Errorf("Serve = %v; taken %.80q", err, r.taken)
				}
			})
		})
	}
}

// dribble sends so many octets a second, in lines, and after some time the end
// of data.
func dribble(c net.Conn, octets int, most time.Duration) {
	if octets == 0 {
		return
	}
	piece := []byte("x")
	if octets > 1 {
		piece = []byte(strings.Repeat("x", octets-2) + "\r\n")
	}
	for until := time.Now().Add(most); time.Now().Before(until); {
		time.Sleep(time.Second)
		if _, err := c.Write(piece); err != nil {
			return
		}
	}
	io.WriteString(c, ".\r\n")
}
