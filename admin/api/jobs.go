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
	handle(s, operation{id: "cancel-job", method: "POST", path: "/jobs/{id}:cancel", summary: "End a job as soon as that can be done. What it has done stays."},
		func(ctx context.Context, in *IDPath) (*body[admin.Job], error) {
			return answer(s.admin.CancelJob(ctx, in.ID))
		})
}
