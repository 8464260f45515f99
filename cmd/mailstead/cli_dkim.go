package main

import (
	"context"
	"fmt"
	"io"

	"github.com/mailstead/mailstead/admin"
)

type dkimCmd struct {
	target `embed:""`

	Show     dkimShowCmd     `cmd:"" help:"Show the keys of a domain and their records."`
	Add      dkimAddCmd      `cmd:"" help:"Make a key, which does not sign yet, and print its record."`
	Activate dkimActivateCmd `cmd:"" help:"Let a key sign whose record is published, in the place of the one before."`
	Retire   dkimRetireCmd   `cmd:"" help:"Let a key sign no more. Leave its record published for some days."`
	Remove   dkimRemoveCmd   `cmd:"" help:"Remove a key that does not sign."`
}

type dkimShowCmd struct {
	Domain string `arg:""`
}

func (c *dkimShowCmd) Run(ctx context.Context, s streams, g *dkimCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		keys, err := op.DKIMKeys(ctx, c.Domain)
		if err != nil {
			return err
		}
		return out.show(keys.Items, func(w io.Writer) { printKeys(w, keys.Items...) })
	})
}

// printKeys writes keys as lines of a zone file.
func printKeys(w io.Writer, keys ...admin.DKIMKey) {
	for _, k := range keys {
		fmt.Fprintf(w, "; %s, made on %s, %s\n%s. IN TXT %s\n", k.Algorithm, k.Created.Format("2 January 2006"), keyStates[k.State], k.Name, quoteTXT(k.Record))
	}
}

// keyStates say what a key does.
var keyStates = map[string]string{"signing": "signs", "new": "does not sign yet", "retired": "signs no more"}

type dkimAddCmd struct {
	Domain    string `arg:""`
	Algorithm string `help:"rsa, which everybody can verify, or ed25519." enum:"rsa,ed25519" default:"rsa"`
	Selector  string `help:"Its name in the DNS; else algorithm and month." placeholder:"NAME"`
}

func (c *dkimAddCmd) Run(ctx context.Context, s streams, g *dkimCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		k, err := op.AddDKIMKey(ctx, c.Domain, admin.NewDKIMKey{Algorithm: c.Algorithm, Selector: c.Selector})
		if err != nil {
			return err
		}
		return out.show(k, func(w io.Writer) {
			printKeys(w, k)
			fmt.Fprintf(w, "\nPublish this record, then: mailstead dkim activate %s %s\n", clean(c.Domain), k.Selector)
		})
	})
}

type dkimActivateCmd struct {
	Domain   string `arg:""`
	Selector string `arg:""`
	Force    bool   `help:"Also if the DNS does not have its record, or cannot be asked."`
}

func (c *dkimActivateCmd) Run(ctx context.Context, s streams, g *dkimCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		k, err := op.ActivateDKIMKey(ctx, c.Domain, c.Selector, c.Force)
		if err != nil {
			return err
		}
		return out.show(k, func(w io.Writer) { fmt.Fprintf(w, "%s signs mail of %s from now on\n", k.Selector, clean(c.Domain)) })
	})
}

type dkimRetireCmd struct {
	Domain   string `arg:""`
	Selector string `arg:""`
}

func (c *dkimRetireCmd) Run(ctx context.Context, s streams, g *dkimCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		k, err := op.RetireDKIMKey(ctx, c.Domain, c.Selector)
		if err != nil {
			return err
		}
		return out.show(k, func(w io.Writer) {
			fmt.Fprintf(w, "%s signs no more; leave its record published for a week, for mail that is on its way\n", k.Selector)
		})
	})
}

type dkimRemoveCmd struct {
	Domain   string `arg:""`
	Selector string `arg:""`
}

func (c *dkimRemoveCmd) Run(ctx context.Context, s streams, g *dkimCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.RemoveDKIMKey(ctx, c.Domain, c.Selector); err != nil {
			return err
		}
		return out.done("removed %s; take its record out of the DNS, too", c.Selector)
	})
}
