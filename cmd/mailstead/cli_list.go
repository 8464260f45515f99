package main

import (
	"context"
	"fmt"
	"io"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail/verdict"
)

type listCmd struct {
	target `embed:""`

	Show   listShowCmd   `cmd:"" help:"Show a list."`
	Allow  listAllowCmd  `cmd:"" help:"Always take mail of somebody. A forged author is not let in by it."`
	Block  listBlockCmd  `cmd:"" help:"Never take mail of somebody."`
	Remove listRemoveCmd `cmd:"" help:"Take somebody off a list."`
}

// listScope says whose list is meant.
type listScope struct {
	Domain  string `help:"The list of this domain; else that of the server." placeholder:"NAME" xor:"scope"`
	Account string `help:"The list of this account." placeholder:"ADDRESS" xor:"scope"`
}

func (s *listScope) scope() admin.RuleScope {
	return admin.RuleScope{Domain: s.Domain, Account: s.Account}
}

type listShowCmd struct{ listScope }

func (c *listShowCmd) Run(ctx context.Context, s streams, g *listCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := op.List(ctx, c.scope())
		if err != nil {
			return err
		}
		return out.show(list.Items, func(w io.Writer) {
			if len(list.Items) == 0 {
				fmt.Fprintln(w, "This list is empty.")
				return
			}
			rows := [][]string{{"", "ENTRY", "SINCE", "NOTE"}}
			for _, e := range list.Items {
				rows = append(rows, []string{string(e.Kind), e.Entry, when(e.Created), e.Note})
			}
			table(w, rows...)
		})
	})
}

// listEntry is somebody on a list.
type listEntry struct {
	listScope
	Entry string `arg:"" help:"ana@example.org, @example.org for a domain, .example.org for a domain and all below it, or a network such as 192.0.2.0/24."`
}

func (c *listEntry) put(ctx context.Context, s streams, g *listCmd, kind verdict.Verb, note string) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		e, err := op.PutListEntry(ctx, c.scope(), admin.ListEntry{Kind: kind, Entry: c.Entry, Note: note})
		if err != nil {
			return err
		}
		return out.show(e, func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", e.Entry, e.Kind) })
	})
}

type listAllowCmd struct {
	listEntry
	Note string `help:"Why, for others who look at the list."`
}

func (c *listAllowCmd) Run(ctx context.Context, s streams, g *listCmd) error {
	return c.put(ctx, s, g, verdict.Allow, c.Note)
}

type listBlockCmd struct {
	listEntry
	Note string `help:"Why, for others who look at the list."`
}

func (c *listBlockCmd) Run(ctx context.Context, s streams, g *listCmd) error {
	return c.put(ctx, s, g, verdict.Block, c.Note)
}

type listRemoveCmd struct{ listEntry }

func (c *listRemoveCmd) Run(ctx context.Context, s streams, g *listCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.RemoveListEntry(ctx, c.scope(), c.Entry); err != nil {
			return err
		}
		return out.done("%s is off the list", c.Entry)
	})
}
