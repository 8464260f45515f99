package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestBadTransfer: peers that do not send what they announce, stop in the
// middle, or do not listen.
func TestBadTransfer(t *testing.T) {
	t.Parallel()
	runBadPeers(t, []badPeer{
		{"10 MB announced by SIZE, never sent", halfSent(200, " SIZE=10485760", "DATA\r\n")},
		{"10 MB announced by BDAT, never sent", halfSent(200, "", "BDAT 10485760 LAST\r\n")},
		{"header of 1 MB, half sent", halfSent(200, "", "DATA\r\nFrom: friend@slow.test\r\n"+strings.Repeat("X-Long: "+strings.Repeat("x", 1000)+"\r\n", 1020))},
		{"header of 60 KB, half sent", halfSent(200, "", "DATA\r\nFrom: friend@slow.test\r\n"+strings.Repeat("X-Long: "+strings.Repeat("x", 1000)+"\r\n", 60))},
		{"header of 1 MB, half sent by BDAT", halfSent(200, "", "BDAT 10485760\r\nFrom: friend@slow.test\r\n"+strings.Repeat("X-Long: "+strings.Repeat("x", 1000)+"\r\n", 1020))},
		{"body of 250 KB, half sent", halfSent(200, "", "DATA\r\nFrom: friend@slow.test\r\n\r\n"+strings.Repeat(strings.Repeat("x", 98)+"\r\n", 2500))},
		{"messages of 250 KB that end at once", attackTogether},
		{"1,000 header lines of 1 MB each, by DATA", endlessHeader("DATA\r\n")},
		{"1,000 header lines of 1 MB each, by BDAT", endlessHeader("BDAT 1048576000 LAST\r\n")},
		{"RST at every stage", attackResets},
		{"half-closed at every stage", attackHalfClosed},
		{"replies never read", attackDeaf},
	})
}

// halfSent sends the beginning of many messages and leaves it at that.
func halfSent(n int, parameters, begin string) func(*testing.T, *probed) {
	return func(t *testing.T, p *probed) {
		n := scaled(n, 5*n)
		box := p.dialIMAP(t, p.Accounts[1], nil)
		before := p.count(t, box)
		p.holdMessages(t, n, parameters, begin)
		if got := p.count(t, box); got != before {
			t.Errorf("%d messages came in", got-before)
		}
		p.tell(n, "waits")
	}
}

// endlessHeader sends 1 GB of header, of which the server reads as much as it
// passes over, and then says why it does not go on.
func endlessHeader(begin string) func(*testing.T, *probed) {
	return func(t *testing.T, p *probed) {
		box := p.dialIMAP(t, p.Accounts[1], nil)
		before, n := p.count(t, box), scaled(3, 30)
		line := []byte("X-Long: " + strings.Repeat("x", 1<<20-10) + "\r\n")
		together(t, n, 3, func(i int) error {
			a := p.ports()[i%3]
			c, err := a.begin(spread(i))
			if err != nil {
				return err
			}
			defer c.Close()
			if err := c.ask("MAIL FROM:<"+a.from+">", "250", "RCPT TO:<"+p.Accounts[1].Address+">", "250"); err != nil {
				return err
			}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				io.WriteString(c, begin+"From: "+a.from+"\r\n")
				for range 1000 {
					if _, err := c.Write(line); err != nil {
						return // the server has ended it
					}
				}
			}()
			got := c.rest()
			<-sent
			if !strings.Contains(got, "552 5.3.4") || strings.Contains(got, "250 2.0.0") {
				return fmt.Errorf("port %s: answered %q", a.name, got)
			}
			return nil
		})
		if got := p.count(t, box); got != before {
			t.Errorf("%d messages came in", got-before)
		}
		p.tell(n, "552 5.3.4, closed")
	}
}

