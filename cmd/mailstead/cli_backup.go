package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/backup"
)

type backupCmd struct {
	target `embed:""`

	Run        backupRunCmd        `cmd:"" help:"Make a backup now, and prove that it can be restored."`
	List       backupListCmd       `cmd:"" help:"List backups, and say how they stand."`
	Show       backupShowCmd       `cmd:"" help:"List the accounts and mailboxes in a backup."`
	Verify     backupVerifyCmd     `cmd:"" help:"Prove a backup: restore it into a scratch folder and compare."`
	Remove     backupRemoveCmd     `cmd:"" help:"Remove a backup for good."`
	ForgetHost backupForgetHostCmd `cmd:"" help:"Forget the key of the SFTP server, if it was changed on purpose: the next one is believed."`
	Key        backupKeyCmd        `cmd:"" help:"Show the key of the backups. Keep it somewhere else: without it nothing can be restored."`
}

type backupRunCmd struct{}

func (c *backupRunCmd) Run(ctx context.Context, s streams, g *backupCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		j, err := op.RunBackup(ctx)
		if err != nil {
			return err
		}
		if j, err = waitJob(ctx, op, j, out); err != nil {
			return err
		}
		var res admin.BackupResult
		if err := jobResult(j, &res); err != nil {
			return err
		}
		return out.show(res, func(w io.Writer) {
			fmt.Fprintf(w, "backup %s: %s, of which %s were new\n", res.Run.ID, amount(res.Run.Bytes), amount(res.Run.Added))
			if res.Proof != nil {
				showProof(w, res.Proof)
			}
		})
	})
}

func showProof(w io.Writer, p *backup.Proof) {
	verdict := "proved: it can be restored"
	if !p.OK {
		verdict = "NOT PROVED: it cannot be restored"
	}
	fmt.Fprintf(w, "%s (%s, %.0f s)\n", verdict, when(p.At), p.Took)
	for _, s := range p.Steps {
		mark := "ok  "
		if !s.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(w, "  %s  %-9s  %s\n", mark, s.Name, clean(s.Text))
	}
}

type backupListCmd struct{}

func (c *backupListCmd) Run(ctx context.Context, s streams, g *backupCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		v, err := op.Backups(ctx)
		if err != nil {
			return err
		}
		return out.show(v, func(w io.Writer) { showBackups(w, &v) })
	})
}

func showBackups(w io.Writer, v *admin.Backups) {
	to := v.Target
	if to == "" {
		to = "the folder backup of the data (set backup.target to another disk or server)"
	}
	rows := [][]string{{"target", to}, {"schedule", v.Schedule}, {"next", when(v.Next)}, {"last proof", "never: run `mailstead backup run`"}}
	if v.LastProof != nil {
		rows[3][1] = when(v.LastProof.At) + " of " + v.LastProof.Backup
	}
	switch r := v.LastRun; {
	case r == nil:
	case r.Cancelled:
		rows = append(rows, []string{"last run", "cancelled " + when(r.Ended)})
	case r.Error != "":
		rows = append(rows, []string{"last run", "failed " + when(r.Ended) + ": " + r.Error})
	}
	if v.SSHKey != "" {
		rows = append(rows, []string{"SSH key", v.SSHKey})
	}
	if v.HostKey != "" {
		rows = append(rows, []string{"host key", v.HostKey})
	}
	if v.Error != "" {
		rows = append(rows, []string{"error", v.Error})
	}
	table(w, rows...)
	if len(v.Items) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows = [][]string{{"BACKUP", "MADE", "ACCOUNTS", "MESSAGES", "SIZE", "ADDED", "PROVED"}}
	for _, b := range v.Items {
		proved := "no"
		switch {
		case b.Error != "":
			proved = b.Error
		case b.Proof != nil && b.Proof.OK:
			proved = when(b.Proof.At)
		case b.Proof != nil:
			proved = "FAILED: " + b.Proof.Text()
		}
		rows = append(rows, []string{b.ID, when(b.Started), fmt.Sprint(b.Accounts), fmt.Sprint(b.Messages), amount(b.Bytes), amount(b.Added), proved})
	}
	table(w, rows...)
}

type backupShowCmd struct {
	ID string `arg:"" help:"Backup, as list shows it."`
}

func (c *backupShowCmd) Run(ctx context.Context, s streams, g *backupCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		page, err := op.BackupAccounts(ctx, c.ID)
		if err != nil {
			return err
		}
		return out.show(page.Items, func(w io.Writer) {
			rows := [][]string{{"ACCOUNT", "MAILBOX", "MESSAGES"}}
			for _, a := range page.Items {
				for _, m := range a.Mailboxes {
					rows = append(rows, []string{a.Address, m.Name, fmt.Sprint(m.Exists)})
				}
			}
			table(w, rows...)
		})
	})
}

type backupVerifyCmd struct {
	ID      string `arg:"" optional:"" help:"Backup, as list shows it; else the last one."`
	KeyFile string `help:"Try this copy of the key, in place of the server's own." placeholder:"FILE" type:"path"`
}

// errNotProved ends a command whose result says that a backup is no good.
var errNotProved = errors.New("the backup cannot be restored")

func (c *backupVerifyCmd) Run(ctx context.Context, s streams, g *backupCmd) error {
	key := ""
	if c.KeyFile != "" {
		b, err := os.ReadFile(c.KeyFile)
		if err != nil {
			return err
		}
		key = string(b)
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		j, err := op.VerifyBackup(ctx, c.ID, key)
		if err != nil {
			return err
		}
		if j, err = waitJob(ctx, op, j, out); err != nil {
			return err
		}
		var p backup.Proof
		if err := jobResult(j, &p); err != nil {
			return err
		}
		if err := out.show(p, func(w io.Writer) { fmt.Fprintln(w, "backup", p.Backup); showProof(w, &p) }); err != nil {
			return err
		}
		if !p.OK {
			return errNotProved
		}
		return nil
	})
}

type backupRemoveCmd struct {
	ID  string `arg:"" help:"Backup, as list shows it."`
	Yes bool   `help:"Do not ask."`
}

func (c *backupRemoveCmd) Run(ctx context.Context, s streams, g *backupCmd) error {
	if err := confirm(c.Yes, c.ID, "the backup "+c.ID, s.err); err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.RemoveBackup(ctx, c.ID); err != nil {
			return err
		}
		return out.done("backup %s removed", c.ID)
	})
}

type backupForgetHostCmd struct{}

func (c *backupForgetHostCmd) Run(ctx context.Context, s streams, g *backupCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.ForgetBackupHost(ctx); err != nil {
			return err
		}
		return out.done("the next key of the SFTP server is believed")
	})
}

type backupKeyCmd struct{}

func (c *backupKeyCmd) Run(ctx context.Context, s streams, g *backupCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		k, err := op.BackupKey(ctx)
		if err != nil {
			return err
		}
		return out.show(k, func(w io.Writer) {
			fmt.Fprintf(w, "# Key of the backups of this Mailstead server. Keep this file somewhere else.\n# public key: %s\n%s\n", k.Public, k.Secret)
		})
	})
}
