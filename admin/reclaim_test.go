package admin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Without a server, too, nothing is given back that the way back after an
// upgrade needs.
func TestReclaimKeepsTheWayBack(t *testing.T) {
	data := t.TempDir()
	a, err := Open(data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx := AsOwner(t.Context(), "test")
	reclaim := func() Job {
		t.Helper()
		j, err := a.Reclaim(ctx, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		a.jobs.group.Wait()
		if j, err = a.Job(ctx, j.ID); err != nil {
			t.Fatal(err)
		}
		return j
	}
	before := filepath.Join(data, "upgrade", "before")
	if err := os.MkdirAll(before, 0o700); err != nil {
		t.Fatal(err)
	}
	if j := reclaim(); j.State != JobFailed || !strings.Contains(j.Log[0], "upgrade status") {
		t.Errorf("while the data from before an upgrade is kept: %+v", j)
	}
	if err := os.Remove(before); err != nil {
		t.Fatal(err)
	}
	if j := reclaim(); j.State != JobDone || j.Result != (Reclaimed{0}) {
		t.Errorf("later: %+v", j)
	}
	if v, err := a.Storage(ctx); err != nil || v.Disk == nil || v.Data == 0 {
		t.Errorf("storage without a server: %+v, %v", v, err)
	}
}
