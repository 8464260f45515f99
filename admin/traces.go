package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/explain"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// FindTraces returns traces, newest first. A page can be short and not the
// last: what is looked at for one is bounded.
func (a *Admin) FindTraces(ctx context.Context, q TraceQuery) (Page[TraceSummary], error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Page[TraceSummary]{}, err
	}
	return a.findTraces(ctx, q, p.Domains, func(s *trace.Summary) part { return p.partOf(s, nil) })
}

// findTraces returns traces that have an address in one of some domains (nil is
// all), and of each the part that is seen.
func (a *Admin) findTraces(ctx context.Context, q TraceQuery, domains []mail.Domain, partOf func(*trace.Summary) part) (Page[TraceSummary], error) {
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return Page[TraceSummary]{}, err
	}
	text := q.Text
	if key := asKey(text); key != text {
		text = key
	}
	found, err := a.opts.Traces.Page(ctx, trace.Query{Text: text, ID: q.ID, MessageID: q.MessageID, Address: asKey(q.Address), IP: q.IP, Subject: q.Subject,
		Direction: q.Direction, Outcome: q.Outcome, Refusals: q.Refusals, Domains: domains, Similar: trace.ID(q.Similar),
		After: q.After, Before: q.Before, Limit: q.limit(), Cursor: q.Cursor})
	if errors.Is(err, trace.ErrCursor) {
		return Page[TraceSummary]{}, At("cursor", invalid("the cursor is not one of this list; begin without"))
	}
	if err != nil {
		return Page[TraceSummary]{}, err
	}
	page := Page[TraceSummary]{Items: []TraceSummary{}, Next: found.Next}
	for i := range found.Items {
		s := partOf(&found.Items[i]).summary(found.Items[i])
		page.Items = append(page.Items, describeTrace(&s))
	}
	return page, nil
}

// MyRefusals returns the messages to one's own address that were refused or
// filed to Junk, newest first. Who else got them is not told.
func (a *Admin) MyRefusals(ctx context.Context, page Paging) (Page[TraceSummary], error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return Page[TraceSummary]{}, err
	}
	return a.findTraces(ctx, TraceQuery{Paging: page, Address: acct.Address.String(), Direction: "in", Refusals: true}, nil,
		func(s *trace.Summary) part {
			return newPart(s, func(to mail.Path) bool { return to.Key() == acct.Address.Key() })
		})
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
	t = p.partOf(&t.Summary, t.Events).trace(t)
	view := Trace{TraceSummary: describeTrace(&t.Summary), Story: []StoryLine{}}
	for _, l := range explain.Story(&t) {
		view.Story = append(view.Story, StoryLine{Time: l.Time, Kind: string(l.Kind), Text: l.Text, Fields: l.Fields, Side: string(l.Side), Command: l.Command,
			Code: l.Code, Status: l.Status, Explain: l.Explain, Severity: string(l.Severity)})
	}
	view.Similar, _, err = a.opts.Traces.Count(ctx, trace.Query{Similar: t.ID, Domains: p.Domains}, maxSimilar)
	return view, err
}

// maxSimilar is how far similar messages are counted.
const maxSimilar = 100

func describeTrace(s *trace.Summary) TraceSummary {
	return TraceSummary{ID: string(s.ID), Start: s.Start, Last: s.Last, Direction: s.Direction, From: s.ReversePath.String(), To: pathTexts(s.Recipients),
		MessageID: s.MessageID, RemoteIP: s.RemoteIP, RemoteName: s.RemoteName, Login: s.Login, Size: s.Size, Outcome: s.Outcome, Status: s.Status, Reason: s.Reason, Junk: s.Junk, Quarantined: s.Quarantined}
}
