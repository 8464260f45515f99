package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/movein"
)

// maxListFile bounds a list that is read; the API takes as much.
const maxListFile = 1_000_000

// readList reads a list, or standard input for "-".
func readList(file string) (string, error) {
	f := os.Stdin
	if file != "-" {
		var err error
		if f, err = os.Open(file); err != nil {
			return "", err
		}
		defer f.Close()
	}
	b, err := io.ReadAll(io.LimitReader(f, maxListFile+1))
	if err == nil && len(b) > maxListFile {
		err = fmt.Errorf("%s is larger than %d octets; divide it", file, maxListFile)
	}
	return string(b), err
}

type importPeopleCmd struct {
	File    string `arg:"" help:"The list; - is standard input."`
	Format  string `help:"csv, mox, mailinabox, mailstead (what export --settings writes), or auto: by its looks." enum:"auto,csv,mox,mailinabox,mailstead" default:"auto"`
	Domains bool   `help:"Also add domains that are missing."`
	Invite  bool   `help:"Make a link for each person to set a password, and print it."`
	DryRun  bool   `help:"Make nothing, and say for each line what would be made."`
}

func (c *importPeopleCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	text, err := readList(c.File)
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		r, err := op.ImportPeople(ctx, admin.PeopleList{Format: movein.ListFormat(c.Format), Text: text, Domains: c.Domains, Invite: c.Invite, DryRun: c.DryRun})
		if err != nil {
			return err
		}
		err = out.show(r, func(w io.Writer) {
			rows := [][]string{{"LINE", "KIND", "ADDRESS", "LEADS TO", "VERDICT", ""}}
			for _, row := range r.Rows {
				rows = append(rows, []string{lineNumber(row.Line), row.Kind, row.Address, orDash(strings.Join(row.Targets, ", ")), row.Verdict, row.Text + row.Invite})
			}
			table(w, rows...)
			fmt.Fprintf(w, "%d made, %d here before, %d refused\n", r.Made, r.There, r.Refused)
			if c.DryRun {
				fmt.Fprintln(w, "This was a dry run: nothing was made.")
			}
		})
		if r.Refused > 0 {
			err = errors.Join(err, fmt.Errorf("%d of the list were refused", r.Refused))
		}
		return err
	})
}

func lineNumber(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

type importIMAPListCmd struct {
	File          string   `arg:"" help:"Lines with address, host, user, password, port, tls, fingerprint and token; with --host: address, user, password and token; or the accounts of mox or Mail-in-a-Box. - is standard input."`
	Host          string   `help:"The server of lines that name none." placeholder:"NAME"`
	Port          int      `help:"Its port; 993 with tls, else 143." placeholder:"N"`
	TLS           string   `name:"tls" help:"tls, starttls or none." enum:"tls,starttls,none" default:"tls"`
	Fingerprint   string   `help:"SHA-256 of the server's certificate, which is taken instead of a valid one." placeholder:"HEX"`
	PasswordFile  string   `help:"File with the password of lines that have none, in its first line." type:"path" xor:"secret" placeholder:"FILE"`
	TokenFile     string   `help:"File with an OAuth token for all such lines, read at each login." type:"path" xor:"secret" placeholder:"FILE"`
	TokenCommand  string   `help:"Program that prints such a token, run at each login by the user of the server, in its sandbox." xor:"secret" placeholder:"COMMAND"`
	Master        string   `help:"Master user of a Dovecot server, whose password --password-file has: each line signs in as USER*MASTER." placeholder:"LOGIN"`
	Exclude       []string `help:"Folders to leave out, with commas between." placeholder:"FOLDER"`
	SyncFlags     bool     `help:"Also change flags here that have changed there since the last run."`
	SyncDeletions bool     `help:"Also remove here what was removed there since."`
	DryRun        bool     `help:"Only say what is wrong with the lines."`
}

// source is what the lines have in common.
func (c *importIMAPListCmd) source() (*admin.ListSource, error) {
	l := &admin.ListSource{Host: c.Host, Port: c.Port, TLS: c.TLS, Fingerprint: c.Fingerprint, TokenFile: c.TokenFile, TokenCommand: c.TokenCommand, Master: c.Master, Exclude: c.Exclude}
	if c.PasswordFile == "" {
		return l, nil
	}
	f, err := os.Open(c.PasswordFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if l.Password, err = firstLine(f); err != nil {
		return nil, fmt.Errorf("there is no password in the first line of %s", c.PasswordFile)
	}
	return l, nil
}

func (c *importIMAPListCmd) Run(ctx context.Context, s streams, g *importCmd) error {
	text, err := readList(c.File)
	if err != nil {
		return err
	}
	source, err := c.source()
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if _, inProcess := op.(*admin.Admin); inProcess && !c.DryRun {
			return errManyImports
		}
		r, err := op.StartImports(ctx, admin.ImportList{Text: text, Source: source, Flags: c.SyncFlags, Deletions: c.SyncDeletions, DryRun: c.DryRun})
		if err != nil {
			return err
		}
		err = out.show(r, func(w io.Writer) {
			rows := [][]string{{"LINE", "ACCOUNT", "FROM", "IMPORT", ""}}
			for _, row := range r.Rows {
				rows = append(rows, []string{lineNumber(row.Line), row.Account, orDash(row.From), orDash(row.Import), row.Error})
			}
			table(w, rows...)
			if c.DryRun {
				fmt.Fprintf(w, "This was a dry run: %s would begin, none has.\n", counted(r.Started, "import", "imports"))
			} else {
				fmt.Fprintln(w, "`mailstead import list` says how far they are.")
			}
		})
		if r.Failed > 0 {
			err = errors.Join(err, fmt.Errorf("%d of %d lines are wrong", r.Failed, len(r.Rows)))
		}
		return err
	})
}
