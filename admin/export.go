package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/transfer"
)

// Bounds of exports.
const (
	exportKeep  = 24 * time.Hour
	exportsKept = 2 // of one account
	exportSweep = 10 * time.Minute
	exportType  = ".mbox"
)

// export is a file with all mail of an account.
type export struct {
	job     string
	account uint32
	made    time.Time // zero: it is being written
}

// exports are the files there are, the oldest first.
type exports struct {
	mu   sync.Mutex
	list []export
}

func (a *Admin) exportPath(job string) string {
	return filepath.Join(a.opts.ExportDir, job+exportType)
}

// MyExport begins to write all one's mail to one file, which MyExportFile then
// opens. One runs at a time, and the last two are kept for a day.
func (a *Admin) MyExport(ctx context.Context) (Job, error) {
	p, err := a.authorizeMeSudo(ctx) // who sits at somebody's desk must not take their mail along
	if err != nil {
		return Job{}, err
	}
	if a.opts.ExportDir == "" {
		return Job{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server makes copies of mailboxes"}
	}
	if err := a.roomForExport(ctx, p.Account); err != nil {
		return Job{}, err
	}
	a.exports.mu.Lock()
	defer a.exports.mu.Unlock()
	if slices.ContainsFunc(a.exports.list, func(e export) bool { return e.account == p.Account && e.made.IsZero() }) {
		return Job{}, &directory.Problem{Kind: directory.ErrInUse, Text: "a copy of your mail is being made already; wait until it is done"}
	}
	j, err := a.start(p, "export", a.runExport)
	if err == nil {
		a.exports.list = append(a.exports.list, export{job: j.ID, account: p.Account})
	}
	return j, err
}

// roomForExport makes sure that a copy leaves room on the disk, and at least as
// much as it takes: mail must not be refused because of it.
func (a *Admin) roomForExport(ctx context.Context, account uint32) error {
	use, err := a.usage(ctx, mailbox.AccountID(account))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.opts.ExportDir, 0o700); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := a.roomFor("a copy of your mail cannot be made now", use.Bytes); err != nil {
		return err
	}
	if _, free, ok := metrics.Disk(a.opts.ExportDir); ok && free < 2*float64(use.Bytes) {
		return &directory.Problem{Kind: ErrNoRoom, Text: "the disk of the server has too little room for a copy; tell whoever runs it"}
	}
	return nil
}

// runExport is the job. The cause of a failure is for our log only.
func (a *Admin) runExport(ctx context.Context, p *Progress) (any, error) {
	id, account := p.job.ID, p.job.account
	err := a.writeExport(ctx, p, mailbox.AccountID(account))
	a.endExport(id, err == nil)
	a.sweepExports() // what has failed does not keep its room
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		a.opts.Logger.Error("export of an account", "account", account, "err", err)
		if errors.Is(err, disk.ErrFull) {
			return nil, errors.New("the copy could not be written: the disk of the server has become too full; tell whoever runs it, and try again when there is room")
		}
		return nil, errors.New("the copy could not be written")
	}
	a.opts.Logger.Info("export of an account", "account", account)
	return nil, nil
}

// writeExport writes the file of a job.
func (a *Admin) writeExport(ctx context.Context, p *Progress, account mailbox.AccountID) (err error) {
	f, err := os.OpenFile(a.exportPath(p.job.ID), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	acct := a.opts.Mailboxes.Account(account)
	total, err := transfer.Count(ctx, acct)
	if err != nil {
		return err
	}
	return transfer.WriteMbox(ctx, roomyWriter{f, a.opts.Disk}, counted(transfer.All(ctx, a.opts.Mailboxes, acct), p, total))
}

// roomyWriter writes while there is room for it.
type roomyWriter struct {
	w    io.Writer
	disk *disk.Guard
}

func (r roomyWriter) Write(p []byte) (int, error) {
	if err := r.disk.Check(disk.Bulk, int64(len(p))); err != nil {
		return 0, err
	}
	return r.w.Write(p)
}

// counted tells p of each message that is written.
func counted(messages iter.Seq2[transfer.Message, error], p *Progress, total int64) iter.Seq2[transfer.Message, error] {
	return func(yield func(transfer.Message, error) bool) {
		p.Set(0, total)
		done := int64(0)
		for m, err := range messages {
			if !yield(m, err) {
				return
			}
			done++
			p.Set(done, max(done, total))
		}
	}
}

// endExport keeps the file of a job, and as many older ones as there may be.
func (a *Admin) endExport(job string, ok bool) {
	a.exports.mu.Lock()
	defer a.exports.mu.Unlock()
	list := a.exports.list
	i := slices.IndexFunc(list, func(e export) bool { return e.job == job })
	if i < 0 {
		return
	}
	if !ok {
		a.exports.list = slices.Delete(list, i, i+1)
		return
	}
	list[i].made = a.opts.Now()
	kept := 0
	for j := len(list) - 1; j >= 0; j-- {
		if list[j].account != list[i].account {
			continue
		}
		if kept++; kept > exportsKept {
			a.exports.list = slices.Delete(list, j, j+1)
			return
		}
	}
}

// MyExportFile opens what a job of one's own has written, and names it.
func (a *Admin) MyExportFile(ctx context.Context, job string) (file io.ReadCloser, size int64, name string, err error) {
	p, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return nil, 0, "", err
	}
	a.exports.mu.Lock()
	defer a.exports.mu.Unlock() // until it is open; then it may be removed
	i := slices.IndexFunc(a.exports.list, func(e export) bool { return e.job == job && e.account == p.Account && a.exportLives(e) })
	if i < 0 || a.exports.list[i].made.IsZero() {
		return nil, 0, "", &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no such copy of your mail, or no longer; make another"}
	}
	f, err := os.Open(a.exportPath(job))
	if err != nil {
		return nil, 0, "", fmt.Errorf("export: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, "", errors.Join(fmt.Errorf("export: %w", err), f.Close())
	}
	name = acct.Address.String() + " " + a.exports.list[i].made.UTC().Format(time.DateOnly) + exportType
	return f, info.Size(), name, nil
}

// exportLives reports whether an export is kept: for a day, while there is the
// account.
func (a *Admin) exportLives(e export) bool {
	if e.made.IsZero() {
		return true
	}
	_, err := a.opts.Directory.Account(e.account)
	return err == nil && a.opts.Now().Sub(e.made) < exportKeep
}

// sweepExports removes the files that nobody keeps, those of the server before
// included.
func (a *Admin) sweepExports() {
	a.exports.mu.Lock()
	defer a.exports.mu.Unlock()
	a.exports.list = slices.DeleteFunc(a.exports.list, func(e export) bool { return !a.exportLives(e) })
	files, err := os.ReadDir(a.opts.ExportDir)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			a.opts.Logger.Error("exports", "err", err)
		}
		return
	}
	for _, f := range files {
		job, ok := strings.CutSuffix(f.Name(), exportType)
		if !ok || slices.ContainsFunc(a.exports.list, func(e export) bool { return e.job == job }) {
			continue
		}
		if err := os.Remove(a.exportPath(job)); err != nil {
			a.opts.Logger.Error("remove export", "err", err)
		}
	}
}

// keepExports removes exports in time, until the jobs end.
func (a *Admin) keepExports() {
	tick := time.NewTicker(exportSweep)
	defer tick.Stop()
	for {
		a.sweepExports()
		select {
		case <-tick.C:
		case <-a.jobs.ctx.Done():
			return
		}
	}
}
