package inbound

import (
	"net/netip"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// TestRatesFillUp: what a minute allows comes back little by little.
func TestRatesFillUp(t *testing.T) {
	var r rates
	a := netip.MustParseAddr("203.0.113.25")
	taken := func(now time.Time) (n int) {
		for !r.take(a, 60, 0, now).IsValid() {
			n++
		}
		return n
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 60}, {0, 0}, {time.Second, 1}, {11 * time.Second, 10}, {time.Hour, 60}} {
		if got := taken(noon.Add(tt.after)); got != tt.want {
			t.Errorf("after %v: %d, want %d", tt.after, got, tt.want)
		}
	}
	if p := r.take(a, 0, 0, noon); p.IsValid() {
		t.Errorf("%v has had enough without a limit", p)
	}
}

// TestRatesAreBounded: an attack from many addresses takes bounded memory, and
// does not make the server forget who comes all the time.
func TestRatesAreBounded(t *testing.T) {
	var r rates
	often := netip.MustParseAddr("203.0.113.25")
	for i := range 200_000 {
		r.take(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1}), 10, 0, noon)
		if i%1000 == 0 {
			r.take(often, 10, 0, noon)
		}
	}
	if n := len(r.buckets.young) + len(r.buckets.old); n > 2*maxRecent {
		t.Errorf("%d addresses are remembered", n)
	}
	if !r.take(often, 10, 0, noon).IsValid() {
		t.Error("who comes often was forgotten")
	}
}

func TestUnits(t *testing.T) {
	for _, tt := range []struct{ addr, address, net string }{
		{"203.0.113.25", "203.0.113.25/32", "203.0.113.0/24"},
		{"::ffff:203.0.113.25", "203.0.113.25/32", "203.0.113.0/24"},
		{"2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"},
		{"fe80::1%eth0", "fe80::/64", "fe80::/48"},
	} {
		a := netip.MustParseAddr(tt.addr)
		if got := addressUnit(a).String(); got != tt.address {
			t.Errorf("%s: %s, want %s", tt.addr, got, tt.address)
		}
		if got := netUnit(a).String(); got != tt.net {
			t.Errorf("%s: %s, want %s", tt.addr, got, tt.net)
		}
	}
}

// TestProbes: only who asks for many unknown recipients, and few others, has
// had enough; a whole net needs more.
func TestProbes(t *testing.T) {
	const limit = 10
	for _, tt := range []struct {
		name           string
		unknown, known int
		hosts          int
		after          time.Duration
		over           bool
	}{
		{"nobody", 0, 0, 1, 0, false},
		{"a typo", 1, 0, 1, 0, false},
		{"just below", limit - 1, 0, 1, 0, false},
		{"at the limit", limit, 0, 1, 0, true},
		{"an old list", 30, 31, 1, 0, false},
		{"half of them", 30, 30, 1, 0, true},
		{"later", limit, 0, 1, probeHalfLife, false},
		{"much, later", 8 * limit, 0, 1, probeHalfLife, true},
		{"a net", 2, 0, 2 * limit, 0, true},
		{"a part of a net", 2, 0, 2*limit - 1, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p probes
			for host := range tt.hosts {
				a := netip.AddrFrom4([4]byte{203, 0, 113, byte(host + 1)})
				for range tt.unknown {
					p.note(a, true, noon)
				}
				for range tt.known {
					p.note(a, false, noon)
				}
			}
			if got := p.over(netip.MustParseAddr("203.0.113.1"), limit, noon.Add(tt.after)); got != tt.over {
				t.Errorf("over = %v", got)
			}
			if p.over(netip.MustParseAddr("203.0.113.1"), 0, noon) {
				t.Error("over no limit")
			}
		})
	}
}

// TestTellings: a flood of refusals gets few traces, and is counted.
func TestTellings(t *testing.T) {
	var tell tellings
	a := netip.MustParseAddr("203.0.113.25")
	told := 0
	for range 1000 {
		if _, ok := tell.tell(a, noon); ok {
			told++
		}
	}
	if told != toldPerAddress {
		t.Errorf("%d of one address are told", told)
	}
	if untold, ok := tell.tell(a, noon.Add(time.Minute)); !ok || untold != 1000-toldPerAddress {
		t.Errorf("a minute later: %d, %v", untold, ok)
	}
	told = 0
	for i := range 1000 {
		if _, ok := tell.tell(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), noon.Add(time.Hour)); ok {
			told++
		}
	}
	if told != toldPerMinute {
		t.Errorf("%d of all are told", told)
	}
}
