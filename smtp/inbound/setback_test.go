package inbound

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// TestClockSetBack: whoever was to wait for minutes does not wait for a year
// because the clock was set back by one.
func TestClockSetBack(t *testing.T) {
	const year = 365 * 24 * time.Hour
	now := time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC)
	client := netip.MustParseAddr("203.0.113.25")
	t.Run("greylist", func(t *testing.T) {
		m := openMemory(t, filepath.Join(t.TempDir(), "inbound.db"), MemoryOptions{Now: func() time.Time { return now }})
		defer m.Close()
		env := &mail.Envelope{ReversePath: mail.Path{Local: "ana", Domain: "sender.test"}, Recipients: []mail.Recipient{{Path: mail.Path{Local: "bo", Domain: "example.org"}}}}
		m.comeAgain(client, env, 5*time.Minute)
		now = now.Add(-year)
		if wait := m.comeAgain(client, env, 5*time.Minute); wait != 5*time.Minute {
			t.Errorf("wait %v, want as if it had never come", wait)
		}
		now = now.Add(5 * time.Minute)
		if wait := m.comeAgain(client, env, 5*time.Minute); wait != 0 {
			t.Errorf("wait %v after 5 minutes", wait)
		}
	})
	t.Run("rates", func(t *testing.T) {
		var r rates
		for r.take(client, 10, 0, now) == (netip.Prefix{}) {
		}
		now = now.Add(-year)
		r.take(client, 10, 0, now)
		if over := r.take(client, 10, 0, now.Add(time.Minute)); over.IsValid() {
			t.Errorf("%v has had enough a minute later", over)
		}
	})
	t.Run("probes", func(t *testing.T) {
		p := probe{unknown: 8, total: 8, last: now}
		now = now.Add(-year)
		p.fade(now)
		if p.fade(now.Add(probeHalfLife)); p.total != 4 {
			t.Errorf("%v are counted after half an hour's rest, want 4", p.total)
		}
	})
}
