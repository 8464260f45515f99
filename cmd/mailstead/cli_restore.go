package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/directory"
)

type restoreCmd struct {
	target `embed:""`

	All     restoreAllCmd     `cmd:"" help:"Restore everything into a data folder that is empty, while no server runs."`
	Account restoreAccountCmd `cmd:"" help:"Bring mail of an account back into the running server: all of it, a mailbox, or single messages."`
}

type restoreAccountCmd struct {
	Address    string    `arg:"" help:"Account whose mail is brought back."`
	Backup     string    `help:"Which backup; else the last." placeholder:"ID"`
	Mailbox    string    `help:"Only this mailbox." placeholder:"NAME"`
	UID        []uint32  `help:"Only these messages of the mailbox." name:"uid" placeholder:"UID"`
	MessageID  string    `help:"Only the message with this Message-ID." name:"message-id" placeholder:"ID"`
	Subject    string    `help:"Only messages with this in their subject." placeholder:"TEXT"`
	Since      time.Time `help:"Only messages received on this day or later." format:"2006-01-02" placeholder:"YYYY-MM-DD"`
	Before     time.Time `help:"Only messages received before this day." format:"2006-01-02" placeholder:"YYYY-MM-DD"`
	To         string    `help:"Account that gets them; else the same." placeholder:"ADDRESS"`
	Into       string    `help:"Mailbox that gets them; else those where they were." placeholder:"NAME"`
	AddAccount bool      `help:"If the account was removed, also add it as it was, with filters and aliases, and the ways to sign in that were not revoked since."`
	Yes        bool      `help:"Do it; without, it is only said what would be added."`
}

func (c *restoreAccountCmd) Run(ctx context.Context, s streams, g *restoreCmd) error {
	n := admin.NewRestore{Backup: c.Backup, Account: c.Address, To: c.To, Into: c.Into, AddAccount: c.AddAccount, DryRun: !c.Yes}
	n.Selection = backup.Selection{Mailbox: c.Mailbox, UIDs: c.UID, MessageID: c.MessageID, Subject: c.Subject, Since: c.Since, Before: c.Before}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		j, err := op.StartRestore(ctx, n)
		if err != nil {
			return err
		}
		j, err = waitJob(ctx, op, j, out)
		return tellRestored(j, err, out)
	})
}

// tellRestored says what came of a restore; err is why it ended, if it is not
// done.
func tellRestored(j admin.Job, err error, out *printer) error {
	var res backup.IntoResult
	if rerr := jobResult(j, &res); rerr != nil {
		return errors.Join(err, rerr)
	}
	if err != nil && res.Incomplete == "" { // nothing came of it
		return err
	}
	if serr := out.show(res, func(w io.Writer) { showRestored(w, &res) }); serr != nil {
		return errors.Join(err, serr)
	}
	if err == nil && res.Incomplete != "" {
		err = errors.New("it ended before its end: " + res.Incomplete)
	}
	return err
}

func showRestored(w io.Writer, res *backup.IntoResult) {
	verb := "added"
	if res.DryRun {
		verb = "would be added"
	}
	if res.Account != "" {
		fmt.Fprintf(w, "the account %s was removed since: it %s, as it was\n", clean(res.Account), map[bool]string{true: "would be added", false: "was added"}[res.DryRun])
	}
	if res.Back != nil {
		showBroughtBack(w, res.Back)
	}
	fmt.Fprintf(w, "%s (%s) %s; %d are there already\n", numbered(res.Added), amount(res.Bytes), verb, res.There)
	rows := [][]string{{"RECEIVED", "MAILBOX", "UID THEN", "FROM", "SUBJECT"}}
	for _, m := range res.Messages {
		rows = append(rows, []string{when(m.Received), m.Mailbox, fmt.Sprint(m.UID), orDash(m.From), orDash(m.Subject)})
	}
	if len(res.Messages) > 0 {
		table(w, rows...)
	}
	if res.Added > len(res.Messages) {
		fmt.Fprintf(w, "and %d more\n", res.Added-len(res.Messages))
	}
	for _, name := range res.NewBoxes {
		fmt.Fprintf(w, "mailbox %s is new\n", clean(name))
	}
	if res.DryRun && (res.Added > 0 || res.Account != "") {
		fmt.Fprintln(w, "Say --yes to do it.")
	}
}

