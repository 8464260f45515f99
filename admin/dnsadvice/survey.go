package dnsadvice

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail/dns"
)

// Survey is what the DNS says of a domain before anything is changed.
type Survey struct {
	Domain     string    `json:"domain"`
	Registered State     `json:"registered"` // ok, missing or unknown
	Zone       string    `json:"zone,omitempty"`
	Servers    []string  `json:"servers"`
	Provider   *Provider `json:"provider,omitempty"`
	MX         []string  `json:"mx"`               // hosts that mail goes to now, the first one first
	MailAt     string    `json:"mailAt,omitempty"` // in words, if mail lives elsewhere
	SPF        string    `json:"spf,omitempty"`
	DMARC      string    `json:"dmarc,omitempty"`
	Text       string    `json:"text"`
}

// Survey looks at a domain that somebody wants to move here; host is this
// server's name.
func (c *Checker) Survey(ctx context.Context, domain, host string) Survey {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	s := Survey{Domain: domain, Registered: OK, Servers: []string{}, MX: []string{}}
	zone, err := c.Authority.Zone(ctx, domain)
	switch {
	case errors.Is(err, dns.ErrNotFound):
		s.Registered, s.Text = Missing, domain+" is not registered, or its registration names no name servers yet. You can go on; mail comes in when it is."
		return s
	case err != nil:
		s.Registered, s.Text = Unknown, "The DNS gave no answer about "+domain+"; that says nothing about it. You can go on."
		return s
	}
	s.Zone = zone.Name
	for _, server := range zone.Servers {
		s.Servers = append(s.Servers, server.Name)
	}
	s.Provider = guessProvider(s.Servers)
	mxs, known := c.answer(ctx, zone, domain, "MX")
	slices.SortStableFunc(mxs, func(a, b string) int { x, _ := cutMX(a); y, _ := cutMX(b); return x - y })
	for _, mx := range mxs {
		if _, h := cutMX(mx); h != "." {
			s.MX = append(s.MX, h)
		}
	}
	if texts, _ := c.answer(ctx, zone, domain, "TXT"); len(withVersion(texts, spfVersion)) > 0 {
		s.SPF = withVersion(texts, spfVersion)[0]
	}
	if texts, _ := c.answer(ctx, zone, dmarcLabel+domain, "TXT"); len(withVersion(texts, "v=DMARC1")) > 0 {
		s.DMARC = withVersion(texts, "v=DMARC1")[0]
	}
	s.describe(known, host)
	return s
}

func (s *Survey) describe(known bool, host string) {
	switch {
	case !known:
		s.Text = "The name servers of " + s.Domain + " gave no answer about its mail; that says nothing about it. You can go on."
	case len(s.MX) == 0:
		s.Text = "No mail goes to " + s.Domain + " yet."
	case slices.Contains(s.MX, host):
		s.Text = "Mail for " + s.Domain + " comes to this server already."
	default:
		s.MailAt = mailAt(s.MX)
		s.Text = "Mail for " + s.Domain + " goes to " + s.MailAt + " now, and stays there until you change the MX record. " +
			"Bring your old mail over first and switch later, or begin with a domain of its own below, such as in." + s.Domain + "."
	}
}

// answer is what the first server that knows says, and whether one did.
func (c *Checker) answer(ctx context.Context, z dns.Zone, name, qtype string) (values []string, known bool) {
	for _, a := range c.Authority.Ask(ctx, z, name, qtype) {
		if a.Err == nil {
			return a.Values, true
		}
	}
	return nil, false
}

// SuggestHost is a name for the server of a domain.
func SuggestHost(domain string) string {
	if strings.HasPrefix(domain, "mail.") || strings.HasPrefix(domain, "mx.") {
		return "mx1." + strings.TrimPrefix(strings.TrimPrefix(domain, "mail."), "mx.")
	}
	return "mail." + domain
}
