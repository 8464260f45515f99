package backup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/admin/backup/target/s3/s3test"
	"github.com/mailstead/mailstead/admin/backup/target/sftp/sftptest"
	"github.com/mailstead/mailstead/mailbox"
)

// TestRunRestore makes two backups, the second of a little more, and restores
// both: each has what there was then.
func TestRunRestore(t *testing.T) {
	w := newWorld(t)
	for i := range 40 {
		w.deliver(w.ana, text(i, 100_000), mailbox.Flags(i%4))
	}
	w.deliver(w.ana, text(100, 600_000), mailbox.Seen) // a file of its own
	first, was := w.run(), mailOf(t, w.boxes, w.ana)
	w.deliver(w.ana, text(101, 100_000), 0)
	second, is := w.run(), mailOf(t, w.boxes, w.ana)
	if second.Added > first.Added/4 {
		t.Errorf("the second backup has added %d octets, the first %d", second.Added, first.Added)
	}
	for id, want := range map[string][]string{first.ID: was, second.ID: is} {
		dir, res, err := w.restore(id)
		w.must(err)
		if res.Messages != int64(len(want)) || res.Accounts != 1 {
			t.Errorf("restored %+v", res)
		}
		o, err := openFolder(dir)
		w.must(err)
		if got := mailOf(t, o.boxes, w.ana); !slices.Equal(got, want) {
			t.Errorf("%s has %d messages, want %d", id, len(got), len(want))
		}
		w.must(o.close())
	}
	p, ok := w.service.LastProof(t.Context())
	if !ok || p.Backup != second.ID || len(p.Steps) != 7 {
		t.Errorf("last proof: %+v", p)
	}
}

