package reports

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

// Bounds of a TLS summary.
const (
	maxTLSRead  = 5_000 // reports
	maxFailures = 200   // kinds of failure told apart
)

// TLSSummary is what TLS reports say about a domain.
type TLSSummary struct {
	Domain     string       `json:"domain"`
	From       time.Time    `json:"from"`
	To         time.Time    `json:"to"`
	Successful int64        `json:"successful" doc:"Sessions."`
	Failed     int64        `json:"failed"`
	Text       string       `json:"text" doc:"What it means, in words."`
	Policies   []TLSPolicy  `json:"policies"`
	Failures   []TLSFailure `json:"failures" doc:"The most frequent first."`
	Days       []TLSDay     `json:"days"`
	Reports    []TLSLine    `json:"reports" doc:"The newest 100."`
	Unverified int          `json:"unverified" doc:"Reports that do not pass DMARC: they are listed, and do not count."`
}

// TLSPolicy counts the sessions of one kind of policy.
type TLSPolicy struct {
	Type       string `json:"type" doc:"sts, tlsa, no-policy-found"`
	Mode       string `json:"mode,omitempty" doc:"Of MTA-STS, as the newest report saw it."`
	Successful int64  `json:"successful"`
	Failed     int64  `json:"failed"`
}

// TLSFailure is one kind of failure at one host.
type TLSFailure struct {
	Type     string   `json:"type"`
	Text     string   `json:"text" doc:"What it means, and what to do."`
	MX       string   `json:"mx,omitempty"`
	Sessions int64    `json:"sessions"`
	Orgs     []string `json:"orgs" doc:"Who has seen it."`
	Info     string   `json:"info,omitempty" doc:"In the words of one of them."`
}

// TLSDay is one day, in UTC.
type TLSDay struct {
	Day        string `json:"day"`
	Successful int64  `json:"successful"`
	Failed     int64  `json:"failed"`
}

// TLSLine is one report in a list.
type TLSLine struct {
	ID         string    `json:"id"`
	Org        string    `json:"org"`
	Sender     string    `json:"sender,omitempty"`
	Begin      time.Time `json:"begin"`
	End        time.Time `json:"end"`
	Received   time.Time `json:"received"`
	Successful int64     `json:"successful"`
	Failed     int64     `json:"failed"`
	Verified   bool      `json:"verified"`
}

// failureTexts says what the result types of RFC 8460 section 4.3 mean.
var failureTexts = map[string]string{
	"starttls-not-supported":     "Our server was reached and did not offer STARTTLS. See that the port is this server's, and nothing before it takes STARTTLS out.",
	"certificate-host-mismatch":  "The certificate has another name than the MX record. `mailstead cert list` shows which names it has.",
	"certificate-expired":        "The certificate had expired. `mailstead cert list` shows why it was not renewed.",
	"certificate-not-trusted":    "The certificate is of an authority that the sender does not trust, such as ourselves. Get one from a public authority.",
	"validation-failure":         "The sender could not validate the connection, for a reason it does not name.",
	"tlsa-invalid":               "The TLSA record does not fit the certificate: it was not changed with it.",
	"dnssec-invalid":             "The DNS answers of the domain fail their DNSSEC check. Ask whoever runs the DNS.",
	"dane-required":              "The sender demands DANE, and there are no TLSA records that it can use.",
	"sts-policy-fetch-error":     "The MTA-STS policy could not be fetched: see that https://mta-sts.<domain>/.well-known/mta-sts.txt answers.",
	"sts-policy-invalid":         "The MTA-STS policy was fetched and has a mistake.",
	"sts-webpki-invalid":         "The certificate of the web server that has the MTA-STS policy is not valid.",
	"sts-policy-fetch-timeout":   "The web server that has the MTA-STS policy does not answer in time.",
	"sts-policy-fetch-temporary": "The MTA-STS policy could not be fetched for a while.",
}

func failureText(kind string) string {
	if text := failureTexts[kind]; text != "" {
		return text
	}
	return "A failure that RFC 8460 does not name."
}

