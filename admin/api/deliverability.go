package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) deliverabilityRoutes() {
	handle(s, operation{id: "get-deliverability", method: "GET", path: "/deliverability", summary: "Say how well mail of this server arrives."},
		func(ctx context.Context, _ *none) (*body[admin.Deliverability], error) {
			return answer(s.admin.Deliverability(ctx))
		})
}
