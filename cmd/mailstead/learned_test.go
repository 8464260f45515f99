package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTrainFromFiles learns two mbox files, one of them twice, and forgets.
func TestTrainFromFiles(t *testing.T) {
	t.Parallel()
	i := startTry(t)
	who := i.Accounts[0].Address
	mbox := func(name, words string) string {
		var b strings.Builder
		for n := range 25 {
			fmt.Fprintf(&b, "From x@y Sat Nov 28 12:00:00 2026\nFrom: x@y.example\nSubject: %s %d\n\n%s\n\n", words, n, words)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pills, plans := mbox("junk.mbox", "remarkable pills"), mbox("good.mbox", "our plans for tomorrow")
	for _, tt := range []struct{ args, want string }{
		{"train --account " + who + " --as junk --mbox " + pills, "Learned 25 messages as junk; 0 were known."},
		{"train --account " + who + " --as junk --mbox " + pills, "Learned 0 messages as junk; 25 were known."},
		{"train --account " + who + " --as good --mbox " + plans, "Learned 25 messages as good; 0 were known."},
		{"stats", "25 messages as junk and 25 as good"},
		{"forget --account " + who, "25 messages as junk and 25 as good"}, // what it gave to all stays
		{"forget --all", "0 messages as junk and 0 as good"},
	} {
		args := strings.Fields(tt.args)
		out, errs, code := command(t, append([]string{"junk", args[0], "--data", i.Data}, args[1:]...)...)
		if code != 0 || !strings.Contains(out, tt.want) {
			t.Errorf("junk %s: %d: %s%s; want %q", tt.args, code, out, errs, tt.want)
		}
	}
	if _, errs, code := command(t, "junk", "train", "--data", i.Data, "--account", who, "--as", "junk", "--mbox", "learned_test.go"); code != 1 || !strings.Contains(errs, "this is no mbox") {
		t.Errorf("a file that is no mbox: %d: %s", code, errs)
	}
}
