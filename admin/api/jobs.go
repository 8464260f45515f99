package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) jobRoutes() {
	handle(s, operation{id: "get-job", method: "GET", path: "/jobs/{id}", summary: "Say how far a job is."},
		func(ctx context.Context, in *IDPath) (*body[admin.Job], error) {
			return answer(s.admin.Job(ctx, in.ID))
		})
}
