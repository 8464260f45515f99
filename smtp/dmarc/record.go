package dmarc

import (
	"errors"
	"net/url"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Policy is what a domain owner asks for (p, sp, np).
type Policy string

const (
	None       Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// severity orders policies.
func (p Policy) severity() int {
	switch p {
	case Quarantine:
		return 1
	case Reject:
		return 2
	}
	return 0
}

// milder returns the policy that test mode makes of p (t=y).
func (p Policy) milder() Policy {
	if p == Reject {
		return Quarantine
	}
	return None
}

// PSD is the psd tag.
type PSD string

const (
	PSDUnknown PSD = "u"
	PSDYes     PSD = "y" // a public suffix: others' domains are below it
	PSDNo      PSD = "n" // an organizational domain
)

// ErrNotARecord is returned for a text that does not begin with v=DMARC1.
var ErrNotARecord = errors.New("not a DMARC record")

// Bounds of a record.
const (
	maxRecord = 4096
	maxURIs   = 10
)

// Record is a DMARC policy record (RFC 9989 section 4.7).
type Record struct {
	Policy         Policy // p
	Subdomains     Policy // sp; empty: as p
	NonExistent    Policy // np; empty: as sp
	StrictDKIM     bool   // adkim=s
	StrictSPF      bool   // aspf=s
	PSD            PSD
	Testing        bool     // t=y
	AggregateURIs  []string // rua
	FailureURIs    []string // ruf
	FailureOptions string   // fo
	// Inapplicable says that the policy tags are wrong and that nobody asks for
	// reports either, so that the record asks for nothing (RFC 9989 section
	// 4.10.1). It still marks its domain in the walk.
	Inapplicable bool
}

// ParseRecord reads the text of a record. Unknown tags are ignored, values
// that are not valid count as absent; only a text that does not begin with
// the version is an error, [ErrNotARecord].
func ParseRecord(text string) (Record, error) {
	first, rest, _ := strings.Cut(text, ";")
	if name, value := cutTag(first); name != "v" || value != "DMARC1" || len(text) > maxRecord {
		return Record{}, ErrNotARecord
	}
	r := Record{PSD: PSDUnknown}
	seen := make(map[string]bool)
	valid := true // of p, sp and np
	for pair := range strings.SplitSeq(rest, ";") {
		name, value := cutTag(pair)
		if seen[name] {
			continue
		}
		seen[name] = true
		valid = r.set(name, value) && valid
	}
	if !valid || r.Policy == "" {
		r.Inapplicable = len(r.AggregateURIs) == 0
		r.Policy, r.Subdomains, r.NonExistent = None, "", ""
	}
	return r, nil
}

// cutTag splits name=value. Names are compared without regard to case.
func cutTag(pair string) (name, value string) {
	name, value, _ = strings.Cut(pair, "=")
	return strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
}

// set takes over one tag. It reports false for a policy that is none.
func (r *Record) set(name, value string) bool {
	lower := strings.ToLower(value)
	switch name {
	case "p":
		return setPolicy(&r.Policy, lower)
	case "sp":
		return setPolicy(&r.Subdomains, lower)
	case "np":
		return setPolicy(&r.NonExistent, lower)
	case "adkim":
		r.StrictDKIM = lower == "s"
	case "aspf":
		r.StrictSPF = lower == "s"
	case "psd":
		if lower == "y" || lower == "n" {
			r.PSD = PSD(lower)
		}
	case "t":
		r.Testing = lower == "y"
	case "rua":
		r.AggregateURIs = parseURIs(value)
	case "ruf":
		r.FailureURIs = parseURIs(value)
	case "fo":
		r.FailureOptions = lower
	}
	return true
}

func setPolicy(p *Policy, value string) bool {
	switch Policy(value) {
	case None, Quarantine, Reject:
		*p = Policy(value)
		return true
	}
	return false
}

// parseURIs returns the URIs of a list that are valid, without the obsolete
// size limit (RFC 9989 section 4.8).
func parseURIs(list string) []string {
	var uris []string
	for s := range strings.SplitSeq(list, ",") {
		s, _, _ = strings.Cut(strings.Trim(s, " \t"), "!")
		u, err := url.Parse(s)
		if err != nil || u.Scheme == "" || u.Opaque == "" && u.Host == "" || len(uris) == maxURIs {
			continue
		}
		if u.Scheme == "mailto" {
			if address, err := url.PathUnescape(u.Opaque); err != nil || !isAddress(address) {
				continue
			}
		}
		uris = append(uris, s)
	}
	return uris
}

func isAddress(s string) bool {
	_, err := mail.ParseAddress(s)
	return err == nil
}

// policyFor returns the policy for the domain the record stands at, or for a
// subdomain of it that exists or does not.
func (r Record) policyFor(subdomain, exists bool) Policy {
	switch {
	case subdomain && !exists && r.NonExistent != "":
		return r.NonExistent
	case subdomain && r.Subdomains != "":
		return r.Subdomains
	}
	return r.Policy
}
