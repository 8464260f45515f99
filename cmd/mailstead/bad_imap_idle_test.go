package main

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"testing"
)

// idleCost is what a connection in IDLE may take of the server's memory; with
// TLS its buffers and keys come on top.
const (
	idleCost    = 25 << 10
	idleCostTLS = 40 << 10
)

// TestIdleConnections: thousands of mail programs that wait for mail.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	p := startProbed(t, "--no-limits", "--plain-auth")
	b := beside(t, p.instance, p.Accounts[0])
	first, _ := b.rounds()
	for _, tt := range []struct {
		name  string
		dial  func(from net.IP) (*rawIMAP, error)
		bound int64
	}{
		{"plain", p.rawPlain, idleCost},
		{"TLS", p.rawTLS, idleCostTLS},
	} {
		warm := p.idle(t, 20, tt.dial) // pools and caches are not theirs
		p.hangUp(t, warm)
		n := times(200, 5000)
		used, before := p.used(t), p.cost(t)
		conns := p.idle(t, n, tt.dial)
		each := (p.used(t) - used) / int64(n)
		after := p.cost(t)
		t.Logf("%d idle connections, %s: %d octets each in use, RSS %d → %d MB (%d octets each), peak %d MB, %d goroutines more",
			n, tt.name, each, before.RSS>>20, after.RSS>>20, (after.RSS-before.RSS)/int64(n), after.Peak>>20, after.Goroutines-before.Goroutines)
		if each > tt.bound {
			t.Errorf("%s: an idle connection takes %d octets, more than %d", tt.name, each, tt.bound)
		}
		p.hangUp(t, conns)
		p.settled(t, before)
	}
	eventually(t, "the client beside is served", func() bool { n, err := b.rounds(); return n >= first+enough || err != nil })
	b.end(t, patience())
}

// idle opens n connections of one account, all in IDLE.
func (p *probed) idle(t *testing.T, n int, dial func(net.IP) (*rawIMAP, error)) []*rawIMAP {
	t.Helper()
	conns := make([]*rawIMAP, n)
	together(t, n, 8, func(k int) error {
		c, err := dial(spread(k / 100))
		if err != nil {
			return err
		}
		conns[k] = c
		if err := c.ok("LOGIN %s %s", p.Accounts[1].Address, p.Accounts[1].Password); err != nil {
			return err
		}
		if err := c.ok("SELECT INBOX"); err != nil {
			return err
		}
		if err := c.send("x IDLE\r\n"); err != nil {
			return err
		}
		if r, err := c.response(); err != nil || r.tag != "+" {
			return fmt.Errorf("IDLE: %+v, %w", r, err)
		}
		return nil
	})
	return conns
}

// hangUp ends IDLE on all of them, and then the connections.
func (p *probed) hangUp(t *testing.T, conns []*rawIMAP) {
	t.Helper()
	together(t, len(conns), 8, func(k int) error {
		defer conns[k].conn.Close()
		if err := conns[k].send("DONE\r\n"); err != nil {
			return err
		}
		if a, err := conns[k].next(); err != nil || a.kind != "OK" {
			return fmt.Errorf("DONE: %+v, %w", a, err)
		}
		return nil
	})
}

// used returns what is in use of the heap and of stacks, after a collection.
func (p *probed) used(t *testing.T) int64 {
	t.Helper()
	p.profile(t, "heap?gc=1")
	text := p.profile(t, "heap?debug=1&gc=1")
	var sum int64
	for _, field := range []string{"HeapInuse", "Stack", "MSpan"} {
		m := regexp.MustCompile(`(?m)^# ` + field + ` = (\d+)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in the profile", field)
		}
		n, _ := strconv.ParseInt(m[1], 10, 64)
		sum += n
	}
	return sum
}
