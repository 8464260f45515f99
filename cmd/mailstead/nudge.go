package main

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// nudge says that something has changed. Whoever says so does not wait, and
// several changes that nobody has looked at yet are one.
type nudge chan struct{}

func newNudge() nudge { return make(nudge, 1) }

func (c nudge) tell() {
	select {
	case c <- struct{}{}:
	default:
	}
}

// beside runs what finds changes, and looks after each of them, until ctx is
// done.
func (c nudge) beside(ctx context.Context, run func(context.Context) error, look func(context.Context)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return run(ctx) })
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-c:
				look(ctx)
			}
		}
	})
	return g.Wait()
}
