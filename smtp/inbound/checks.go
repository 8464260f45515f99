package inbound

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/dmarc"
	"github.com/mailstead/mailstead/smtp/spf"
)

// maxReverseNames is how many names of a client are looked at.
const maxReverseNames = 3

// checkLoop refuses what has been here before: too many hops, or a
// Delivered-To of its recipient (RFC 5321 section 6.3).
func (s *Service) checkLoop(_ context.Context, m *Mail) Finding {
	if m.Index.Hops > s.opts.MaxHops {
		return loop(fmt.Sprintf("message has passed %d servers already", m.Index.Hops))
	}
	for f := range message.Fields(m.Header) {
		if !strings.EqualFold(f.Name, "Delivered-To") {
			continue
		}
		p, err := mail.ParseAddress(strings.TrimSpace(f.Value()))
		if err != nil {
			continue
		}
		for _, rcpt := range m.Envelope.Recipients {
			if rcpt.Path.Key() == p.Key() {
				return loop("message was already delivered to " + p.String())
			}
		}
	}
	return Finding{}
}

func loop(text string) Finding {
	return Finding{Action: Refuse, Status: mail.StatusRoutingLoop, Code: 554, Text: text + ": mail loop", Reason: text}
}

// checkReverse finds the client's name: one of its PTR records whose address
// is the client's again (RFC 8601 section 2.7.3).
func (s *Service) checkReverse(ctx context.Context, m *Mail) Finding {
	addr := m.Client.Addr.Unmap()
	r := mail.AuthResult{Method: "iprev", Result: "fail", Comment: "no name leads back to the address",
		Props: []mail.AuthProp{{Type: "policy", Name: "iprev", Value: addr.String()}}}
	names, _, err := s.opts.Resolver.PTR(ctx, addr)
	switch {
	case errors.Is(err, dns.ErrNotFound):
		r.Comment = "no name"
	case err != nil:
		r.Result, r.Comment = "temperror", "temporary DNS trouble"
		return Finding{Results: []mail.AuthResult{r}, Err: err}
	}
	for _, name := range names[:min(len(names), maxReverseNames)] {
		addrs, _, err := s.opts.Resolver.A(ctx, name)
		if errors.Is(err, dns.ErrTemporary) {
			r.Result, r.Comment = "temperror", "temporary DNS trouble"
			continue
		}
		for _, a := range addrs {
			if d, err := mail.ParseDomain(name); a == addr && err == nil {
				r.Result, r.Comment = "pass", string(d)
				return Finding{Results: []mail.AuthResult{r}, ClientName: string(d)}
			}
		}
	}
	return Finding{Results: []mail.AuthResult{r}}
}

// checkSPF checks the reverse-path, and the HELO name beside it.
func (s *Service) checkSPF(ctx context.Context, m *Mail) Finding {
	c := spf.Client{Addr: m.Client.Addr, Hello: m.Client.Hello, ReversePath: m.Envelope.ReversePath}
	from := spf.CheckMailFrom(ctx, s.opts.Resolver, c)
	f := Finding{
		Results:     []mail.AuthResult{from.AuthResult},
		Identifiers: []dmarc.Identifier{{Method: dmarc.SPF, Domain: from.Domain, Pass: from.Pass(), Pending: from.Result == "temperror"}},
		Header:      []byte("Received-SPF: " + from.Header(s.opts.Hostname) + "\r\n"),
	}
	if from.Identity == spf.MailFrom {
		f.Results = append(f.Results, spf.CheckHelo(ctx, s.opts.Resolver, c).AuthResult)
	}
	return f
}

// checkDKIM verifies signatures; without one the body is not read again.
func (s *Service) checkDKIM(ctx context.Context, m *Mail) Finding {
	var f Finding
	var body lazyReader
	body.open = m.Body
	for _, r := range dkim.Verify(ctx, s.opts.Resolver, m.Header, &body) {
		f.Results = append(f.Results, r.AuthResult)
		if r.Domain != "" {
			f.Identifiers = append(f.Identifiers,
				dmarc.Identifier{Method: dmarc.DKIM, Domain: r.Domain, Pass: r.Pass(), Pending: r.Result == "temperror"})
		}
	}
	return f
}

// checkDMARC asks what the authors' domains want, once SPF and DKIM are known.
func (s *Service) checkDMARC(ctx context.Context, m *Mail) Finding {
	domains, complete := dmarc.AuthorDomains(authors(m.Header))
	if len(domains) == 0 {
		// RFC 5322 section 3.6 demands an author. Mail programs show whatever
		// stands there instead, so a person should look twice.
		return Finding{Action: Junk, Reason: "no author that can be checked",
			Results: []mail.AuthResult{{Method: "dmarc", Result: "permerror", Comment: "no author domain"}}}
	}
	ids := m.identifiers()
	var f Finding
	results := make([]dmarc.Result, 0, len(domains))
	for _, d := range domains {
		r := dmarc.Evaluate(ctx, s.opts.Resolver, d, ids)
		results = append(results, r)
		f.DMARC = append(f.DMARC, r)
		f.Results = append(f.Results, r.AuthResult)
		f.Err = errors.Join(f.Err, r.Err)
	}
	s.applyPolicy(&f, dmarc.Strictest(results))
	if !complete && f.Action == Accept {
		f.Action, f.Reason = Junk, "has authors that were not checked"
	}
	return f
}

// applyPolicy does what the owner of the author's domain asks for.
func (s *Service) applyPolicy(f *Finding, r dmarc.Result) {
	reason := fmt.Sprintf("neither SPF nor DKIM stands for %s, whose policy is p=%s", r.Author, r.Policy)
	switch {
	case r.Disposition == dmarc.Reject && !s.opts.LenientDMARC:
		f.Action, f.Reason, f.Status, f.Code = Refuse, reason, mail.StatusPolicy, 550
		f.Text = fmt.Sprintf("the owner of %s asks to refuse mail that is not authenticated as its own (DMARC p=%s of %s)",
			r.Author, r.Policy, r.PolicyDomain)
	case r.Disposition != dmarc.None:
		f.Action, f.Reason = Junk, reason
	}
}

// authors returns the addresses of all From fields; there should be one field.
func authors(header []byte) (list []message.Address) {
	for f := range message.Fields(header) {
		if strings.EqualFold(f.Name, "From") {
			list = append(list, message.ParseAddressList(f.Value())...)
		}
	}
	return list
}
