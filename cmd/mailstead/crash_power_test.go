package main

import (
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox/store/disktest"
)

// powerCuts takes the power away when a process of the server ends: of what it
// has written only that is sure to be there which a sync has made durable. All
// files of the server are on this disk: messages, rows, queue, accounts,
// traces, certificates.
type powerCuts struct {
	disk   *disktest.Disk
	random *rand.Rand
	lies   bool // syncs of the log do nothing
	cuts   int
	lost   disktest.Lost // what the cuts could choose from
	syncs  int
}

func newPowerCuts(t *testing.T) *powerCuts {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return &powerCuts{random: rand.New(rand.NewPCG(seed, 4))}
}

func (p *powerCuts) start(cmd *exec.Cmd, dir string) (err error) {
	p.disk, err = disktest.Start(cmd, dir)
	if err == nil && p.lies {
		p.disk.Lie("store/log")
	}
	return err
}

// cut is the moment at which the process has ended.
func (p *powerCuts) cut(t *testing.T) {
	t.Helper()
	kind := disktest.Loss(p.random.IntN(int(disktest.Losses)))
	if p.lies {
		kind = disktest.All
	}
	lost, err := p.disk.Cut(kind, p.random)
	if err != nil {
		t.Fatal(err)
	}
	p.cuts++
	p.syncs += p.disk.Count(disktest.Sync)
	p.lost.Changes += lost.Changes
	p.lost.Names += lost.Names
	if err := p.disk.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCrashPower is the suite of TestCrashServer on a disk that loses power
// each time: what was acknowledged is there all the same, and the queue with
// it.
func TestCrashPower(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	c.power = newPowerCuts(t)
	c.suite(t, crashRounds(t))
	t.Logf("%d cuts after %d syncs; %d writes and %d names were not synced and could be lost", c.power.cuts, c.power.syncs, c.power.lost.Changes, c.power.lost.Names)
	if c.power.lost.Changes == 0 {
		t.Error("there was nothing to lose: the disk sees no writes")
	}
}

// TestCrashControlPower: with the syncs of the log switched off mail is lost,
// and missed.
func TestCrashControlPower(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	c.power = newPowerCuts(t)
	i := c.start(t)
	c.prepare(t, i)
	c.report(t, "before", c.check(t, i, true))
	i.stop(t)
	c.died(t, i.log.take())
	c.power.lies = true
	c.load(t, c.start(t))
	c.power.lies = false
	problems := c.check(t, c.start(t), true)
	if !strings.Contains(strings.Join(problems, "\n"), "is nowhere, want") {
		t.Errorf("mail that was never synced is all there: %.2000q", problems)
	}
}
