package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// FindTraces returns traces, newest first.
func (a *Admin) FindTraces(ctx context.Context, q TraceQuery) (Page[TraceSummary], error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Page[TraceSummary]{}, err
	}
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return Page[TraceSummary]{}, err
	}
	found, err := a.opts.Traces.Find(ctx, trace.Query{ID: q.ID, MessageID: q.MessageID, Address: asKey(q.Address), IP: q.IP, Subject: q.Subject,
		Outcome: q.Outcome, After: q.After, Before: q.Before, Limit: q.limit()})
	if err != nil {
		return Page[TraceSummary]{}, err
	}
	page := Page[TraceSummary]{Items: []TraceSummary{}}
	for i := range found {
		if p.seesTrace(&found[i]) {
			page.Items = append(page.Items, describeTrace(&found[i]))
		}
	}
	return page, nil
}

// seesTrace reports whether a message comes from or goes to a domain of the
// principal.
func (p Principal) seesTrace(s *trace.Summary) bool {
	return p.sees(s.ReversePath.Domain) || slices.ContainsFunc(s.Recipients, func(r mail.Path) bool { return p.sees(r.Domain) })
}

// Trace returns the whole story of a message.
func (a *Admin) Trace(ctx context.Context, id string) (Trace, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Trace{}, err
	}
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return Trace{}, err
	}
	t, err := a.opts.Traces.Show(ctx, trace.ID(id))
	if err == nil && !p.seesTrace(&t.Summary) {
		err = trace.ErrNotFound
	}
	if errors.Is(err, trace.ErrNotFound) {
		err = &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no trace " + id + "; traces are kept for a limited time (`mailstead settings get trace.keep`)"}
	}
	if err != nil {
		return Trace{}, err
	}
	return Trace{TraceSummary: describeTrace(&t.Summary), Events: t.Events}, nil
}

func describeTrace(s *trace.Summary) TraceSummary {
	return TraceSummary{ID: string(s.ID), Start: s.Start, Last: s.Last, Direction: s.Direction, From: s.ReversePath.String(), To: pathTexts(s.Recipients),
		MessageID: s.MessageID, RemoteIP: s.RemoteIP, RemoteName: s.RemoteName, Login: s.Login, Size: s.Size, Outcome: s.Outcome, Status: s.Status}
}
