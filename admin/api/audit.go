package api

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

func (s *Server) auditRoutes() {
	type list struct {
		Paging
		Actor  string    `query:"actor" maxLength:"300" doc:"Part of who made the change."`
		Object string    `query:"object" maxLength:"300" doc:"Part of what was changed."`
		Action string    `query:"action" maxLength:"100" doc:"As in account.set; account is all of accounts."`
		From   time.Time `query:"from" doc:"Not before this time."`
		To     time.Time `query:"to" doc:"Not after this time."`
	}
	handle(s, operation{id: "list-audit", method: "GET", path: "/audit", summary: "List changes, newest first."},
		func(ctx context.Context, in *list) (*body[admin.Page[directory.AuditEntry]], error) {
			return answer(s.admin.Audit(ctx, admin.AuditFilter{Paging: in.page(), Actor: in.Actor, Object: in.Object, Action: in.Action, Since: in.From, Till: in.To}))
		})
	type undo struct {
		IDPath
		Dry bool `query:"dryRun" doc:"Only say what would change."`
	}
	handle(s, operation{id: "undo-change", method: "POST", path: "/audit/{id}:undo", summary: "Bring back what a change made different."},
		func(ctx context.Context, in *undo) (*body[admin.Preview], error) {
			return answer(s.admin.Undo(ctx, in.ID, in.Dry))
		})
}
