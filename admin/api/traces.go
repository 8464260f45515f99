package api

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) traceRoutes() {
	type list struct {
		Paging
		MessageID string    `query:"messageId"`
		Address   string    `query:"address" doc:"Sender or recipient; @example.org is a whole domain."`
		IP        string    `query:"ip" doc:"Address of the other side."`
		Subject   string    `query:"subject" doc:"The whole subject."`
		Outcome   string    `query:"outcome"`
		From      time.Time `query:"from" doc:"Not before this time."`
		To        time.Time `query:"to" doc:"Not after this time."`
	}
	handle(s, operation{id: "list-traces", method: "GET", path: "/traces", summary: "Find messages by what is known of them, newest first."},
		func(ctx context.Context, in *list) (*body[admin.Page[admin.TraceSummary]], error) {
			return answer(s.admin.FindTraces(ctx, admin.TraceQuery{Paging: in.page(), MessageID: in.MessageID, Address: in.Address,
				IP: in.IP, Subject: in.Subject, Outcome: in.Outcome, After: in.From, Before: in.To}))
		})
	type item struct {
		ID string `path:"id"`
	}
	handle(s, operation{id: "get-trace", method: "GET", path: "/traces/{id}", summary: "Tell the whole story of a message."},
		func(ctx context.Context, in *item) (*body[admin.Trace], error) {
			return answer(s.admin.Trace(ctx, in.ID))
		})
}
