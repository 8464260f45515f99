package tlsrpt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Bounds of a document.
const (
	MaxSize     = 4 << 20 // octets
	MaxPolicies = 1_000
	MaxFailures = 1_000 // of a policy
	maxTotal    = 10_000
	maxLines    = 100 // of a policy as it was published, or of its MX hosts
	maxText     = 500 // octets that are kept of one text
	maxCount    = 1 << 40
)

// Reasons why a document is not taken, for errors.Is. Texts of errors say
// what is wrong with it.
var (
	// ErrNotReport means that the document is something else.
	ErrNotReport = errors.New("not a TLS report")
	// ErrSyntax means that the report lacks what it must have, or says what
	// cannot be.
	ErrSyntax = errors.New("TLS report is not valid")
	// ErrTooLarge means that a bound was met.
	ErrTooLarge = errors.New("TLS report is too large")
)

// Report is a report (RFC 8460 section 4.4).
type Report struct {
	Org, Contact, ID string
	Begin, End       time.Time
	Policies         []Policy
}

// Policy is what was seen of one policy.
type Policy struct {
	Type       string      // "sts", "tlsa", "no-policy-found"
	Domain     mail.Domain // that mail was for
	Strings    []string    // the policy as it was found
	MXHosts    []string
	Successful int64 // sessions
	Failed     int64
	Failures   []Failure
}

// Failure is one kind of failure (RFC 8460 section 4.3).
type Failure struct {
	Type        string // "certificate-expired", "sts-policy-fetch-error" …
	SendingIP   string
	ReceivingIP string
	MX          string // receiving-mx-hostname
	Hello       string // receiving-mx-helo
	Sessions    int64
	Info, Code  string
}

// Sessions are those of all policies.
func (r *Report) Sessions() (successful, failed int64) {
	for i := range r.Policies {
		successful += r.Policies[i].Successful
		failed += r.Policies[i].Failed
	}
	return successful, failed
}

// Parse reads a document. What is unknown in it is passed over (RFC 8460
// section 4.4).
func Parse(document []byte) (*Report, error) {
	if len(document) > MaxSize {
		return nil, fmt.Errorf("%w: it has %d octets; %d are allowed", ErrTooLarge, len(document), MaxSize)
	}
	document = bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))
	var d jsonReport
	if err := json.Unmarshal(document, &d); err != nil {
		switch {
		case errors.Is(err, ErrTooLarge):
			return nil, err
		case !json.Valid(document):
			return nil, fmt.Errorf("%w: %s", ErrNotReport, clip(err.Error()))
		}
		return nil, fmt.Errorf("%w: %s", ErrSyntax, clip(err.Error()))
	}
	if d.Org == "" && d.ID == "" && d.Policies == nil {
		return nil, fmt.Errorf("%w: it has neither organization-name nor policies", ErrNotReport)
	}
	return d.report()
}

// jsonReport is the document as it stands.
type jsonReport struct {
	Org   text `json:"organization-name"`
	Dates struct {
		Begin text `json:"start-datetime"`
		End   text `json:"end-datetime"`
	} `json:"date-range"`
	Contact  text             `json:"contact-info"`
	ID       text             `json:"report-id"`
	Policies list[jsonPolicy] `json:"policies"`
}

type jsonPolicy struct {
	Policy struct {
		Type    text  `json:"policy-type"`
		Strings lines `json:"policy-string"`
		Domain  text  `json:"policy-domain"`
		MXHosts lines `json:"mx-host"`
	} `json:"policy"`
	Summary struct {
		Successful count `json:"total-successful-session-count"`
		Failed     count `json:"total-failure-session-count"`
	} `json:"summary"`
	Failures list[jsonFailure] `json:"failure-details"`
}

type jsonFailure struct {
	Type        text  `json:"result-type"`
	SendingIP   text  `json:"sending-mta-ip"`
	ReceivingIP text  `json:"receiving-ip"`
	MX          text  `json:"receiving-mx-hostname"`
	Hello       text  `json:"receiving-mx-helo"`
	Sessions    count `json:"failed-session-count"`
	Info        text  `json:"additional-information"`
	Code        text  `json:"failure-reason-code"`
}