// showBroughtBack says what comes with an account, and what does not.
func showBroughtBack(w io.Writer, b *directory.BroughtBack) {
	with := []string{}
	for _, part := range []struct {
		on   bool
		text string
	}{
		{b.Password, "its password"},
		{b.SecondFactor, "its second factor"},
		{len(b.AppPasswords) > 0, "app passwords: " + strings.Join(b.AppPasswords, ", ")},
		{len(b.Passkeys) > 0, "passkeys: " + strings.Join(b.Passkeys, ", ")},
		{b.Filters > 0, fmt.Sprintf("allowed and blocked senders: %d", b.Filters)},
		{b.JunkPolicy, "its thresholds for junk"},
		{len(b.Aliases) > 0, "aliases: " + strings.Join(b.Aliases, ", ")},
		{len(b.Forward) > 0, "forwarding to " + strings.Join(b.Forward, ", ")},
	} {
		if part.on {
			with = append(with, part.text)
		}
	}
	for _, text := range with {
		fmt.Fprintln(w, "  with", clean(text))
	}
	for _, text := range b.Left {
		fmt.Fprintln(w, "  not", clean(text))
	}
}

type restoreAllCmd struct {
	From    string `required:"" help:"Where the backups are: a folder, sftp://user@host/folder or s3://host/bucket/folder?region=R." placeholder:"PLACE"`
	KeyFile string `required:"" help:"File with the key, as backup key shows it." placeholder:"FILE" type:"path"`
	Backup  string `help:"Which one; else the last." placeholder:"ID"`

	S3KeyID      string `help:"Access key of S3." name:"s3-key-id" env:"MAILSTEAD_S3_KEY_ID" placeholder:"ID"`
	S3Secret     string `help:"Secret key of S3; better in the environment." name:"s3-secret" env:"MAILSTEAD_S3_SECRET" placeholder:"KEY"`
	SFTPPassword string `help:"Password of SFTP; better in the environment." name:"sftp-password" env:"MAILSTEAD_SFTP_PASSWORD" placeholder:"PASSWORD"`
	SFTPKeyFile  string `help:"Private SSH key for SFTP." name:"sftp-key-file" type:"path" placeholder:"FILE"`
	SFTPHostKey  string `help:"Fingerprint of the SFTP server (SHA256:…); else it is shown, and believed." name:"sftp-host-key" placeholder:"FINGERPRINT"`
}

func (c *restoreAllCmd) Run(ctx context.Context, s streams, g *restoreCmd) error {
	data, _, err := g.dataDir()
	if err != nil {
		return err
	}
	if client, err := api.Dial(ctx, adminSocket(data), actorName()); err == nil {
		return errors.Join(errors.New("a server runs on "+data+"; stop it first, and move its data away"), client.Close())
	} else if !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	secret, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return err
	}
	key, err := backup.ParseKey(string(secret))
	if err != nil {
		return err
	}
	login, err := c.login(s.err)
	if err != nil {
		return err
	}
	if filepath.IsAbs(c.From) {
		if _, err := os.Stat(c.From); err != nil { // it would be made
			return err
		}
	}
	t, err := backup.OpenTarget(ctx, c.From, login)
	if err != nil {
		return err
	}
	defer t.Close()
	out := &printer{w: s.out, notes: s.err, json: g.Output == "json"}
	line := out.progress()
	res, err := backup.RestoreAll(ctx, t, key, c.Backup, data, func(done, total int64) {
		if total > 0 {
			fmt.Fprintf(line.w, "\r\x1b[K  %d %%", 100*done/total)
		}
	})
	line.end()
	if err != nil {
		return err
	}
	return out.show(res, func(w io.Writer) {
		fmt.Fprintf(w, "%s restored into %s: %d accounts with %d messages\n", res.Backup, data, res.Accounts, res.Messages)
		if res.Held > 0 {
			fmt.Fprintf(w, "%s waited to be sent when the backup was made. Most were sent since, so that they are held:\n`mailstead queue list` shows them; release or cancel them there.\n", numbered(res.Held))
		}
		fmt.Fprintln(w, "Start the server: `mailstead serve`, or systemctl start mailstead")
	})
}

// login is what the target wants to know. The key of an SFTP server that is not
// named is shown, and believed.
func (c *restoreAllCmd) login(notes io.Writer) (backup.Login, error) {
	l := backup.Login{S3KeyID: c.S3KeyID, S3Secret: c.S3Secret, SFTPPassword: c.SFTPPassword}
	if c.SFTPKeyFile != "" {
		var err error
		if l.SFTPKey, err = os.ReadFile(c.SFTPKeyFile); err != nil {
			return l, err
		}
	}
	l.HostKey = func(fingerprint string) error {
		switch c.SFTPHostKey {
		case fingerprint:
			return nil
		case "":
			fmt.Fprintln(notes, "key of the SFTP server:", fingerprint)
			return nil
		}
		return fmt.Errorf("the SFTP server has the key %s, not %s", fingerprint, c.SFTPHostKey)
	}
	return l, nil
}
