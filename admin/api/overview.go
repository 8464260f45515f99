package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) overviewRoutes() {
	handle(s, operation{id: "get-overview", method: "GET", path: "/overview", summary: "Say how the server is, at a glance."},
		func(ctx context.Context, _ *none) (*body[admin.Overview], error) {
			return answer(s.admin.Overview(ctx))
		})
	type bulk struct {
		DryRun bool `query:"dryRun" doc:"Only say what would come of each line."`
		Body   bulkBody
	}
	handle(s, operation{id: "add-accounts", method: "POST", path: "/accounts:bulk", summary: "Make accounts of pasted lines or CSV: address, name, quota."},
		func(ctx context.Context, in *bulk) (*body[admin.BulkResult], error) {
			return answer(s.admin.AddAccounts(rehearsing(ctx, in.DryRun), in.Body.Text, in.Body.Invite))
		})
}

// bulkBody is what was pasted.
type bulkBody struct {
	Text   string `json:"text" minLength:"1" maxLength:"1000000"`
	Invite bool   `json:"invite,omitempty" doc:"Make a link for each person."`
}
