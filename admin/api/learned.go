package api

import (
	"context"

	"github.com/mailstead/mailstead/delivery/junk"
)

func (s *Server) learnedRoutes() {
	handle(s, operation{id: "get-junk-stats", method: "GET", path: "/junk/stats", summary: "Say how much was learned about junk."},
		func(ctx context.Context, _ *none) (*body[junk.Stats], error) {
			return answer(s.admin.JunkStats(ctx))
		})
}
