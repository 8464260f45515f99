package admin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/disk"
)

// The check of backups goes on telling of one that failed, when the next was
// cancelled.
func TestCheckedBackups(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	at := time.Date(2026, 11, 8, 2, 40, 0, 0, time.UTC)
	runs := []backup.Run{{Started: at, Ended: at, Error: "no network"}, {Started: at.Add(time.Hour), Ended: at.Add(time.Hour), Error: backup.ErrCancelled.Error(), Cancelled: true}}
	if err := a.opts.Directory.PutState(t.Context(), "backup/log", map[string]any{"runs": runs}); err != nil {
		t.Fatal(err)
	}
	if b := a.checkedBackups(t.Context()); b.Failed != "no network" {
		t.Errorf("checked: %+v", b)
	}
}

// TestScheduledBackupWithoutRoom: one of the schedule that finds no room has
// failed: it is tried again each hour, not each minute, and the check tells of it.
// A person is told at once.
func TestScheduledBackupWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		a := open(t, t.TempDir(), Options{Logger: logger})
		full := disk.New(a.opts.DataDir, disk.Options{Ask: func() (disk.Room, error) { return disk.Room{Free: 1, Total: 1 << 40}, nil }})
		a.opts.Backup = NewBackups(backup.Options{Disk: full, Logger: logger, Source: backup.Source{DataDir: a.opts.DataDir, Directory: a.opts.Directory}})
		owner := AsOwner(t.Context(), "tester")
		must[directory.Setting](t)(a.SetSetting(owner, string(directory.BackupSchedule), "6h"))
		if j, err := a.RunBackup(owner); !errors.Is(err, ErrNoRoom) || j.ID != "" || a.checkedBackups(owner).Failed != "" {
			t.Errorf("a person is told %v, of job %q", err, j.ID)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		if err := a.WatchBackups(ctx); err != nil {
			t.Fatal(err)
		}
		a.jobs.group.Wait()
		if tried := strings.Count(log.String(), "\n"); tried != 3 {
			t.Errorf("%d lines in the log, want one an hour:\n%s", tried, log.String())
		}
		if b := a.checkedBackups(owner); !strings.Contains(b.Failed, "getting full") {
			t.Errorf("the check is told %+v", b)
		}
	})
}
