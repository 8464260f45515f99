package checks

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxErrors bounds how many errors are counted.
const maxErrors = 1000

// ErrorLog is a log handler that counts what goes through it at level Error,
// for the check of errors.
type ErrorLog struct {
	slog.Handler
	shared *errorCount
}

type errorCount struct {
	now func() time.Time

	mu    sync.Mutex
	times []time.Time // of one day, oldest first
	last  string
}

// NewErrorLog puts an ErrorLog before a handler; now may be nil.
func NewErrorLog(next slog.Handler, now func() time.Time) *ErrorLog {
	if now == nil {
		now = time.Now
	}
	return &ErrorLog{Handler: next, shared: &errorCount{now: now}}
}

// Enabled implements slog.Handler: errors are counted even if nobody writes
// them down.
func (l *ErrorLog) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError || l.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *ErrorLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		l.shared.add(r.Message)
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *ErrorLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &ErrorLog{l.Handler.WithAttrs(attrs), l.shared}
}

// WithGroup implements slog.Handler.
func (l *ErrorLog) WithGroup(name string) slog.Handler {
	return &ErrorLog{l.Handler.WithGroup(name), l.shared}
}

func (c *errorCount) add(text string) {
	now := c.now() // without the lock: a clock that finds a jump logs an error itself
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, now)
	c.times = c.times[max(0, len(c.times)-maxErrors):]
	c.last = clip(text)
}

// Last returns how many errors there were in 24 hours, and the last of them.
func (l *ErrorLog) Last() (count int, last string, at time.Time) {
	c := l.shared
	begin := c.now().Add(-day)
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.times) > 0 && c.times[0].Before(begin) {
		c.times = c.times[1:]
	}
	if len(c.times) == 0 {
		return 0, "", time.Time{}
	}
	return len(c.times), c.last, c.times[len(c.times)-1]
}

// Since returns how many errors there were in a time of up to 24 hours, and the
// last of all.
func (l *ErrorLog) Since(span time.Duration) (count int, last string) {
	c := l.shared
	begin := c.now().Add(-span)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.times) - 1; i >= 0 && !c.times[i].Before(begin); i-- {
		count++
	}
	return count, c.last
}