// TestProofFinds damages the target in ways that happen: the proof says so,
// and the next backup mends it.
func TestProofFinds(t *testing.T) {
	largest := func(place string) string {
		files, _ := filepath.Glob(filepath.Join(place, "packs", "*", "*"))
		slices.SortFunc(files, func(a, b string) int { return int(size(b) - size(a)) })
		return files[0]
	}
	for _, tt := range []struct {
		name, want string
		damage     func(t *testing.T, place, id string)
	}{
		{"changed octet", "is not as it was written", func(t *testing.T, place, _ string) {
			name := largest(place)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"cut off", "is not as it was written", func(t *testing.T, place, _ string) {
			if err := os.Truncate(largest(place), 1000); err != nil {
				t.Fatal(err)
			}
		}},
		{"missing", "is missing", func(t *testing.T, place, _ string) {
			if err := os.Remove(largest(place)); err != nil {
				t.Fatal(err)
			}
		}},
		{"manifest of another name", "was not written with this key, or for another place", func(t *testing.T, place, id string) {
			files, _ := filepath.Glob(filepath.Join(place, "index", "*"))
			b, err := os.ReadFile(files[0])
			if err == nil {
				err = os.WriteFile(filepath.Join(place, "backups", id), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"manifest cut off", "is cut off or was changed", func(t *testing.T, place, id string) {
			name := filepath.Join(place, "backups", id)
			if err := os.Truncate(name, size(name)-10); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 12 {
				w.deliver(w.ana, text(i, 100_000), 0)
			}
			id := w.run().ID
			tt.damage(t, w.place, id)
			p, err := w.service.Verify(t.Context(), id, nil, func(string, int64, int64) {})
			w.must(err)
			if p.OK || !strings.Contains(p.Text(), tt.want) {
				t.Errorf("proof: %v %q, want %q", p.OK, p.Text(), tt.want)
			}
			if _, ok := w.service.LastProof(t.Context()); ok {
				t.Error("there still is a proof")
			}
			next := w.run() // proves itself
			_, res, err := w.restore(next.ID)
			w.must(err)
			if res.Messages != 12 {
				t.Errorf("restored %+v", res)
			}
		})
	}
}

// TestProofFindsElsewhere damages a pack on an SFTP server and in a bucket.
func TestProofFindsElsewhere(t *testing.T) {
	sftp, s3 := sftptest.Start(t), s3test.Start(t)
	for name, set := range map[string]Settings{
		"SFTP": {Target: "sftp://u@" + sftp.Addr + filepath.Join(t.TempDir(), "place"), Login: Login{SFTPPassword: sftp.Password, HostKey: func(string) error { return nil }}},
		"S3":   {Target: "s3+http://" + s3.Addr + "/" + s3.Bucket + "/a?region=eu-1", Login: Login{S3KeyID: "id", S3Secret: "secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set.Target, w.set.Login = set.Target, set.Login
			for i := range 12 {
				w.deliver(w.ana, text(i, 100_000), 0)
			}
			id := w.run().ID
			place, err := OpenTarget(t.Context(), set.Target, set.Login)
			w.must(err)
			defer place.Close()
			packs, err := place.List(t.Context(), packFolder)
			w.must(err)
			pack := slices.MaxFunc(packs, func(a, b target.Object) int { return int(a.Size - b.Size) }).Name
			b, err := place.Get(t.Context(), pack)
			w.must(err)
			b[len(b)/2] ^= 1
			w.must(place.Put(t.Context(), pack, b))
			p, err := w.service.Verify(t.Context(), id, nil, func(string, int64, int64) {})
			w.must(err)
			if p.OK || !strings.Contains(p.Text(), pack+" is not as it was written") {
				t.Errorf("proof: %v %q", p.OK, p.Text())
			}
			next := w.run() // stores it again, and proves itself
			if p, ok := w.service.LastProof(t.Context()); !ok || p.Backup != next.ID {
				t.Errorf("after the next backup the last proof is %+v", p)
			}
		})
	}
}

func size(name string) int64 {
	s, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return s.Size()
}

// TestWrongKey: a copy of the key that does not fit is found when it is tried,
// and nothing is restored with it.
func TestWrongKey(t *testing.T) {
	w := newWorld(t)
	w.deliver(w.ana, text(1, 1000), 0)
	id := w.run().ID
	other, err := NewKey()
	w.must(err)
	p, err := w.service.Verify(t.Context(), id, other, func(string, int64, int64) {})
	w.must(err)
	if p.OK || !strings.Contains(p.Text(), "the key does not fit") {
		t.Errorf("proof with another key: %+v", p)
	}
	dir := t.TempDir()
	if _, err := RestoreAll(t.Context(), w.target(), other, id, dir, func(int64, int64) {}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("RestoreAll = %v", err)
	}
	own, err := w.service.Key(t.Context())
	w.must(err)
	copied, err := ParseKey("# created: today\n" + own.Secret() + "\n")
	w.must(err)
	if p, err := w.service.Verify(t.Context(), id, copied, func(string, int64, int64) {}); err != nil || !p.OK {
		t.Errorf("proof with a copy of the key: %+v, %v", p, err)
	}
}

// TestTargetLearnsNothing: no words of messages, addresses or names of files
// are in what the target gets.
func TestTargetLearnsNothing(t *testing.T) {
	w := newWorld(t)
	w.deliver(w.ana, "Subject: wedding\r\n\r\nchampagne\r\n", 0)
	w.run()
	list, err := w.target().List(t.Context(), "packs")
	w.must(err)
	more, err := w.target().List(t.Context(), "backups")
	w.must(err)
	for _, o := range append(list, more...) {
		b, err := w.target().Get(t.Context(), o.Name)
		w.must(err)
		for _, word := range []string{"wedding", "champagne", "ana@example.org", "mail.db"} {
			if strings.Contains(string(b), word) {
				t.Errorf("%s has %q", o.Name, word)
			}
		}
	}
}

// TestRestoreNotOver refuses a folder that has data.
func TestRestoreNotOver(t *testing.T) {
	w := newWorld(t)
	w.deliver(w.ana, text(1, 1000), 0)
	w.run()
	k, err := w.service.Key(t.Context())
	w.must(err)
	if _, err := RestoreAll(t.Context(), w.target(), k, "", w.data, func(int64, int64) {}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("RestoreAll = %v", err)
	}
}

// TestNoBackups: a target without backups, and one that is not there.
func TestNoBackups(t *testing.T) {
	w := newWorld(t)
	list, err := w.service.List(t.Context())
	if err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v", list, err)
	}
	k, err := NewKey()
	w.must(err)
	if _, err := RestoreAll(t.Context(), w.target(), k, "", t.TempDir(), func(int64, int64) {}); !errors.Is(err, ErrEmpty) {
		t.Errorf("RestoreAll = %v", err)
	}
	w.run()
	if _, err := w.service.Verify(t.Context(), "20200101T000000Z-abcdefgh", nil, func(string, int64, int64) {}); err != nil {
		t.Errorf("Verify = %v", err)
	}
	if _, err := w.target().Get(t.Context(), "../etc/passwd"); err == nil || errors.Is(err, target.ErrNotFound) {
		t.Errorf("a name that leads out of the folder: %v", err)
	}
}
