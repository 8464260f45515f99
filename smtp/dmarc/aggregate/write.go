package aggregate

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// XML writes a report in the form of RFC 9990, whatever form it was read from.
// It fails for a report that [Parse] would not take, or without rows (RFC 9990
// section 3.1.1.2).
func (r *Report) XML() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if len(r.Rows) == 0 || len(r.Rows) > MaxRows {
		return nil, fmt.Errorf("a report needs records, and %d at most; this one has %d", MaxRows, len(r.Rows))
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", " ")
	if err := e.Encode(r.document()); err != nil {
		return nil, fmt.Errorf("write DMARC report: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// document is the report in the order that the schema asks for (RFC 9990
// appendix A).
type document struct {
	XMLName  xml.Name    `xml:"urn:ietf:params:xml:ns:dmarc-2.0 feedback"`
	Version  string      `xml:"version"`
	Metadata xmlMetadata `xml:"report_metadata"`
	Policy   xmlPolicy   `xml:"policy_published"`
	Records  []xmlRecord `xml:"record"`
}

type xmlMetadata struct {
	Org       string `xml:"org_name"`
	Email     string `xml:"email"`
	Contact   string `xml:"extra_contact_info,omitempty"`
	ID        string `xml:"report_id"`
	Begin     int64  `xml:"date_range>begin"`
	End       int64  `xml:"date_range>end"`
	Error     string `xml:"error,omitempty"`
	Generator string `xml:"generator,omitempty"`
}

type xmlPolicy struct {
	Domain      string `xml:"domain"`
	Discovery   string `xml:"discovery_method,omitempty"`
	Policy      string `xml:"p"`
	Subdomains  string `xml:"sp,omitempty"`
	NonExistent string `xml:"np,omitempty"`
	Failure     string `xml:"fo,omitempty"`
	DKIM        string `xml:"adkim,omitempty"`
	SPF         string `xml:"aspf,omitempty"`
	Testing     string `xml:"testing"`
}

type xmlRecord struct {
	Source      string         `xml:"row>source_ip"`
	Count       int64          `xml:"row>count"`
	Disposition string         `xml:"row>policy_evaluated>disposition"`
	DKIM        string         `xml:"row>policy_evaluated>dkim"`
	SPF         string         `xml:"row>policy_evaluated>spf"`
	Reasons     []xmlReason    `xml:"row>policy_evaluated>reason"`
	Identifiers xmlIdentifiers `xml:"identifiers"`
	Results     xmlResults     `xml:"auth_results"`
}

type xmlReason struct {
	Type    string `xml:"type"`
	Comment string `xml:"comment,omitempty"`
}

type xmlIdentifiers struct {
	HeaderFrom   mail.Domain `xml:"header_from"`
	EnvelopeFrom mail.Domain `xml:"envelope_from"` // may be empty (section 3.1.1.10)
	EnvelopeTo   mail.Domain `xml:"envelope_to,omitempty"`
}

type xmlResults struct {
	DKIM []xmlDKIM `xml:"dkim"`
	SPF  *xmlSPF   `xml:"spf"`
}

type xmlDKIM struct {
	Domain   mail.Domain `xml:"domain"`
	Selector string      `xml:"selector"`
	Result   string      `xml:"result"`
	Comment  string      `xml:"human_result,omitempty"`
}

type xmlSPF struct {
	Domain  mail.Domain `xml:"domain"`
	Scope   string      `xml:"scope"`
	Result  string      `xml:"result"`
	Comment string      `xml:"human_result,omitempty"`
}

func (r *Report) document() *document {
	p := &r.Policy
	d := &document{Version: "1.0",
		Metadata: xmlMetadata{Org: r.Org, Email: r.Email, Contact: r.Contact, ID: r.ID, Begin: r.Begin.Unix(), End: r.End.Unix(),
			Error: strings.Join(r.Errors, "; "), Generator: r.Generator},
		Policy: xmlPolicy{Domain: string(p.Domain), Discovery: p.Discovery, Policy: string(p.Policy), Subdomains: string(p.Subdomains),
			NonExistent: string(p.NonExistent), Failure: p.Failure, DKIM: p.DKIM, SPF: p.SPF, Testing: "n"},
	}
	if p.Policy == "" {
		d.Policy.Policy = "none"
	}
	if p.Testing {
		d.Policy.Testing = "y"
	}
	for i := range r.Rows {
		d.Records = append(d.Records, r.Rows[i].record())
	}
	return d
}

func (r *Row) record() xmlRecord {
	rec := xmlRecord{Source: r.Source.String(), Count: r.Count, Disposition: string(r.Disposition), DKIM: passFail(r.DKIM), SPF: passFail(r.SPF),
		Identifiers: xmlIdentifiers{r.HeaderFrom, r.EnvelopeFrom, r.EnvelopeTo}}
	for _, why := range r.Reasons {
		rec.Reasons = append(rec.Reasons, xmlReason(why))
	}
	for _, d := range r.DKIMResults {
		rec.Results.DKIM = append(rec.Results.DKIM, xmlDKIM(d))
	}
	for _, s := range r.SPFResults {
		if s.Scope != "helo" { // RFC 9990 section 3.1.1.13 has mfrom alone
			rec.Results.SPF = &xmlSPF{s.Domain, "mfrom", s.Result, s.Comment}
			break
		}
	}
	return rec
}

func passFail(pass bool) string {
	if pass {
		return "pass"
	}
	return "fail"
}
