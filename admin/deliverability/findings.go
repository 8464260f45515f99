package deliverability

import (
	"strings"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/dnsadvice"
)

// Findings makes the findings that Score needs of what the checks of the
// server, and those of the DNS of its domains, have found. Of several the worst
// counts; what nobody could tell counts only where nothing else is known.
func Findings(results []checks.Result, domains []dnsadvice.Report) map[string]Finding {
	m := merger{}
	for i := range results {
		m.check(&results[i])
	}
	for i := range domains {
		for _, g := range domains[i].Groups {
			for _, r := range g.Records {
				m.record(domains[i].Domain, &r)
			}
		}
	}
	return m
}

// merger keeps the worst finding of each row.
type merger map[string]Finding

// severity orders states: the higher one is kept.
var severity = map[State]int{Unknown: 1, OK: 2, Warn: 3, Fail: 4}

func (m merger) add(id string, f Finding) {
	if severity[f.State] > severity[m[id].State] {
		m[id] = f
	}
}

// check adds the result of a check, if a row is about it.
func (m merger) check(r *checks.Result) {
	row := ""
	switch kind, _, _ := strings.Cut(r.ID, "."); kind {
	case "ptr":
		row = "identity.ptr"
	case "hostname":
		row = "identity.helo"
	case "blocklist":
		row = "lists.ip"
	default:
		return
	}
	m.add(row, Finding{State: State(r.State), Text: r.Saw, Fix: r.Fix})
}

// record adds a DNS record of a domain, if a row is about it. A missing one
// that is nice to have is half a fault, any other a whole one.
func (m merger) record(domain string, r *dnsadvice.Record) {
	row := ""
	switch {
	case r.ID == "spf":
		row = "identity.spf"
	case strings.HasPrefix(r.ID, "dkim-"):
		row = "identity.dkim"
	case r.ID == "dmarc":
		row = "identity.dmarc"
	case strings.HasPrefix(r.ID, "mta-sts"), strings.HasPrefix(r.ID, "tlsa"):
		row = "tls.mta-sts"
	case strings.HasPrefix(r.ID, "tls-rpt"), strings.HasPrefix(r.ID, "tlsrpt"):
		row = "tls.report"
	default:
		return
	}
	f := Finding{State: Unknown, Text: domain + ": " + r.Text, Evidence: strings.Join(r.Have, "\n")}
	switch r.State {
	case dnsadvice.OK:
		f.State = OK
	case dnsadvice.Missing, dnsadvice.Wrong:
		f.State, f.Fix = Fail, "Publish what the DNS page of "+domain+" shows for "+r.Name+"."
		if r.Optional {
			f.State = Warn
		}
	}
	m.add(row, f)
}
