package dnsbl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Names of reasons.
const (
	ReasonAddress = "dnsbl.ip"
	ReasonDomain  = "dnsbl.domain"
	ReasonLink    = "dnsbl.link" // of a domain that a link leads to
	ReasonAllow   = "dnswl"
)

var reasonNames = map[Kind]string{Addresses: ReasonAddress, Domains: ReasonDomain, Allow: ReasonAllow}

// Reasons says what listings add to the score. Lists know of each other: of
// those that say the same, the one of the largest weight counts in full and
// the others half.
func Reasons(listings []Listing) []mail.Reason {
	sorted := slices.Clone(listings)
	slices.SortStableFunc(sorted, func(a, b Listing) int {
		return cmp.Compare(weight(b.Score), weight(a.Score))
	})
	var reasons []mail.Reason
	counted := map[Kind]bool{}
	for _, l := range sorted {
		r := mail.Reason{Name: reasonNames[l.Kind], Score: l.Score, Text: l.Text()}
		if counted[l.Kind] {
			r.Score /= 2
		}
		counted[l.Kind] = true
		reasons = append(reasons, r)
	}
	return reasons
}

// Text says it to people, in one sentence.
func (l *Listing) Text() string {
	meaning := ""
	if m := l.meaning(); m != "" {
		meaning = " (" + m + ")"
	}
	switch l.Kind {
	case Allow:
		return fmt.Sprintf("The address %s is on the list of good senders %s%s.", l.What, l.List, meaning)
	case Domains:
		return fmt.Sprintf("%s, %s, is on the blocklist %s%s.", capital(l.Role), l.What, l.List, meaning)
	}
	return fmt.Sprintf("The address %s is on the blocklist %s%s.", l.What, l.List, meaning)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// meanings are what the codes of known lists say, by zone and last octet.
var meanings = map[string]map[byte]string{
	"spamhaus address": {2: "SBL: a source of spam", 3: "CSS: a source of spam", 4: "XBL: a hijacked machine", 5: "XBL: a hijacked machine", 6: "XBL: a hijacked machine",
		7: "XBL: a hijacked machine", 9: "DROP: a hijacked net", 10: "PBL: the provider says that no mail comes from here", 11: "PBL: an address for end users",
		30: "BCL: a botnet is commanded from here"},
	"spamhaus domain": {2: "spam", 4: "phishing", 5: "malware", 6: "botnet", 102: "a good domain that is abused", 103: "a redirector that is abused",
		104: "a good domain that is abused for phishing", 105: "a good domain that is abused for malware", 106: "a good domain that is abused by a botnet"},
	"dnswl": {0: "no trust", 1: "low trust", 2: "medium trust", 3: "high trust"},
}

// meaning says what the answer of a known list means; "" of others.
func (l *Listing) meaning() string {
	table := ""
	switch {
	case strings.HasSuffix(l.List, ".dnswl.org"):
		table = "dnswl"
	case strings.HasSuffix(l.List, ".spamhaus.org"), strings.HasSuffix(l.List, ".spamhaus.net"):
		table = "spamhaus address"
		if l.Kind == Domains {
			table = "spamhaus domain"
		}
	}
	return meanings[table][l.Answer.Unmap().As4()[3]]
}
