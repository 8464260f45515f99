package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

// JobID names the job that does what was asked for.
type JobID struct {
	Job string `json:"job" doc:"See GET /jobs/{id}."`
}

// begunJob answers that a job has begun.
func begunJob(j admin.Job, err error) (*body[JobID], error) { return answer(JobID{j.ID}, err) }

func (s *Server) jobRoutes() {
	handle(s, operation{id: "get-job", method: "GET", path: "/jobs/{id}", summary: "Say how far a job is."},
		func(ctx context.Context, in *IDPath) (*body[admin.Job], error) {
			return answer(s.admin.Job(ctx, in.ID))
		})
}
