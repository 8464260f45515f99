package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/checks"
)

// TestDoctor runs the checks in a running server, whose world is simulated.
func TestDoctor(t *testing.T) {
	i := startTry(t)
	out, _, code := command(t, "doctor", "--data", i.Data, "-o", "json")
	var r admin.CheckReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if code != exitDone || r.State != checks.Warn || r.Counts.OK < 15 {
		t.Errorf("exit status %d, %+v", code, r.Summary)
	}
	for _, c := range r.Items {
		if c.State != checks.OK && !slices.Contains([]string{"certificate", "clock", "backup", "disk"}, c.ID) { // the disk is that of the test's computer
			t.Errorf("%s: %s: %s", c.ID, c.State, c.Saw)
		}
	}
	text := succeed(t, "doctor", "--data", i.Data, "port.smtp", "certificate")
	if !strings.Contains(text, "✓  port.smtp") || !strings.Contains(text, "do       Set [tls] mode") || strings.Contains(text, "queue") {
		t.Errorf("text:\n%s", text)
	}
	if _, errs, code := command(t, "doctor", "--data", i.Data, "nonsense"); code != exitFailed || !strings.Contains(errs, "there is no check nonsense") {
		t.Errorf("unknown check: %d %s", code, errs)
	}
	if _, errs, code := command(t, "doctor", "--data", t.TempDir()); code != exitFailed || !strings.Contains(errs, "mailstead setup") {
		t.Errorf("no server, no configuration: %d %s", code, errs)
	}
}
