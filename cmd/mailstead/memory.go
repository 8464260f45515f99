package main

import (
	"runtime"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/memory"
)

// newMemory divides the memory that there is. It comes after the directory,
// whose settings it reads, and before all that has to keep to it: what asks for
// its size asks the keeper, what has to be told is told here.
func (n *node) newMemory() *memory.Keeper {
	return memory.New(memory.Options{
		Limit:   func() int64 { return n.directory.Int(directory.MemoryLimit) },
		Machine: memory.Machine{Processors: runtime.GOMAXPROCS(0), Password: n.directory.PasswordMemory()},
		Counts:  n.countMemory,
		Apply:   n.applyMemory,
	})
}

// countMemory counts what there is of what a plan limits. At first there are not
// all of those who know.
func (n *node) countMemory() memory.Counts {
	c := memory.Counts{Passwords: n.directory.PasswordChecks(), Messages: n.intake.Used()}
	if n.limiter != nil {
		c.Connections = n.limiter.Open()
	}
	if n.engine != nil {
		c.Databases = n.engine.OpenDBs()
	}
	if n.junk != nil {
		c.Words = n.junk.Words()
	}
	if r, ok := n.cfg.Resolver.(interface{ CacheOctets() int }); ok {
		c.DNS = int64(r.CacheOctets())
	}
	return c
}

// addMemory defines the metrics of memory.
func (n *node) addMemory() {
	of := func(get func(memory.State) int64) func() (float64, bool) {
		return func() (float64, bool) {
			if n.memory == nil { // not yet
				return 0, false
			}
			v := get(n.memory.State())
			return float64(v), v > 0
		}
	}
	n.metrics.GaugeFunc("memory.limit", "Octets of memory that the server may have.", of(func(s memory.State) int64 { return s.Bytes }))
	n.metrics.GaugeFunc("memory.used", "Octets of memory that are in use and cannot be freed.", of(func(s memory.State) int64 { return s.Used }))
	n.metrics.GaugeFunc("memory.own", "Octets of memory that only this process has, without pages of files.", of(func(s memory.State) int64 { return s.Resident }))
	for i, name := range memory.Names() {
		n.metrics.GaugeFunc("memory."+name, "Octets of memory, about, that are taken by "+memoryParts[name]+".", of(func(s memory.State) int64 { return s.Parts[i].Used }))
	}
}

// memoryParts says what the parts of a plan are.
var memoryParts = map[string]string{
	"passwords": "passwords that are being checked", "connections": "connections of SMTP and IMAP", "messages": "messages that come in",
	"databases": "mailboxes that are open", "dns": "answers of the DNS that are kept", "words": "words that the junk filter has ready",
}

func (n *node) applyMemory(p memory.Plan) {
	n.directory.LimitPasswordChecks(p.PasswordChecks)
	n.intake.Limit(p.Intake)
	if c, ok := n.cfg.Resolver.(interface{ LimitCache(octets int) }); ok {
		c.LimitCache(int(p.DNSCache))
	}
	n.cfg.Log.Info("memory", "limit", p.Bytes, "from", p.From, "heap", p.Heap, "connections", p.Connections, "password_checks", p.PasswordChecks,
		"intake", p.Intake, "databases", p.Databases, "deliveries", p.Deliveries, "dns_cache", p.DNSCache, "junk_words", p.JunkWords)
}
