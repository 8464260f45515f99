package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

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
		return follow(ctx, op, out, j)
	})
}

// jobPoll is how often the command line asks how far a job is.
const jobPoll = 300 * time.Millisecond

// follow waits for a job and prints what it tells. A job that fails is an
// error; its last line says why.
func follow(ctx context.Context, op admin.Operator, out *printer, j admin.Job) error {
	told := 0
	for {
		for ; told < len(j.Log) && !out.json; told++ {
			if j.State == admin.JobFailed && told == len(j.Log)-1 {
				break // the error
			}
			fmt.Fprintln(out.w, clean(j.Log[told]))
		}
		switch j.State {
		case admin.JobDone:
			return out.show(j.Result, func(io.Writer) {})
		case admin.JobFailed:
			return errors.New(j.Log[len(j.Log)-1])
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(jobPoll):
		}
		var err error
		if j, err = op.Job(ctx, j.ID); err != nil {
			return err
		}
	}
}
