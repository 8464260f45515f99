package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestBadCrowds: peers that come in numbers.
func TestBadCrowds(t *testing.T) {
	t.Parallel()
	runBadPeers(t, []badPeer{
		{"slow-loris on 25", crawl(0, "EHLO slow.test\r\nMAIL FROM:<friend@slow.test>\r\nRCPT TO:<bob@example.test>\r\n")},
		{"slow-loris on 587", crawl(1, "EHLO slow.test\r\nNOOP\r\nVRFY bob\r\n")},
		{"slow-loris on 465", crawlTLS},
		{"slow-loris in a message", crawlMessage},
		{"slow-loris on 80 and 443", crawlWeb},
		{"handshakes never finished on 465, 993, 587", attackHandshakes},
		{"connections of an address", func(t *testing.T, p *probed) {
			attackConnections(t, p, 50, func(int) net.IP { return net.IPv4(127, 30, 0, 1) })
		}},
		{"connections of a net", func(t *testing.T, p *probed) {
			attackConnections(t, p, 200, func(i int) net.IP { return net.IPv4(127, 31, 0, byte(1+i%250)) })
		}},
		{"connections opened and closed", attackChurn},
		{"wrong passwords", attackPasswords},
		{"wrong passwords by IMAP", attackIMAPPasswords},
		{"wrong passwords from many nets", attackSpreadPasswords},
	})
}

// dribble sends one octet a second on each connection, for some seconds. The
// server's own patience lasts minutes; that it ends is checked where there is
// a clock that can be turned (mail/wire, smtp/smtpserver).
func dribble(t *testing.T, held []*peer, text string) {
	t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for k := range scaled(2, 30) {
		<-tick.C
		for i, c := range held {
			if _, err := c.Write([]byte{text[k%len(text)]}); err != nil {
				t.Fatalf("connection %d after %d octets: %v", i, k, err)
			}
		}
	}
}

// crawl opens connections to a port and speaks SMTP there, slowly.
func crawl(port int, text string) func(*testing.T, *probed) {
	return func(t *testing.T, p *probed) {
		n := scaled(200, 1000)
		addr := p.ports()[port].addr
		held := hold(t, n, func(i int) (*peer, error) { return open(addr, spread(i/40), "") })
		dribble(t, held, text)
		p.tell(n, "waits, %d KB each", p.each(t, n))
	}
}

// each returns how many KB of the server's memory each of n connections takes.
func (p *probed) each(t *testing.T, n int) int64 {
	t.Helper()
	return (p.used(t) - p.atRest) / int64(n) >> 10
}

func crawlTLS(t *testing.T, p *probed) {
	n := scaled(200, 1000)
	held := hold(t, n, func(i int) (*peer, error) { return open(p.Submissions, spread(i/40), "TLS") })
	dribble(t, held, "EHLO slow.test\r\nNOOP\r\n")
	p.tell(n, "waits, %d KB each", p.each(t, n))
}

func crawlMessage(t *testing.T, p *probed) {
	n := scaled(200, 1000)
	held := p.holdMessages(t, n, "", "DATA\r\nFrom: friend@slow.test\r\n")
	dribble(t, held, "Subject: slow\r\n\r\n.\r\n"[:17]+strings.Repeat("x", 60))
	p.tell(n, "waits, %d KB each", p.each(t, n))
}

// crawlWeb sends requests to the web's ports, an octet a second; whoever comes
// to the end of the server's patience is cut off.
func crawlWeb(t *testing.T, p *probed) {
	n := scaled(200, 1000)
	held := hold(t, n, func(i int) (*peer, error) {
		if i%2 == 0 {
			return dialPeer(p.HTTP, spread(i/40))
		}
		c, err := dialPeer(p.HTTPS, spread(i/40))
		if err != nil {
			return nil, err
		}
		return c, c.handshake()
	})
	cut := 0
	text := "GET /admin/ HTTP/1.1\r\nHost: mail.example.test\r\nX-Slow: and so on"
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for k := range scaled(2, 60) {
		<-tick.C
		cut = 0
		for _, c := range held {
			if _, err := c.Write([]byte{text[k%len(text)]}); err != nil {
				cut++
			}
		}
	}
	if scaled(0, 1) == 1 && cut < n {
		t.Errorf("%d of %d are still there after a minute", n-cut, n)
	}
	p.tell(n, "waits, %d KB each; %d cut off", p.each(t, n), cut)
}

