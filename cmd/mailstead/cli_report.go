package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/smtp/reports"
)

type reportCmd struct {
	target `embed:""`

	DMARC reportDMARCCmd `cmd:"" name:"dmarc" help:"What others report about mail in the name of a domain, and whether its policy can become stricter."`
	TLS   reportTLSCmd   `cmd:"" name:"tls" help:"What others report about TLS to the servers of a domain."`
	Show  reportShowCmd  `cmd:"" help:"Show one DMARC report."`
	Sent  reportSentCmd  `cmd:"" help:"List the reports that this server has sent to others, the newest first."`
}

// reportSpan says which domains and what time are meant.
type reportSpan struct {
	Domain string `arg:"" optional:"" help:"The domain; all if none is named."`
	Since  string `help:"How far to look back, as in 7d." default:"28d" placeholder:"DURATION"`
}

// eachReport asks for the reports of each domain that is meant.
func eachReport[T any](ctx context.Context, op admin.Operator, s *reportSpan, get func(context.Context, admin.ReportQuery) (T, error)) ([]T, error) {
	back, err := directory.ParseDuration(s.Since)
	if err != nil {
		return nil, usageError("--since: " + err.Error())
	}
	names := []string{s.Domain}
	if s.Domain == "" {
		names = nil
		list, err := admin.All(func(p admin.Paging) (admin.Page[admin.Domain], error) {
			return op.Domains(ctx, admin.DomainFilter{Paging: p})
		})
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			names = append(names, d.Name)
		}
	}
	now := time.Now()
	all := []T{}
	for _, name := range names {
		v, err := get(ctx, admin.ReportQuery{Domain: name, From: now.Add(-back), To: now})
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// showReports describes the reports of each domain that is meant.
func showReports[T any](ctx context.Context, op admin.Operator, out *printer, span *reportSpan, get func(context.Context, admin.ReportQuery) (T, error), describe func(io.Writer, *T)) error {
	all, err := eachReport(ctx, op, span, get)
	if err != nil {
		return err
	}
	return out.show(all, func(w io.Writer) {
		for i := range all {
			if i > 0 {
				fmt.Fprintln(w)
			}
			describe(w, &all[i])
		}
	})
}

type reportDMARCCmd struct{ reportSpan }

func (c *reportDMARCCmd) Run(ctx context.Context, s streams, g *reportCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		return showReports(ctx, op, out, &c.reportSpan, op.DMARCReports, describeDMARC)
	})
}

func describeDMARC(w io.Writer, s *reports.Summary) {
	policy := "not known"
	if s.Policy != nil {
		policy = "p=" + s.Policy.P
	}
	table(w, []string{"domain", display(s.Domain)}, []string{"policy", policy}, []string{"messages", strconv.FormatInt(s.Total.Messages, 10)},
		[]string{"passed", strconv.FormatInt(s.Total.Aligned, 10)}, []string{"reports", fmt.Sprintf("%d, of which %d do not count", len(s.Reports), s.Unverified)})
	fmt.Fprintln(w, "\n"+clean(s.Verdict.Text))
	if len(s.Sources) > 0 {
		fmt.Fprintln(w)
		rows := [][]string{{"SOURCE", "ADDRESSES", "MESSAGES", "PASSED", "DKIM", "SPF", "STATE", "WHAT IT MEANS"}}
		for _, src := range s.Sources {
			rows = append(rows, []string{src.Name, strconv.Itoa(src.Count), number(src.Messages), number(src.Aligned), number(src.DKIM), number(src.SPF), src.State, src.Text})
		}
		table(w, rows...)
	}
	if len(s.Reports) > 0 {
		fmt.Fprintln(w)
		rows := [][]string{{"REPORT", "OF", "FROM", "ABOUT", "MESSAGES", "PASSED", "COUNTS"}}
		for _, r := range s.Reports {
			rows = append(rows, []string{r.ID, r.Org, orDash(r.Sender), r.Begin.Format(time.DateOnly), number(r.Messages), number(r.Aligned), yesNo(r.Verified)})
		}
		table(w, rows...)
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

type reportTLSCmd struct{ reportSpan }

func (c *reportTLSCmd) Run(ctx context.Context, s streams, g *reportCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		return showReports(ctx, op, out, &c.reportSpan, op.TLSReports, describeTLS)
	})
}

func describeTLS(w io.Writer, s *reports.TLSSummary) {
	table(w, []string{"domain", display(s.Domain)}, []string{"sessions", number(s.Successful + s.Failed)}, []string{"failed", number(s.Failed)},
		[]string{"reports", fmt.Sprintf("%d, of which %d do not count", len(s.Reports), s.Unverified)})
	fmt.Fprintln(w, "\n"+clean(s.Text))
	if len(s.Policies) > 0 {
		fmt.Fprintln(w)
		rows := [][]string{{"POLICY", "MODE", "GOOD", "FAILED"}}
		for _, p := range s.Policies {
			rows = append(rows, []string{p.Type, orDash(p.Mode), number(p.Successful), number(p.Failed)})
		}
		table(w, rows...)
	}
	if len(s.Failures) > 0 {
		fmt.Fprintln(w)
		rows := [][]string{{"FAILURE", "HOST", "SESSIONS", "SEEN BY", "WHAT IT MEANS"}}
		for _, f := range s.Failures {
			rows = append(rows, []string{f.Type, orDash(f.MX), number(f.Sessions), some(f.Orgs), f.Text})
		}
		table(w, rows...)
	}
}

type reportShowCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *reportShowCmd) Run(ctx context.Context, s streams, g *reportCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		r, err := op.DMARCReport(ctx, c.ID)
		if err != nil {
			return err
		}
		return out.show(r, func(w io.Writer) {
			table(w, []string{"report", r.ID}, []string{"about", display(r.Domain)}, []string{"of", r.Org}, []string{"from", orDash(r.Sender)}, []string{"its name", r.ReportID},
				[]string{"begin", when(r.Begin)}, []string{"end", when(r.End)}, []string{"policy", "p=" + r.Policy.P + " of " + r.PolicyDomain}, []string{"messages", number(r.Messages)},
				[]string{"message", orDash(r.Trace)})
			fmt.Fprintln(w)
			rows := [][]string{{"SOURCE", "MESSAGES", "DONE", "DKIM", "SPF", "AUTHOR", "ENVELOPE", "WHY"}}
			for _, row := range r.Rows {
				why := "-"
				if len(row.Reasons) > 0 {
					why = row.Reasons[0].Type + " " + row.Reasons[0].Comment
				}
				rows = append(rows, []string{row.Source, number(row.Messages), row.Disposition, yesNo(row.DKIM), yesNo(row.SPF), row.HeaderFrom, orDash(row.EnvelopeFrom), why})
			}
			table(w, rows...)
		})
	})
}

type reportSentCmd struct{}

func (c *reportSentCmd) Run(ctx context.Context, s streams, g *reportCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		page, err := op.SentReports(ctx)
		if err != nil {
			return err
		}
		return out.show(page.Items, func(w io.Writer) {
			if len(page.Items) == 0 {
				fmt.Fprintln(w, "No report was sent yet. They go out after midnight (UTC) to the domains that ask for them.")
				return
			}
			rows := [][]string{{"TIME", "ABOUT", "ON", "TO", "MESSAGES", "MESSAGE", "NOT SENT"}}
			for _, r := range page.Items {
				rows = append(rows, []string{when(r.Time), display(r.Domain), r.Begin.Format(time.DateOnly), r.To, number(r.Messages), orDash(r.Trace), orDash(r.Reason)})
			}
			table(w, rows...)
		})
	})
}
