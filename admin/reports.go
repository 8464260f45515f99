package admin

import (
	"context"
	"errors"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dmarc/aggregate"
	"github.com/mailstead/mailstead/smtp/reports"
)

// defaultPeriod is how far summaries of reports look back.
const defaultPeriod = 28 * 24 * time.Hour

// ReportQuery says which reports are meant.
type ReportQuery struct {
	Domain   string
	From, To time.Time // zero: the last 28 days
}

// DMARCReport is one report of somebody about mail in the name of a domain.
type DMARCReport struct {
	ID        string    `json:"id"`
	Domain    string    `json:"domain" doc:"Of this server, that it is about."`
	Org       string    `json:"org" doc:"Who reports, in their own words."`
	Sender    string    `json:"sender,omitempty" doc:"Domain that the message came from; absent: it does not pass DMARC, so that the report does not count."`
	Email     string    `json:"email,omitempty"`
	Contact   string    `json:"contact,omitempty"`
	ReportID  string    `json:"reportId" doc:"As its sender calls it."`
	Generator string    `json:"generator,omitempty"`
	Begin     time.Time `json:"begin"`
	End       time.Time `json:"end"`
	Received  time.Time `json:"received"`
	Trace     string    `json:"trace,omitempty" doc:"Of the message that brought it."`
	Errors    []string  `json:"errors" doc:"That the reporter had."`
	Notes     []string  `json:"notes" doc:"What is odd about the report."`

	PolicyDomain string         `json:"policyDomain" doc:"Where the policy record stands."`
	Policy       reports.Policy `json:"policy"`

	Messages int64            `json:"messages"`
	Rows     []DMARCReportRow `json:"rows"`
	Left     int              `json:"left,omitempty" doc:"Rows that are not kept; they were counted."`
}

// DMARCReportRow is messages from one address with the same results.
type DMARCReportRow struct {
	Source       string              `json:"source"`
	Messages     int64               `json:"messages"`
	Disposition  string              `json:"disposition" enum:"none,pass,quarantine,reject"`
	DKIM         bool                `json:"dkim" doc:"Passed, and aligned."`
	SPF          bool                `json:"spf" doc:"Passed, and aligned."`
	HeaderFrom   string              `json:"headerFrom"`
	EnvelopeFrom string              `json:"envelopeFrom,omitempty"`
	EnvelopeTo   string              `json:"envelopeTo,omitempty"`
	Reasons      []DMARCReportReason `json:"reasons"`
	Results      []DMARCReportResult `json:"results" doc:"What SPF and DKIM found, aligned or not."`
}

// DMARCReportReason says why something else was done than the policy asks for.
type DMARCReportReason struct {
	Type    string `json:"type"`
	Comment string `json:"comment,omitempty"`
}

// DMARCReportResult is what one check found.
type DMARCReportResult struct {
	Method   string `json:"method" enum:"dkim,spf"`
	Domain   string `json:"domain,omitempty"`
	Selector string `json:"selector,omitempty"`
	Result   string `json:"result"`
	Comment  string `json:"comment,omitempty"`
}

var errNoReports = &directory.Problem{Kind: ErrUnavailable, Text: "this server keeps no reports"}

// reportsOf finds the domain whose reports are asked for, and the time.
func (a *Admin) reportsOf(ctx context.Context, q *ReportQuery) (mail.Domain, error) {
	d, err := a.authorizeName(ctx, SeeFlow, q.Domain)
	if err != nil {
		return "", At("domain", err)
	}
	if a.opts.Reports == nil {
		return "", errNoReports
	}
	if q.To.IsZero() {
		q.To = a.opts.Now()
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-defaultPeriod)
	}
	if q.To.Before(q.From) {
		return "", At("to", invalid("the time ends before it begins"))
	}
	return d.Name, nil
}

// DMARCReports sums up what others report about mail in the name of a domain.
func (a *Admin) DMARCReports(ctx context.Context, q ReportQuery) (reports.Summary, error) {
	d, err := a.reportsOf(ctx, &q)
	if err != nil {
		return reports.Summary{}, err
	}
	s, err := a.opts.Reports.DMARC(ctx, d, q.From, q.To)
	if err != nil {
		return reports.Summary{}, err
	}
	return *s, nil
}

