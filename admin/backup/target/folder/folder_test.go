package folder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/target/targettest"
)

func TestFolder(t *testing.T) {
	f, err := Open(filepath.Join(t.TempDir(), "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	targettest.Run(t, f)
}

// TestTornPut: what a crash has left half written is no object.
func TestTornPut(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), "packs/aa/one", []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "packs/aa/two"+unfinished), []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := f.List(t.Context(), "packs"); err != nil || len(list) != 1 {
		t.Errorf("List: %v, %v", list, err)
	}
	if _, err := Open("relative"); err == nil {
		t.Error("a relative path is allowed")
	}
}
