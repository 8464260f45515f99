package checks

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin/memory"
)

// memoryLong is how long all memory is in use before it is told: a crowd that
// comes and goes is no reason.
const memoryLong = 10 * time.Minute

func (s *Server) memoryCheck() Check {
	return Check{ID: "memory", Group: Host, Title: "Memory", Want: "there is room",
		Why:   "Without room connections are refused for the time being, logins wait, and everything becomes slow.",
		Every: 5 * time.Minute,
		Run:   func(context.Context) Finding { return judgeMemory(s.Memory(), s.now()) }}
}

func judgeMemory(s memory.State, now time.Time) Finding {
	const more = "Raise what limits it: memory.limit in the settings, the memory of the container, or MemoryMax of the service; or give the computer more."
	if s.Bytes == 0 {
		return ok("%s are in use, and nothing limits it", size(s.Used))
	}
	switch long := now.Sub(s.Near); {
	case s.Bytes < memory.Least:
		return Warn.because("the server may have %s (%s), and needs %s to have room for more than one person at a time", size(s.Bytes), s.From, size(memory.Least)).
			fix(more).link("/admin/system/settings")
	case !s.Near.IsZero() && long >= memoryLong:
		return Warn.because("for %s nearly all has been in use: %s of %s (%s)", duration(long), size(s.Used), size(s.Bytes), s.From).
			fix(more + " Until then, fewer connections help: lower limits.connections-per-address.").link("/admin/system/settings")
	}
	return ok("%s of %s are in use (%s)", size(s.Used), size(s.Bytes), s.From)
}
