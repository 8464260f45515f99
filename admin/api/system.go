package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
)

func (s *Server) systemRoutes() {
	handle(s, operation{id: "list-certificates", method: "GET", path: "/certificates", summary: "Say how the certificates stand."},
		func(ctx context.Context, _ *none) (*body[admin.Page[certs.Status]], error) {
			return answer(s.admin.Certificates(ctx))
		})
}
