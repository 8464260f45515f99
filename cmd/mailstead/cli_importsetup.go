package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
)

type importSetupCmd struct {
	File   string `arg:"" help:"The file that export --settings wrote; - is standard input."`
	Invite bool   `help:"Make a link for each new person to set a password, and print it."`
	DryRun bool   `help:"Change nothing, and say what would be made and changed."`
}

func (c *importSetupCmd) read() (string, error) {
	f := os.Stdin
	if c.File != "-" {
		var err error
		if f, err = os.Open(c.File); err != nil {
			return "", err
		}
		defer f.Close()
	}
	b, err := io.ReadAll(io.LimitReader(f, movein.MaxSetup+1))
	if err == nil {
		_, err = movein.ParseSetup(string(b)) // with its size
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w\nnothing was changed", c.File, err)
	}
	return string(b), nil
}

func (c *importSetupCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	text, err := c.read()
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		r, err := op.ImportSetup(ctx, admin.SetupFile{Text: text, Invite: c.Invite, DryRun: c.DryRun})
		if err != nil {
			if errors.As(err, new(*directory.Problem)) { // the server said so, and has not lost its voice amid it
				err = fmt.Errorf("%w\nnothing was changed", err)
			}
			return err
		}
		if !r.Done && !c.DryRun { // whoever did not ask what would be made wants to see what is in the way
			r.Rows = slices.DeleteFunc(r.Rows, func(row admin.SetupRow) bool { return row.Verdict != admin.SetupRefused })
			r.Made, r.Changed, r.There, r.ByHand = 0, 0, 0, []string{}
		}
		err = showSetup(out, &r)
		switch {
		case r.Refused > 0 && r.Done:
			err = errors.Join(err, fmt.Errorf("%d of the file could not be made; the rest is done, and the same command goes on", r.Refused))
		case r.Refused > 0:
			err = errors.Join(err, fmt.Errorf("%d of the file cannot be; nothing was changed", r.Refused))
		}
		return err
	})
}

// showSetup prints what came of a file. Of what is here already and as the file
// says there is only a number.
func showSetup(out *printer, r *admin.SetupReport) error {
	return out.show(r, func(w io.Writer) {
		rows := [][]string{{"KIND", "NAME", "VERDICT", ""}}
		for _, row := range r.Rows {
			if row.Verdict != admin.SetupThere || row.Text != "" {
				rows = append(rows, []string{row.Kind, row.Name, row.Verdict, strings.TrimSpace(row.Text + " " + row.Invite)})
			}
		}
		if len(rows) > 1 {
			table(w, rows...)
			fmt.Fprintln(w)
		}
		if r.Refused > 0 && !r.Done {
			return
		}
		fmt.Fprintf(w, "%d made, %d changed, %d here before, %d refused\n", r.Made, r.Changed, r.There, r.Refused)
		switch {
		case len(r.Rows) == 0:
			fmt.Fprintln(w, "There is nothing in the file that makes or changes anything.")
		case r.There == len(r.Rows):
			fmt.Fprintln(w, "All that is in the file is here already: nothing was changed.")
		case r.DryRun:
			fmt.Fprintln(w, "This was a dry run: nothing was changed.")
		}
		showByHand(w, r)
	})
}

// showByHand prints secrets that were made, and what is left to do.
func showByHand(w io.Writer, r *admin.SetupReport) {
	first := true
	for _, row := range r.Rows {
		if row.Secret == "" {
			continue
		}
		if first {
			fmt.Fprint(w, "\nRequests of these are signed with new secrets, which are not shown again; put them in over there:\n")
			first = false
		}
		name := row.Name
		if row.Text != "" {
			name += ", " + row.Text
		}
		fmt.Fprintf(w, "  %s\n      %s\n", clean(name), string(row.Secret))
	}
	if len(r.ByHand) == 0 {
		return
	}
	fmt.Fprint(w, "\nTo be done by hand:\n")
	for _, text := range r.ByHand {
		fmt.Fprintf(w, "- %s\n", clean(text))
	}
}
