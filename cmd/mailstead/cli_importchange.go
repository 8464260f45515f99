package main

import (
	"context"
	"errors"

	"github.com/mailstead/mailstead/admin"
)

// importChoice is one import, or many.
type importChoice struct {
	ID     string `arg:"" optional:"" help:"The import; or say --all."`
	All    bool   `help:"All imports instead of one."`
	Server string `help:"With --all: only those of this IMAP server, as in imap.example.com:993." placeholder:"HOST:PORT"`
}

// check refuses what names neither or both.
func (c *importChoice) check() error {
	switch {
	case c.All == (c.ID != ""):
		return usageError("name an import, or say --all")
	case c.Server != "" && !c.All:
		return usageError("--server goes with --all")
	}
	return nil
}

type importResumeCmd struct {
	importChoice
	Failed bool `help:"With --all: only those that have failed."`
	watchFlags
}

func (c *importResumeCmd) check() error {
	if err := c.importChoice.check(); err != nil {
		return err
	}
	if c.Failed && !c.All {
		return usageError("--failed goes with --all")
	}
	return nil
}

func (c *importResumeCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	if err := c.check(); err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if c.All {
			return c.all(ctx, op, out)
		}
		m, err := op.ResumeImport(ctx, c.ID)
		if err != nil {
			return err
		}
		return c.follow(ctx, op, out, m)
	})
}

// all runs many imports again. They go on in the server.
func (c *importResumeCmd) all(ctx context.Context, op admin.Operator, out *printer) error {
	if _, inProcess := op.(*admin.Admin); inProcess {
		return errManyImports
	}
	choice := admin.ImportChoice{Server: c.Server}
	if c.Failed {
		choice.State = admin.ImportFailed
	}
	r, err := op.ResumeImports(ctx, choice)
	if err != nil {
		return err
	}
	return out.done("%s, %s; `mailstead import list` says how far they are", counted(r.Changed, "import runs again", "imports run again"), passedOver(r))
}

func passedOver(r admin.ImportsResult) string {
	return counted(r.Passed, "is passed over", "are passed over")
}

// errManyImports refuses what would end with the command.
var errManyImports = errors.New("many imports need a running server; start it, or import one account after the other")

type importCancelCmd struct {
	importChoice
}

func (c *importCancelCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	if err := c.check(); err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if c.All {
			r, err := op.CancelImports(ctx, admin.ImportChoice{Server: c.Server})
			if err != nil {
				return err
			}
			return out.done("%s", counted(r.Changed, "import stops", "imports stop"))
		}
		if _, err := op.CancelImport(ctx, c.ID); err != nil {
			return err
		}
		return out.done("the import %s stops", c.ID)
	})
}

type importRemoveCmd struct {
	importChoice
}

func (c *importRemoveCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	if err := c.check(); err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if c.All {
			r, err := op.RemoveImports(ctx, admin.ImportChoice{Server: c.Server})
			if err != nil {
				return err
			}
			return out.done("%s, %s; their mail stays", counted(r.Changed, "import is forgotten", "imports are forgotten"), passedOver(r))
		}
		if err := op.RemoveImport(ctx, c.ID); err != nil {
			return err
		}
		return out.done("the import %s is forgotten; its mail stays", c.ID)
	})
}
