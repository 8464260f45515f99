package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
)

func (s *Server) systemRoutes() {
	handle(s, operation{id: "list-certificates", method: "GET", path: "/certificates", summary: "Say how the certificates stand."},
		func(ctx context.Context, _ *none) (*body[admin.Page[certs.Status]], error) {
			return answer(s.admin.Certificates(ctx))
		})
	handle(s, operation{id: "list-audit", method: "GET", path: "/audit", summary: "List changes, newest first."},
		func(ctx context.Context, in *Paging) (*body[admin.Page[directory.AuditEntry]], error) {
			return answer(s.admin.Audit(ctx, admin.AuditFilter{Paging: in.page()}))
		})
}
