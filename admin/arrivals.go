package admin

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/deliverability"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
)

// Deliverability is how well mail of this server arrives: a score that is the
// sum of its rows, and how each provider answers.
type Deliverability struct {
	Score     float64    `json:"score" doc:"Sum of the points of the rows that are known."`
	Of        float64    `json:"of" doc:"What they could earn; 100 when all are known."`
	Verdict   string     `json:"verdict"`
	Rows      []ScoreRow `json:"rows"`
	Providers []Provider `json:"providers"`
}

// ScoreRow is a part of the score. Rows whose state is unknown do not count.
type ScoreRow struct {
	ID       string  `json:"id"`
	Title    string  `json:"title"`
	Points   float64 `json:"points"`
	Of       float64 `json:"of"`
	State    string  `json:"state" enum:"ok,warn,fail,unknown"`
	Text     string  `json:"text"`
	Evidence string  `json:"evidence,omitempty"`
	Fix      string  `json:"fix,omitempty"`
}

// Provider is how mail of the last 30 days arrived at one operator of mail
// servers. Numbers are of recipients.
type Provider struct {
	ID            string          `json:"id"`
	Name          string          `json:"name"`
	Domains       []string        `json:"domains" doc:"Of recipients, some."`
	Sent          int             `json:"sent"`
	Accepted      int             `json:"accepted"`
	Deferred      int             `json:"deferred" doc:"Put off at the first attempt."`
	Refused       int             `json:"refused" doc:"For what speaks against this server."`
	Unknown       int             `json:"unknown" doc:"That do not exist there, or take no mail."`
	AcceptedShare float64         `json:"acceptedShare"`
	TLSShare      float64         `json:"tlsShare"`
	State         string          `json:"state" enum:"ok,warn,fail,unknown" doc:"unknown: fewer than 20 recipients."`
	Text          string          `json:"text"`
	Fix           string          `json:"fix,omitempty"`
	LastReplies   []ProviderReply `json:"lastReplies"`
}

// ProviderReply is what a provider said that was no acceptance.
type ProviderReply struct {
	Time   time.Time `json:"time"`
	Domain string    `json:"domain"`
	Code   int       `json:"code,omitempty"`
	Text   string    `json:"text"`
	Cause  string    `json:"cause"`
}

// Deliverability returns how well mail of this server arrives.
func (a *Admin) Deliverability(ctx context.Context) (Deliverability, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Deliverability{}, err
	}
	if !p.allDomains() {
		return Deliverability{}, &directory.Problem{Kind: ErrForbidden, Text: "how mail arrives is told of the whole server"}
	}
	if a.opts.Arrivals == nil {
		return Deliverability{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server counts; start it with `mailstead serve`"}
	}
	var results []checks.Result
	if a.checks != nil {
		if results, err = a.checks.Results(ctx); err != nil {
			return Deliverability{}, err
		}
	}
	var reports []dnsadvice.Report
	for _, d := range a.opts.Directory.Domains() {
		r, err := a.lastDNS(ctx, a.plan(d))
		if err != nil {
			return Deliverability{}, err
		}
		reports = append(reports, r)
	}
	r := a.opts.Arrivals.Score(deliverability.Findings(results, reports))
	return describeDeliverability(&r), nil
}

func describeDeliverability(r *deliverability.Report) Deliverability {
	view := Deliverability{Score: r.Score, Of: r.Of, Verdict: r.Verdict, Rows: []ScoreRow{}, Providers: []Provider{}}
	for _, row := range r.Rows {
		view.Rows = append(view.Rows, ScoreRow{ID: row.ID, Title: row.Title, Points: row.Points, Of: row.Of, State: string(row.State),
			Text: row.Text, Evidence: row.Evidence, Fix: row.Fix})
	}
	for i := range r.Providers {
		view.Providers = append(view.Providers, describeProvider(&r.Providers[i]))
	}
	return view
}

func describeProvider(h *deliverability.Health) Provider {
	p := Provider{ID: h.ID, Name: h.Name, Domains: h.Domains, Sent: h.Sent, Accepted: h.Accepted, Deferred: h.Deferred, Refused: h.Refused, Unknown: h.Unknown,
		AcceptedShare: h.AcceptedShare, TLSShare: h.TLSShare, State: string(h.State), Text: h.Text, Fix: h.Fix, LastReplies: []ProviderReply{}}
	if p.Domains == nil {
		p.Domains = []string{}
	}
	for _, r := range h.LastReplies {
		p.LastReplies = append(p.LastReplies, ProviderReply(r))
	}
	return p
}
