package alerts

import (
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
)

// TestClockSetBack: trouble that was noticed next year is told, told again and
// resolved in the usual time.
func TestClockSetBack(t *testing.T) {
	r := Rules{Confirm: 2 * time.Minute, Clear: 2 * time.Minute, Remind: time.Hour}
	at := noon.Add(365 * day)
	b := book{}
	look := func(want string, passed time.Duration, s checks.State) {
		t.Helper()
		at = at.Add(passed)
		var got string
		for _, c := range b.step([]Finding{{ID: "x", State: s, Saw: "saw", twice: true}}, at, r) {
			got = c.Event
		}
		if got != want {
			t.Errorf("at %v: told %q, want %q", at, got, want)
		}
	}
	look("", 0, checks.Fail)
	look("", -365*day, checks.Fail)
	look(Fired, 2*time.Minute, checks.Fail)
	b["x"].Told = at.Add(365 * day)
	look("", time.Minute, checks.Fail)
	look(Still, time.Hour, checks.Fail)
	look("", time.Minute, checks.OK)
	b["x"].Good = at.Add(365 * day)
	look("", time.Minute, checks.OK)
	look(ResolvedNow, 2*time.Minute, checks.OK)
}
