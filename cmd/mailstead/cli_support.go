package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/support"
	"github.com/mailstead/mailstead/admin/upgrade"
	"github.com/mailstead/mailstead/mail/schema"
)

// journalLines and journalTimeout bound what is read of the system's journal.
const (
	journalLines   = "5000"
	journalTimeout = 20 * time.Second
)

// supportCmd is `mailstead support-bundle`.
type supportCmd struct {
	Data   string `help:"Data folder of the server; else the one in the configuration file." type:"path" placeholder:"DIR"`
	Config string `help:"Configuration file." type:"path" default:"${config}"`
	Output string `short:"o" help:"Where to write it; - is standard output. Else mailstead-support-TIME.tar.gz in this folder." placeholder:"FILE"`
}

// Run asks the running server for a bundle, or makes one of what is there.
func (c *supportCmd) Run(ctx context.Context, s streams) error {
	if c.Output == "-" {
		data, err := c.bundle(ctx)
		if err == nil {
			_, err = s.out.Write(data)
		}
		return err
	}
	name := cmp.Or(c.Output, support.FileName(time.Now()))
	// It is made before we become the user of the data, who may not write here.
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; name another with --output", name)
	}
	if err != nil {
		return err
	}
	data, err := c.bundle(ctx)
	if err == nil {
		_, err = f.Write(data)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	_, err = fmt.Fprintf(s.out, "%s (%s)\nLook through it before you send it: manifest.json says what is in it, and what was taken out.\n", name, amount(int64(len(data))))
	return err
}

// bundle makes it where the most is known: in the server, else with its data,
// else with neither.
func (c *supportCmd) bundle(ctx context.Context) ([]byte, error) {
	data, hostname, err := (&target{Data: c.Data, Config: c.Config}).dataDir()
	if err != nil {
		return withoutData(ctx, "", err)
	}
	client, err := api.Dial(ctx, adminSocket(data), actorName())
	if err == nil {
		defer client.Close()
		return client.SupportBundle(ctx)
	}
	if !errors.Is(err, api.ErrNotRunning) {
		return nil, err
	}
	journal := readJournal(ctx) // as root, if we are
	if err := becomeOwner(data); err != nil {
		return nil, err
	}
	if _, err := os.Stat(data); err != nil { // nothing is made for this
		return withoutData(ctx, data, err, journal)
	}
	a, err := admin.Open(data, admin.Options{Hostname: hostname, Version: version()})
	if err != nil {
		return withoutData(ctx, data, err, journal)
	}
	b, err := a.SupportBundle(admin.AsOwner(ctx, actorName()), journal, upgradeFile(data))
	return b, errors.Join(err, a.Close())
}

// withoutData is a bundle of a server whose data cannot be opened, and why.
func withoutData(ctx context.Context, data string, why error, extra ...support.File) ([]byte, error) {
	if len(extra) == 0 {
		extra = append(extra, readJournal(ctx))
	}
	v := admin.Machine()
	v["build"], v["schema"], v["trouble"] = admin.ThisBuild(version()), schema.Current, why.Error()
	files := []support.File{{Name: "server.json", What: "version, system, and why the data cannot be opened", Value: v}}
	if data != "" {
		files = append(files, upgradeFile(data))
	}
	var b bytes.Buffer
	err := support.Write(&b, version(), time.Now(), support.NewRedactor(nil, nil, nil), append(files, extra...))
	return b.Bytes(), err
}

// upgradeFile is what is written down of the last upgrade.
func upgradeFile(data string) support.File {
	f := support.File{Name: "last-upgrade.json", What: "the last upgrade, and the schema of the data"}
	folder, err := schema.Read(data)
	last, err2 := upgrade.Load(data)
	if err := errors.Join(err, err2); err != nil {
		f.Missing = err.Error()
	}
	f.Value = map[string]any{"data": folder, "last": last}
	return f
}

// readJournal is what the service has said, where systemd keeps it.
func readJournal(ctx context.Context) support.File {
	f := support.File{Name: "journal.txt", What: "the last lines of the journal of mailstead.service"}
	ctx, cancel := context.WithTimeout(ctx, journalTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "--no-pager", "--unit=mailstead.service", "--lines="+journalLines, "--output=short-iso").Output()
	f.Value = out
	if err != nil {
		f.Missing = "journalctl: " + err.Error()
	}
	return f
}
