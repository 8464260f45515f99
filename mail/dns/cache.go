package dns

import (
	"sync"
	"time"

	"github.com/miekg/dns"
)

// How long answers are kept. The recursive resolver caches for longer; we
// only save the way to it, and what an operator has just mended should soon
// be seen.
const (
	maxTTL         = time.Hour
	maxNegativeTTL = 5 * time.Minute // RFC 2308 section 5 allows three hours
	failureTTL     = time.Second     // RFC 9520 section 3.2 wants at least that
	entryOverhead  = 256             // octets of an entry besides its records
)

// answer is what one query brought: records of the type that was asked for at
// the end of the aliases in the message, or the alias they end in, or
// neither, or a failure. It is not changed after it was made.
type answer struct {
	records   []dns.RR
	alias     string // with its final dot
	noName    bool   // the name asked for does not exist
	authentic bool
	err       error // a failure that is remembered for a moment

	final   bool // no further query follows from it
	size    int
	ttl     time.Duration
	expires time.Time
}

// cache holds answers in two generations: when the young one has half of the
// bytes allowed, it becomes the old one and the old one is dropped. An answer
// found in the old generation moves to the young one, so what is in use stays.
type cache struct {
	mu         sync.Mutex
	half       int // octets per generation
	size       int // octets in young
	oldSize    int // octets that were in old when it was young
	young, old map[question]*answer
}

// limit changes how many octets the cache may have.
func (c *cache) limit(octets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.half <= 0 {
		return // it keeps nothing, whatever there is
	}
	if c.half = max(1, octets/2); c.size > c.half {
		c.young, c.size = make(map[question]*answer), 0
	}
	if c.oldSize > c.half {
		c.old, c.oldSize = nil, 0
	}
}

// octets is how many the cache has.
func (c *cache) octets() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size + c.oldSize
}

// newCache returns a cache of at most limit octets, none if not positive.
func newCache(limit int) *cache {
	return &cache{half: limit / 2, young: make(map[question]*answer)}
}

func (c *cache) get(q question, now time.Time) (*answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.young[q]
	if !ok {
		if a, ok = c.old[q]; !ok {
			return nil, false
		}
		if now.Before(a.expires) {
			delete(c.old, q)
			c.oldSize -= a.size + entryOverhead
			c.add(q, a)
		}
	}
	return a, now.Before(a.expires)
}

func (c *cache) put(q question, a *answer, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.ttl <= 0 || c.half <= 0 {
		return
	}
	a.expires = now.Add(a.ttl)
	c.add(q, a)
}

func (c *cache) add(q question, a *answer) {
	if was, ok := c.young[q]; ok {
		c.size -= was.size + entryOverhead
	}
	if c.size+a.size+entryOverhead > c.half {
		c.old, c.oldSize, c.young, c.size = c.young, c.size, make(map[question]*answer), 0
	}
	c.young[q] = a
	c.size += a.size + entryOverhead
}
