package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/mailstead/mailstead/admin"
)

// metrics answers Prometheus: on loopback, or with a key that may.
func (s *Server) metrics(c echo.Context) error {
	r := c.Request()
	from := newClient(c)
	if !from.Remote.IsLoopback() || r.Header.Get("Authorization") != "" {
		p, err := s.principal(r.Context(), r, from)
		if err != nil {
			return s.refused(c, from, err)
		}
		if p.Kind != admin.KindKey || !p.May(admin.SeeMetrics) {
			return problem(http.StatusUnauthorized, "key", "send an API key whose scopes have metrics")
		}
	}
	s.opts.Metrics.ServeHTTP(c.Response(), r)
	return nil
}

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
