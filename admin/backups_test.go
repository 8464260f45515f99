package admin

import (
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/backup"
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