// attackHandshakes begins TLS and does not go on.
func attackHandshakes(t *testing.T, p *probed) {
	n := scaled(300, 3000)
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("r", 300)
	hold(t, n, func(i int) (c *peer, err error) {
		switch from := spread(i / 40); i % 3 {
		case 0:
			c, err = dialPeer(p.Submissions, from)
		case 1:
			c, err = dialPeer(p.IMAPS, from)
		case 2:
			c, err = open(p.Submission, from, "", "EHLO x", "250", "STARTTLS", "220")
		}
		if err == nil {
			_, err = io.WriteString(c, hello)
		}
		return c, err
	})
	p.tell(n, "waits 30 s, %d KB each", p.each(t, n))
}

// attackConnections: of the connections that one address or net opens, so many
// are served and the others are told why not; a stranger's are.
func attackConnections(t *testing.T, p *probed, most int, from func(i int) net.IP) {
	n := scaled(300, 2000)
	for _, addr := range []string{p.SMTP, p.Submission, p.Submissions} {
		served, refused := []*peer{}, 0
		for i := range n {
			c, err := dialPeer(addr, from(i))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if addr == p.Submissions {
				if err = c.handshake(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					got = "421 4.7.0" // there is no place to say so before TLS
				}
			}
			if got == "" {
				got, _ = c.reply()
			}
			switch {
			case strings.HasPrefix(got, "220 "):
				served = append(served, c)
				continue
			case !strings.HasPrefix(got, "421 4.7.0"):
				t.Fatalf("%s: connection %d is greeted with %q", addr, i, got)
			}
			refused++
			c.Close()
		}
		if len(served) != most || refused != n-most {
			t.Errorf("%s: %d connections are served and %d refused, want %d and %d", addr, len(served), refused, most, n-most)
		}
		if addr != p.Submissions {
			if c, err := open(addr, spread(0), "", "EHLO other.test", "250"); err != nil {
				t.Errorf("a client from elsewhere: %v", err)
			} else {
				c.Close()
			}
		}
		for _, c := range served {
			if err := c.ask("NOOP", "250"); err != nil {
				t.Error(err)
			}
			c.raw.Close()
		}
		eventually(t, "the address is served again", func() bool {
			c, err := open(addr, from(0), map[bool]string{true: "TLS"}[addr == p.Submissions])
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	p.tell(3*n, "220 × %d, 421 4.7.0", most)
}

// attackChurn opens and closes connections as fast as it can.
func attackChurn(t *testing.T, p *probed) {
	n := scaled(2000, 20_000)
	together(t, n, 20, func(i int) error {
		c, err := dialPeer([]string{p.SMTP, p.Submission, p.Submissions, p.IMAP, p.IMAPS}[i%5], spread(i%200))
		if err == nil {
			if i%2 == 0 {
				c.raw.SetLinger(0)
			}
			c.raw.Close()
		}
		return err
	})
	p.tell(n, "closed")
}

// attackPasswords: somebody guesses passwords from one address, until few of
// them are even looked at. The owner logs in from elsewhere meanwhile, at once.
func attackPasswords(t *testing.T, p *probed) {
	bob := p.Accounts[1]
	n := scaled(300, 10_000)
	tried, wrong, putOff := 0, 0, 0
	for tried < n {
		a := p.ports()[1+tried%2]
		c, err := open(a.addr, net.IPv4(127, 40, 0, 1), map[string]string{"587": "STARTTLS", "465": "TLS"}[a.name], "EHLO guess.test", "250")
		if err != nil {
			t.Fatal(err)
		}
		for ; tried < n; tried++ {
			fmt.Fprintf(c, "AUTH PLAIN %s\r\n", plainLogin(tryAccount{bob.Address, fmt.Sprint("guess ", tried)}))
			got, err := c.reply()
			if strings.HasPrefix(got, "535 5.7.8") {
				wrong++
			} else if strings.HasPrefix(got, "454 4.7.0 too many failed logins") {
				putOff++
			} else if strings.HasPrefix(got, "421 4.7.0") {
				break
			} else {
				t.Fatalf("guess %d: %q, %v", tried, got, err)
			}
		}
		c.Close()
		if tried/(n/10) != (tried+1)/(n/10) || tried >= n {
			p.ownerEnters(t, tried)
		}
	}
	if wrong > 200 || putOff < n/2 {
		t.Errorf("%d guesses were looked at, %d put off", wrong, putOff)
	}
	p.tell(n, "535 × %d, then 454 4.7.0; the owner enters", wrong)
}

// attackIMAPPasswords is attackPasswords on port 993, of another address.
func attackIMAPPasswords(t *testing.T, p *probed) {
	bob, n := p.Accounts[1], scaled(300, 10_000)
	wrong, putOff := 0, 0
	for tried := 0; tried < n; {
		c, err := p.rawTLS(net.IPv4(127, 41, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		ended := false
		for ; tried < n && !ended; tried++ {
			a, err := c.do("LOGIN %s guess%d", bob.Address, tried)
			switch {
			case err != nil && a.kind != "BYE", a.kind == "OK":
				t.Fatalf("guess %d: %s %s, %v", tried, a.kind, a.text, err)
			case a.kind == "BYE":
				ended = true
			case strings.Contains(a.text, "AUTHENTICATIONFAILED"):
				wrong++
			case strings.Contains(a.text, "oo many failed logins"):
				putOff++
			default:
				t.Fatalf("guess %d: %s %s", tried, a.kind, a.text)
			}
		}
		c.conn.Close()
		if tried/(n/10) != (tried+1)/(n/10) || tried >= n {
			p.ownerEnters(t, tried)
		}
	}
	if wrong > 200 || putOff < n/2 {
		t.Errorf("%d guesses were looked at, %d put off", wrong, putOff)
	}
	p.tell(n, "NO × %d, then put off; the owner enters", wrong)
}

// ownerEnters logs in as the owner from an address that was never seen, by
// SMTP and IMAP.
func (p *probed) ownerEnters(t *testing.T, n int) {
	t.Helper()
	start := time.Now()
	from := spread(400 + n%1000)
	c, err := open(p.Submissions, from, "TLS", "EHLO owner.test", "250", "AUTH PLAIN "+plainLogin(p.Accounts[1]), "235")
	if err != nil {
		t.Fatalf("the owner on 465: %v", err)
	}
	c.Close()
	m, err := p.rawLogin(from, p.Accounts[1])
	if err != nil {
		t.Fatalf("the owner on 993: %v", err)
	}
	m.conn.Close()
	if took := time.Since(start); took > patience() {
		t.Errorf("the owner waited %v", took)
	}
}

// attackSpreadPasswords: the guesses come from many nets, each of which is
// free to guess a few times, so that all are looked at. What that takes of
// memory and time is bounded, and the owner, who has logged in lately, waits
// for none of them.
func attackSpreadPasswords(t *testing.T, p *probed) {
	p.ownerEnters(t, 0)
	nets := scaled(30, 1000)
	var wrong atomic.Int64
	var g errgroup.Group
	g.SetLimit(100)
	done := make(chan error, 1)
	go func() {
		for i := range nets {
			g.Go(func() error {
				n, err := p.guess(spread(i), 4)
				wrong.Add(int64(n))
				return err
			})
		}
		done <- g.Wait()
	}()
	for n := 0; ; n++ {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			p.tell(4*nets, "535 × %d; the owner enters", wrong.Load())
			return
		case <-time.After(100 * time.Millisecond):
			p.ownerEnters(t, n)
		}
	}
}

// guess tries n wrong passwords and returns how many were looked at.
func (p *probed) guess(from net.IP, n int) (wrong int, err error) {
	c, err := open(p.Submissions, from, "TLS", "EHLO guess.test", "250")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for k := range n {
		fmt.Fprintf(c, "AUTH PLAIN %s\r\n", plainLogin(tryAccount{p.Accounts[1].Address, fmt.Sprint("guess ", from, k)}))
		switch got, err := c.reply(); {
		case strings.HasPrefix(got, "535 5.7.8"):
			wrong++
		case !strings.HasPrefix(got, "454 4.7.0 too many people"):
			return wrong, fmt.Errorf("guess %d: %q, %w", k, got, err)
		}
	}
	return wrong, nil
}
