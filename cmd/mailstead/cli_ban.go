package main

import (
	"context"
	"io"
	"strconv"

	"github.com/mailstead/mailstead/admin"
)

type banCmd struct {
	target `embed:""`

	List banListCmd `cmd:"" help:"List whose failed logins make them wait."`
	Lift banLiftCmd `cmd:"" help:"Let somebody try again at once."`
}

type banListCmd struct{}

func (c *banListCmd) Run(ctx context.Context, s streams, g *banCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := op.Bans(ctx)
		if err != nil {
			return err
		}
		return out.show(list.Items, func(w io.Writer) {
			rows := [][]string{{"NET", "LOGIN", "UNTIL", "FAILURES"}}
			for _, b := range list.Items {
				rows = append(rows, []string{b.Net, orDash(b.Login), when(b.Until), strconv.Itoa(b.Failures)})
			}
			table(w, rows...)
		})
	})
}

type banLiftCmd struct {
	Net   string `arg:"" help:"A net as in the list, or an address."`
	Login string `arg:"" optional:"" help:"Only this login; else everything from there."`
}

func (c *banLiftCmd) Run(ctx context.Context, s streams, g *banCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.LiftBan(ctx, admin.BanKey{Net: c.Net, Login: c.Login}); err != nil {
			return err
		}
		return out.done("logins from %s are looked at again", c.Net)
	})
}