// TLS says what TLS reports tell about a domain.
func (b *Book) TLS(ctx context.Context, domain mail.Domain, from, to time.Time) (*TLSSummary, error) {
	s := &TLSSummary{Domain: string(domain), From: dayOf(from), To: to.UTC(), Policies: []TLSPolicy{}, Failures: []TLSFailure{}, Days: []TLSDay{}, Reports: []TLSLine{}}
	c := &tlsCollection{policies: map[string]*TLSPolicy{}, failures: map[[2]string]*TLSFailure{}, days: map[string]*TLSDay{}}
	err := b.db.View(func(tx *bolt.Tx) error {
		prefix := domainKey(domain)
		cur := tx.Bucket(bucketTLS).Cursor()
		read := 0
		for k, v := lastBefore(cur, prefix, s.To); k != nil && bytes.HasPrefix(k, prefix) && read < maxTLSRead; k, v = cur.Prev() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if timeAt(k, len(prefix)).Before(s.From) {
				break
			}
			var r TLSReport
			if err := unpacked(v, &r); err != nil {
				return err
			}
			read++
			s.take(&r, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.fill(s)
	s.Text = s.sentence()
	return s, nil
}

// tlsCollection sums up what reports say.
type tlsCollection struct {
	policies map[string]*TLSPolicy
	failures map[[2]string]*TLSFailure
	days     map[string]*TLSDay
}

func (s *TLSSummary) take(r *TLSReport, c *tlsCollection) {
	good, failed := r.Report.Sessions()
	if len(s.Reports) < maxListed {
		s.Reports = append(s.Reports, TLSLine{ID: r.ID, Org: r.Report.Org, Sender: string(r.Sender), Begin: r.Report.Begin, End: r.Report.End, Received: r.Received,
			Successful: good, Failed: failed, Verified: r.Verified()})
	}
	if !r.Verified() {
		s.Unverified++
		return
	}
	s.Successful += good
	s.Failed += failed
	at := dayOf(r.Report.Begin).Format(time.DateOnly)
	if c.days[at] == nil {
		c.days[at] = &TLSDay{Day: at}
	}
	c.days[at].Successful += good
	c.days[at].Failed += failed
	for i := range r.Report.Policies {
		p := &r.Report.Policies[i]
		if c.policies[p.Type] == nil { // reports come newest first
			c.policies[p.Type] = &TLSPolicy{Type: p.Type, Mode: modeOf(p.Strings)}
		}
		c.policies[p.Type].Successful += p.Successful
		c.policies[p.Type].Failed += p.Failed
		for j := range p.Failures {
			f := &p.Failures[j]
			c.fail(f.Type, f.MX, r.Report.Org, cmp.Or(f.Info, f.Code), f.Sessions)
		}
	}
}

func (c *tlsCollection) fail(kind, mx, org, info string, sessions int64) {
	key := [2]string{kind, mx}
	if c.failures[key] == nil {
		if len(c.failures) >= maxFailures {
			return
		}
		c.failures[key] = &TLSFailure{Type: kind, Text: failureText(kind), MX: mx, Orgs: []string{}, Info: info}
	}
	f := c.failures[key]
	f.Sessions += sessions
	if !slices.Contains(f.Orgs, org) && len(f.Orgs) < maxAddresses {
		f.Orgs = append(f.Orgs, org)
	}
}

// modeOf finds the mode in a policy of MTA-STS.
func modeOf(lines []string) string {
	for _, l := range lines {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "mode" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (c *tlsCollection) fill(s *TLSSummary) {
	for _, p := range c.policies {
		s.Policies = append(s.Policies, *p)
	}
	for _, f := range c.failures {
		slices.Sort(f.Orgs)
		s.Failures = append(s.Failures, *f)
	}
	for _, d := range c.days {
		s.Days = append(s.Days, *d)
	}
	slices.SortFunc(s.Policies, func(a, b TLSPolicy) int { return cmp.Compare(a.Type, b.Type) })
	slices.SortFunc(s.Failures, func(a, b TLSFailure) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.Type, b.Type), cmp.Compare(a.MX, b.MX))
	})
	slices.SortFunc(s.Days, func(a, b TLSDay) int { return cmp.Compare(a.Day, b.Day) })
}

func (s *TLSSummary) sentence() string {
	switch {
	case len(s.Days) == 0:
		return "No TLS report that counts has come about this time. They come to domains with a TLSRPT record (_smtp._tls) that have MTA-STS or DANE."
	case s.Failed == 0:
		return fmt.Sprintf("All %d sessions had TLS as the policy asks.", s.Successful)
	case len(s.Failures) == 0:
		return fmt.Sprintf("%d of %d sessions failed; nobody says why.", s.Failed, s.Failed+s.Successful)
	}
	return fmt.Sprintf("%d of %d sessions failed, most of them so: %s", s.Failed, s.Failed+s.Successful, s.Failures[0].Text)
}
