package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox/transfer"
)

type exportCmd struct {
	target `embed:""`

	Account  []string `help:"Account whose mail is written; may be said again." placeholder:"ADDRESS"`
	All      bool     `help:"Mail of all accounts. One that is in the folder already is passed over, so that a run that was interrupted goes on."`
	Format   string   `help:"maildir (Maildir++, as Dovecot has it) or mbox (a file for each mailbox)." enum:"maildir,mbox" default:"maildir"`
	Dir      string   `help:"Folder that gets a folder for each account." type:"path" placeholder:"DIR"`
	Settings string   `help:"File that gets what the server is set up with as TOML, without secrets: settings, domains, accounts, aliases, lists, junk policies, webhooks and alert channels." type:"path" placeholder:"FILE"`
}

func (c *exportCmd) Run(ctx context.Context, s streams) error {
	mail := c.All || len(c.Account) > 0
	switch {
	case !mail && c.Settings == "":
		return usageError("say what to export: --account ADDRESS or --all with --dir DIR, or --settings FILE")
	case c.All && len(c.Account) > 0:
		return usageError("--all and --account do not go together")
	case mail && c.Dir == "":
		return usageError("say where the mail goes: --dir DIR")
	}
	return c.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if c.Settings != "" {
			if err := exportSetup(ctx, op, c.Settings); err != nil {
				return err
			}
		}
		if !mail {
			return out.done("what the server is set up with is in %s; `mailstead import setup` reads it", c.Settings)
		}
		return c.mail(ctx, op, out)
	})
}

// mail exports the accounts, each for itself.
func (c *exportCmd) mail(ctx context.Context, op admin.Operator, out *printer) error {
	addresses := c.Account
	if c.All {
		list, err := first(math.MaxInt, func(p admin.Paging) (admin.Page[admin.Account], error) {
			return op.Accounts(ctx, admin.AccountFilter{Paging: p})
		})
		if err != nil {
			return err
		}
		for _, a := range list {
			addresses = append(addresses, a.Address)
		}
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	var reports []exportReport
	var errs []error
	for i, address := range addresses {
		r, err := c.account(ctx, op, address, &progressLine{out: out}, fmt.Sprintf("%d of %d", i+1, len(addresses)))
		if ctx.Err() != nil {
			return errors.Join(showExport(out, reports), errors.New("interrupted; what is done stays, and the same command goes on with the next account"))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", address, err))
			r.Error = err.Error()
		}
		reports = append(reports, r)
	}
	return errors.Join(append([]error{showExport(out, reports)}, errs...)...)
}

// exportReport is what lies beside the mail of an account, as NAME.json.
type exportReport struct {
	Account   string          `json:"account"`
	Format    string          `json:"format"`
	Folder    string          `json:"folder"`
	Began     time.Time       `json:"began"`
	Ended     time.Time       `json:"ended"`
	Version   string          `json:"version"` // of the program
	Mailboxes []exportMailbox `json:"mailboxes"`
	Messages  int64           `json:"messages"`
	Octets    int64           `json:"octets"` // as they were stored
	Lost      []string        `json:"lost,omitempty"`
	There     bool            `json:"alreadyThere,omitempty"`
	Error     string          `json:"error,omitempty"`
}

type exportMailbox struct {
	Name     string `json:"name"`
	Messages int64  `json:"messages"`
}

// account exports one account. Its folder has its name only when it is
// complete.
func (c *exportCmd) account(ctx context.Context, op admin.Operator, address string, line *progressLine, which string) (r exportReport, err error) {
	folder := filepath.Join(c.Dir, transfer.AccountFolder(address))
	r = exportReport{Account: address, Format: c.Format, Folder: folder, Began: time.Now().UTC(), Version: version()}
	if _, err := os.Lstat(folder); err == nil && c.All {
		r.There = true
		return r, nil
	} else if err == nil {
		return r, fmt.Errorf("%s is there already, and nothing is written over; move it away, or name another folder", folder)
	}
	partial := folder + ".partial"
	if err := os.RemoveAll(partial); err != nil { // of a run that was interrupted
		return r, err
	}
	w, lost, err := c.writer(partial)
	if err != nil {
		return r, err
	}
	counting := &countingWriter{Writer: w, report: &r, line: line, which: which}
	err = op.ExportMail(ctx, address, counting)
	line.end()
	if err = errors.Join(err, w.Close()); err != nil {
		return r, errors.Join(err, os.RemoveAll(partial))
	}
	r.Lost, r.Ended = lost(), time.Now().UTC()
	return r, r.commit(partial)
}

// writer makes what writes the format that is wanted; lost says what it could
// not keep.
func (c *exportCmd) writer(dir string) (w transfer.Writer, lost func() []string, err error) {
	if c.Format == "mbox" {
		w, err = transfer.NewMboxWriter(dir)
		return w, func() []string { return nil }, err
	}
	m, err := transfer.NewMaildirWriter(dir, func(s string) string { return string(imapwire.AppendUTF7(nil, s)) })
	return m, func() []string { return m.Lost }, err
}

// commit makes what was written durable, and gives it its name.
func (r *exportReport) commit(partial string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.Folder+".json", append(b, '\n'), 0o600); err != nil {
		return err
	}
	if err := syncDisk(partial); err != nil {
		return err
	}
	if err := os.Rename(partial, r.Folder); err != nil {
		return err
	}
	return syncDisk(filepath.Dir(r.Folder))
}

