package certs

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A name is waited for as long as it was said, and no longer: also where the
// clock of a server was ahead by years when it started, and then was not.
func TestWaitingForAnEarlierTime(t *testing.T) {
	const name, wait = "mail.example.test", time.Hour
	for _, tt := range []struct {
		name     string
		from, to time.Duration // that the clock is ahead, when the waiting begins and then
	}{
		{"as it was", 0, 0},
		{"earlier by years", 10 * 365 * 24 * time.Hour, 0},
		{"earlier by hours", 3 * time.Hour, 0},
		{"later", 0, 3 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ahead := tt.from
				now := func() time.Time { return time.Now().Round(0).Add(ahead) }
				m, err := New(Options{Dir: t.TempDir(), Hostname: name, Mode: ACME, Now: now, ACME: ACMEOptions{Agree: true, CAs: []string{"https://127.0.0.1:1/dir"}}})
				if err != nil {
					t.Fatal(err)
				}
				defer m.acme.cache.Stop()
				if got := m.due(); !slices.Equal(got, []string{name}) {
					t.Fatalf("at the start %q is due", got)
				}
				m.later(name, func(*nameState) time.Duration { return wait })
				ahead = tt.to
				if next := m.Status()[0].Next; !next.Equal(now().Add(wait)) {
					t.Errorf("to be tried in %v, want %v", next.Sub(now()), wait)
				}
				time.Sleep(wait - time.Second)
				if got := m.due(); len(got) > 0 {
					t.Errorf("%q is due before its time", got)
				}
				time.Sleep(time.Second)
				if got := m.due(); !slices.Equal(got, []string{name}) {
					t.Errorf("at its time %q is due", got)
				}
			})
		})
	}
}
