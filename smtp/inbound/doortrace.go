package inbound

import (
	"context"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/dmarc"
	"github.com/mailstead/mailstead/smtp/dnsbl"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

// event tells what a rule has said.
func (r *Ruling) event(now time.Time) trace.Event {
	e := trace.Event{Time: now, Kind: trace.Check, Text: r.Rule + ": " + r.Text,
		Fields: map[string]string{"check": r.Rule, "result": "score", "reason": r.Text}}
	if r.Refusal != nil {
		e.Fields["result"], e.Fields["status"] = "refuse", r.Refusal.Status.String()
	}
	return e
}

// cause is the same for refusals of one client for one reason.
func (r *Ruling) cause(client string) string { return r.Rule + " " + client }

// turnAway tells that a connection was refused. In a flood most are counted
// only, so that they do not push other stories out of the trace.
func (s *Service) turnAway(ctx context.Context, c *smtpserver.Conn, r *Ruling) {
	addr := c.Remote.Addr().Unmap()
	now := s.opts.Now()
	s.opts.Logger.InfoContext(ctx, "connection refused", "conn", c.ID, "remote", c.Remote, "rule", r.Rule, "status", r.Refusal.Status)
	untold, ok := s.opts.Door.told.tell(addr, now)
	if !ok {
		return
	}
	text := "refused: " + peerText(r.Refusal)
	if untold > 0 {
		text += fmt.Sprintf("; %d refusals of this address before it were not written down", untold)
	}
	status := r.Refusal.Status.String()
	s.opts.Trace.Append(trace.Summary{ID: trace.NewID(now, s.opts.Rand), Start: now, Direction: "in", RemoteIP: addr.String(),
		Outcome: "refused", Status: status, Reason: peerText(r.Refusal), Cause: r.cause(addr.String())},
		trace.Event{Time: now, Kind: trace.Connect, Text: addr.String() + " connects", Fields: map[string]string{"remote": c.Remote.String()}},
		r.event(now),
		trace.Event{Time: now, Kind: trace.Done, Text: text, Fields: map[string]string{"status": status}})
}

// refuseSender ends a transaction at MAIL. Its story is told when it is reset,
// unless there are too many of the kind.
func (s *session) refuseSender(ctx context.Context, r *Ruling) error {
	o, tx := &s.service.opts, s.tx
	tx.ended, tx.status = true, r.Refusal.Status
	tx.reason, tx.cause = peerText(r.Refusal), r.cause(s.visit.addr.String())
	now := o.Now()
	tx.events = append(tx.events, trace.Event{Time: now, Kind: trace.Done, Text: "refused: " + tx.reason,
		Fields: map[string]string{"status": tx.status.String()}})
	o.Logger.InfoContext(ctx, "sender refused", "conn", s.conn.ID, "queue_id", tx.id, "remote", s.conn.Remote,
		"mail_from", tx.env.ReversePath, "rule", r.Rule, "status", tx.status)
	if _, ok := o.Door.told.tell(s.visit.addr, now); !ok {
		s.conn.Dialogue(now) // belongs to it
		s.tx = nil
	}
	return r.Refusal
}

// checks are those of the door that run beside SPF and DKIM.
func (d *Door) checks() []Check {
	checks := []Check{{"door", d.checkClient}}
	if d.opts.Lists != nil {
		checks = append(checks, Check{"dnsbl", d.checkLists})
	}
	return checks
}

// checkClient has what the rules said about the client and the reverse-path.
func (d *Door) checkClient(ctx context.Context, m *Mail) Finding {
	var f Finding
	for i := range m.rulings {
		f.Reasons = append(f.Reasons, m.rulings[i].reason())
	}
	if m.visit == nil || m.visit.exempt {
		return f
	}
	if r := d.helloExists(ctx, m.Client.Hello); r != nil {
		f.Reasons = append(f.Reasons, r.reason())
	}
	return f
}

// checkLists looks the client and the domains that stand for the message up in
// lists.
func (d *Door) checkLists(ctx context.Context, m *Mail) Finding {
	if m.visit == nil || m.visit.exempt {
		return Finding{}
	}
	var names []dnsbl.Name
	add := func(role string, domain mail.Domain) {
		if domain != "" && !d.opts.IsLocal(domain) {
			names = append(names, dnsbl.Name{Role: role, Domain: domain})
		}
	}
	authors, _ := dmarc.AuthorDomains(m.authors())
	for _, a := range authors {
		add("the author's domain", a)
	}
	add("the sender's domain", m.Envelope.ReversePath.Domain)
	if hello, err := mail.ParseDomain(m.Client.Hello); err == nil {
		add("the client's name", hello)
	}
	m.visit.begin(ctx)
	found := d.opts.Lists.Domains(ctx, names)
	return Finding{Reasons: dnsbl.Reasons(append(found, m.visit.listed(ctx)...))}
}

// Links says what lists of domains have of those that links of a message lead
// to, the first ones of them. It is for the classifier, which finds the links.
func (d *Door) Links(ctx context.Context, domains []mail.Domain) []mail.Reason {
	most := d.opts.Settings().LinkLookups
	if d.opts.Lists == nil || most == 0 {
		return nil
	}
	var names []dnsbl.Name
	for _, domain := range domains {
		if len(names) < most && !d.opts.IsLocal(domain) {
			names = append(names, dnsbl.Name{Role: "the domain of a link", Domain: domain})
		}
	}
	reasons := dnsbl.Reasons(d.opts.Lists.Links(ctx, names))
	for i := range reasons {
		reasons[i].Name = dnsbl.ReasonLink
	}
	return reasons
}