// syncDisk makes all that was written to the file system of a folder durable.
func syncDisk(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// countingWriter is a Writer that shows how far it is.
type countingWriter struct {
	transfer.Writer
	report *exportReport
	line   *progressLine
	which  string
	total  transfer.Totals
	shown  time.Time
}

func (w *countingWriter) Begin(n transfer.Totals) error {
	w.total = n
	return w.Writer.Begin(n)
}

func (w *countingWriter) Mailbox(m transfer.Mailbox) error {
	w.report.Mailboxes = append(w.report.Mailboxes, exportMailbox{Name: m.Name})
	return w.Writer.Mailbox(m)
}

func (w *countingWriter) Message(ctx context.Context, m transfer.Message) error {
	if err := w.Writer.Message(ctx, m); err != nil {
		return err
	}
	if n := len(w.report.Mailboxes); n > 0 {
		w.report.Mailboxes[n-1].Messages++
	}
	w.report.Messages++
	w.report.Octets += m.Size
	if now := time.Now(); now.Sub(w.shown) >= watchEvery {
		w.shown = now
		w.line.text(w.progress(now))
	}
	return nil
}

// progress says how far an account is, in one line.
func (w *countingWriter) progress(now time.Time) string {
	r := w.report
	took := now.Sub(r.Began).Seconds()
	text := fmt.Sprintf("%s (%s) · %d of %d messages, %s", r.Account, w.which, r.Messages, max(w.total.Messages, r.Messages), amount(r.Octets))
	if took > 0 {
		text += fmt.Sprintf(" · %.0f/s", float64(r.Messages)/took)
		if left := float64(w.total.Octets - r.Octets); left > 0 && r.Octets > 0 {
			text += " · " + time.Duration(took*left/float64(r.Octets)*1e9).Round(time.Second).String() + " left"
		}
	}
	return text
}

func showExport(out *printer, list []exportReport) error {
	return out.show(list, func(w io.Writer) {
		rows := [][]string{{"ACCOUNT", "MAILBOXES", "MESSAGES", "SIZE", "PER SECOND", "FOLDER"}}
		for _, r := range list {
			switch {
			case r.There:
				rows = append(rows, []string{r.Account, "-", "-", "-", "-", "is there already: " + r.Folder})
			case r.Error != "":
				rows = append(rows, []string{r.Account, "-", "-", "-", "-", "failed"})
			default:
				rate := float64(r.Messages) / max(r.Ended.Sub(r.Began).Seconds(), 0.001)
				rows = append(rows, []string{r.Account, fmt.Sprint(len(r.Mailboxes)), fmt.Sprint(r.Messages), amount(r.Octets), fmt.Sprintf("%.0f", rate), r.Folder})
			}
		}
		table(w, rows...)
		for _, r := range list {
			for _, l := range r.Lost {
				fmt.Fprintf(w, "! %s: %s\n", r.Account, clean(l))
			}
		}
	})
}
