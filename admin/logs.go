package admin

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/logs"
)

// LogLine is one line of the server's log, without secrets.
type LogLine struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Level   string    `json:"level" enum:"debug,info,warn,error"`
	Message string    `json:"message"`
	Fields  string    `json:"fields,omitempty" doc:"key=value"`
}

// LogFilter narrows the log; empty fields do not.
type LogFilter struct {
	Paging
	Level string // "debug", "info", "warn", "error": at least
	Query string // part of a line
	After string // ID of a line: only newer ones
}

// logLevels are the levels by the names that people know.
var logLevels = map[string]slog.Level{"": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// Logs returns the last lines of the log, the newest first.
func (a *Admin) Logs(ctx context.Context, f LogFilter) (Page[LogLine], error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Page[LogLine]{}, err
	}
	if a.opts.Logs == nil {
		return Page[LogLine]{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server has its log at hand"}
	}
	q := logs.Query{Text: f.Query, Limit: f.limit()}
	var ok bool
	if q.Level, ok = logLevels[f.Level]; !ok {
		return Page[LogLine]{}, At("level", invalid("there is no level %q; choose one of debug, info, warn, error", f.Level))
	}
	key, err := f.after()
	if err == nil && key != "" {
		if q.Before, err = strconv.ParseUint(key, 10, 64); err != nil {
			err = At("cursor", invalid("the cursor is not one of this list; begin without"))
		}
	}
	if err != nil {
		return Page[LogLine]{}, err
	}
	if f.After != "" {
		if q.After, err = strconv.ParseUint(f.After, 10, 64); err != nil {
			return Page[LogLine]{}, At("after", invalid("%q is not the id of a line", f.After))
		}
	}
	found, more := a.opts.Logs.Find(q)
	page := Page[LogLine]{Items: []LogLine{}}
	for _, l := range found {
		page.Items = append(page.Items, describeLine(l))
	}
	if more {
		page.Next = cursor(page.Items[len(page.Items)-1].ID)
	}
	return page, nil
}

func describeLine(l logs.Line) LogLine {
	view := LogLine{ID: strconv.FormatUint(l.ID, 10), Time: l.Time, Message: l.Message, Fields: l.Fields}
	switch {
	case l.Level >= slog.LevelError:
		view.Level = "error"
	case l.Level >= slog.LevelWarn:
		view.Level = "warn"
	case l.Level >= slog.LevelInfo:
		view.Level = "info"
	default:
		view.Level = "debug"
	}
	return view
}
