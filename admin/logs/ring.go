package logs

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Bounds of what is kept: about 2 MiB of usual lines, 12 MiB at worst.
const (
	maxLines   = 5000
	maxMessage = 400  // octets
	maxFields  = 2000 // octets
)

// Line is one line of the log.
type Line struct {
	ID      uint64 // grows by one with each line
	Time    time.Time
	Level   slog.Level
	Message string
	Fields  string // key=value, as in the log's text format
}

// Ring is a log handler that keeps the last lines, from level Info on even if
// nobody writes them down.
type Ring struct {
	next   slog.Handler
	fields slog.Handler // writes the attributes to shared.buf
	shared *ring
}

// noFields is a line of slog's text format without time, message and fields.
const noFields = `level=INFO msg=""`

type ring struct {
	mu    sync.Mutex
	buf   bytes.Buffer // of the line that is being made
	lines []Line       // maxLines of them, then each new one takes the place of the oldest
	last  uint64
}

// NewRing puts a Ring before a handler.
func NewRing(next slog.Handler) *Ring {
	r := &ring{}
	return &Ring{next: next, shared: r, fields: slog.NewTextHandler(&r.buf, nil)}
}

// Enabled implements slog.Handler.
func (l *Ring) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || l.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *Ring) Handle(ctx context.Context, r slog.Record) error {
	l.keep(ctx, r)
	if !l.next.Enabled(ctx, r.Level) {
		return nil
	}
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *Ring) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Ring{l.next.WithAttrs(attrs), l.fields.WithAttrs(attrs), l.shared}
}

// WithGroup implements slog.Handler.
func (l *Ring) WithGroup(name string) slog.Handler {
	return &Ring{l.next.WithGroup(name), l.fields.WithGroup(name), l.shared}
}

func (l *Ring) keep(ctx context.Context, r slog.Record) {
	s := l.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Reset()
	s.last++
	line := Line{ID: s.last, Time: r.Time.UTC(), Level: r.Level, Message: clip(r.Message, maxMessage)}
	r.Time, r.Level, r.Message = time.Time{}, slog.LevelInfo, ""
	if l.fields.Handle(ctx, r) != nil {
		return // a buffer takes everything
	}
	fields := strings.TrimPrefix(strings.TrimSuffix(s.buf.String(), "\n"), noFields)
	line.Fields = clip(strings.TrimPrefix(fields, " "), maxFields)
	if len(s.lines) < maxLines {
		s.lines = append(s.lines, line)
		return
	}
	s.lines[(s.last-1)%maxLines] = line
}

// clip cuts a text, not within a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Query says which lines are wanted; zero fields ask for all.
type Query struct {
	Before uint64     // only lines with a smaller ID
	After  uint64     // only lines with a greater ID
	Level  slog.Level // at least
	Text   string     // part of message or fields, in any case
	Limit  int
}

// Find returns lines, the newest first, and whether there are older ones that
// match, too.
func (l *Ring) Find(q Query) (found []Line, more bool) {
	s := l.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.ToLower(q.Text)
	for i := range uint64(len(s.lines)) {
		line := s.lines[(s.last-1-i)%maxLines]
		if line.ID <= q.After {
			break
		}
		if q.Before != 0 && line.ID >= q.Before || line.Level < q.Level || !line.has(text) {
			continue
		}
		if line = line.plain(); !line.has(text) {
			continue // it was in a secret
		}
		if len(found) == q.Limit {
			return found, true
		}
		found = append(found, line)
	}
	return found, false
}

// plain is the line without secrets. They are looked for when somebody reads,
// since that costs more than all the rest.
func (l Line) plain() Line {
	l.Message, l.Fields = WithoutSecrets(l.Message), WithoutSecrets(l.Fields)
	return l
}

// has reports whether a text, in lower case, is part of the line.
func (l *Line) has(text string) bool {
	return text == "" || strings.Contains(strings.ToLower(l.Message), text) || strings.Contains(strings.ToLower(l.Fields), text)
}
