package checks

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/clock"
)

func TestProvenTime(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	cert, pool := pair(t, "time.example", now.Add(day))
	other, otherPool := pair(t, "other.example", now.Add(day))
	for _, tt := range []struct {
		name   string
		host   string
		shows  time.Time
		cert   int
		roots  *x509.CertPool
		proven bool
	}{
		{"right", "time.example", now, 0, pool, true},
		{"when the certificate has ended", "time.example", now.Add(10 * 365 * day), 0, pool, false},
		{"of nobody we know", "time.example", now, 0, otherPool, false},
		{"of another host", "time.example", now, 1, otherPool, false},
		{"nobody is to be asked", "", now, 0, pool, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(goodZone)
			shown := cert
			if tt.cert == 1 {
				shown = other
			}
			w.peers["198.51.100.9:443"] = shakes(shown, tt.shows)
			s := w.server()
			s.TimeHost, s.Roots = tt.host, tt.roots
			// What this machine believes must not matter.
			s.Now = func() time.Time { return now.Add(-20 * 365 * day) }
			got, err := s.ProvenTime(t.Context())
			if (err == nil) != tt.proven || tt.proven && !got.Equal(tt.shows) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestDoubt(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		doubt clock.Doubt
		says  string
		fix   string
	}{
		{"forward", clock.Doubt{By: 3660 * day}, "has jumped 10 years ahead to 8 November 2036", "mailstead clock accept"},
		{"back", clock.Doubt{By: -90 * day}, "has jumped 90 days behind to 3 August 2026", "mailstead clock accept"},
		{"a little", clock.Doubt{By: 7 * time.Minute}, "7 minutes ahead", "mailstead clock accept"},
		{"at the start", clock.Doubt{By: -5 * hour, Start: true}, "5 hours behind where it was when this server last ran", "mailstead clock accept"},
		{"long off", clock.Doubt{By: 90 * day, Start: true}, "90 days ahead of where it was", "mailstead clock accept"},
		{"known to be wrong", clock.Doubt{By: day, Wrong: true}, "a time server says that the system is wrong", "Set the clock of the system right"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newWorld(goodZone).server()
			s.Now, s.Clock = func() time.Time { return now }, func() (clock.Doubt, bool) { return tt.doubt, true }
			if f := run(t, s, "clock"); f.State != Fail || !strings.Contains(f.Saw, tt.says) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestChecksGoOnAfterTheClockWasSetBack: what was looked at next year is looked
// at now.
func TestChecksGoOnAfterTheClockWasSetBack(t *testing.T) {
	now, runs := time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC), 0
	r := New(Options{Now: func() time.Time { return now }, Checks: func() []Check {
		return []Check{{ID: "a", Run: func(context.Context) Finding { runs++; return ok("fine") }}}
	}})
	for _, back := range []time.Duration{0, time.Minute, 365 * day} {
		now = now.Add(-back)
		if err := r.runDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if runs != 3 {
		t.Errorf("it ran %d times, want 3", runs)
	}
}
