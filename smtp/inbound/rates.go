package inbound

import (
	"net/netip"
	"sync"
	"time"
)

// maxRecent is how many addresses, or nets, of each table are remembered at
// least: an attack from many of them takes some MB and no more.
const maxRecent = 16_384

// recent remembers a V for each of the keys that were used last, in two
// generations: when the young one is full it becomes the old one, which is
// dropped. What is in use moves to the young one and stays.
type recent[K comparable, V any] struct {
	young, old map[K]*V
}

// get finds what is remembered of k, or begins it.
func (r *recent[K, V]) get(k K) *V {
	if v := r.young[k]; v != nil {
		return v
	}
	v := r.old[k]
	if v == nil {
		v = new(V)
	}
	if r.young == nil || len(r.young) >= maxRecent {
		r.old, r.young = r.young, make(map[K]*V)
	}
	r.young[k] = v
	return v
}

// look finds what is remembered of k; nil is nothing.
func (r *recent[K, V]) look(k K) *V {
	if v := r.young[k]; v != nil {
		return v
	}
	return r.old[k]
}

// bucket holds what may still be done at once, and fills up with time.
type bucket struct {
	used float64 // of what a minute allows
	last time.Time
}

// take takes one, if a minute allows so many.
func (b *bucket) take(perMinute int, now time.Time) bool {
	b.used = max(0, b.used-max(0, now.Sub(b.last).Minutes())*float64(perMinute))
	b.last = now
	if b.used+1 > float64(perMinute) {
		return false
	}
	b.used++
	return true
}

// rates counts what addresses and nets do in a minute. The zero value works.
type rates struct {
	mu      sync.Mutex
	buckets recent[netip.Prefix, bucket]
}

// take counts one for an address and its net. It returns which of them has had
// enough, or the zero prefix. A limit of 0 is none.
func (r *rates) take(a netip.Addr, perAddress, perNet int, now time.Time) netip.Prefix {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, unit := range []struct {
		prefix netip.Prefix
		limit  int
	}{{addressUnit(a), perAddress}, {netUnit(a), perNet}} {
		if unit.limit > 0 && !r.buckets.get(unit.prefix).take(unit.limit, now) {
			return unit.prefix
		}
	}
	return netip.Prefix{}
}

// addressUnit is what counts as one client: a host of IPv6 has a /64.
func addressUnit(a netip.Addr) netip.Prefix { return unit(a, 32, 64) }

// netUnit is what usually belongs to one owner.
func netUnit(a netip.Addr) netip.Prefix { return unit(a, 24, 48) }

func unit(a netip.Addr, bits4, bits6 int) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := bits4
	if a.Is6() {
		bits = bits6
	}
	p, _ := a.Prefix(bits)
	return p
}

// Recipients that do not exist count for half after this time.
const probeHalfLife = 20 * time.Minute

// probe is what an address or net was told of recipients.
type probe struct {
	unknown, total float64
	last           time.Time
}

// fade makes what was long ago count less.
func (p *probe) fade(now time.Time) {
	for ; now.Sub(p.last) >= probeHalfLife && p.total > 0; p.last = p.last.Add(probeHalfLife) {
		if p.unknown, p.total = p.unknown/2, p.total/2; p.total < 0.5 {
			*p = probe{}
		}
	}
	if p.total == 0 || p.last.After(now) { // the clock was set back
		p.last = now
	}
}

// most reports whether most recipients were unknown, and n at least.
func (p *probe) most(n int) bool { return p.unknown >= float64(n) && 2*p.unknown >= p.total }

// netProbes is how many times more a net may ask for than an address.
const netProbes = 4

// probes watches who asks for recipients that do not exist. The zero value
// works.
type probes struct {
	mu   sync.Mutex
	seen recent[netip.Prefix, probe]
}

// note counts a recipient, and returns how many unknown ones the address has
// asked for, 0 if most were known.
func (s *probes) note(a netip.Addr, unknown bool, now time.Time) (asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, prefix := range []netip.Prefix{netUnit(a), addressUnit(a)} {
		p := s.seen.get(prefix)
		p.fade(now)
		p.total++
		if unknown {
			p.unknown++
		}
		asked = 0
		if p.most(1) {
			asked = int(p.unknown)
		}
	}
	return asked
}

// over reports whether an address or its net has asked for limit unknown
// recipients or more, and few others. A limit of 0 is none.
func (s *probes) over(a netip.Addr, limit int, now time.Time) bool {
	if limit <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for prefix, n := range map[netip.Prefix]int{addressUnit(a): limit, netUnit(a): netProbes * limit} {
		p := s.seen.look(prefix)
		if p == nil {
			continue
		}
		if p.fade(now); p.most(n) {
			return true
		}
	}
	return false
}

// Refusals before MAIL of one address, and of all, that get a trace; the rest
// is counted.
const (
	toldPerAddress = 4 // a minute
	toldPerMinute  = 120
)

// tellings bounds how many refusals get traces. The zero value works.
type tellings struct {
	mu   sync.Mutex
	all  bucket
	seen recent[netip.Prefix, telling]
}

type telling struct {
	bucket
	untold int
}

// tell reports whether this refusal is told, and how many of the address were
// not before it.
func (t *tellings) tell(a netip.Addr, now time.Time) (untold int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.seen.get(addressUnit(a))
	if !of.take(toldPerAddress, now) || !t.all.take(toldPerMinute, now) {
		of.untold++
		return 0, false
	}
	untold, of.untold = of.untold, 0
	return untold, true
}
