package backup

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/target/folder"
	"github.com/mailstead/mailstead/mailbox"
)

var update = flag.Bool("update", false, "write the fixture of the newest format anew")

// formatDir has a place for backups as this format was first written, its key,
// and what is in it. A later format gets a folder of its own, and this one stays.
const formatDir = "testdata/format1"

// fixture is what the backups of a fixture have.
type fixture struct {
	Key     string              `json:"key"`
	Backups map[string][]string `json:"backups"` // as mailOf lists them
}

// writeFixture makes the fixture: two backups, of which the second shares most
// of its chunks with the first.
func writeFixture(t *testing.T) {
	w := newWorld(t)
	if err := os.RemoveAll(formatDir); err != nil {
		t.Fatal(err)
	}
	w.place = filepath.Join(formatDir, "place")
	w.set.Target, _ = filepath.Abs(w.place)
	k, err := w.service.Key(t.Context())
	w.must(err)
	f := fixture{Key: k.Secret(), Backups: map[string][]string{}}
	for i := range 3 {
		w.deliver(w.ana, text(i, 700), mailbox.Flags(i))
	}
	f.Backups[w.run().ID] = mailOf(t, w.boxes, w.ana)
	w.deliver(w.ana, text(3, 700), mailbox.Flagged)
	f.Backups[w.run().ID] = mailOf(t, w.boxes, w.ana)
	b, err := json.MarshalIndent(f, "", " ")
	w.must(err)
	w.must(os.WriteFile(filepath.Join(formatDir, "what.json"), append(b, '\n'), 0o600))
}

// TestFormat restores backups that an older program has written.
func TestFormat(t *testing.T) {
	if *update {
		writeFixture(t)
	}
	b, err := os.ReadFile(filepath.Join(formatDir, "what.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(f.Key)
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(t.TempDir(), "place") // reading makes folders
	if err := os.CopyFS(place, os.DirFS(filepath.Join(formatDir, "place"))); err != nil {
		t.Fatal(err)
	}
	tg, err := folder.Open(place)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Backups) != 2 {
		t.Fatalf("the fixture has %d backups", len(f.Backups))
	}
	for id, want := range f.Backups {
		dir := filepath.Join(t.TempDir(), "data")
		if _, err := RestoreAll(t.Context(), tg, k, id, dir, func(int64, int64) {}); err != nil {
			t.Fatal(err)
		}
		o, err := openFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer o.close()
		a := o.dir.Accounts()
		if len(a) != 1 || a[0].Address.String() != "ana@example.org" {
			t.Fatalf("%s has the accounts %v", id, a)
		}
		if got := mailOf(t, o.boxes, mailbox.AccountID(a[0].ID)); !slices.Equal(got, want) {
			t.Errorf("%s has\n%s\nwant\n%s", id, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestRecords: what imports have noted is in a backup, and not the files that
// wait to be imported.
func TestRecords(t *testing.T) {
	w := newWorld(t)
	for name, text := range map[string]string{"imports/abc.json": `{"id":"abc"}`, "imports/spool-1": "half a message", "imports/files/mail.json": "[]", "certs/acme/x.key": "key"} {
		path := filepath.Join(w.data, name)
		w.must(os.MkdirAll(filepath.Dir(path), 0o700))
		w.must(os.WriteFile(path, []byte(text), 0o600))
	}
	dir, _, err := w.restore(w.run().ID)
	w.must(err)
	for name, there := range map[string]bool{"imports/abc.json": true, "imports/spool-1": false, "imports/files": false, "certs/acme/x.key": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
}
