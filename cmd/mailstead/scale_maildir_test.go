package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
)

// minMaildir is how many messages a second an import of a Maildir has to
// bring, to the end of its verification, on a computer that does nothing else.
const minMaildir = 1500

// TestScaleMaildir brings in the Maildir of a person with a lot of mail, and
// then looks at all of it again.
func TestScaleMaildir(t *testing.T) {
	n := scaled(3000, 200_000)
	size := func(i int) int { return 1000 + i*7919%6000 } // 4 KB on average
	dir := filepath.Join(t.TempDir(), "Maildir")
	writeMaildir(t, dir, n, size)
	p := startProbed(t, "--plain-auth", "--no-limits")
	l := &ledger{t: t, p: p}
	defer l.print()
	alice := p.Accounts[0]
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var m admin.Import
	bring := func() {
		out := output(t, "", file, "import", "maildir", dir, "--data", p.Data, "--account", alice.Address, "--detach", "-o", "json")
		if err := json.Unmarshal([]byte(out), &m); err != nil {
			t.Fatal(err)
		}
		m = ended(t, p.instance, m.ID)
	}
	cost := l.step("Maildir", n, bring)
	if cost.Peak > maxImport {
		t.Errorf("the server had %d MB, more than %d", cost.Peak>>20, maxImport>>20)
	}
	if rate := float64(n) / cost.Took.Seconds(); n == 200_000 && rate < minMaildir {
		t.Errorf("%.0f messages a second, less than %d", rate, minMaildir)
	}
	if m.Progress.Added != int64(n) || m.Progress.Verified != int64(n) || m.Progress.LeftOut != 0 {
		t.Errorf("the import: %+v", m.Progress)
	}
	if cost = l.step("the same again", n, bring); m.Progress.Added != 0 || m.Progress.Known != int64(n) || cost.Peak > maxImport {
		t.Errorf("again: %+v, %d MB", m.Progress, cost.Peak>>20)
	}
	c := p.dialFast(t, alice)
	wantCount(t, "EXISTS", c.exists(t, "INBOX"), n-n/4)
	wantCount(t, "EXISTS", c.exists(t, "Old"), n/4)
	wantCount(t, "FLAGGED", c.number(t, "SEARCH RETURN (COUNT) FLAGGED", "COUNT"), (n/4+9)/10)
}

// writeMaildir makes a Maildir of n messages; the last quarter is in Old.
func writeMaildir(t *testing.T, dir string, n int, size func(int) int) {
	t.Helper()
	for _, sub := range []string{"cur", "new", "tmp", ".Old/cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var text []byte
	for i := range n {
		sub, letters := "cur", "S"
		if k := i - (n - n/4); k >= 0 {
			sub = ".Old/cur"
			if k%10 == 0 {
				letters = "FS"
			}
		}
		text = scaleMessage(text[:0], i, size(i))
		name := filepath.Join(dir, sub, fmt.Sprintf("%d.M%dP1.host,S=%d:2,%s", 1_200_000_000+i, i, len(text), letters))
		if err := os.WriteFile(name, bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Time{}, time.Unix(1_200_000_000+int64(i), 0)); err != nil {
			t.Fatal(err)
		}
	}
}
