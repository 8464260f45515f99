package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/checks"
)

// CheckPath names a check.
type CheckPath struct {
	ID string `path:"id" doc:"The check, as in ptr.v4."`
}

type checksToRun struct {
	IDs []string `json:"ids,omitempty" maxItems:"500" doc:"Absent: all."`
}

type muteUntil struct {
	Until time.Time `json:"until"`
}

func (s *Server) checkRoutes() {
	handle(s, operation{id: "list-checks", method: "GET", path: "/checks", summary: "Show what the checks of this server found last."},
		func(ctx context.Context, _ *none) (*body[admin.CheckReport], error) {
			return answer(s.admin.Checks(ctx))
		})
	handle(s, operation{id: "run-checks", method: "POST", path: "/checks:run", summary: "Run checks now, and wait for them."},
		func(ctx context.Context, in *struct{ Body checksToRun }) (*body[admin.CheckReport], error) {
			return answer(s.admin.RunChecks(ctx, in.Body.IDs))
		})
	type mute struct {
		CheckPath
		Body muteUntil
	}
	handle(s, operation{id: "mute-check", method: "POST", path: "/checks/{id}:mute", summary: "Keep a check out of what there is to fix."},
		func(ctx context.Context, in *mute) (*body[checks.Result], error) {
			return answer(s.admin.MuteCheck(ctx, in.ID, in.Body.Until))
		})
	handle(s, operation{id: "unmute-check", method: "POST", path: "/checks/{id}:unmute", summary: "Tell of a check again."},
		func(ctx context.Context, in *CheckPath) (*body[checks.Result], error) {
			return answer(s.admin.UnmuteCheck(ctx, in.ID))
		})
}

// Checks is GET /checks.
func (c *Client) Checks(ctx context.Context) (admin.CheckReport, error) {
	return get[admin.CheckReport](ctx, c, "/checks")
}

// RunChecks is POST /checks:run.
func (c *Client) RunChecks(ctx context.Context, ids []string) (admin.CheckReport, error) {
	return call[admin.CheckReport](ctx, c, request{method: http.MethodPost, path: "/checks:run", body: checksToRun{ids}})
}

// MuteCheck is POST /checks/{id}:mute.
func (c *Client) MuteCheck(ctx context.Context, id string, until time.Time) (checks.Result, error) {
	return call[checks.Result](ctx, c, request{method: http.MethodPost, path: "/checks/" + url.PathEscape(id) + ":mute", body: muteUntil{until}})
}

// UnmuteCheck is POST /checks/{id}:unmute.
func (c *Client) UnmuteCheck(ctx context.Context, id string) (checks.Result, error) {
	return call[checks.Result](ctx, c, request{method: http.MethodPost, path: "/checks/" + url.PathEscape(id) + ":unmute"})
}
