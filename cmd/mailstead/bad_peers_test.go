package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tables of bad peers run each attack against a server with the limits it
// has in production, while a normal client beside sends and reads. Whatever
// the attack is, memory stays bounded, nothing panics, nothing is left behind
// and the client beside is served. Short forms have all rows with smaller
// numbers.

// maxPeak is the memory that no attack may bring the server to.
const maxPeak = 200 << 20

// badPeer is one row of such a table.
type badPeer struct {
	name string
	// attack does its worst to p and checks what it is answered. The account
	// of the client beside is p.Accounts[0]; others are free. What it leaves to
	// t.Cleanup is done before the server is looked at.
	attack func(t *testing.T, p *probed)
}

// told is what an attack tells about itself.
type told struct {
	count  int
	answer string
}

// tell notes how often something was tried, and what the server answered, for
// the table that is printed at the end.
func (p *probed) tell(count int, answer string, args ...any) {
	p.told = told{count, fmt.Sprintf(answer, args...)}
}

// runBadPeers starts a server and runs the rows one after the other.
func runBadPeers(t *testing.T, rows []badPeer) {
	t.Helper()
	p := startProbed(t)
	p.command(t, "list", "allow", "127.0.0.0/8") // what they send is read, not kept in quarantine
	b := beside(t, p.instance, p.Accounts[0])
	var table []string
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { table = append(table, runBadPeer(t, p, b, row)) })
	}
	b.end(t, patience())
	t.Logf("\n| attack | count | answer | time | peak MB | p99 beside | goroutines | descriptors |\n|---|---|---|---|---|---|---|---|\n%s", strings.Join(table, "\n"))
}

// enough is how many messages of the client beside a row is judged by, at
// least.
const enough = 5

// runBadPeer runs one row and returns its line of the table.
func runBadPeer(t *testing.T, p *probed, b *bystander, row badPeer) string {
	t.Helper()
	p.told = told{count: 1}
	first, err := b.rounds()
	if err != nil {
		t.Fatalf("the client beside has ended: %v", err)
	}
	p.atRest = p.used(t)
	before := p.cost(t)
	p.free(t)
	start := time.Now()
	t.Run("attack", func(t *testing.T) { row.attack(t, p) })
	took := time.Since(start)
	if err := p.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Fatalf("the server is gone: %v\n%s", err, tail(p.log.String(), 8000))
	}
	p.settled(t, before)
	eventually(t, "the client beside is served", func() bool { n, err := b.rounds(); return n >= first+enough || err != nil })
	after := p.cost(t)
	if after.Peak > maxPeak {
		t.Errorf("the server had %d MB, more than %d", after.Peak>>20, int64(maxPeak)>>20)
	}
	if _, text, ok := strings.Cut(p.log.String(), "panic"); ok {
		t.Errorf("the server logged a panic%s", text[:min(len(text), 4000)])
	}
	if _, err := b.rounds(); err != nil {
		t.Fatalf("the client beside was not served: %v", err)
	}
	waited := p99(b.since(first))
	if waited > patience() {
		t.Errorf("the client beside waited %v, more than %v", waited, patience())
	}
	return fmt.Sprintf("| %s | %d | %s | %v | %d | %v | %d → %d | %d → %d |", row.name, p.told.count, p.told.answer, rounded(took), after.Peak>>20,
		rounded(waited), before.Goroutines, after.Goroutines, before.Descriptors, after.Descriptors)
}
