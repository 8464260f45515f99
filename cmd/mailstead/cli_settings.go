package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

type settingsCmd struct {
	target `embed:""`

	List   settingsListCmd   `cmd:"" help:"List all settings; * marks those that differ from the default."`
	Get    settingsGetCmd    `cmd:"" help:"Show one setting and what it means."`
	Set    settingsSetCmd    `cmd:"" help:"Change a setting."`
	Reset  settingsResetCmd  `cmd:"" help:"Bring a setting back to its default."`
	Export settingsExportCmd `cmd:"" help:"Print all settings as one TOML file, without secrets."`
	Import settingsImportCmd `cmd:"" help:"Take the settings of a TOML file."`
}

type settingsListCmd struct{}

func (c *settingsListCmd) Run(ctx context.Context, s streams, g *settingsCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		page, err := op.Settings(ctx)
		if err != nil {
			return err
		}
		list := page.Items
		return out.show(list, func(w io.Writer) {
			rows := [][]string{{"", "SETTING", "VALUE", "MEANING"}}
			for _, st := range list {
				mark := ""
				if st.Changed {
					mark = "*"
				}
				rows = append(rows, []string{mark, st.Name, orDash(st.Value), st.Doc})
			}
			table(w, rows...)
		})
	})
}

type settingsGetCmd struct {
	Name string `arg:""`
}

func (c *settingsGetCmd) Run(ctx context.Context, s streams, g *settingsCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		st, err := op.Setting(ctx, c.Name)
		return showSetting(out, st, err)
	})
}

func showSetting(out *printer, st directory.Setting, err error) error {
	if err != nil {
		return err
	}
	return out.show(st, func(w io.Writer) {
		table(w, []string{"setting", st.Name}, []string{"value", orDash(st.Value)}, []string{"default", orDash(st.Default)}, []string{"kind", st.Kind}, []string{"meaning", st.Doc})
	})
}

type settingsSetCmd struct {
	Name  string `arg:""`
	Value string `arg:"" help:"The new value; - reads it from standard input, for secrets."`
}

func (c *settingsSetCmd) Run(ctx context.Context, s streams, g *settingsCmd) error {
	value := c.Value
	if value == "-" {
		var err error
		if value, err = firstLine(os.Stdin); err != nil {
			return err
		}
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		st, err := op.SetSetting(ctx, c.Name, value)
		return showSetting(out, st, err)
	})
}

type settingsResetCmd struct {
	Name string `arg:""`
}

func (c *settingsResetCmd) Run(ctx context.Context, s streams, g *settingsCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		st, err := op.ResetSetting(ctx, c.Name)
		return showSetting(out, st, err)
	})
}

type settingsExportCmd struct{}

func (c *settingsExportCmd) Run(ctx context.Context, s streams, g *settingsCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if out.json {
			list, err := op.Settings(ctx)
			if err != nil {
				return err
			}
			return out.show(list.Items, nil)
		}
		file, err := op.ExportSettings(ctx)
		if err != nil {
			return err
		}
		_, err = out.w.Write(file)
		return err
	})
}

type settingsImportCmd struct {
	File string `arg:"" help:"The file; - is standard input."`
}

func (c *settingsImportCmd) Run(ctx context.Context, s streams, g *settingsCmd) error {
	file, err := c.read()
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		page, err := op.ImportSettings(ctx, file)
		if err != nil {
			return err
		}
		changed := page.Items
		return out.show(changed, func(w io.Writer) {
			if len(changed) == 0 {
				fmt.Fprintln(w, "Nothing changed.")
			}
			for _, ch := range changed {
				fmt.Fprintf(w, "%s: %s → %s\n", ch.Name, clean(orDash(ch.Before)), clean(orDash(ch.After)))
			}
		})
	})
}

func (c *settingsImportCmd) read() ([]byte, error) {
	if c.File == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(c.File)
}

type auditCmd struct {
	target `embed:""`

	Limit int `help:"At most so many." default:"100"`
}

func (c *auditCmd) Run(ctx context.Context, s streams) error {
	return c.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := first(c.Limit, func(p admin.Paging) (admin.Page[directory.AuditEntry], error) {
			return op.Audit(ctx, admin.AuditFilter{Paging: p})
		})
		if err != nil {
			return err
		}
		return out.show(list, func(w io.Writer) {
			rows := [][]string{{"TIME", "WHO", "WHAT", "OF", "BEFORE", "AFTER"}}
			for _, e := range list {
				rows = append(rows, []string{when(e.Time), e.Actor, e.Action, e.Object, orDash(string(e.Before)), orDash(string(e.After))})
			}
			table(w, rows...)
		})
	})
}
