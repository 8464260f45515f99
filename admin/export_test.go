package admin

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// exporter is an Admin with two people, and a file of a server before.
func exporter(t *testing.T, now func() time.Time) (a *Admin, ana, bo context.Context) {
	t.Helper()
	data := t.TempDir()
	dir := filepath.Join(data, "export")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "old.mbox"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a = open(t, data, Options{ExportDir: dir, Now: now})
	ctx := AsOwner(t.Context(), "tester")
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	person := func(address string) context.Context {
		acct := must[Account](t)(a.AddAccount(ctx, NewAccount{Address: address}))
		return WithPrincipal(t.Context(), Principal{Kind: KindUser, Account: acct.ID, Role: directory.RoleUser, Sudo: true})
	}
	return a, person("ana@example.org"), person("bo@example.org")
}

func files(t *testing.T, a *Admin) int {
	t.Helper()
	list, err := os.ReadDir(a.opts.ExportDir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestMyExport(t *testing.T) {
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	a, ana, bo := exporter(t, func() time.Time { return now })
	p := PrincipalOf(ana)
	p.Sudo = false
	if _, err := a.MyExport(WithPrincipal(ana, p)); !errors.Is(err, ErrReauth) {
		t.Errorf("without proof: %v", err)
	}
	a.exports.list = []export{{job: "x", account: p.Account}}
	if _, err := a.MyExport(ana); !errors.Is(err, directory.ErrInUse) {
		t.Errorf("while one runs: %v", err)
	}
	a.exports.list = nil
	var made []string
	for range 3 {
		j := must[Job](t)(a.MyExport(ana))
		a.jobs.group.Wait()
		if j = must[Job](t)(a.Job(ana, j.ID)); j.State != JobDone {
			t.Fatalf("job = %+v", j)
		}
		made = append(made, j.ID)
	}
	if n := files(t, a); n != 2 {
		t.Errorf("%d files, want 2", n)
	}
	for i, job := range made {
		f, _, name, err := a.MyExportFile(ana, job)
		if i == 0 {
			if !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("the oldest: %v", err)
			}
			continue
		}
		if err != nil || name != "ana@example.org 2026-11-02.mbox" {
			t.Fatalf("file = %q, %v", name, err)
		}
		if b, err := io.ReadAll(f); err != nil || len(b) != 0 {
			t.Errorf("no mail is %q, %v", b, err)
		}
		f.Close()
		if info, err := os.Stat(a.exportPath(job)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("file: %v, %v", info, err)
		}
	}
	for _, job := range []string{made[2], "../system.db", strings.Repeat("x", 200), ""} {
		if _, _, _, err := a.MyExportFile(bo, job); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%.20q for another: %v", job, err)
		}
	}
	now = now.Add(exportKeep)
	if _, _, _, err := a.MyExportFile(ana, made[2]); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("after a day: %v", err)
	}
	a.sweepExports()
	if n := files(t, a); n != 0 {
		t.Errorf("%d files after a day", n)
	}
}

// TestCancelledExport: a copy that is written to its end is kept, and its job is
// done, although somebody cancelled at the last moment. The second to cancel
// leaves no trace.
func TestCancelledExport(t *testing.T) {
	a, ana, _ := exporter(t, time.Now)
	const text = "Subject: x\r\n\r\ny\r\n"
	ix := must[*message.Index](t)(message.Parse(strings.NewReader(text)))
	acct := a.opts.Mailboxes.Account(mailbox.AccountID(PrincipalOf(ana).Account))
	if _, err := acct.Append(ana, mailbox.Inbox, &mailbox.NewMessage{Body: strings.NewReader(text), Size: int64(len(text)), Index: ix}); err != nil {
		t.Fatal(err)
	}
	cancels := 0
	a.opts.Disk = disk.New(t.TempDir(), disk.Options{Reserve: func() int64 { // the last octets are written, and ask for room
		id := a.runningJob("export")
		for _, who := range []context.Context{ana, AsOwner(t.Context(), "ops")} {
			if id == "" {
				continue
			}
			if j, err := a.CancelJob(who, id); err != nil || j.State != JobRunning {
				t.Errorf("CancelJob: %+v, %v", j, err)
			}
			cancels++
		}
		return 0
	}})
	j := must[Job](t)(a.MyExport(ana))
	a.jobs.group.Wait()
	if j = must[Job](t)(a.Job(ana, j.ID)); j.State != JobDone || cancels < 2 {
		t.Errorf("cancelled %d times, the job is %+v", cancels, j)
	}
	f, _, _, err := a.MyExportFile(ana, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	list := must[Page[directory.AuditEntry]](t)(a.Audit(AsOwner(t.Context(), "tester"), AuditFilter{})).Items
	list = slices.DeleteFunc(list, func(e directory.AuditEntry) bool { return e.Action != "job.cancel" })
	if len(list) != 1 || list[0].Actor == "ops" {
		t.Errorf("in the audit log: %+v", list)
	}
}

// TestKeepExports: files go in time, without anybody asking.
func TestKeepExports(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old.mbox"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{ExportDir: dir})
		a.jobs.group.Go(a.keepExports)
		synctest.Wait()
		if n := files(t, a); n != 0 {
			t.Errorf("%d files of the server before", n)
		}
		if err := os.WriteFile(filepath.Join(dir, "stray.mbox"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(exportSweep)
		synctest.Wait()
		if n := files(t, a); n != 0 {
			t.Errorf("%d files after a sweep", n)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}
