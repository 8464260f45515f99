package main

import (
	"context"
	"fmt"
	"io"

	"github.com/mailstead/mailstead/admin"
)

type certCmd struct {
	target `embed:""`

	List  certListCmd  `cmd:"" help:"Say how the certificates stand, when they are renewed, and what went wrong."`
	Renew certRenewCmd `cmd:"" help:"Get a certificate now."`
}

type certListCmd struct {
	All bool `help:"Also names of domains that do not lead here."`
}

func (c *certListCmd) Run(ctx context.Context, s streams, g *certCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := op.Certificates(ctx)
		if err != nil {
			return err
		}
		return out.show(list.Items, func(w io.Writer) {
			hidden := 0
			for _, st := range list.Items {
				if st.State == "away" && !c.All {
					hidden++
					continue
				}
				fmt.Fprintln(w, clean(st.String()))
			}
			if hidden > 0 {
				fmt.Fprintf(w, "%d names of domains do not lead here and have none; --all shows them\n", hidden)
			}
		})
	})
}

type certRenewCmd struct {
	Name   string `arg:"" optional:"" help:"One name; else all that are due or missing."`
	Force  bool   `help:"Also if it is good for long. CAs count how often you ask."`
	NewKey bool   `help:"Give the host name its next key. Publish its TLSA record before; with --force nobody looks whether it is there."`
}

func (c *certRenewCmd) Run(ctx context.Context, s streams, g *certCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		j, err := op.RenewCertificate(ctx, c.Name, admin.RenewRequest{Force: c.Force, NewKey: c.NewKey})
		if err != nil {
			return err
		}
		return tellJob(ctx, op, j, out)
	})
}
