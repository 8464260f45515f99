package main

import (
	"bytes"
	"os"
	"testing"
)

// TestForgetStart: pages of the program go, and what is in them is still there.
func TestForgetStart(t *testing.T) {
	resident := func() (sum int64) {
		for _, m := range ownPages() {
			sum += m.resident
		}
		return sum
	}
	before := resident()
	if before < 1<<10 {
		t.Fatalf("%d KiB of the program are in memory: its file is not found there", before)
	}
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	forgetStart()
	if after := resident(); after > before*3/4 {
		t.Errorf("%d KiB of the program are in memory, %d before", after, before)
	}
	again, err := os.ReadFile("/proc/self/exe") // runs code, collects garbage, grows the stack
	if err != nil || !bytes.Equal(exe, again) {
		t.Errorf("the program cannot be read any more: %v", err)
	}
}
