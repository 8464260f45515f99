package main

import (
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
)

// TestImportMany brings in the accounts of a list by one server of theirs, runs
// all again, those that failed again, and forgets them.
func TestImportMany(t *testing.T) {
	t.Parallel()
	i := startTry(t, "--plain-auth")
	alice, bob := i.Accounts[0], i.Accounts[1]
	host, port, err := net.SplitHostPort(i.IMAP)
	if err != nil {
		t.Fatal(err)
	}
	data := func(args ...string) []string { return append(append([]string{"import"}, args...), "--data", i.Data) }
	list := writeFile(t, filepath.Join(t.TempDir(), "accounts.csv"), bob.Address+","+alice.Address+","+alice.Password+"\n"+alice.Address+","+bob.Address+"\nghost@example.test,x,y\n")
	secret := writeFile(t, filepath.Join(t.TempDir(), "secret"), "wrong\n")
	begin := data("imap-list", "--host", host, "--port", port, "--tls", "none", "--password-file", secret, list)
	if code, out := mailstead(t, append(begin, "--dry-run")...); code != exitFailed || !strings.Contains(out, "2 imports would begin") || !strings.Contains(out, "ghost@example.test") {
		t.Errorf("dry run: %d %s", code, out)
	}
	if code, out := mailstead(t, begin...); code != exitFailed || !strings.Contains(out, "1 of 3 lines are wrong") {
		t.Errorf("begin: %d %s", code, out)
	}
	runsOf := func(account string, runs int, want admin.ImportState) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			var all []admin.Import
			if err := json.Unmarshal([]byte(mustMailstead(t, data("list", "-o", "json")...)), &all); err != nil {
				t.Fatal(err)
			}
			for _, m := range all {
				if m.Account == account && m.Runs == runs && m.State == want {
					return
				}
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("%s has not %s %d times: %+v", account, want, runs, all)
			}
		}
	}
	runsOf(bob.Address, 1, admin.ImportDone)
	runsOf(alice.Address, 1, admin.ImportFailed)
	if out := mustMailstead(t, data("list", "--state", "failed")...); strings.Count(out, " at "+host) != 1 || !strings.Contains(out, "2 imports · 1 done · 1 failed") {
		t.Errorf("those that failed: %s", out)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"resume"}, exitUsage, "--all"},
		{[]string{"resume", "--all", "x"}, exitUsage, "--all"},
		{[]string{"remove", "x", "--server", "y:1"}, exitUsage, "--all"},
		{[]string{"resume", "x", "--failed"}, exitUsage, "--failed goes with --all"},
		{[]string{"resume", "--all", "--server", "imap.far.example:993"}, exitDone, "0 imports run again"},
		{[]string{"resume", "--all", "--failed"}, exitDone, "1 import runs again, 0 are passed over"},
	} {
		if code, out := mailstead(t, data(tt.args...)...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%v: %d %s", tt.args, code, out)
		}
	}
	runsOf(alice.Address, 2, admin.ImportFailed)
	if out := mustMailstead(t, data("resume", "--all", "--server", i.IMAP)...); !strings.Contains(out, "2 imports run again") {
		t.Errorf("all again: %s", out)
	}
	runsOf(alice.Address, 3, admin.ImportFailed)
	runsOf(bob.Address, 2, admin.ImportDone)
	if out := mustMailstead(t, data("cancel", "--all")...); !strings.Contains(out, "0 imports stop") {
		t.Errorf("nothing to stop: %s", out)
	}
	if out := mustMailstead(t, data("remove", "--all")...); !strings.Contains(out, "2 imports are forgotten") {
		t.Errorf("forget: %s", out)
	}
}
