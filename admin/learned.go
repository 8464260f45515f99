package admin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/delivery/junk"
)

// JunkStats says how much was learned about junk; only a running server knows.
func (a *Admin) JunkStats(ctx context.Context) (junk.Stats, error) {
	if _, err := authorize(ctx, SeeFlow); err != nil {
		return junk.Stats{}, err
	}
	if a.opts.Learner == nil {
		return junk.Stats{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server knows what was learned; start it first"}
	}
	return a.opts.Learner.Stats()
}