// attackTogether: many messages are judged and stored at the same time.
func attackTogether(t *testing.T, p *probed) {
	n := scaled(200, 1000)
	box := p.dialIMAP(t, p.Accounts[1], nil)
	before := p.count(t, box)
	held := p.holdMessages(t, n, "", "DATA\r\nFrom: {from}\r\n\r\n"+strings.Repeat(strings.Repeat("x", 98)+"\r\n", 2500))
	for _, c := range held {
		io.WriteString(c, ".\r\n")
	}
	for _, c := range held {
		if err := c.expect("354", "250"); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.count(t, box) - before; got != n {
		t.Errorf("%d messages came in, want %d", got, n)
	}
	p.tell(n, "250")
}

// holdMessages opens n transactions, on all ports, and sends the beginning of
// a message in each; {from} in it is who may send there.
func (p *probed) holdMessages(t *testing.T, n int, parameters, begin string) []*peer {
	t.Helper()
	ports, bob := p.ports(), p.Accounts[1]
	held := hold(t, n, func(i int) (*peer, error) {
		a := ports[i%len(ports)]
		c, err := a.begin(spread(i / 40))
		if err != nil {
			return nil, err
		}
		if err = c.ask("MAIL FROM:<"+a.from+">"+parameters, "250", "RCPT TO:<"+bob.Address+">", "250"); err == nil {
			_, err = io.WriteString(c, strings.Replace(begin, "{from}", a.from, 1))
		}
		return c, err
	})
	eventually(t, "the server has read all that was sent", func() bool { return p.unread(t) == 0 })
	return held
}

// unread returns how many octets wait in the system until the server reads
// them.
func (p *probed) unread(t *testing.T) int {
	t.Helper()
	var addrs []string
	for _, a := range p.ports() {
		addrs = append(addrs, a.addr)
	}
	sum := 0
	for _, s := range sockets(t, addrs...) {
		sum += s.unread
	}
	return sum
}

// stages are how far a transaction gets before something happens to the
// connection: what is sent, and how many replies are read first.
var stages = []struct {
	name, send string
	replies    int
}{
	{"connected", "", 0},
	{"half a command", "MAIL FR", 0},
	{"MAIL", "MAIL FROM:<{from}>\r\n", 1},
	{"RCPT", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\n", 2},
	{"DATA", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n", 3},
	{"in the header", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\nFrom: <{from}>\r\nSubj", 3},
	{"in the body", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\nFrom: <{from}>\r\n\r\nhalf a li", 3},
	{"after a line", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\nFrom: <{from}>\r\n\r\na line\r\n", 3},
	{"before the dot's CRLF", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\nFrom: <{from}>\r\n\r\na line\r\n.", 3},
	{"before the last LF", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\nFrom: <{from}>\r\n\r\na line\r\n.\r", 3},
	{"in a chunk", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nBDAT 100 LAST\r\nFrom: <{from}>\r\n\r\na line\r\n", 2},
	{"after a chunk", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nBDAT 6\r\nFrom: ", 3},
	{"in the second chunk", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nBDAT 6\r\nFrom: BDAT 10000 LAST\r\n<{from}>\r\n\r\na line\r\n", 3},
	{"in a chunk that is swallowed", "BDAT 10000 LAST\r\na line\r\n", 0},
	{"in a message that is refused", "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\nFrom: <{from}>\r\n\r\nbare\nline\r\n", 3},
}

// attackStages does something to connections that have come to each stage, on
// all ports, and checks that no message comes of it.
func attackStages(t *testing.T, p *probed, do func(c *peer)) int {
	t.Helper()
	box, bob := p.dialIMAP(t, p.Accounts[1], nil), p.Accounts[1].Address
	before, n := p.count(t, box), 0
	for range scaled(2, 20) {
		for _, a := range p.ports() {
			for _, s := range stages {
				c := a.start(t)
				io.WriteString(c, strings.NewReplacer("{from}", a.from, "{to}", bob).Replace(s.send))
				for range s.replies {
					if got, err := c.reply(); err != nil || got[0] != '2' && got[0] != '3' {
						t.Fatalf("port %s, %s: %q, %v", a.name, s.name, got, err)
					}
				}
				do(c)
				c.raw.Close()
				n++
			}
		}
	}
	if got := p.count(t, box); got != before {
		t.Errorf("%d messages came in, want none", got-before)
	}
	return n
}

func attackResets(t *testing.T, p *probed) {
	n := attackStages(t, p, func(c *peer) { c.raw.SetLinger(0) })
	p.tell(n, "no message")
}

// attackHalfClosed: a client that has no more to say but listens still hears
// the end, and the answer to a message that it had sent completely.
func attackHalfClosed(t *testing.T, p *probed) {
	n := attackStages(t, p, func(c *peer) {
		c.raw.CloseWrite()
		if got := c.rest(); strings.Contains(got, "250") || strings.Contains(got, "does not close") {
			t.Errorf("answered %q", got)
		}
	})
	a, bob := p.ports()[0], p.Accounts[1].Address
	box := p.dialIMAP(t, p.Accounts[1], nil)
	before := p.count(t, box)
	c := a.start(t)
	fmt.Fprintf(c, "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\nFrom: <%[1]s>\r\n\r\nwhole\r\n.\r\n", a.from, bob)
	c.raw.CloseWrite()
	if err := c.expect("250", "250", "354", "250 2.0.0"); err != nil || c.rest() != "" {
		t.Errorf("a whole message, and the end: %v", err)
	}
	if got := p.count(t, box) - before; got != 1 {
		t.Errorf("%d messages came in, want one", got)
	}
	p.tell(n+1, "closed; 250 for a message that is whole")
}

// attackDeaf: what the server says to a client that does not read is little
// enough for the system to keep, so that the session comes to its end anyway.
func attackDeaf(t *testing.T, p *probed) {
	n := scaled(60, 300)
	before := p.goroutines(t)
	pipeline := []byte("EHLO deaf\r\nMAIL FROM:<friend@slow.test>\r\n" + strings.Repeat("RCPT TO:<"+p.Accounts[1].Address+">\r\n", 20_000))
	held := hold(t, n, func(i int) (*peer, error) {
		c, err := dialPeer(p.SMTP, spread(i/40))
		if err == nil {
			err = c.raw.SetReadBuffer(1)
		}
		return c, err
	})
	sent := make(chan struct{})
	for _, c := range held {
		go func() {
			c.Write(pipeline) // fails at the end of the session
			sent <- struct{}{}
		}()
	}
	for range held {
		<-sent
	}
	eventually(t, "the server has done with all of them", func() bool { return p.goroutines(t) < before+n/10 })
	p.tell(n, "421 4.7.0, closed")
}
