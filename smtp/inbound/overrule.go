package inbound

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dmarc"
)

// Trust says whose word counts more than a DMARC failure. Forwarders and
// mailing lists break what stands for the author, SPF always and DKIM when
// they change a message (RFC 9989 section 5.4, RFC 7960).
type Trust struct {
	// Sealers are domains whose reports in an ARC chain are believed.
	Sealers []mail.Domain
	// Forwarders pass on mail that people here had sent elsewhere at first:
	// domains, with those below them, that the client's confirmed name, SPF or
	// DKIM stands for.
	Forwarders []mail.Domain
	// Networks are those of forwarders.
	Networks []netip.Prefix
}

// ParseTrust reads lists with spaces between their entries: of domains, and of
// domains, addresses and networks.
func ParseTrust(sealers, forwarders string) (t Trust, err error) {
	for s := range strings.FieldsSeq(sealers) {
		d, err := mail.ParseDomain(s)
		if err != nil || d.IsLiteral() {
			return Trust{}, fmt.Errorf("%q is not a domain", s)
		}
		t.Sealers = append(t.Sealers, d)
	}
	for s := range strings.FieldsSeq(forwarders) {
		if addr, err := netip.ParseAddr(s); err == nil {
			t.Networks = append(t.Networks, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		if net, err := netip.ParsePrefix(s); err == nil {
			t.Networks = append(t.Networks, net.Masked())
			continue
		}
		d, err := mail.ParseDomain(s)
		if err != nil || d.IsLiteral() {
			return Trust{}, fmt.Errorf("%q is neither a domain nor a network such as 192.0.2.0/24", s)
		}
		t.Forwarders = append(t.Forwarders, d)
	}
	return t, nil
}

// overrule lets a failure be without consequences if somebody who is trusted
// passed the message on: at first our own forwarders, then sealers of ARC
// chains.
func (s *Service) overrule(ctx context.Context, m *Mail, f *Finding, r *dmarc.Result) {
	trust := s.opts.Trust()
	if who := trust.forwarder(m); who != "" {
		r.Overrule(dmarc.TrustedForwarder, "local policy: forwarder", "came through "+who)
		f.Reasons = append(f.Reasons, mail.Reason{Name: "dmarc.forwarder",
			Text: fmt.Sprintf("It came through the trusted forwarder %s, so the policy of %s does not count.", who, r.Author)})
		return
	}
	if sealer := s.vouching(ctx, m, trust, r.Author); sealer != "" {
		f.Sealer = sealer
		r.Overrule(dmarc.LocalPolicy, "local policy: ARC", "vouched for by "+string(sealer))
		f.Reasons = append(f.Reasons, mail.Reason{Name: "dmarc.arc",
			Text: fmt.Sprintf("The trusted forwarder %s has seen proof that %s sent it (ARC), so the policy of that domain does not count.", sealer, r.Author)})
	}
}

// forwarder returns the name or address of the trusted forwarder that the
// message came from, empty if it did not.
func (t Trust) forwarder(m *Mail) string {
	addr := m.Client.Addr.Unmap().WithZone("")
	if slices.ContainsFunc(t.Networks, func(n netip.Prefix) bool { return n.Contains(addr) }) {
		return addr.String()
	}
	for _, f := range m.Findings {
		if d := mail.Domain(f.ClientName); d != "" && t.forwards(d) {
			return f.ClientName
		}
		for _, id := range f.Identifiers {
			if id.Pass && t.forwards(id.Domain) {
				return string(id.Domain)
			}
		}
	}
	return ""
}

func (t Trust) forwards(d mail.Domain) bool {
	return slices.ContainsFunc(t.Forwarders, d.IsSubdomainOf)
}

// vouching returns the trusted sealer that reports that the author was proved,
// by DMARC itself or by an aligned domain.
func (s *Service) vouching(ctx context.Context, m *Mail, trust Trust, author mail.Domain) mail.Domain {
	if len(trust.Sealers) == 0 {
		return ""
	}
	trusted := func(d mail.Domain) bool { return slices.Contains(trust.Sealers, d) }
	for _, f := range m.Findings {
		if f.chain == nil {
			continue
		}
		for sealer, results := range f.chain.Vouched(trusted) {
			if provedAuthor(results, author) {
				return sealer
			}
			ids := reportedIdentifiers(results)
			if len(ids) > 0 && dmarc.Evaluate(ctx, s.opts.Resolver, author, ids).Result == "pass" {
				return sealer
			}
		}
	}
	return ""
}

// provedAuthor reports whether DMARC passed for the author.
func provedAuthor(results []mail.AuthResult, author mail.Domain) bool {
	return slices.ContainsFunc(results, func(r mail.AuthResult) bool {
		d, err := mail.ParseDomain(r.Prop("header", "from"))
		return r.Method == "dmarc" && r.Result == "pass" && err == nil && d == author
	})
}

// reportedIdentifiers are the domains that SPF and DKIM stood for where the
// results were written.
func reportedIdentifiers(results []mail.AuthResult) (ids []dmarc.Identifier) {
	for _, r := range results {
		text, method := "", dmarc.SPF
		switch r.Method {
		case "spf":
			text = r.Prop("smtp", "mailfrom")
		case "dkim":
			text, method = r.Prop("header", "d"), dmarc.DKIM
			if text == "" {
				text = r.Prop("header", "i")
			}
		}
		d, err := mail.ParseDomain(text[strings.LastIndexByte(text, '@')+1:])
		if r.Result == "pass" && err == nil && !d.IsLiteral() && len(ids) < maxReported {
			ids = append(ids, dmarc.Identifier{Method: method, Domain: d, Pass: true})
		}
	}
	return ids
}

// maxReported is how many domains of one report are looked at, each of which
// may cost a walk up the DNS.
const maxReported = 8
