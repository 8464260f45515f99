package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
)

// TestJunkPolicyDecides tries another policy on mail that has come, sets it,
// and sees the next message go elsewhere.
func TestJunkPolicyDecides(t *testing.T) {
	t.Parallel()
	i := startTry(t, "--no-limits")
	alice := i.Accounts[0]
	send := func() {
		t.Helper()
		if err := sendFrom(t.Context(), &net.Dialer{}, i.SMTP, "bills@nowhere-known.test", alice.Address, disguised); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		out, errs, code := command(t, append([]string{"junk", args[0], "--data", i.Data}, args[1:]...)...)
		if code != 0 {
			t.Fatalf("junk %v: %d: %s%s", args, code, out, errs)
		}
		return out
	}
	send()
	if n := len(quarantined(t, i)); n != 1 {
		t.Fatalf("%d messages in quarantine", n)
	}
	var found admin.WhatIf
	out := run("try", "--account", alice.Address, "--quarantine", "0", "--refuse", "0", "-o", "json")
	if err := json.Unmarshal([]byte(out), &found); err != nil || found.Messages != 1 || len(found.Changes) != 1 || found.Changes[0].From != "quarantine" || found.Changes[0].To != "junk" {
		t.Errorf("junk try: %v: %s", err, out)
	}
	if out := run("set", "--account", alice.Address, "--quarantine", "0", "--refuse", "0"); !strings.Contains(out, "never") {
		t.Errorf("junk set: %s", out)
	}
	send()
	if got := i.waitMessages(t, alice, "Junk", 1); !strings.Contains(got[0], "X-Mailstead-Verdict: junk;") || strings.Contains(got[0], "score=-9.0") {
		t.Errorf("in Junk: %q", got[0])
	}
	if out := run("reset", "--account", alice.Address); !strings.Contains(out, "no policy of its own") {
		t.Errorf("junk reset: %s", out)
	}
	send()
	if n := len(quarantined(t, i)); n != 2 {
		t.Errorf("%d messages in quarantine, want 2", n)
	}
	if _, errs, code := command(t, "junk", "set", "--data", i.Data, "--junk", "12"); code != 1 || !strings.Contains(errs, "below that of junk") {
		t.Errorf("a policy that makes no sense: %d: %s", code, errs)
	}
}
