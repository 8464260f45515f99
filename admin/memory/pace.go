package memory

import (
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"
)

// The collector of Go lets memory grow to twice of what is in use before it
// begins, whatever that is: 150 MB of connections take 300. Where little is in
// use that is well spent, and where much is it is not, on computers that have
// 1 GB. So it is told to begin earlier, the more is in use.
const (
	unheeded = 150 << 20 // in all, up to which it goes its own pace
	slack    = 20 << 20  // and a quarter, for garbage beside what is in use
)

// goal is how much memory the process should stay under when used octets are in
// use and the heap has a limit.
func goal(used, heap int64) int64 {
	return min(heap, max(unheeded, used+used/4+slack))
}

// inUse is what cannot be collected: the heap that was in use at the end of the
// last collection, stacks, and what the runtime has for itself.
func inUse() int64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/memory/classes/os-stacks:bytes"},
		{Name: "/memory/classes/metadata/mcache/inuse:bytes"}, {Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"}, {Name: "/memory/classes/other:bytes"}, {Name: "/memory/classes/profiling/buckets:bytes"},
	}
	metrics.Read(samples)
	var sum int64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += int64(s.Value.Uint64())
		}
	}
	return sum
}

// Resident is how much of the computer's memory this process alone has: without
// pages of files, which the system can take back. 0: the system does not say.
func Resident() int64 { return parseStatm(read("/", "proc/self/statm"), int64(os.Getpagesize())) }

// parseStatm reads /proc/self/statm (proc_pid_statm(5)): what is resident and
// not of a file.
func parseStatm(b []byte, page int64) int64 {
	f := bytes.Fields(b)
	if len(f) < 3 {
		return 0
	}
	all, err1 := strconv.ParseInt(string(f[1]), 10, 40)
	shared, err2 := strconv.ParseInt(string(f[2]), 10, 40)
	if err1 != nil || err2 != nil || shared < 0 || all < shared {
		return 0
	}
	return (all - shared) * page
}
