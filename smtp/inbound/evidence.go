package inbound

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/smtp/dmarc"
)

// maxAuthors bounds how many authors of a message are looked for in lists.
const maxAuthors = 50

// weigh finds out whom the message reaches, and what it is worth to them.
func (s *Service) weigh(ctx context.Context, m *Mail) {
	people := authorPaths(m)
	m.Evidence = m.evidence(people)
	var accounts []mailbox.AccountID
	for _, to := range s.opts.Deliverer.Reach(ctx, m.Envelope.Recipients) {
		m.Recipients = append(m.Recipients, Recipient{Reached: to})
		accounts = append(accounts, to.Account)
	}
	opinions := s.score(ctx, m.Evidence, accounts)
	sender := m.sender(people)
	for i := range m.Recipients {
		r := &m.Recipients[i]
		rules := s.opts.Policies.Rules(uint32(r.Account), r.To)
		r.Opinion, r.Policy, r.Match = opinions[i], rules.Policy, rules.Lists.Match(&sender)
	}
}

// score asks the scorer; without one the reasons of the checks are all there
// is.
func (s *Service) score(ctx context.Context, e *junk.Evidence, accounts []mailbox.AccountID) []junk.Opinion {
	if s.opts.Scorer != nil && len(accounts) > 0 {
		ctx, cancel := context.WithTimeout(ctx, s.opts.Budget)
		defer cancel()
		return s.opts.Scorer.Score(ctx, e, accounts)
	}
	base := junk.Opinion{Reasons: e.Reasons}
	for _, r := range e.Reasons {
		base.Score += r.Score
	}
	return slices.Repeat([]junk.Opinion{base}, len(accounts))
}

// evidence collects what the checks have found.
func (m *Mail) evidence(authors []mail.Path) *junk.Evidence {
	e := &junk.Evidence{Envelope: m.Envelope, Header: m.Kept, Index: m.Index, Open: m.open,
		Client: m.Client.Addr.Unmap(), Hello: m.Client.Hello, Exempt: m.visit != nil && m.visit.exempt}
	if len(authors) > 0 {
		e.Author = authors[0]
	}
	for _, f := range m.Findings {
		if f.ClientName != "" {
			e.ClientName = f.ClientName
		}
		if f.Sealer != "" {
			e.ARC = f.Sealer
		}
		e.Reasons = append(e.Reasons, f.Reasons...)
		if f.Action > Accept && len(f.Reasons) == 0 { // it has no part in the score, but people see why
			e.Reasons = append(e.Reasons, mail.Reason{Name: f.Check, Text: f.Reason})
		}
		for _, r := range f.Results {
			if r.Method == "dmarc" && e.DMARC == "" {
				e.DMARC = r.Result
			}
		}
		for _, r := range f.DMARC {
			if r.Author == e.Author.Domain && e.AuthorOrg == "" {
				e.AuthorOrg = r.OrgDomain
			}
		}
	}
	e.SPF = m.spfResult()
	for _, id := range m.identifiers() {
		if id.Method == dmarc.DKIM && id.Pass && !slices.Contains(e.DKIM, id.Domain) {
			e.DKIM = append(e.DKIM, id.Domain)
		}
	}
	return e
}

// open returns octets of Kept and Body.
func (m *Mail) open(from, to int64) io.Reader {
	n := int64(len(m.Kept))
	if to = max(to, from); to <= n {
		return bytes.NewReader(m.Kept[from:to])
	}
	body := m.Body()
	if skip := max(from-n, 0); skip > 0 {
		if _, err := body.(io.Seeker).Seek(skip, io.SeekStart); err != nil {
			return bytes.NewReader(nil)
		}
	}
	return io.MultiReader(bytes.NewReader(m.Kept[min(from, n):]), io.LimitReader(body, to-max(from, n)))
}

// spfResult is that of the reverse-path.
func (m *Mail) spfResult() string {
	for _, f := range m.Findings {
		for _, r := range f.Results {
			if r.Method == "spf" {
				return r.Result
			}
		}
	}
	return ""
}

// identifiers are all domains that stand for the message, or would.
func (m *Mail) identifiers() []dmarc.Identifier {
	var ids []dmarc.Identifier
	for _, f := range m.Findings {
		ids = append(ids, f.Identifiers...)
	}
	return ids
}

// authorPaths returns the addresses of From that are some.
func authorPaths(m *Mail) []mail.Path {
	var paths []mail.Path
	for _, a := range m.authors() {
		if len(paths) == maxAuthors {
			break
		}
		if d, err := mail.ParseDomain(a.Host); err == nil && a.Mailbox != "" {
			paths = append(paths, mail.Path{Local: a.Mailbox, Domain: d})
		}
	}
	return paths
}

// sender is what lists are asked about.
func (m *Mail) sender(people []mail.Path) verdict.Sender {
	s := verdict.Sender{Client: m.Client.Addr, ReversePath: verdict.Party{Address: m.Envelope.ReversePath}}
	for _, p := range people {
		s.Authors = append(s.Authors, verdict.Party{Address: p, Proven: m.proven(p.Domain)})
	}
	for _, id := range m.identifiers() {
		if id.Method == dmarc.SPF && id.Pass && id.Domain == m.Envelope.ReversePath.Domain {
			s.ReversePath.Proven = true
		}
	}
	return s
}

// proven reports whether the message is authenticated as of an author's
// domain, or whether that domain has no policy by which it could be. One whose
// SPF record says that this client may not send has a policy, if an old one.
func (m *Mail) proven(author mail.Domain) bool {
	denied := m.Envelope.ReversePath.Domain == author && m.spfResult() == "fail"
	for _, f := range m.Findings {
		if f.Sealer != "" {
			return true
		}
		for _, r := range f.DMARC {
			if r.Author == author && (r.Result == "pass" || r.Result == "none" && !denied) {
				return true
			}
		}
	}
	return slices.ContainsFunc(m.identifiers(), func(id dmarc.Identifier) bool {
		return id.Pass && (id.Domain == author || author.IsSubdomainOf(id.Domain))
	})
}
