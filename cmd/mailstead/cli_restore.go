package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/backup"
)

// jobResult reads what a job has found out: of a running server it is JSON.
func jobResult(j admin.Job, v any) error {
	b, err := json.Marshal(j.Result)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

type restoreCmd struct {
	target `embed:""`

	All restoreAllCmd `cmd:"" help:"Restore everything into a data folder that is empty, while no server runs."`
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

func (c *restoreAllCmd) login(io.Writer) (backup.Login, error) {
	return backup.Login{S3KeyID: c.S3KeyID, S3Secret: c.S3Secret, SFTPPassword: c.SFTPPassword}, nil
}
