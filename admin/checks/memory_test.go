package checks

import (
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/memory"
)

func TestJudgeMemory(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	of := func(limit, used int64, near time.Time) memory.State {
		return memory.State{Plan: memory.Plan{Limit: memory.Limit{Bytes: limit << 20, From: "memory.max of cgroup /"}}, Used: used << 20, Near: near}
	}
	for _, tt := range []struct {
		name  string
		in    memory.State
		state State
		saw   string
	}{
		{"room", of(512, 40, time.Time{}), OK, "40.0 MiB of 512.0 MiB are in use (memory.max of cgroup /)"},
		{"a crowd", of(512, 400, now.Add(-9*time.Minute)), OK, "400.0 MiB of 512.0 MiB are in use (memory.max of cgroup /)"},
		{"for long", of(512, 400, now.Add(-11*time.Minute)), Warn, "for 11 minutes nearly all has been in use: 400.0 MiB of 512.0 MiB (memory.max of cgroup /)"},
		{"too little", of(64, 20, time.Time{}), Warn, "the server may have 64.0 MiB (memory.max of cgroup /), and needs 96.0 MiB to have room for more than one person at a time"},
		{"nobody knows", of(0, 20, time.Time{}), OK, "20.0 MiB are in use, and nothing limits it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := judgeMemory(tt.in, now)
			if f.State != tt.state || f.Saw != tt.saw || (f.State == OK) != (f.Fix == "") {
				t.Errorf("judgeMemory = %+v, want %s, %s", f, tt.state, tt.saw)
			}
		})
	}
}
