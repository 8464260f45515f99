package main

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// peer is a client that keeps to no rule: it sends what it is told to and
// shows what comes. Its methods may be used outside of the test's goroutine.
type peer struct {
	net.Conn
	raw *net.TCPConn
	r   *bufio.Reader
}

// dialPeer connects from an address of loopback, nil for the usual one.
func dialPeer(addr string, from net.IP) (*peer, error) {
	c, err := dialRaw(addr, from)
	if err != nil {
		return nil, err
	}
	return &peer{Conn: c, raw: c.(*net.TCPConn), r: bufio.NewReader(c)}, nil
}

// handshake puts TLS around the connection.
func (c *peer) handshake() error {
	t := tls.Client(c.raw, &tls.Config{InsecureSkipVerify: true})
	if err := t.Handshake(); err != nil {
		return err
	}
	c.Conn, c.r = t, bufio.NewReader(t)
	return nil
}

// reply reads one reply, all of its lines.
func (c *peer) reply() (string, error) {
	var all strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			return all.String(), fmt.Errorf("after %.200q: %w", all.String(), err)
		}
		if len(line) < 4 || line[3] != '-' {
			return all.String(), nil
		}
	}
}

// expect reads a reply for each of want, which it must begin with.
func (c *peer) expect(want ...string) error {
	for i, w := range want {
		got, err := c.reply()
		if err != nil {
			return fmt.Errorf("reply %d, instead of %q: %w", i+1, w, err)
		}
		if !strings.HasPrefix(got, w) {
			return fmt.Errorf("reply %d is %.200q, want %q", i+1, got, w)
		}
	}
	return nil
}

// ask sends lines, each of which is answered before the next is sent.
func (c *peer) ask(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if _, err := io.WriteString(c, pairs[i]+"\r\n"); err != nil {
			return err
		}
		if err := c.expect(pairs[i+1]); err != nil {
			return fmt.Errorf("%.80q: %w", pairs[i], err)
		}
	}
	return nil
}

// rest reads until the server closes; that it does so rudely is no matter, but
// one that merely falls silent is told from one that closes.
func (c *peer) rest() string {
	b, err := io.ReadAll(c.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return string(b) + "(the server does not close)"
	}
	return string(b)
}

// plainLogin is the initial response of AUTH PLAIN (RFC 4616).
func plainLogin(who tryAccount) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + who.Address + "\x00" + who.Password))
}

// port is one of the server's, and how to come to where mail can be sent.
type port struct {
	name  string
	addr  string
	from  string // reverse-path that may be used there
	begin func(from net.IP) (*peer, error)
}

// ports are those that speak SMTP: 25, 587 with STARTTLS, 465.
func (p *probed) ports() []port {
	who := p.Accounts[1]
	login := []string{"EHLO client.test", "250", "AUTH PLAIN " + plainLogin(who), "235"}
	return []port{
		{"25", p.SMTP, "friend@slow.test", func(from net.IP) (*peer, error) { return open(p.SMTP, from, "", "EHLO client.test", "250") }},
		{"587", p.Submission, who.Address, func(from net.IP) (*peer, error) { return open(p.Submission, from, "STARTTLS", login...) }},
		{"465", p.Submissions, who.Address, func(from net.IP) (*peer, error) { return open(p.Submissions, from, "TLS", login...) }},
	}
}

// open connects, reads the greeting, with TLS at once or by STARTTLS if asked
// for, and goes through a dialogue.
func open(addr string, from net.IP, security string, dialogue ...string) (*peer, error) {
	c, err := dialPeer(addr, from)
	if err != nil {
		return nil, err
	}
	if security == "TLS" {
		err = c.handshake()
	}
	if err == nil {
		err = c.expect("220")
	}
	if err == nil && security == "STARTTLS" {
		if err = c.ask("EHLO client.test", "250", "STARTTLS", "220"); err == nil {
			err = c.handshake()
		}
	}
	if err == nil {
		err = c.ask(dialogue...)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// start is open for the test's goroutine; the connection is closed with it.
func (a port) start(t *testing.T) *peer {
	t.Helper()
	c, err := a.begin(nil)
	if err != nil {
		t.Fatalf("port %s: %v", a.name, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// count returns how many messages an account has in INBOX and Junk.
func (p *probed) count(t *testing.T, c *imapclient.Client) int {
	t.Helper()
	n := 0
	for _, box := range []string{"INBOX", "Junk"} {
		s, err := c.Status(box, &imap.StatusOptions{NumMessages: true}).Wait()
		if err != nil {
			t.Fatal(err)
		}
		n += int(*s.NumMessages)
	}
	return n
}

// hold opens n connections and keeps them until the end of the attack.
func hold(t *testing.T, n int, begin func(i int) (*peer, error)) []*peer {
	t.Helper()
	held := make([]*peer, n)
	t.Cleanup(func() {
		for _, c := range held {
			if c != nil {
				c.raw.Close()
			}
		}
	})
	together(t, n, 20, func(i int) (err error) {
		held[i], err = begin(i)
		return err
	})
	return held
}
