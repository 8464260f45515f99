package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mailstead/mailstead/admin"
)

type storageCmd struct {
	target `embed:""`

	Show    storageShowCmd    `cmd:"" help:"Say what takes room on the disk, and when that is full." default:"1"`
	Reclaim storageReclaimCmd `cmd:"" help:"Give back the room of deleted mail now. The server does that by itself after a day, and sooner when its disk gets low."`
}

type storageShowCmd struct{}

// Run says what takes room.
func (c *storageShowCmd) Run(ctx context.Context, s streams, g *storageCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		v, err := op.Storage(ctx)
		if err != nil {
			return err
		}
		return out.show(v, func(w io.Writer) { showStorage(w, &v) })
	})
}

// storageShown is how many accounts people at a terminal are told.
const storageShown = 10

func showStorage(w io.Writer, v *admin.Storage) {
	if d := v.Disk; d != nil {
		fmt.Fprintf(w, "%s of %s free", amount(d.Free), amount(d.Total))
		if d.Reserve > 0 { // a running server says so
			fmt.Fprintf(w, "; new mail leaves %s", amount(d.Reserve))
		}
		io.WriteString(w, ".\n")
		if !d.FullAt.IsZero() {
			fmt.Fprintf(w, "Full on %s if it goes on as in the last 30 days.\n", when(d.FullAt))
		}
		if d.Says != "" {
			fmt.Fprintf(w, "%s %s\n", d.Says, d.Fix)
		}
		fmt.Fprintln(w)
	}
	rows := [][]string{{"WHAT", "SIZE", "FILES"}}
	for _, k := range v.Kinds {
		rows = append(rows, []string{k.Kind, amount(k.Bytes), fmt.Sprint(k.Files)})
	}
	table(w, append(rows, []string{"all", amount(v.Data), ""})...)
	if len(v.Accounts) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows = [][]string{{"ACCOUNT", "MAIL", "MESSAGES", "INDEX"}}
	for _, a := range v.Accounts[:min(len(v.Accounts), storageShown)] {
		rows = append(rows, []string{a.Address, amount(a.Bytes), fmt.Sprint(a.Messages), amount(a.Index)})
	}
	table(w, rows...)
	if more := len(v.Accounts) + v.Others - len(rows) + 1; more > 0 {
		fmt.Fprintf(w, "%d more keep less.\n", more)
	}
}

type storageReclaimCmd struct {
	OlderThan time.Duration `help:"What was deleted longer ago, 2s at least. Who reads a message right then is told that it is gone." default:"10m" placeholder:"DURATION"`
}

// Run gives back the room of deleted mail.
func (c *storageReclaimCmd) Run(ctx context.Context, s streams, g *storageCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		j, err := op.Reclaim(ctx, c.OlderThan)
		if err != nil {
			return err
		}
		if j, err = waitJob(ctx, op, j, out); err != nil {
			return err
		}
		var res admin.Reclaimed
		if err := jobResult(j, &res); err != nil {
			return err
		}
		return out.show(res, func(w io.Writer) { fmt.Fprintf(w, "%s given back\n", amount(res.Bytes)) })
	})
}
