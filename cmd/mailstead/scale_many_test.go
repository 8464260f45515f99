package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
)

// TestScaleMany lets a thousand accounts get one message a minute each: all
// arrive, each soon, and memory does not grow with the accounts.
func TestScaleMany(t *testing.T) {
	accounts, rounds := scaled(100, 1000), scaled(2, 3)
	pace := time.Minute / 1000 // between two messages, whatever the number of accounts
	if accounts < 1000 {
		pace /= 4
	}
	flags := []string{"--dir", filepath.Join(t.TempDir(), "data"), "--no-limits"}
	p := startProbed(t, flags...)
	l := &ledger{t: t, p: p}
	defer l.print()
	l.step("make accounts", accounts, func() { addAccounts(t, p.instance, accounts) })

	before := p.cost(t)
	var times []time.Duration
	m := l.step("a message a minute for each", accounts*rounds, func() { times = sendPaced(t, p.instance, accounts, rounds, pace) })
	slices.Sort(times)
	p99 := times[(len(times)-1)*99/100]
	t.Logf("delivered in %v (median), %v (p99); %.1f %% of one CPU; descriptors %d → %d, goroutines %d → %d", times[len(times)/2].Round(time.Microsecond),
		p99.Round(time.Microsecond), 100*m.CPU.Seconds()/m.Took.Seconds(), before.Descriptors, m.Descriptors, before.Goroutines, m.Goroutines)
	if p99 > patience() {
		t.Errorf("one message in a hundred took %v", p99)
	}
	wantUsage(t, p.instance, accounts, rounds)

	p.stop(t)
	l.p = startProbed(t, flags...)
	l.step("look at all accounts after a restart", accounts, func() { wantUsage(t, l.p.instance, accounts, rounds) })
	t.Logf("%d descriptors", l.p.cost(t).Descriptors)
}

func accountName(i int) string { return fmt.Sprintf("person%04d@%s", i, tryDomain) }

// addAccounts makes accounts that nobody can log in to: hashing passwords is
// not what is measured.
func addAccounts(t *testing.T, i *instance, n int) {
	t.Helper()
	op, err := api.Dial(t.Context(), adminSocket(i.Data), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	for k := range n {
		if _, err := op.AddAccount(t.Context(), admin.NewAccount{Address: accountName(k)}); err != nil {
			t.Fatal(err)
		}
	}
}

// sendPaced sends rounds messages to each account, one every pace and each over
// a connection of its own, as from many senders. It returns how long each took.
func sendPaced(t *testing.T, i *instance, accounts, rounds int, pace time.Duration) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var times []time.Duration
	var failed error
	var wg sync.WaitGroup
	from := &net.Dialer{Timeout: deadline}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for k := range accounts * rounds {
		<-tick.C
		wg.Go(func() {
			start := time.Now()
			err := sendFrom(t.Context(), from, i.SMTP, "friend@slow.test", accountName(k%accounts), string(scaleMessage(nil, k, 4000)))
			mu.Lock()
			defer mu.Unlock()
			times, failed = append(times, time.Since(start)), errors.Join(failed, err)
		})
	}
	wg.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	return times
}

// wantUsage looks whether each account has what was sent to it.
func wantUsage(t *testing.T, i *instance, accounts, each int) {
	t.Helper()
	op, err := api.Dial(t.Context(), adminSocket(i.Data), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	for k := range accounts {
		a, err := op.Account(t.Context(), accountName(k))
		if err != nil {
			t.Fatal(err)
		}
		if a.Usage.Messages != int64(each) {
			t.Errorf("%s has %d messages, want %d", a.Address, a.Usage.Messages, each)
		}
	}
}
