package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector of Go lets memory grow to twice of what is in use before it
// begins, whatever that is: 150 MB of connections take 300. Where little is in
// use that is well spent, and where much is it is not, on computers that have
// 1 GB. So it is told to begin earlier, the more is in use.
const (
	memoryUnheeded = 150 << 20 // in all, up to which it goes its own pace
	memorySlack    = 20 << 20  // and a quarter, for garbage beside what is in use
	memoryEvery    = time.Second
)

// memoryGoal is how much memory the process should stay under when used octets
// are in use.
func memoryGoal(used uint64) int64 {
	return max(memoryUnheeded, int64(used+used/4)+memorySlack)
}

// keepMemoryLow follows what is in use, until ctx is done. Whoever has set a
// limit knows better.
func keepMemoryLow(ctx context.Context) error {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return nil
	}
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	goal := int64(0)
	for {
		if now := memoryGoal(memoryUsed()); now != goal {
			goal = now
			debug.SetMemoryLimit(goal)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// memoryUsed is what cannot be collected: the heap that was in use at the end
// of the last collection, stacks, and what the runtime has for itself.
func memoryUsed() uint64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/memory/classes/os-stacks:bytes"},
		{Name: "/memory/classes/metadata/mcache/inuse:bytes"}, {Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"}, {Name: "/memory/classes/other:bytes"}, {Name: "/memory/classes/profiling/buckets:bytes"},
	}
	metrics.Read(samples)
	var sum uint64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
