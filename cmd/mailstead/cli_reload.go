package main

import (
	"context"
	"io"
	"strings"

	"github.com/mailstead/mailstead/admin"
)

type reloadCmd struct {
	target `embed:""`
}

// Run lets the server read its configuration again.
func (c *reloadCmd) Run(ctx context.Context, s streams) error {
	return c.target.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		res, err := op.Reload(ctx)
		if err != nil {
			return err
		}
		return out.show(res, func(w io.Writer) {
			text := "Nothing has changed."
			if len(res.Changed) > 0 {
				text = "Counts now: " + strings.Join(res.Changed, ", ") + "."
			}
			io.WriteString(w, text+"\n")
			if len(res.Restart) > 0 {
				io.WriteString(w, "Counts after a restart: "+strings.Join(res.Restart, ", ")+".\n")
			}
		})
	})
}