// TLSReports sums up what others report about connections to the servers of a
// domain.
func (a *Admin) TLSReports(ctx context.Context, q ReportQuery) (reports.TLSSummary, error) {
	d, err := a.reportsOf(ctx, &q)
	if err != nil {
		return reports.TLSSummary{}, err
	}
	s, err := a.opts.Reports.TLS(ctx, d, q.From, q.To)
	if err != nil {
		return reports.TLSSummary{}, err
	}
	return *s, nil
}

// DMARCReport returns one report.
func (a *Admin) DMARCReport(ctx context.Context, id string) (DMARCReport, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return DMARCReport{}, err
	}
	if a.opts.Reports == nil {
		return DMARCReport{}, errNoReports
	}
	r, err := a.opts.Reports.Report(ctx, id)
	if errors.Is(err, reports.ErrNotFound) || err == nil && !p.sees(r.Domain) {
		return DMARCReport{}, &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no report " + id + "; reports are kept for a limited time (`mailstead settings get reports.keep`)"}
	}
	if err != nil {
		return DMARCReport{}, err
	}
	return describeReport(r), nil
}

// SentReports returns the reports that this server has sent to others, or
// would have, the newest first.
func (a *Admin) SentReports(ctx context.Context) (Page[reports.Sent], error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Page[reports.Sent]{}, err
	}
	if !p.allDomains() {
		return Page[reports.Sent]{}, &directory.Problem{Kind: ErrForbidden, Text: "these reports are about mail to all domains"}
	}
	if a.opts.Reports == nil {
		return Page[reports.Sent]{}, errNoReports
	}
	list, err := a.opts.Reports.Sent(ctx)
	return whole(list), err
}

func describeReport(r *reports.Report) DMARCReport {
	in := &r.Report
	v := DMARCReport{ID: r.ID, Domain: string(r.Domain), Org: in.Org, Sender: string(r.Sender), Email: in.Email, Contact: in.Contact, ReportID: in.ID,
		Generator: in.Generator, Begin: in.Begin, End: in.End, Received: r.Received, Trace: r.Trace, Errors: listOf(in.Errors), Notes: listOf(r.Notes),
		PolicyDomain: string(in.Policy.Domain), Messages: in.Messages(), Rows: []DMARCReportRow{}, Left: r.Left,
		Policy: reports.Policy{P: string(in.Policy.Policy), SP: string(in.Policy.Subdomains), NP: string(in.Policy.NonExistent), DKIM: in.Policy.DKIM, SPF: in.Policy.SPF, Testing: in.Policy.Testing}}
	for i := range in.Rows {
		v.Rows = append(v.Rows, describeRow(&in.Rows[i]))
	}
	return v
}

func describeRow(r *aggregate.Row) DMARCReportRow {
	row := DMARCReportRow{Source: r.Source.String(), Messages: r.Count, Disposition: string(r.Disposition), DKIM: r.DKIM, SPF: r.SPF,
		HeaderFrom: string(r.HeaderFrom), EnvelopeFrom: string(r.EnvelopeFrom), EnvelopeTo: string(r.EnvelopeTo), Reasons: []DMARCReportReason{}, Results: []DMARCReportResult{}}
	for _, why := range r.Reasons {
		row.Reasons = append(row.Reasons, DMARCReportReason(why))
	}
	for _, s := range r.SPFResults {
		row.Results = append(row.Results, DMARCReportResult{Method: "spf", Domain: string(s.Domain), Result: s.Result, Comment: s.Comment})
	}
	for _, d := range r.DKIMResults {
		row.Results = append(row.Results, DMARCReportResult{Method: "dkim", Domain: string(d.Domain), Selector: d.Selector, Result: d.Result, Comment: d.Comment})
	}
	return row
}

// listOf is a list that is never null.
func listOf(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
