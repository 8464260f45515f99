package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestBadSMTP: peers that break the grammar and the order of SMTP.
func TestBadSMTP(t *testing.T) {
	runBadPeers(t, []badPeer{
		{"HTTP request", attackHTTP},
	})
}

// attackHTTP: a browser that was made to talk to us gets one answer, and its
// body is not run as commands.
func attackHTTP(t *testing.T, p *probed) {
	for range 20 {
		c, err := net.Dial("tcp", p.SMTP)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(deadline))
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: mail\r\n\r\nEHLO a\r\nMAIL FROM:<a@slow.test>\r\n")
		got, _ := io.ReadAll(c)
		c.Close()
		if !strings.Contains(string(got), "\r\n421 4.7.0 ") || strings.Contains(string(got), "250") {
			t.Fatalf("answered %q", got)
		}
	}
	p.tell(20, "421 4.7.0")
}
