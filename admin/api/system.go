package api

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/support"
)

// reclaiming says what deleted mail gives its room back.
type reclaiming struct {
	OlderThan int64 `json:"olderThanSeconds,omitempty" minimum:"2" maximum:"2592000" default:"600" doc:"What was deleted longer ago. Who reads a message right then is told that it is gone."`
}

func (s *Server) systemRoutes() {
	handle(s, operation{id: "get-storage", method: "GET", path: "/storage", summary: "Say what takes room on the disk, and when that is full."},
		func(ctx context.Context, _ *none) (*body[admin.Storage], error) {
			return answer(s.admin.Storage(ctx))
		})
	type reclaim struct{ Body reclaiming }
	handleJob[admin.Reclaimed](s, operation{id: "reclaim-storage", method: "POST", path: "/storage:reclaim", summary: "Begin to give back the room of deleted mail, which the server does by itself after a day. The job says how much that was."},
		func(ctx context.Context, in *reclaim) (admin.Job, error) {
			return s.admin.Reclaim(ctx, time.Duration(in.Body.OlderThan)*time.Second)
		})
	handle(s, operation{id: "get-system", method: "GET", path: "/system", summary: "Say what this server is: version, ports, host name, system."},
		func(ctx context.Context, _ *none) (*body[admin.About], error) {
			return answer(s.admin.About(ctx))
		})
	handle(s, operation{id: "reload-system", method: "POST", path: "/system:reload", summary: "Read the configuration file again, without ending a session."},
		func(ctx context.Context, _ *none) (*body[admin.Reloaded], error) {
			return answer(s.admin.Reload(ctx))
		})
	handle(s, operation{id: "get-clock", method: "GET", path: "/clock", summary: "Say how late it is, and whether the clock of the system is believed."},
		func(ctx context.Context, _ *none) (*body[admin.Clock], error) {
			return answer(s.admin.Clock(ctx))
		})
	handle(s, operation{id: "accept-clock", method: "POST", path: "/clock:accept", summary: "Believe the clock of the system after a jump."},
		func(ctx context.Context, _ *none) (*body[admin.Clock], error) {
			return answer(s.admin.AcceptClock(ctx))
		})
	type bundle struct {
		ContentType string `header:"Content-Type"`
		Disposition string `header:"Content-Disposition"`
		Body        []byte
	}
	handle(s, operation{id: "make-support-bundle", method: "POST", path: "/system:support-bundle", answers: support.Type, summary: "Make a file for whoever helps with this server: how it stands, without secrets and names."},
		func(ctx context.Context, _ *none) (*bundle, error) {
			b, err := s.admin.SupportBundle(ctx)
			return &bundle{support.Type, `attachment; filename="` + support.FileName(s.opts.Now()) + `"`, b}, err
		})
	type lines struct {
		Paging
		Level string `query:"level" enum:"debug,info,warn,error" doc:"At least."`
		Query string `query:"q" maxLength:"200" doc:"Part of a line."`
		After string `query:"after" maxLength:"20" doc:"ID of a line: only newer ones, for those who ask again and again."`
	}
	handle(s, operation{id: "list-logs", method: "GET", path: "/logs", summary: "List the last 5,000 lines of the log, newest first, without secrets."},
		func(ctx context.Context, in *lines) (*body[admin.Page[admin.LogLine]], error) {
			return answer(s.admin.Logs(ctx, admin.LogFilter{Paging: in.page(), Level: in.Level, Query: in.Query, After: in.After}))
		})
}
