package wire

import (
	"net/netip"
	"sync"
	"time"
)

// Limits bound what peers may cost. A zero field is its default, a negative
// one no limit.
type Limits struct {
	Total   int // connections at a time; 5,000
	PerAddr int // of one address; 50
	PerNet  int // of one net: /24 of IPv4, /48 of IPv6; 200

	Idle      time.Duration // of a peer's turn, before octets come; 5 min (RFC 5321 section 4.5.3.2.7)
	MinRate   int           // octets a second that earn more time; 512
	Write     time.Duration // for a peer to take what was written; 2 min
	Handshake time.Duration // for TLS and PROXY; 30 s
	Grace     time.Duration // for sessions to end by themselves at the stop; 3 s
}

// NoLimits is for load tests: only time is bounded, generously.
func NoLimits() Limits {
	return Limits{Total: -1, PerAddr: -1, PerNet: -1, Idle: 30 * time.Minute, MinRate: -1, Write: 10 * time.Minute, Handshake: time.Minute}
}

// withDefaults fills in zero fields.
func (l Limits) withDefaults() Limits {
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	orInt(&l.Total, 5000)
	orInt(&l.PerAddr, 50)
	orInt(&l.PerNet, 200)
	orInt(&l.MinRate, 512)
	orTime(&l.Idle, 5*time.Minute)
	orTime(&l.Write, 2*time.Minute)
	orTime(&l.Handshake, 30*time.Second)
	orTime(&l.Grace, 3*time.Second)
	return l
}

// Limiter counts connections by address and net.
type Limiter struct {
	limits func() Limits

	mu    sync.Mutex
	total int
	addrs map[netip.Addr]int
	nets  map[netip.Prefix]int
}

// NewLimiter makes a Limiter; several services may share one. limits is asked
// at each connection, so that what it returns may change.
func NewLimiter(limits func() Limits) *Limiter {
	return &Limiter{limits: limits, addrs: map[netip.Addr]int{}, nets: map[netip.Prefix]int{}}
}

// counted is the unit in which an address counts: a host of IPv6 has a /64.
func counted(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

func netOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, _ := a.Prefix(bits)
	return p
}

// bound is one that a connection meets.
type bound int

const (
	none bound = iota
	ofAll
	ofPeer
)

// take counts a connection from a, unless a bound is reached: that of the peer,
// its address or net, or that of all.
func (l *Limiter) take(a netip.Addr) bound {
	l.mu.Lock()
	defer l.mu.Unlock()
	addr, net := counted(a), netOf(a)
	most := l.limits().withDefaults()
	switch {
	case over(l.addrs[addr], most.PerAddr) || over(l.nets[net], most.PerNet):
		return ofPeer
	case over(l.total, most.Total):
		return ofAll
	}
	l.total++
	l.addrs[addr]++
	l.nets[net]++
	return none
}

// Open is how many connections are counted now.
func (l *Limiter) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

func over(have, limit int) bool { return limit > 0 && have >= limit }

// release takes a connection off the counts.
func (l *Limiter) release(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	addr, net := counted(a), netOf(a)
	l.total--
	if l.addrs[addr]--; l.addrs[addr] <= 0 {
		delete(l.addrs, addr)
	}
	if l.nets[net]--; l.nets[net] <= 0 {
		delete(l.nets, net)
	}
}
