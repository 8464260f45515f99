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
	"github.com/mailstead/mailstead/admin/movein"
)

type importSetupCmd struct {
	File   string `arg:"" help:"The file that export --settings wrote; - is standard input."`
	Invite bool   `help:"Make a link for each new person to set a password, and print it."`
	DryRun bool   `help:"Change nothing, and say what would be made and changed."`
}

// read reads the file, all of which must be right before anything is changed.
func (c *importSetupCmd) read() (*movein.Setup, error) {
	f := os.Stdin
	if c.File != "-" {
		var err error
		if f, err = os.Open(c.File); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	b, err := io.ReadAll(io.LimitReader(f, movein.MaxSetup+1))
	if err != nil {
		return nil, err
	}
	setup, err := movein.ParseSetup(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w\nnothing was changed", c.File, err)
	}
	return setup, nil
}

func (c *importSetupCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	setup, err := c.read()
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		r, err := importSetup(ctx, op, setup, c.Invite, true)
		if err != nil {
			return fmt.Errorf("%w\nnothing was changed", err)
		}
		if refused := r.Refused; refused > 0 {
			if !c.DryRun { // whoever did not ask what would be made wants to see what is in the way
				r.onlyRefused()
			}
			return errors.Join(r.show(out), fmt.Errorf("%d of the file cannot be; nothing was changed", refused))
		}
		if c.DryRun {
			return r.show(out)
		}
		if r, err = importSetup(ctx, op, setup, c.Invite, false); err != nil {
			return errors.Join(r.show(out), err, errors.New("the import has ended before its time; what is above is done, and the same command goes on"))
		}
		if err = r.show(out); r.Refused > 0 {
			err = errors.Join(err, fmt.Errorf("%d of the file were refused", r.Refused))
		}
		return err
	})
}

// Verdicts of rows.
const (
	setupMade    = "made"
	setupChanged = "changed"
	setupThere   = "there"
	setupRefused = "refused"
)

// setupRow is what came of one thing in the file.
type setupRow struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Verdict string `json:"verdict"` // made, changed, there, left-out or refused
	Text    string `json:"text,omitempty"`
	Invite  string `json:"invite,omitempty"` // link to set a password
	Secret  string `json:"secret,omitempty"` // what requests of a new webhook are signed with
}

// setupReport is what came of a file.
type setupReport struct {
	DryRun  bool       `json:"dryRun,omitempty"`
	Rows    []setupRow `json:"rows"`
	Made    int        `json:"made"`
	Changed int        `json:"changed"`
	There   int        `json:"there"`
	Refused int        `json:"refused"`
	ByHand  []string   `json:"byHand"` // what is left to do
}

func (r *setupReport) add(row setupRow) {
	switch row.Verdict {
	case setupMade:
		r.Made++
	case setupChanged:
		r.Changed++
	case setupThere:
		r.There++
	case setupRefused:
		r.Refused++
	}
	r.Rows = append(r.Rows, row)
}

// onlyRefused leaves out what would have been made.
func (r *setupReport) onlyRefused() {
	r.Rows = slices.DeleteFunc(r.Rows, func(row setupRow) bool { return row.Verdict != setupRefused })
	r.Made, r.Changed, r.There, r.ByHand = 0, 0, 0, []string{}
}

func (r *setupReport) byHand(format string, args ...any) {
	r.ByHand = append(r.ByHand, fmt.Sprintf(format, args...))
}

// show prints the report. What is here already and as the file says is only
// counted for people.
func (r *setupReport) show(out *printer) error {
	return out.show(r, func(w io.Writer) {
		rows := [][]string{{"KIND", "NAME", "VERDICT", ""}}
		for _, row := range r.Rows {
			if row.Verdict != setupThere || row.Text != "" {
				rows = append(rows, []string{row.Kind, row.Name, row.Verdict, strings.TrimSpace(row.Text + " " + row.Invite)})
			}
		}
		if len(rows) > 1 {
			table(w, rows...)
			fmt.Fprintln(w)
		}
		if r.Refused == len(r.Rows) && r.Refused > 0 {
			return
		}
		fmt.Fprintf(w, "%d made, %d changed, %d here before, %d refused\n", r.Made, r.Changed, r.There, r.Refused)
		if r.Made+r.Changed+r.Refused == 0 {
			fmt.Fprintln(w, "All that is in the file is here already: nothing was changed.")
		} else if r.DryRun {
			fmt.Fprintln(w, "This was a dry run: nothing was changed.")
		}
		if r.Refused == 0 || !r.DryRun { // else nothing comes of it
			r.showByHand(w)
		}
	})
}

// showByHand prints secrets that were made, and what is left to do.
func (r *setupReport) showByHand(w io.Writer) {
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
		fmt.Fprintf(w, "  %s\n      %s\n", clean(name), row.Secret)
	}
	if len(r.ByHand) == 0 {
		return
	}
	fmt.Fprint(w, "\nTo be done by hand:\n")
	for _, text := range r.ByHand {
		fmt.Fprintf(w, "- %s\n", clean(text))
	}
}
