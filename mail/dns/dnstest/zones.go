package dnstest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

const (
	ttl      = 60 // seconds, where the zone text says nothing
	maxChain = 10 // aliases followed
)

// Fault is how lookups of a name go wrong.
type Fault uint8

const (
	NoFault  Fault = iota
	ServFail       // the server answers SERVFAIL
	Refused        // the server answers REFUSED
	Timeout        // no answer comes
)

// Zones holds resource records. It is safe for concurrent use.
type Zones struct {
	mu        sync.RWMutex
	records   map[string][]dns.RR // by lower-case name with its final dot
	authentic map[string]bool     // zones whose answers are authentic
	faults    map[string]Fault
	lookups   map[string]int
	keys      map[string]key // of zones that take updates
	closed    bool           // to transfers
}

// New returns the zones of a text in master file form (RFC 1035 section 5):
//
//	$ORIGIN example.test.
//	@       MX    10 mail
//	mail    A     192.0.2.1
//	@       TXT   "v=spf1 mx -all"
//
// Names without a final dot are below $ORIGIN, at first the root. It panics if
// the text cannot be read: it is for texts that are part of a program. See
// [Zones.Add] for others.
func New(text string) *Zones {
	z := &Zones{
		records:   make(map[string][]dns.RR),
		authentic: make(map[string]bool),
		faults:    make(map[string]Fault),
		lookups:   make(map[string]int),
	}
	if err := z.Add(text); err != nil {
		panic(err)
	}
	return z
}

// Add adds the records of a text; all of them or, with an error, none.
func (z *Zones) Add(text string) error {
	parser := dns.NewZoneParser(strings.NewReader(text), ".", "")
	parser.SetDefaultTTL(ttl)
	var rrs []dns.RR
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		rrs = append(rrs, rr)
	}
	if err := parser.Err(); err != nil {
		return fmt.Errorf("read zone: %w", err)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, rr := range rrs {
		name := canonical(rr.Header().Name)
		z.records[name] = append(z.records[name], rr)
	}
	return nil
}

// Remove removes all records of a name.
func (z *Zones) Remove(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.records, canonical(name))
}

// SetAuthentic says that answers about a name, and names below it, carry the
// DNSSEC bit, or that they do not. The most specific setting counts.
func (z *Zones) SetAuthentic(name string, authentic bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.authentic[canonical(name)] = authentic
}

// SetFault makes lookups of a name fail, until [NoFault] is set. A name such
// as "example.test MX" stands for one type only.
func (z *Zones) SetFault(name string, f Fault) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.faults[faultKey(name)] = f
}

// Lookups returns how often a name was looked up with a type, such as "TXT".
func (z *Zones) Lookups(name, qtype string) int {
	z.mu.RLock()
	defer z.mu.RUnlock()
	return z.lookups[canonical(name)+" "+qtype]
}

func canonical(name string) string { return dns.Fqdn(strings.ToLower(name)) }

func faultKey(s string) string {
	name, qtype, one := strings.Cut(s, " ")
	if !one {
		return canonical(name)
	}
	return canonical(name) + " " + qtype
}

// reply is what the zones say to a question.
type reply struct {
	rrs       []dns.RR // aliases passed, then the records
	exists    bool     // the last name does, if without such records
	authentic bool
	fault     Fault
}

// lookup answers a question. alias says whether to follow CNAMEs.
func (z *Zones) lookup(name string, qtype uint16) reply {
	z.mu.Lock()
	defer z.mu.Unlock()
	name = canonical(name)
	z.lookups[name+" "+dns.TypeToString[qtype]]++
	r := reply{authentic: true}
	for range maxChain {
		if r.fault = max(z.faults[name], z.faults[name+" "+dns.TypeToString[qtype]]); r.fault != NoFault {
			return r
		}
		r.authentic = r.authentic && z.isAuthentic(name)
		var found []dns.RR
		var alias string
		for _, rr := range z.match(name) {
			if rr.Header().Rrtype == qtype {
				found = append(found, rr)
			} else if c, ok := rr.(*dns.CNAME); ok {
				r.rrs, alias = append(r.rrs, rr), canonical(c.Target)
			}
		}
		if len(found) > 0 || alias == "" {
			r.rrs = append(r.rrs, found...)
			r.exists = z.exists(name)
			return r
		}
		name = alias
	}
	r.fault = ServFail
	return r
}

// match returns the records of a name, or those of the wildcard closest to it
// under the name itself.
func (z *Zones) match(name string) []dns.RR {
	if rrs, ok := z.records[name]; ok || z.exists(name) {
		return rrs
	}
	for rest := name; rest != "."; {
		_, rest, _ = strings.Cut(rest, ".")
		if rest == "" {
			rest = "."
		}
		wild := "*." + strings.TrimPrefix(rest, ".")
		if rrs, ok := z.records[wild]; ok {
			return renamed(rrs, name)
		}
		if z.exists(rest) { // the closest encloser has no wildcard
			return nil
		}
	}
	return nil
}

func renamed(rrs []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name
	}
	return out
}

// exists reports whether a name has records or names below it (RFC 8020).
func (z *Zones) exists(name string) bool {
	if _, ok := z.records[name]; ok {
		return true
	}
	for other := range z.records {
		if strings.HasSuffix(other, "."+strings.TrimPrefix(name, ".")) {
			return true
		}
	}
	return false
}

func (z *Zones) isAuthentic(name string) bool {
	for {
		if a, ok := z.authentic[name]; ok {
			return a
		}
		if name == "." {
			return false
		}
		_, name, _ = strings.Cut(name, ".")
		if name == "" {
			name = "."
		}
	}
}
