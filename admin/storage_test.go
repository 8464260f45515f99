package admin

import (
	"math"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/metrics"
)

func TestKindOf(t *testing.T) {
	for _, tt := range []struct {
		rel, kind string
		account   uint32
	}{
		{"store/log/00000001.log", "mail", 0},
		{"store/big/a1/161", "large-bodies", 0},
		{"store/acct/17/mail.db", "mailboxes", 17},
		{"store/acct/17/search.db", "search", 17},
		{"store/queue.db", "queue", 0},
		{"store/lock", "other", 0},
		{"trace.db", "traces", 0},
		{"system.db", "directory", 0},
		{"certs/acme/x/y.pem", "certificates", 0},
		{"backup/2026/x", "backups", 0},
		{"something", "other", 0},
	} {
		if kind, account := kindOf(tt.rel); kind != tt.kind || account != tt.account {
			t.Errorf("%s is %s of account %d, want %s, %d", tt.rel, kind, account, tt.kind, tt.account)
		}
	}
}

func TestFullAt(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	const gib = 1 << 30
	// used gives the octets in use some days before now.
	points := func(days float64, used func(ago float64) float64) []metrics.Point {
		var list []metrics.Point
		for ago := days; ago >= 0; ago -= 0.25 {
			list = append(list, metrics.Point{Time: now.Add(-time.Duration(ago * 24 * float64(time.Hour))), Values: []float64{used(ago)}})
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		points []metrics.Point
		days   float64 // until it is full; 0: never
	}{
		{"a GiB a day, 20 left", points(10, func(ago float64) float64 { return (20 - ago) * gib }), 20},
		{"with gaps", points(10, func(ago float64) float64 {
			if math.Mod(ago, 1) != 0 {
				return math.NaN()
			}
			return (20 - ago) * gib
		}), 20},
		{"the same all the time", points(10, func(float64) float64 { return 20 * gib }), 0},
		{"gets emptier", points(10, func(ago float64) float64 { return (20 + ago) * gib }), 0},
		{"of two days", points(2, func(ago float64) float64 { return (20 - ago) * gib }), 0},
		{"in hundred years", points(10, func(ago float64) float64 { return (20 - ago/2000) * gib }), 0},
		{"nothing known", nil, 0},
		{"full already", points(10, func(ago float64) float64 { return (40 - ago) * gib }), 0.0001},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := fullAt(tt.points, 40*gib, now)
			if tt.days == 0 {
				if !got.IsZero() {
					t.Errorf("full at %v", got)
				}
				return
			}
			want := now.Add(time.Duration(tt.days * 24 * float64(time.Hour)))
			if off := got.Sub(want).Abs(); off > time.Hour {
				t.Errorf("full at %v, want %v", got, want)
			}
		})
	}
}
