package directory

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// How failures slow logins down. After the free ones each further failure
// doubles the time in which no attempt is looked at.
const (
	freeOfLogin   = 5                // failures of a login from a net
	freeOfKnown   = 20               // the same, where it has succeeded before
	freeOfNet     = 20               // failures of all logins from a net
	penaltyFirst  = time.Second      // after the first that is not free
	penaltyMost   = 15 * time.Minute // of a net, and of a login that never succeeded from it
	penaltyKnown  = 30 * time.Second // of a login that has succeeded from the net before
	failuresAge   = time.Hour        // without failure, after which all is forgiven
	rememberWrong = 8                // wrong passwords that are remembered per login and net
	throttleHalf  = 50_000           // entries of a generation: the bound of memory
)

// source is who fails: a login, "" for all of them, from a net.
type source struct {
	net   netip.Prefix
	login string
}

// SourceNet is the net that an address is banned with: an IPv4 address, or an
// IPv6 /64.
func SourceNet(a netip.Addr) netip.Prefix { return sourceNet(a) }

// sourceNet is what counts as one peer: an IPv4 address or an IPv6 /64, which
// is what one customer gets.
func sourceNet(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address, as in tests on pipes: all are one net
	}
	return p
}

// throttle counts failures. Entries live in two generations: when the newer is
// full the older is dropped, and whatever is used moves to the newer.
type throttle struct {
	now func() time.Time

	mu         sync.Mutex
	young, old map[source]*attempts
}

// attempts is the record of a source.
type attempts struct {
	failures int
	last     time.Time // failure
	until    time.Time // when the next attempt is looked at
	known    bool      // has succeeded since the start
	wrong    []tag     // newest last
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, young: map[source]*attempts{}, old: map[source]*attempts{}}
}

// get returns the record of a source, making it where asked.
func (t *throttle) get(s source, create bool) *attempts {
	a := t.young[s]
	if a == nil {
		if a = t.old[s]; a == nil && !create {
			return nil
		}
		if a == nil {
			a = &attempts{}
		}
		if len(t.young) >= throttleHalf {
			t.old, t.young = t.young, map[source]*attempts{}
		}
		t.young[s] = a
	}
	if t.now().Sub(a.last).Abs() >= failuresAge {
		a.failures, a.wrong = 0, nil
	}
	return a
}

// wait says how long s has to wait until an attempt is looked at.
func (t *throttle) wait(s source) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	var wait time.Duration
	own := t.get(s, false)
	if own != nil {
		wait = own.left(now)
	}
	if own != nil && own.known {
		return max(wait, 0)
	}
	if net := t.get(source{net: s.net}, false); net != nil {
		wait = max(wait, net.left(now))
	}
	return max(wait, 0)
}

// left is how long is to be waited still. Nobody waits longer than penaltyMost,
// whatever is done to the clock.
func (a *attempts) left(now time.Time) time.Duration {
	if a.until.Sub(now) > penaltyMost {
		a.until = now.Add(penaltyMost)
	}
	return a.until.Sub(now)
}

// repeated reports whether a password was found wrong before.
func (t *throttle) repeated(s source, password tag) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.get(s, false)
	return a != nil && slices.Contains(a.wrong, password)
}

// failed counts a failure; password is nil where it is not known.
func (t *throttle) failed(s source, password *tag) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	own := t.get(s, true)
	if password != nil {
		own.wrong = append(own.wrong, *password)
		own.wrong = own.wrong[max(0, len(own.wrong)-rememberWrong):]
	}
	if own.known {
		own.count(now, freeOfKnown, penaltyKnown)
		return // whoever is at home here does not make it hard for others
	}
	own.count(now, freeOfLogin, penaltyMost)
	t.get(source{net: s.net}, true).count(now, freeOfNet, penaltyMost)
}

func (a *attempts) count(now time.Time, free int, most time.Duration) {
	a.failures++
	a.last = now
	if over := a.failures - free; over > 0 {
		a.until = now.Add(min(penaltyFirst<<min(over-1, 20), most))
	}
}

// succeeded forgives what the login did, and remembers it.
func (t *throttle) succeeded(s source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.get(s, true)
	a.failures, a.until, a.known = 0, time.Time{}, true
}
