package main

import (
	"fmt"
	"testing"
)

// What an idle SMTP connection may take of the server's memory: plain, and
// with the buffers and keys of TLS.
const (
	idleSMTP    = 40 << 10
	idleSMTPTLS = 60 << 10
	restingRSS  = 40 << 20 // after the start of an existing folder
)

// TestIdleSMTP: thousands of connections that say EHLO and nothing more.
func TestIdleSMTP(t *testing.T) {
	t.Parallel()
	p := startProbed(t)
	for _, tt := range []struct {
		name  string
		begin func(i int) (*peer, error)
		bound int64
	}{
		{"plain", func(i int) (*peer, error) { return open(p.SMTP, spread(i/40), "", "EHLO idle.test", "250") }, idleSMTP},
		{"STARTTLS", func(i int) (*peer, error) {
			return open(p.Submission, spread(i/40), "STARTTLS", "EHLO idle.test", "250")
		}, idleSMTPTLS},
		{"TLS", func(i int) (*peer, error) { return open(p.Submissions, spread(i/40), "TLS", "EHLO idle.test", "250") }, idleSMTPTLS},
	} {
		n := scaled(200, 2000)
		first := p.cost(t)
		t.Run(tt.name, func(t *testing.T) {
			hold(t, 10, tt.begin) // pools and caches are not theirs
			used, before := p.used(t), p.cost(t)
			hold(t, n, tt.begin)
			each := (p.used(t) - used) / int64(n)
			after := p.cost(t)
			t.Logf("%d idle connections: %d octets each in use, RSS %d → %d MB (%d octets each), %d goroutines each", n, each,
				before.RSS>>20, after.RSS>>20, (after.RSS-before.RSS)/int64(n), (after.Goroutines-before.Goroutines)/n)
			if each > tt.bound {
				t.Errorf("an idle connection takes %d octets, more than %d", each, tt.bound)
			}
		})
		p.settled(t, first)
	}
}

// TestResting: a server that was started with what it had, and has nothing to
// do, takes little.
func TestResting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startTry(t, "--dir", dir).stop(t)
	p := startProbed(t, "--dir", dir)
	least := p.cost(t)
	defer func() {
		t.Logf("RSS %d MB, %d goroutines, %d descriptors, %v of CPU", least.RSS>>20, least.Goroutines, least.Descriptors, least.CPU)
	}()
	eventually(t, fmt.Sprintf("the server takes at most %d MB once its start is over", restingRSS>>20), func() bool {
		if c := p.cost(t); c.RSS < least.RSS {
			least = c
		}
		return least.RSS <= restingRSS
	})
}
