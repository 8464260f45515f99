package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/clock"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/queue"
)

const year = 365 * 24 * time.Hour

// jumpyNode is a server whose clock can be set, with mail that nobody takes.
type jumpyNode struct {
	*testNode
	ahead atomic.Int64 // of the system
}

func newJumpyNode(t *testing.T) *jumpyNode {
	w := &internet{zones: dnstest.New("silent.test. 300 IN MX 10 mx.silent.test.\nmx.silent.test. 300 IN A 127.0.91.9\n"), ports: map[string]string{}}
	n := &jumpyNode{}
	n.testNode = newTestNode(t, w, "alpha.test", "127.0.91.1", func(cfg *nodeConfig) {
		cfg.Clock = clock.Options{System: func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }}
		cfg.Retry = &queue.Options{Schedule: []time.Duration{100 * time.Millisecond}, DelayNotice: -1, Expire: time.Hour}
	})
	n.submit(mail.Path{Local: "x", Domain: "silent.test"}, "into silence")
	n.goesOn("before")
	return n
}

// goesOn waits until the mail was tried twice more, and holds that nobody was
// told anything.
func (n *jumpyNode) goesOn(when string) {
	n.t.Helper()
	before := n.attempts()
	eventually(n.t, when+": two more attempts", func() bool { return n.attempts() >= before+2 })
	if got := n.inbox(); len(got) > 0 {
		n.t.Errorf("%s the sender was told:\n%s", when, got[0])
	}
}

func (n *jumpyNode) attempts() int {
	n.t.Helper()
	items, err := n.queue.List(context.Background(), queue.Filter{})
	if err != nil || len(items) != 1 {
		n.t.Fatalf("in the queue: %v, %v; want one message", items, err)
	}
	return items[0].Recipients[0].Attempts
}

// TestClockJumps: a server whose system jumps loses nothing for its age,
// whether somebody believes the jump or not, and its retries do not wait for
// years.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	n := newJumpyNode(t)
	ctx := admin.AsOwner(t.Context(), "test")
	token, _, err := n.directory.AddSession(ctx, directory.NewSession{Account: n.userID(), Method: directory.ByPassword})
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []time.Duration{10 * year, -year} {
		n.ahead.Store(int64(by))
		n.goesOn(fmt.Sprintf("after a jump by %v", by))
		if now := n.now(); time.Until(now).Abs() > time.Hour {
			t.Errorf("after a jump by %v it is %v", by, now)
		}
		eventually(t, "a check that tells", func() bool {
			r, err := n.admin.Checks(ctx)
			return err == nil && strings.Contains(fmt.Sprint(r.Items), "the clock of the system has jumped")
		})
		if _, err := n.directory.UseSession(ctx, token, netip.MustParseAddr("127.0.0.1")); err != nil {
			t.Errorf("a session after a jump by %v: %v", by, err)
		}
	}
	for _, by := range []time.Duration{10 * year, 9 * year} { // forward, and back
		n.ahead.Store(int64(by))
		if _, err := n.admin.AcceptClock(ctx); err != nil {
			t.Fatal(err)
		}
		if now := n.now(); time.Until(now) < 8*year {
			t.Errorf("it is %v after %v were accepted", now, by)
		}
		for _, s := range []directory.DurationSetting{directory.TraceKeep, directory.QuarantineKeep, directory.MailboxKeepExpunged, directory.ReportsKeep, directory.UpgradeKeep} {
			if kept := n.keep(s)(); kept < 10*year {
				t.Errorf("after %v were accepted %s is %v: what was there before is too old", by, s, kept)
			}
		}
		n.goesOn(fmt.Sprintf("after %v were accepted", by))
	}
}

// TestClockAtStart: a program that finds the clock of the system before the
// time at which it last ran goes on from there, until somebody says otherwise.
func TestClockAtStart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir)
	i.stop(t)
	last := time.Now().Add(year)
	if err := os.WriteFile(filepath.Join(dir, admin.ClockFile), fmt.Appendf(nil, `{"at":%q}`, last.UTC().Format(time.RFC3339)), 0o600); err != nil {
		t.Fatal(err)
	}
	i = startTry(t, "--dir", dir)
	if c := clockOf(t, dir, "show"); c.Doubt == nil || !c.Doubt.Start || c.Time.Before(last.Add(-time.Minute)) || c.System.After(last.Add(-year/2)) {
		t.Errorf("after the start: %+v", c)
	}
	if c := clockOf(t, dir, "accept"); c.Doubt != nil || c.Time.After(last.Add(-year/2)) {
		t.Errorf("accepted: %+v", c)
	}
	if _, errs, code := command(t, "clock", "accept", "--data", dir); code != 1 || !strings.Contains(errs, "nothing to accept") {
		t.Errorf("accepted again: %d %s", code, errs)
	}
	i.kill(t)
	startTry(t, "--dir", dir)
	if c := clockOf(t, dir, "show"); c.Doubt != nil {
		t.Errorf("after another start: %+v", c)
	}
}

func clockOf(t *testing.T, dir, what string) (c admin.Clock) {
	t.Helper()
	if err := json.Unmarshal([]byte(succeed(t, "clock", what, "--data", dir, "-o", "json")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}
