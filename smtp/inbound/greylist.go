package inbound

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/verdict"
)

// maxTriplets is how many recipients of a message are remembered.
const maxTriplets = 20

// checkGreylist asks those to come again of whom nothing good is known, and
// something that is not good (RFC 6647): a mail server does, what sends spam
// from a hijacked machine mostly does not. It runs last.
func (d *Door) checkGreylist(_ context.Context, m *Mail) Finding {
	s := d.opts.Settings()
	score, junk := heaviestScore(m)
	switch {
	case !s.Greylist || d.opts.Memory == nil:
		return Finding{}
	case score < s.GreylistScore || junk, d.hasGoodEvidence(m):
		return Finding{}
	}
	wait := d.opts.Memory.comeAgain(m.Client.Addr, &m.Envelope, s.GreylistDelay)
	if wait <= 0 {
		return Finding{}
	}
	return Finding{Action: Refuse, Status: mail.Status{Class: 4, Subject: 7, Detail: 1}, Code: 451,
		Text:   fmt.Sprintf("mail like this has not come from your network before; please send it again in %s (greylisting)", inWords(wait)),
		Reason: fmt.Sprintf("nothing good is known of the sender and the score is %.1f: asked to come again in %s", score, inWords(wait))}
}

// heaviestScore returns the highest score that the message has for anybody, and
// whether it goes to Junk for all of them anyway.
func heaviestScore(m *Mail) (score float64, junk bool) {
	junk = len(m.Recipients) > 0
	for i, r := range m.Recipients {
		if i == 0 || r.Opinion.Score > score {
			score = r.Opinion.Score
		}
		junk = junk && r.Decision.Action != Accept
	}
	return score, junk
}

// hasGoodEvidence reports whether a message must not be delayed: its author is
// authenticated, somebody here expects or allows it, or its network is good.
func (d *Door) hasGoodEvidence(m *Mail) bool {
	if m.Welcome() || m.Client.Allowed || m.visit == nil || m.visit.exempt {
		return true
	}
	if e := m.Evidence; e != nil && (e.DMARC == "pass" || e.ARC != "" || e.DMARC == "temperror") {
		return true
	}
	for _, r := range m.Recipients {
		if r.Match.Verb == verdict.Allow {
			return true
		}
	}
	for _, f := range m.Findings {
		for _, r := range f.Reasons {
			if r.Name == "dnswl" {
				return true
			}
		}
	}
	return d.aligned(m)
}

// aligned reports whether SPF or DKIM stands for the author's domain, also
// where that has no DMARC record, or could not be checked for DNS trouble.
func (d *Door) aligned(m *Mail) bool {
	for _, f := range m.Findings {
		for _, id := range f.Identifiers {
			if id.Pending {
				return true
			}
			if id.Pass && m.Evidence != nil && m.Evidence.AuthorOrg != "" && id.Domain.IsSubdomainOf(m.Evidence.AuthorOrg) {
				return true
			}
		}
	}
	return false
}

// inWords tells a time in minutes, rounded up.
func inWords(d time.Duration) string {
	if d <= time.Minute {
		return "1 minute"
	}
	return fmt.Sprintf("%d minutes", (d+time.Minute-1)/time.Minute)
}

// comeAgain returns how long a client has to wait before its message is taken;
// 0 if it has come again, or if there is no room to remember it. One of its
// recipients is enough, and a net that has come again once does so always.
func (m *Memory) comeAgain(a netip.Addr, env *mail.Envelope, delay time.Duration) time.Duration {
	if r, ok := m.get(retriesKey(a)); ok {
		m.refresh(retriesKey(a), r)
		return 0
	}
	now, wait := m.opts.Now(), delay
	for _, rcpt := range env.Recipients[:min(len(env.Recipients), maxTriplets)] {
		k := tripletKey(a, string(env.ReversePath.Domain), rcpt.Path.Key())
		r, ok := m.get(k)
		if !ok || r.first.After(now) { // or the clock was set back
			if !m.put(k, row{first: now, last: now}, true) {
				return 0
			}
			continue
		}
		wait = min(wait, delay-now.Sub(r.first))
	}
	if wait <= 0 {
		m.put(retriesKey(a), row{first: now, last: now, done: true}, true)
		return 0
	}
	return wait
}

// refresh keeps a row that is in use.
func (m *Memory) refresh(k memoryKey, r row) {
	if now := m.opts.Now(); now.Sub(r.last) >= refreshed {
		r.last = now
		m.put(k, r, false)
	}
}
