package main

import (
	"runtime"
	"testing"
)

// TestMemoryGoal: the goal leaves room above what is in use, however much that
// is, or the collector would never rest.
func TestMemoryGoal(t *testing.T) {
	for _, tt := range []struct{ used, want int64 }{
		{0, 150 << 20}, {50 << 20, 150 << 20}, {100 << 20, 150 << 20}, {200 << 20, 270 << 20}, {1 << 30, (1<<30)*5/4 + 20<<20},
	} {
		if got := memoryGoal(uint64(tt.used)); got != tt.want {
			t.Errorf("memoryGoal(%d) = %d, want %d", tt.used, got, tt.want)
		}
	}
}

func TestMemoryUsed(t *testing.T) {
	runtime.GC()
	before := memoryUsed()
	held := make([]byte, 64<<20)
	runtime.GC()
	after := memoryUsed()
	if before < 1<<20 || after < before+60<<20 || after > before+80<<20 {
		t.Errorf("%d octets are in use, and %d with 64 MiB more", before, after)
	}
	runtime.KeepAlive(held)
}
