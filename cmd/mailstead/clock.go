package main

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/clock"
)

// openClock opens the time of all others.
func (n *node) openClock() {
	o := n.cfg.Clock
	o.File, o.Changed, o.Logger = n.path(admin.ClockFile), n.doubted.tell, n.cfg.Log
	n.clock = clock.Open(o)
	if _, doubted := n.clock.Doubt(); doubted {
		n.doubted.tell()
	}
}

// now is the time by which this server decides.
func (n *node) now() time.Time {
	if n.clock == nil { // something is logged already
		return time.Now()
	}
	return n.clock.Now()
}

// keep is for how long something is kept, by a setting.
func (n *node) keep(s directory.DurationSetting) func() time.Duration {
	return func() time.Duration { return n.clock.Keep(n.directory.Duration(s)) }
}

// watchClock watches the clock of the system, and has it looked at when it is
// not believed any more, or again.
func (n *node) watchClock(ctx context.Context) error {
	run := func(ctx context.Context) error { return n.clock.Run(ctx, n.admin.AskForTime) }
	return n.doubted.beside(ctx, run, n.admin.LookAtClock)
}
