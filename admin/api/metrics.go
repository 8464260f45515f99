package api

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) metricRoutes() {
	type query struct {
		Name []string  `query:"name,explode" required:"true" minItems:"1" maxItems:"20" doc:"As in mail.in, queue.size, delivery.p95, logins.failed; connections.* is one for each service."`
		From time.Time `query:"from" doc:"Default: a day ago."`
		To   time.Time `query:"to"`
		Step int       `query:"step" minimum:"60" maximum:"604800" doc:"Seconds between two points; default: so that there are about 300."`
	}
	handle(s, operation{id: "get-metrics-series", method: "GET", path: "/metrics-series", summary: "Show numbers over time."},
		func(ctx context.Context, in *query) (*body[admin.Series], error) {
			return answer(s.admin.Series(ctx, admin.SeriesQuery{Names: in.Name, From: in.From, To: in.To, Step: time.Duration(in.Step) * time.Second}))
		})
}
