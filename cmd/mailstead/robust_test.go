package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestCutOffMail: a connection that ends in the middle of a message leaves
// none, on DATA and on BDAT, however short the message is.
func TestCutOffMail(t *testing.T) {
	t.Parallel()
	i := startTry(t)
	bob := i.Accounts[1]
	for _, tail := range []string{
		"DATA\r\nSubject: cut", "DATA\r\nSubject: cut\r\n\r\nhalf a line", "DATA\r\nSubject: cut\r\n\r\na line\r\n", "DATA\r\nSubject: cut\r\n\r\na line\r\n.",
		"BDAT 1000 LAST\r\nSubject: cut\r\n\r\nhalf", "BDAT 18\r\nSubject: cut\r\n\r\nx\r\n", "BDAT 18\r\nSubject: cut\r\n\r\nx\r\nBDAT 10 LAST\r\nhalf",
		"DATA\r\nSubject: cut\r\n\r\n" + strings.Repeat("a long message\r\n", 100_000),
	} {
		c, err := net.Dial("tcp", i.SMTP)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(deadline))
		fmt.Fprintf(c, "EHLO client.test\r\nMAIL FROM:<x@slow.test>\r\nRCPT TO:<%s>\r\n%s", bob.Address, tail)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c) // until the server has seen the end
		c.Close()
	}
	output(t, "", need(t, "swaks"), "--server", i.SMTP, "--from", "x@slow.test", "--to", bob.Address, "--h-Subject", "whole")
	got := i.waitMessages(t, bob, "INBOX", 1)
	if !strings.Contains(got[0], "Subject: whole") {
		t.Errorf("a message that was cut off was delivered:\n%s", got[0])
	}
}
