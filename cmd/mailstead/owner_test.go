package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRootLeavesDataToItsOwner works on the data of another user as root,
// without a server: whatever is made there must be that user's. Who is not root
// stays who he is.
func TestRootLeavesDataToItsOwner(t *testing.T) {
	t.Parallel()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir, owner := filepath.Join(t.TempDir(), "data"), os.Getuid()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if owner == 0 {
		owner = 65534
		chown(t, dir, owner)
	}
	output(t, "", program, "domain", "add", "--data", dir, "example.org")
	answers := writeFile(t, filepath.Join(t.TempDir(), "answers.toml"), "address = \"ana@example.net\"\nname = \"Ana\"\npassword = \"a long enough one\"\n")
	file := writeFile(t, filepath.Join(t.TempDir(), "mailstead.toml"), "hostname = \"mail.example.net\"\n[dns]\nservers = [\"127.0.0.1:1\"]\n")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	output(t, "", program, "setup", "--config", file, "--data", dir, "--answers", answers)
	made := 0
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != owner {
			t.Errorf("%s is of user %d, want %d", p, st.Uid, owner)
		}
		made++
		return err
	})
	if err != nil || made < 3 {
		t.Errorf("%d files, %v", made, err)
	}
}
