package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// folder makes a folder with files.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name := filepath.Join(dir, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(f), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// files lists what is below a folder.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A copy shares the bodies with what it is made of, and nothing else.
func TestCopy(t *testing.T) {
	dir := folder(t, "system.db", "schema", "store/sys.db", "store/lock", "store/acct/1/mail.db", "store/log/00000001.log", "store/big/07/7", "certs/key.pem", "run/admin.sock", "backup/x.db")
	to := inDir(dir, nextName)
	c, err := copyData(context.Background(), dir, to)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"schema", "store/acct/1/mail.db", "store/big/07/7", "store/log/00000001.log", "store/sys.db", "system.db"}
	if got := files(t, to); !slices.Equal(got, want) {
		t.Errorf("copied: %q, want %q", got, want)
	}
	if c.Linked != 2 || c.Cloned+c.Files != 4 {
		t.Errorf("%+v", c)
	}
	for _, name := range want {
		a, err1 := os.Stat(filepath.Join(dir, name))
		b, err2 := os.Stat(filepath.Join(to, name))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if shared := strings.HasPrefix(name, "store/log") || strings.HasPrefix(name, "store/big"); os.SameFile(a, b) != shared {
			t.Errorf("%s is the same file: %v", name, !shared)
		}
	}
}

// TestSwapResumes: wherever a switch of the data ends, Resume finishes it, and
// no file is lost or mixed up.
func TestSwapResumes(t *testing.T) {
	had, gets := []string{"a.db", "old.db", "store"}, []string{"a.db", "new.db", "store"}
	for stop := range len(had) + len(gets) + 1 {
		t.Run(fmt.Sprint("after ", stop), func(t *testing.T) {
			dir := folder(t, "a.db", "old.db", "store/x", "certs/y", "upgrade/next/a.db", "upgrade/next/new.db", "upgrade/next/store/z", "upgrade/before/.keep")
			s := &State{Phase: Switching, Move: &movement{Aside: beforeName, In: nextName, Had: had, Gets: gets, Then: Watching}}
			if err := s.save(dir); err != nil {
				t.Fatal(err)
			}
			n := 0
			step := func(from, to string) {
				if n++; n <= stop {
					if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, name := range had {
				step(name, filepath.Join("upgrade", beforeName, name))
			}
			for _, name := range gets {
				step(filepath.Join("upgrade", nextName, name), name)
			}
			for range 2 { // again does nothing
				if err := Resume(dir); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{"a.db", "certs/y", "new.db", "store/z", "upgrade/before/.keep", "upgrade/before/a.db", "upgrade/before/old.db", "upgrade/before/store/x", "upgrade/state.json"}
			if got := files(t, dir); !slices.Equal(got, want) {
				t.Errorf("files: %q, want %q", got, want)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "a.db")); err != nil || string(b) != "upgrade/next/a.db" {
				t.Errorf("a.db is %q, %v", b, err)
			}
			if after, err := Load(dir); err != nil || after.Phase != Watching || after.Move != nil {
				t.Errorf("state: %+v, %v", after, err)
			}
		})
	}
}

// What is kept for a way back goes when its time is over, and not before.
func TestTidy(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		phase Phase
		age   time.Duration
		want  bool
	}{
		{Done, 25 * time.Hour, true}, {Done, 23 * time.Hour, false}, {Watching, 48 * time.Hour, false}, {Returning, 48 * time.Hour, false}, {Back, 48 * time.Hour, true},
	} {
		dir := folder(t, "system.db", "upgrade/before/system.db")
		if err := (&State{Phase: tt.phase, Ended: now.Add(-tt.age)}).save(dir); err != nil {
			t.Fatal(err)
		}
		removed, err := Tidy(dir, 24*time.Hour, now)
		if err != nil || removed != tt.want || Keeps(dir) == tt.want {
			t.Errorf("%s, %v: removed %v, kept %v, %v", tt.phase, tt.age, removed, Keeps(dir), err)
		}
	}
	if removed, err := Tidy(folder(t, "system.db"), time.Hour, now); removed || err != nil {
		t.Errorf("without an upgrade: %v, %v", removed, err)
	}
}

// A second upgrade waits for the first.
func TestOneAtATime(t *testing.T) {
	dir := folder(t, "system.db")
	lock, err := lockData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Accept(dir); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("a second one: %v", err)
	}
	lock.Close()
	if _, err := Accept(dir); err == nil || !strings.Contains(err.Error(), "no upgrade") {
		t.Errorf("without one: %v", err)
	}
}

// What another program has left is read line by line; names lead nowhere else.
func TestLeft(t *testing.T) {
	dir := t.TempDir()
	w, err := newLeftWriter(dir, leftMails)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.enc.Encode(leftMail{Account: 1, Flags: []string{`\Seen`}, File: "m"}), w.enc.Encode(leftMail{Account: 2}), w.close()); err != nil {
		t.Fatal(err)
	}
	var got []uint32
	err = eachLeft(dir, leftMails, func(n int, m leftMail) error {
		if n != len(got) {
			t.Errorf("line %d comes as %d", len(got), n)
		}
		got = append(got, m.Account)
		return nil
	})
	if err != nil || !slices.Equal(got, []uint32{1, 2}) {
		t.Errorf("read %v, %v", got, err)
	}
	if err := eachLeft(dir, "nothing", func(int, leftMail) error { return errors.New("called") }); err != nil {
		t.Error(err)
	}
	if _, _, err := openLeft(dir, "../../etc/passwd"); err == nil {
		t.Error("a name leads out of the folder")
	}
	if flagsOf(flagNames(5)) != 5 {
		t.Error("flags change on their way")
	}
}
