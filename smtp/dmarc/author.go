package dmarc

import (
	"slices"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// MaxAuthors is how many author domains of a message are evaluated, so that
// nobody can make us ask the DNS about thousands (RFC 9989 section 11.5).
const MaxAuthors = 4

// AuthorDomains returns the domains of the addresses of From, each once, in
// A-labels. complete is false if there is an address whose domain is not a
// domain name, or if there are more than [MaxAuthors] domains.
func AuthorDomains(from []message.Address) (domains []mail.Domain, complete bool) {
	complete = true
	for _, a := range from {
		if a.Host == "" { // begin or end of a group
			continue
		}
		d, err := mail.ParseDomain(a.Host)
		switch {
		case err != nil || d.IsLiteral():
			complete = false
		case slices.Contains(domains, d):
		case len(domains) == MaxAuthors:
			complete = false
		default:
			domains = append(domains, d)
		}
	}
	return domains, complete
}
