package checks

import (
	"testing"
	"time"
)

func TestJudgeBackups(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		in   Backups
		want State
	}{
		{"never", Backups{MaxAge: time.Hour}, Warn},
		{"fresh", Backups{Proved: now.Add(-time.Minute), MaxAge: time.Hour}, OK},
		{"old", Backups{Proved: now.Add(-2 * time.Hour), MaxAge: time.Hour}, Fail},
		{"fresh, and the last one failed", Backups{Proved: now.Add(-time.Minute), MaxAge: time.Hour, Failed: "disk full"}, Warn},
		{"nobody wants to hear", Backups{}, OK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := judgeBackups(tt.in, now)
			if f.State != tt.want || f.Saw == "" || (f.State == OK) != (f.Fix == "") {
				t.Errorf("judgeBackups = %+v, want %s", f, tt.want)
			}
		})
	}
}
