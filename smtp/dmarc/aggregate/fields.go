package aggregate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dmarc"
)

// maxCount bounds one row, so that sums of many stay far from an overflow.
const maxCount = 1 << 40

// set takes over the text of an element outside the records.
func (r *Report) set(path, text string) (err error) {
	p := &r.Policy
	switch path {
	case "report_metadata/org_name":
		r.Org = text
	case "report_metadata/email":
		r.Email = text
	case "report_metadata/extra_contact_info":
		r.Contact = text
	case "report_metadata/report_id":
		r.ID = text
	case "report_metadata/generator":
		r.Generator = text
	case "report_metadata/error":
		if len(r.Errors) < maxErrors && text != "" {
			r.Errors = append(r.Errors, text)
		}
	case "report_metadata/date_range/begin":
		r.Begin, err = parseTime(text)
	case "report_metadata/date_range/end":
		r.End, err = parseTime(text)
	case "policy_published/domain":
		p.Domain, err = mail.ParseDomain(text)
	case "policy_published/p":
		p.Policy = policy(text)
	case "policy_published/sp":
		p.Subdomains = policy(text)
	case "policy_published/np":
		p.NonExistent = policy(text)
	case "policy_published/adkim":
		p.DKIM = strings.ToLower(text)
	case "policy_published/aspf":
		p.SPF = strings.ToLower(text)
	case "policy_published/fo":
		p.Failure = text
	case "policy_published/testing":
		p.Testing = strings.EqualFold(text, "y")
	case "policy_published/discovery_method":
		p.Discovery = strings.ToLower(text)
	}
	return err
}

// policy reads a policy; what is none counts as not told.
func policy(text string) dmarc.Policy {
	switch p := dmarc.Policy(strings.ToLower(text)); p {
	case dmarc.None, dmarc.Quarantine, dmarc.Reject:
		return p
	}
	return ""
}

// parseTime reads seconds since 1970. Some write a fraction.
func parseTime(text string) (time.Time, error) {
	whole, _, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || n > 1<<36 {
		return time.Time{}, fmt.Errorf("%q is not a time in seconds since 1970", clip(text))
	}
	return time.Unix(n, 0).UTC(), nil
}

// set takes over the text of an element of a record.
func (r *Row) set(path, text string) (err error) {
	if rest, ok := strings.CutPrefix(path, "auth_results/"); ok {
		r.setResult(rest, text)
		return nil
	}
	switch path {
	case "row/source_ip":
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("source_ip: %q is not an IP address", clip(text))
		}
		r.Source = addr.Unmap().WithZone("")
	case "row/count":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > maxCount {
			return fmt.Errorf("count: %q is not a number of messages", clip(text))
		}
		r.Count = n
	case "row/policy_evaluated/disposition":
		r.Disposition = disposition(text)
	case "row/policy_evaluated/dkim":
		r.DKIM = strings.EqualFold(text, "pass")
	case "row/policy_evaluated/spf":
		r.SPF = strings.EqualFold(text, "pass")
	case "row/policy_evaluated/reason/type":
		if n := len(r.Reasons); n > 0 {
			r.Reasons[n-1].Type = strings.ToLower(text)
		}
	case "row/policy_evaluated/reason/comment":
		if n := len(r.Reasons); n > 0 {
			r.Reasons[n-1].Comment = text
		}
	case "identifiers/header_from", "identities/header_from": // the second is of early drafts
		r.HeaderFrom = domain(text)
	case "identifiers/envelope_from", "identities/envelope_from":
		r.EnvelopeFrom = domain(text)
	case "identifiers/envelope_to", "identities/envelope_to":
		r.EnvelopeTo = domain(text)
	}
	return nil
}

// domain reads a domain that nothing depends on: what is none is left out.
func domain(text string) mail.Domain {
	d, err := mail.ParseDomain(text)
	if err != nil {
		return ""
	}
	return d
}

// disposition reads what became of messages. RFC 7489 knows no pass: check
// makes it of none where the row passed.
func disposition(text string) Disposition {
	switch d := Disposition(strings.ToLower(text)); d {
	case DispositionPass, DispositionQuarantine, DispositionReject:
		return d
	}
	return DispositionNone
}

func (r *Row) setResult(path, text string) {
	kind, name, _ := strings.Cut(path, "/")
	switch {
	case kind == "dkim" && len(r.DKIMResults) > 0:
		d := &r.DKIMResults[len(r.DKIMResults)-1]
		switch name {
		case "domain":
			d.Domain = domain(text)
		case "selector":
			d.Selector = text
		case "result":
			d.Result = strings.ToLower(text)
		case "human_result":
			d.Comment = text
		}
	case kind == "spf" && len(r.SPFResults) > 0:
		s := &r.SPFResults[len(r.SPFResults)-1]
		switch name {
		case "domain":
			s.Domain = domain(text)
		case "scope":
			s.Scope = strings.ToLower(text)
		case "result":
			s.Result = strings.ToLower(text)
		case "human_result":
			s.Comment = text
		}
	}
}

// check makes sure that what must be there is, and settles what the two forms
// say differently.
func (r *Report) check() error {
	missing := func(what string) error { return fmt.Errorf("%w: it has no %s", ErrSyntax, what) }
	switch {
	case r.Org == "":
		return missing("org_name")
	case r.ID == "":
		return missing("report_id")
	case r.Begin.IsZero() || r.End.IsZero():
		return missing("date_range")
	case r.End.Before(r.Begin):
		return fmt.Errorf("%w: its date_range ends before it begins", ErrSyntax)
	case r.Policy.Domain == "" || r.Policy.Domain.IsLiteral():
		return missing("domain in policy_published")
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		row.Reasons = row.Reasons[:min(len(row.Reasons), maxReasons)]
		row.DKIMResults = row.DKIMResults[:min(len(row.DKIMResults), maxResults)]
		row.SPFResults = row.SPFResults[:min(len(row.SPFResults), maxResults)]
		switch {
		case !row.Source.IsValid():
			return missing(fmt.Sprintf("source_ip in record %d", i+1))
		case row.Count < 0:
			return missing(fmt.Sprintf("count in record %d", i+1))
		}
		if row.HeaderFrom == "" {
			row.HeaderFrom = r.Policy.Domain
		}
		if row.Disposition == "" {
			row.Disposition = DispositionNone
		}
		if row.Disposition == DispositionNone && row.Aligned() {
			row.Disposition = DispositionPass
		}
	}
	return nil
}
