package directory

import (
	"testing"
	"time"
)

const year = 365 * 24 * time.Hour

// TestClockSetBack: what was noted before the clock was set back by a year does
// not hold for a year.
func TestClockSetBack(t *testing.T) {
	now := time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC)
	t.Run("codes", func(t *testing.T) {
		secret := []byte("12345678901234567890")
		used := totpStep(now)
		if _, ok := matchTOTP(secret, TOTPCode(secret, now), now, used); ok {
			t.Error("a code counts twice")
		}
		back := now.Add(-year)
		if step, ok := matchTOTP(secret, TOTPCode(secret, back), back, used); !ok || step != totpStep(back) {
			t.Errorf("a code is refused: step %d, %v", step, ok)
		}
	})
	t.Run("logins", func(t *testing.T) {
		at := now
		th := newThrottle(func() time.Time { return at })
		s := source{login: "ana@example.org"}
		for range 20 {
			th.failed(s, nil)
		}
		at = at.Add(-year)
		if wait := th.wait(s); wait <= 0 || wait > penaltyMost {
			t.Errorf("wait %v, want %v at most", wait, penaltyMost)
		}
		at = at.Add(penaltyMost)
		if wait := th.wait(s); wait != 0 {
			t.Errorf("wait %v after %v", wait, penaltyMost)
		}
	})
	t.Run("sessions", func(t *testing.T) {
		d := town(t)
		at := now
		d.opts.Now = func() time.Time { return at }
		token, _ := d.session(t, 1)
		if at = at.Add(-time.Hour); !d.signedIn(t, token) {
			t.Error("a session ended because of an hour")
		}
		if at = at.Add(-year); d.signedIn(t, token) {
			t.Error("a session of next year goes on, for a year longer than it may")
		}
	})
}
