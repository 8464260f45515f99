package aggregate

import (
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dmarc"
)

// Namespace of the documents of RFC 9990. Those of RFC 7489 have another one,
// or none.
const Namespace = "urn:ietf:params:xml:ns:dmarc-2.0"

// Report is an aggregate report (RFC 9990 section 3.1.1).
type Report struct {
	// Namespace is that of the root element, as it was read.
	Namespace string

	Org, Email string // who reports
	Contact    string // more of them
	ID         string // unique among the reports of Org about a domain
	Begin, End time.Time
	Errors     []string // that the reporter had
	Generator  string   // program that made it

	Policy Published
	Rows   []Row
}

// Messages is the number of messages the report is about.
func (r *Report) Messages() (n int64) {
	for i := range r.Rows {
		n += r.Rows[i].Count
	}
	return n
}

// Published is the policy record as the reporter saw it. Empty fields were not
// told.
type Published struct {
	Domain      mail.Domain // where the record stands
	Discovery   string      // "treewalk", "psl"
	Policy      dmarc.Policy
	Subdomains  dmarc.Policy
	NonExistent dmarc.Policy
	DKIM, SPF   string // alignment: "r", "s"
	Failure     string // fo
	Testing     bool   // t=y
}

// Disposition is what became of messages.
type Disposition string

const (
	DispositionNone       Disposition = "none"       // failed, and nothing was done
	DispositionPass       Disposition = "pass"       // RFC 9990; RFC 7489 says none
	DispositionQuarantine Disposition = "quarantine" // filed to Junk, or the like
	DispositionReject     Disposition = "reject"
)

// Row is one record: messages from one source with the same results.
type Row struct {
	Source      netip.Addr
	Count       int64
	Disposition Disposition
	DKIM, SPF   bool // passed, and aligned with the author's domain
	Reasons     []Reason

	HeaderFrom   mail.Domain // the author's
	EnvelopeFrom mail.Domain // that SPF was about; empty for the null reverse-path
	EnvelopeTo   mail.Domain

	DKIMResults []DKIMResult
	SPFResults  []SPFResult // one at most, in RFC 9990
}

// Aligned reports whether the messages passed DMARC.
func (r *Row) Aligned() bool { return r.DKIM || r.SPF }

// Reason says why something else was done than the policy asks for.
type Reason struct {
	Type    string // "local_policy", "mailing_list", "trusted_forwarder", "policy_test_mode", "other", "forwarded", "sampled_out"
	Comment string
}

// DKIMResult is one signature, whatever its domain (RFC 8601 section 2.7.1).
type DKIMResult struct {
	Domain   mail.Domain
	Selector string
	Result   string
	Comment  string
}

// SPFResult is what SPF found (RFC 8601 section 2.7.2).
type SPFResult struct {
	Domain  mail.Domain
	Scope   string // "mfrom"; RFC 7489 also has "helo"
	Result  string
	Comment string
}
