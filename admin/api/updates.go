package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) updateRoutes() {
	handle(s, operation{id: "get-updates", method: "GET", path: "/updates", summary: "Say which version runs, what the last upgrade did, and how to install the next one."},
		func(ctx context.Context, _ *none) (*body[admin.Updates], error) {
			return answer(s.admin.Updates(ctx))
		})
}
