package main

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/reports"
)

// openReports opens what others report to us, and what we report to them. It
// comes before the MDA, which hands it messages.
func (n *node) openReports() (err error) {
	d := n.directory
	n.reports, err = reports.Open(n.path("reports.db"), reports.Options{
		Address: d.ReportAddress, Hosted: d.IsLocal, Keep: n.keep(directory.ReportsKeep),
		Resolver: n.cfg.Resolver, Hostname: n.cfg.Hostname, Own: n.addresses,
		Send: func() bool { return d.Bool(directory.DMARCReports) }, From: n.reportsFrom, Keys: n.dkimKeys, Deliver: reportMail{n},
		Product: "Mailstead " + version(), Trace: n.traces, Now: n.now, Disk: n.disk, Logger: n.cfg.Log,
	})
	return err
}

// reportMail sends our own reports the way of all mail; the MDA is opened after
// the reports.
type reportMail struct{ node *node }

func (r reportMail) Deliver(ctx context.Context, m delivery.Mail) error {
	return r.node.mda.Deliver(ctx, m)
}

// reportsFrom is the domain of ours that sends reports: the one that this
// server has its name in, else the first that signs. They have to pass DMARC.
func (n *node) reportsFrom() mail.Domain {
	var first mail.Domain
	for _, d := range n.directory.Domains() {
		switch {
		case d.Disabled || d.AliasOf != "":
		case n.cfg.Hostname.IsSubdomainOf(d.Name):
			return d.Name
		case first == "" && len(n.dkimKeys(d.Name)) > 0:
			first = d.Name
		}
	}
	return first
}
