package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail"
)

type quarantineCmd struct {
	target `embed:""`

	List    quarantineListCmd    `cmd:"" help:"List what waits for release, newest first."`
	Show    quarantineShowCmd    `cmd:"" help:"Say why a message is in quarantine."`
	Release quarantineReleaseCmd `cmd:"" help:"Move messages to the inboxes of their accounts, with their dates."`
	Delete  quarantineDeleteCmd  `cmd:"" help:"Remove messages for good."`
}

type quarantineListCmd struct {
	Account string `help:"Only of this account." placeholder:"ADDRESS"`
	Domain  string `help:"Only of accounts of this domain." placeholder:"NAME"`
	Limit   int    `help:"At most so many." default:"100"`
}

func (c *quarantineListCmd) Run(ctx context.Context, s streams, g *quarantineCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		items, err := first(c.Limit, func(p admin.Paging) (admin.Page[admin.Quarantined], error) {
			return op.Quarantine(ctx, admin.QuarantineQuery{Paging: p, Account: c.Account, Domain: c.Domain})
		})
		if err != nil {
			return err
		}
		return out.show(items, func(w io.Writer) {
			if len(items) == 0 {
				fmt.Fprintln(w, "Nothing is in quarantine.")
				return
			}
			rows := [][]string{{"ID", "RECEIVED", "ACCOUNT", "FROM", "SUBJECT", "SCORE"}}
			for _, q := range items {
				rows = append(rows, []string{q.ID, when(q.Received), q.Account, q.From, orDash(q.Subject), score(q.Score)})
			}
			table(w, rows...)
		})
	})
}

func score(n float64) string { return strconv.FormatFloat(n, 'f', 1, 64) }

type quarantineShowCmd struct {
	ID string `arg:"" help:"ID of a message, as list shows it."`
}

func (c *quarantineShowCmd) Run(ctx context.Context, s streams, g *quarantineCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		q, err := op.QuarantinedMessage(ctx, c.ID)
		if err != nil {
			return err
		}
		return out.show(q, func(w io.Writer) {
			table(w, []string{"account", q.Account}, []string{"to", orDash(q.To)}, []string{"received", when(q.Received)}, []string{"from", q.From},
				[]string{"subject", orDash(q.Subject)}, []string{"size", amount(q.Size)}, []string{"score", score(q.Score)},
				[]string{"decided by", orDash(q.Decided)}, []string{"trace", orDash(q.Trace)})
			if len(q.Reasons) > 0 {
				fmt.Fprintln(w)
				table(w, reasonRows(q.Reasons)...)
			}
		})
	})
}

func reasonRows(reasons []mail.Reason) [][]string {
	rows := [][]string{{"SCORE", "REASON", ""}}
	for _, r := range reasons {
		rows = append(rows, []string{fmt.Sprintf("%+.1f", r.Score), r.Name, r.Text})
	}
	return rows
}

type quarantineReleaseCmd struct {
	IDs   []string `arg:"" name:"id" help:"IDs of messages, as list shows them."`
	Train bool     `help:"Learn that such mail is wanted."`
}

func (c *quarantineReleaseCmd) Run(ctx context.Context, s streams, g *quarantineCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		n, err := op.ReleaseQuarantined(ctx, admin.QuarantineSelection{IDs: c.IDs, Train: c.Train})
		if err != nil {
			return err
		}
		return out.done("%s released", numbered(n))
	})
}

type quarantineDeleteCmd struct {
	IDs []string `arg:"" name:"id" help:"IDs of messages, as list shows them."`
}

func (c *quarantineDeleteCmd) Run(ctx context.Context, s streams, g *quarantineCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		n, err := op.DeleteQuarantined(ctx, admin.QuarantineSelection{IDs: c.IDs})
		if err != nil {
			return err
		}
		return out.done("%s removed", numbered(n))
	})
}

// numbered is "1 message" or "7 messages".
func numbered(n int) string {
	return counted(n, "message", "messages")
}

// counted is a number with the words for one or for more.
func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}
