package main

import (
	"context"
	"fmt"
	"io"

	"github.com/mailstead/mailstead/admin"
)

type junkStatsCmd struct{}

func (c *junkStatsCmd) Run(ctx context.Context, s streams, g *junkCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		v, err := op.JunkStats(ctx)
		if err != nil {
			return err
		}
		return out.show(v, func(w io.Writer) {
			fmt.Fprintf(w, "Learned from %d accounts: %d messages as junk and %d as good, with %d different words and signs.\n", v.Accounts, v.Junk, v.Good, v.Words)
			if v.Junk < v.Needed || v.Good < v.Needed {
				fmt.Fprintf(w, "Words count from %d messages of each class on; until then rules and senders decide.\n", v.Needed)
			}
		})
	})
}
