package checks

import (
	"log/slog"
	"testing"
	"time"
)

// TestErrorLogOfItsClock: a clock that logs an error while it is asked for the
// time is not waited for.
func TestErrorLogOfItsClock(t *testing.T) {
	var log *slog.Logger
	told := false
	l := NewErrorLog(slog.DiscardHandler, func() time.Time {
		if !told {
			told = true
			log.Error("the clock has jumped")
		}
		return time.Now()
	})
	log = slog.New(l)
	log.Error("something else")
	if count, last, _ := l.Last(); count != 2 || last != "something else" {
		t.Errorf("%d errors, the last %q", count, last)
	}
}
