package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/clock"
)

// openClock opens the time of all others.
func (n *node) openClock() {
	o := n.cfg.Clock
	o.File, o.Changed, o.Logger = n.path(admin.ClockFile), n.clockChanged, n.cfg.Log
	n.clock = clock.Open(o)
	if _, doubted := n.clock.Doubt(); doubted {
		n.clockChanged()
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
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.clock.Run(ctx, n.admin.AskForTime) })
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-n.doubted:
				n.admin.LookAtClock(ctx)
			}
		}
	})
	return g.Wait()
}

// clockChanged may be called by anybody who asks for the time.
func (n *node) clockChanged() {
	select {
	case n.doubted <- struct{}{}:
	default:
	}
}
