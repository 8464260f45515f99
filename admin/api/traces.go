package api

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin"
)

// TraceFilter narrows lists of traces.
type TraceFilter struct {
	Paging
	Text      string    `query:"q" maxLength:"1000" doc:"Anything: an address, @example.org, a Message-ID, an ID, an IP address, or a whole subject."`
	MessageID string    `query:"messageId" maxLength:"1000"`
	Address   string    `query:"address" maxLength:"320" doc:"Sender or recipient; @example.org is a whole domain."`
	IP        string    `query:"ip" maxLength:"50" doc:"Address of the other side."`
	Subject   string    `query:"subject" maxLength:"1000" doc:"The whole subject."`
	Direction string    `query:"direction" enum:"in,out,local"`
	Outcome   string    `query:"outcome" maxLength:"50"`
	Similar   string    `query:"similar" maxLength:"100" doc:"An ID: those that have the same trouble."`
	From      time.Time `query:"from" doc:"Not before this time."`
	To        time.Time `query:"to" doc:"Not after this time."`
}

func (f *TraceFilter) query() admin.TraceQuery {
	return admin.TraceQuery{Paging: f.page(), Text: f.Text, MessageID: f.MessageID, Address: f.Address, IP: f.IP, Subject: f.Subject,
		Direction: f.Direction, Outcome: f.Outcome, Similar: f.Similar, After: f.From, Before: f.To}
}

func (s *Server) traceRoutes() {
	handle(s, operation{id: "list-traces", method: "GET", path: "/traces", summary: "Find messages by what is known of them, newest first."},
		func(ctx context.Context, in *TraceFilter) (*body[admin.Page[admin.TraceSummary]], error) {
			return answer(s.admin.FindTraces(ctx, in.query()))
		})
	handle(s, operation{id: "list-refusals", method: "GET", path: "/refusals", summary: "Find messages that were refused or filed to Junk, newest first."},
		func(ctx context.Context, in *TraceFilter) (*body[admin.Page[admin.TraceSummary]], error) {
			q := in.query()
			q.Refusals = true
			return answer(s.admin.FindTraces(ctx, q))
		})
	handle(s, operation{id: "get-trace", method: "GET", path: "/traces/{id}", summary: "Tell the whole story of a message."},
		func(ctx context.Context, in *IDPath) (*body[admin.Trace], error) {
			return answer(s.admin.Trace(ctx, in.ID))
		})
}
