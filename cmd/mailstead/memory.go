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
		Apply:   n.applyMemory,
	})
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
