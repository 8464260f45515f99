package api

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/smtp/reports"
)

// ReportFilter says which reports are meant.
type ReportFilter struct {
	Domain string    `query:"domain" required:"true" maxLength:"300" doc:"A domain of this server."`
	From   time.Time `query:"from" doc:"Default: 28 days ago."`
	To     time.Time `query:"to"`
}

func (f *ReportFilter) query() admin.ReportQuery {
	return admin.ReportQuery{Domain: f.Domain, From: f.From, To: f.To}
}

func (s *Server) reportRoutes() {
	handle(s, operation{id: "get-dmarc-reports", method: "GET", path: "/reports/dmarc",
		summary: "Sum up what others report about mail in the name of a domain: by source and day, with a verdict in words."},
		func(ctx context.Context, in *ReportFilter) (*body[reports.Summary], error) {
			return answer(s.admin.DMARCReports(ctx, in.query()))
		})
	handle(s, operation{id: "get-dmarc-report", method: "GET", path: "/reports/dmarc/{id}", summary: "Show one report."},
		func(ctx context.Context, in *IDPath) (*body[admin.DMARCReport], error) {
			return answer(s.admin.DMARCReport(ctx, in.ID))
		})
	handle(s, operation{id: "get-tls-reports", method: "GET", path: "/reports/tls", summary: "Sum up what others report about TLS to the servers of a domain."},
		func(ctx context.Context, in *ReportFilter) (*body[reports.TLSSummary], error) {
			return answer(s.admin.TLSReports(ctx, in.query()))
		})
	handle(s, operation{id: "list-sent-reports", method: "GET", path: "/reports/sent", summary: "List the reports that this server has sent to others, the newest first; at most 500."},
		func(ctx context.Context, _ *none) (*body[admin.Page[reports.Sent]], error) {
			return answer(s.admin.SentReports(ctx))
		})
}
