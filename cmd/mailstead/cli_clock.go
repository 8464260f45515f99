package main

import (
	"context"
	"fmt"
	"io"

	"github.com/mailstead/mailstead/admin"
)

type clockCmd struct {
	target `embed:""`

	Show   clockShowCmd   `cmd:"" help:"Say how late it is, and whether the clock of the system is believed." default:"1"`
	Accept clockAcceptCmd `cmd:"" help:"Believe the clock of the system after a jump. Nothing is removed for its age because of it."`
}

type clockShowCmd struct{}

// Run says how late it is.
func (c *clockShowCmd) Run(ctx context.Context, s streams, g *clockCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		now, err := op.Clock(ctx)
		if err != nil {
			return err
		}
		return out.show(now, func(w io.Writer) { tellClock(w, now) })
	})
}

type clockAcceptCmd struct{}

// Run believes the clock of the system.
func (c *clockAcceptCmd) Run(ctx context.Context, s streams, g *clockCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		now, err := op.AcceptClock(ctx)
		if err != nil {
			return err
		}
		return out.show(now, func(w io.Writer) { tellClock(w, now) })
	})
}

func tellClock(w io.Writer, c admin.Clock) {
	d := c.Doubt
	if d == nil {
		fmt.Fprintf(w, "It is %s. The clock of the system is believed.\n", when(c.Time))
		return
	}
	fmt.Fprintf(w, "The clock of the system says %s, and is not believed since %s.\nThis server works with %s.\n", when(c.System), when(d.Since), when(c.Time))
	if d.Wrong {
		io.WriteString(w, "A time server says that the system is wrong. Set its clock right; it is believed again by itself then.\n")
		return
	}
	io.WriteString(w, "If the system is right: mailstead clock accept. If not, set its clock right; it is believed again by itself then.\n")
}