// text is a string, of which no more than maxText octets are kept. Some write
// a number instead.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if len(b) > 0 && (b[0] == '-' || '0' <= b[0] && b[0] <= '9') || bytes.Equal(b, []byte("null")) {
		s = strings.Trim(string(b), "nul")
	} else if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = text(clipTo(strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD")), maxText))
	return nil
}

// lines is a list of strings, or a single one.
type lines []string

func (l *lines) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '[' {
		var t text
		if err := t.UnmarshalJSON(b); err != nil {
			return err
		}
		if t != "" {
			*l = lines{string(t)}
		}
		return nil
	}
	return eachOf(b, func(dec *json.Decoder, n int) error {
		var t text
		if err := dec.Decode(&t); err != nil {
			return err
		}
		if n < maxLines {
			*l = append(*l, string(t))
		}
		return nil
	})
}

// count is a number of sessions. Some write it in quotes.
type count int64

func (c *count) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err != nil || n < 0 || n > maxCount {
		return fmt.Errorf("%s is not a number of sessions", clip(string(b)))
	}
	*c = count(n)
	return nil
}

// list is an array with a bounded number of items: an item of two octets makes
// a value of hundreds.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	return eachOf(b, func(dec *json.Decoder, n int) error {
		if n == max(MaxPolicies, MaxFailures) {
			return fmt.Errorf("%w: a list has more than %d items", ErrTooLarge, n)
		}
		var v T
		if err := dec.Decode(&v); err != nil {
			return err
		}
		*l = append(*l, v)
		return nil
	})
}

// eachOf calls take for each item of an array, with how many came before it.
func eachOf(b []byte, take func(dec *json.Decoder, n int) error) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return errors.New("a list was expected")
	}
	for n := 0; dec.More(); n++ {
		if err := take(dec, n); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// report takes over what the document says, and makes sure that what must be
// there is.
func (d *jsonReport) report() (*Report, error) {
	r := &Report{Org: string(d.Org), Contact: string(d.Contact), ID: string(d.ID)}
	var err error
	if r.Begin, err = parseTime(d.Dates.Begin); err != nil {
		return nil, fmt.Errorf("%w: start-datetime: %v", ErrSyntax, err)
	}
	if r.End, err = parseTime(d.Dates.End); err != nil {
		return nil, fmt.Errorf("%w: end-datetime: %v", ErrSyntax, err)
	}
	switch {
	case r.Org == "":
		return nil, fmt.Errorf("%w: it has no organization-name", ErrSyntax)
	case r.ID == "":
		return nil, fmt.Errorf("%w: it has no report-id", ErrSyntax)
	case r.End.Before(r.Begin):
		return nil, fmt.Errorf("%w: its date-range ends before it begins", ErrSyntax)
	case len(d.Policies) == 0:
		return nil, fmt.Errorf("%w: it has no policies", ErrSyntax)
	}
	total := 0
	for i := range d.Policies {
		p, err := d.Policies[i].policy()
		if err != nil {
			return nil, fmt.Errorf("%w: policy %d: %v", ErrSyntax, i+1, err)
		}
		if total += len(p.Failures); total > maxTotal {
			return nil, fmt.Errorf("%w: more than %d failures", ErrTooLarge, maxTotal)
		}
		r.Policies = append(r.Policies, p)
	}
	return r, nil
}

func (p *jsonPolicy) policy() (Policy, error) {
	d, err := mail.ParseDomain(string(p.Policy.Domain))
	if err != nil || d.IsLiteral() {
		return Policy{}, fmt.Errorf("policy-domain: %q is not a domain name", clip(string(p.Policy.Domain)))
	}
	out := Policy{Type: strings.ToLower(string(p.Policy.Type)), Domain: d, Strings: p.Policy.Strings, MXHosts: p.Policy.MXHosts,
		Successful: int64(p.Summary.Successful), Failed: int64(p.Summary.Failed)}
	for i := range p.Failures {
		f := &p.Failures[i]
		out.Failures = append(out.Failures, Failure{Type: strings.ToLower(string(f.Type)), SendingIP: string(f.SendingIP), ReceivingIP: string(f.ReceivingIP),
			MX: string(f.MX), Hello: string(f.Hello), Sessions: int64(f.Sessions), Info: string(f.Info), Code: string(f.Code)})
	}
	return out, nil
}

// parseTime reads a time of RFC 3339; some leave out the zone.
func parseTime(s text) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, string(s)); err == nil && t.Year() >= 1970 && t.Year() < 3000 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time as in 2026-11-27T00:00:00Z", clip(string(s)))
}

// clip shortens what a stranger wrote for a sentence.
func clip(s string) string { return clipTo(s, 100) }

func clipTo(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
