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
	signatures, _ := m.signatures()
	for _, r := range signatures.Verify(ctx, s.opts.Resolver, s.opts.Now()) {
		f.Results = append(f.Results, r.AuthResult)
		f.Reasons = append(f.Reasons, weaknesses(r)...)
		if r.Domain != "" {
			f.Identifiers = append(f.Identifiers,
				dmarc.Identifier{Method: dmarc.DKIM, Domain: r.Domain, Pass: r.Pass(), Pending: r.Result == "temperror"})
		}
	}
	return f
}

// weaknesses are what is odd about a signature that is good otherwise.
func weaknesses(r dkim.Result) (reasons []mail.Reason) {
	if r.Partial {
		reasons = append(reasons, mail.Reason{Name: "dkim.partial", Score: 1,
			Text: fmt.Sprintf("The signature of %s leaves the end of the message open (l=).", r.Domain)})
	}
	if r.Weak > 0 {
		score := 0.0 // still in wide use
		if !r.Pass() {
			score = 0.5
		}
		reasons = append(reasons, mail.Reason{Name: "dkim.weak-key", Score: score,
			Text: fmt.Sprintf("The signature of %s was made with a weak key of %d bits.", r.Domain, r.Weak)})
	}
	return reasons
}

// checkARC verifies the chain of forwarders, if there is one.
func (s *Service) checkARC(ctx context.Context, m *Mail) Finding {
	_, chain := m.signatures()
	r := chain.Verify(ctx, s.opts.Resolver, s.opts.Now())
	if r.Result == "none" {
		return Finding{}
	}
	return Finding{Results: []mail.AuthResult{r.AuthResult}, chain: &r}
}

// checkDMARC asks what the authors' domains want, once SPF, DKIM and ARC are
// known.
func (s *Service) checkDMARC(ctx context.Context, m *Mail) Finding {
	domains, complete := dmarc.AuthorDomains(m.authors())
	if len(domains) == 0 {
		// RFC 5322 section 3.6 demands an author. Mail programs show whatever
		// stands there instead, so a person should look twice.
		return Finding{Action: Junk, Reason: "no author that can be checked",
			Results: []mail.AuthResult{{Method: "dmarc", Result: "permerror", Comment: "no author domain"}}}
	}
	complete = complete && len(m.Header) < message.MaxHeader // there could be more authors behind the cut
	ids := m.identifiers()
	var f Finding
	for _, d := range domains {
		r := dmarc.Evaluate(ctx, s.opts.Resolver, d, ids)
		if r.Result == "fail" {
			s.overrule(ctx, m, &f, &r)
		}
		f.DMARC = append(f.DMARC, r)
		f.Results = append(f.Results, r.AuthResult)
		f.Err = errors.Join(f.Err, r.Err)
	}
	s.applyPolicy(&f, dmarc.Strictest(f.DMARC))
	if !complete && f.Action == Accept {
		f.Action, f.Reason = Junk, "has authors that were not checked"
	}
	return f
}

// applyPolicy does what the owner of the author's domain asks for.
func (s *Service) applyPolicy(f *Finding, r dmarc.Result) {
	if r.Disposition == dmarc.None {
		return
	}
	reason := fmt.Sprintf("neither SPF nor DKIM stands for %s, whose policy is p=%s", r.Author, r.Policy)
	switch {
	case r.Disposition == dmarc.Reject && !s.opts.LenientDMARC():
		f.Action, f.Reason, f.Status, f.Code = Refuse, reason, mail.StatusPolicy, 550
		f.Text = fmt.Sprintf("the owner of %s asks to refuse mail that is not authenticated as its own (DMARC p=%s of %s)",
			r.Author, r.Policy, r.PolicyDomain)
	default:
		f.Action, f.Reason = Junk, reason
	}
}

// author is the domain that DMARC has proved to be the author's, "" if there
// is none or one of several was not.
func (m *Mail) author() mail.Domain {
	for _, f := range m.Findings {
		if len(f.DMARC) > 0 {
			if r := dmarc.Strictest(f.DMARC); r.Result == "pass" {
				return r.Author
			}
		}
	}
	return ""
}

// authors returns the addresses of all From fields; there should be one field.
// Checks that run at once may call it.
func (m *Mail) authors() []message.Address {
	m.from.once.Do(func() {
		for f := range message.Fields(m.Header) {
			if strings.EqualFold(f.Name, "From") {
				m.from.list = append(m.from.list, message.ParseAddressList(f.Value())...)
			}
		}
	})
	return m.from.list
}
