package admin

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
)

// JunkPolicy is what is done with mail at which score.
type JunkPolicy struct {
	Own   *verdict.Policy `json:"own,omitempty" doc:"What was set for exactly this; absent: what holds comes from a wider scope."`
	Holds verdict.Policy  `json:"holds" doc:"What is done."`
}

// JunkPolicy returns the policy of the server, of a domain, an account or an
// address.
func (a *Admin) JunkPolicy(ctx context.Context, s RuleScope) (JunkPolicy, error) {
	scope, err := a.scope(ctx, s, SeePeople, SeePeople)
	if err != nil {
		return JunkPolicy{}, err
	}
	return a.junkPolicy(scope), nil
}

func (a *Admin) junkPolicy(s directory.RuleScope) JunkPolicy {
	own, holds := a.opts.Directory.JunkPolicy(s)
	return JunkPolicy{own, holds}
}

// SetJunkPolicy sets it; nil lets that of the next wider scope hold.
func (a *Admin) SetJunkPolicy(ctx context.Context, s RuleScope, p *verdict.Policy) (JunkPolicy, error) {
	scope, err := a.scope(ctx, s, ChangeSystem, ChangePeople)
	if err != nil {
		return JunkPolicy{}, err
	}
	if p != nil {
		if err := p.Check(); err != nil {
			return JunkPolicy{}, At("junk", invalid("%v", err))
		}
	}
	if err := a.opts.Directory.SetJunkPolicy(ctx, Actor(ctx), scope, p); err != nil {
		return JunkPolicy{}, err
	}
	return a.junkPolicy(scope), nil
}

// What-if looks at so many messages of so many days at most.
const (
	whatIfDays     = 30
	whatIfMost     = 10_000
	whatIfExamples = 5 // of each change
)

// Proposal is a change of a policy or a list that is only thought of.
type Proposal struct {
	RuleScope
	Policy *verdict.Policy `json:"policy,omitempty" doc:"Another policy; absent: the present one stays."`
	Put    []ListEntry     `json:"put,omitempty" maxItems:"100" doc:"Entries to add to the list."`
	Remove []string        `json:"remove,omitempty" maxItems:"100" doc:"Entries to take off it."`
}

// WhatIf is what would have happened to the mail of the last 30 days.
type WhatIf struct {
	Messages int           `json:"messages" doc:"Deliveries that were looked at: a message for two accounts counts twice."`
	Since    time.Time     `json:"since" doc:"The oldest that was looked at."`
	More     bool          `json:"more" doc:"There was more mail than is looked at."`
	Changes  []PlaceChange `json:"changes" doc:"What would be different, the most frequent first."`
}

// PlaceChange is mail that would go elsewhere.
type PlaceChange struct {
	From     string          `json:"from" enum:"inbox,junk,quarantine,refuse"`
	To       string          `json:"to" enum:"inbox,junk,quarantine,refuse"`
	Count    int             `json:"count"`
	Examples []WhatIfExample `json:"examples"`
}

// WhatIfExample is one of them.
type WhatIfExample struct {
	Trace    string    `json:"trace"`
	Received time.Time `json:"received"`
	From     string    `json:"from" doc:"Author, or else the reverse-path."`
	To       string    `json:"to"`
	Score    float64   `json:"score"`
}

// WhatIf says what a change would have done to mail that came in. It asks the
// rules of today and the proposed ones about what was known of each message
// then.
func (a *Admin) WhatIf(ctx context.Context, p Proposal) (WhatIf, error) {
	who, err := authorize(ctx, SeeFlow)
	if err != nil {
		return WhatIf{}, err
	}
	scope, err := a.scope(ctx, p.RuleScope, SeePeople, SeePeople)
	if err != nil {
		return WhatIf{}, err
	}
	next, err := a.propose(scope, &p)
	if err != nil {
		return WhatIf{}, err
	}
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return WhatIf{}, err
	}
	w := whatIf{admin: a, who: who, next: next, changes: map[[2]verdict.Action]*PlaceChange{}}
	return w.run(ctx)
}

// propose reads a proposal.
func (a *Admin) propose(s directory.RuleScope, p *Proposal) (directory.Proposal, error) {
	entries := a.opts.Directory.ListEntries(s)
	for _, e := range p.Remove {
		subject, err := verdict.ParseSubject(e)
		if err != nil {
			return directory.Proposal{}, At("remove", invalid("%v", err))
		}
		entries = slices.DeleteFunc(entries, func(o verdict.Entry) bool { return o.Subject == subject })
	}
	for _, e := range p.Put {
		subject, err := verdict.ParseSubject(e.Entry)
		if err != nil {
			return directory.Proposal{}, At("put", invalid("%v", err))
		}
		entries = slices.DeleteFunc(entries, func(o verdict.Entry) bool { return o.Subject == subject })
		entries = append(entries, verdict.Entry{Verb: e.Kind, Subject: subject})
	}
	policy, _ := a.opts.Directory.JunkPolicy(s)
	if p.Policy != nil {
		if err := p.Policy.Check(); err != nil {
			return directory.Proposal{}, At("policy", invalid("%v", err))
		}
		policy = p.Policy
	}
	return a.opts.Directory.Propose(s, entries, policy), nil
}

// whatIf is the work on one question.
type whatIf struct {
	admin   *Admin
	who     Principal
	next    directory.Proposal
	result  WhatIf
	changes map[[2]verdict.Action]*PlaceChange
}

func (w *whatIf) run(ctx context.Context) (WhatIf, error) {
	w.result.Changes = []PlaceChange{}
	q := trace.Query{Direction: "in", Domains: w.who.domains(), After: w.admin.opts.Now().Add(-whatIfDays * 24 * time.Hour), Limit: 500}
	for looked := 0; ; {
		page, err := w.admin.opts.Traces.Page(ctx, q)
		if err != nil {
			return WhatIf{}, err
		}
		for i := range page.Items {
			if looked++; looked > whatIfMost {
				w.result.More = true
				return w.finish(), nil
			}
			t, err := w.admin.opts.Traces.Show(ctx, page.Items[i].ID)
			if err != nil {
				continue // it has expired meanwhile
			}
			w.look(&t)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return w.finish(), nil
		}
	}
}

// look asks both rules about one message, for each account it was for.
func (w *whatIf) look(t *trace.Trace) {
	for i := range t.Events {
		e := &t.Events[i]
		account, err := strconv.ParseUint(e.Fields["account"], 10, 32)
		if e.Kind != trace.Verdict || err != nil {
			continue
		}
		to, err := mail.ParseAddress(e.Fields["rcpt_to"])
		if err != nil || !w.who.sees(to.Domain) {
			continue
		}
		facts, sender := factsOf(t, e, to)
		before := decideBy(facts, sender, w.admin.opts.Directory.Rules(uint32(account), to))
		after := decideBy(facts, sender, w.next.Rules(uint32(account), to))
		w.result.Messages++
		w.result.Since = t.Start // they come newest first
		if before != after {
			w.count(before, after, t, e, to, facts.Score)
		}
	}
}

func (w *whatIf) count(before, after verdict.Action, t *trace.Trace, e *trace.Event, to mail.Path, score float64) {
	key := [2]verdict.Action{before, after}
	c := w.changes[key]
	if c == nil {
		c = &PlaceChange{From: before.String(), To: after.String(), Examples: []WhatIfExample{}}
		w.changes[key] = c
	}
	if c.Count++; len(c.Examples) < whatIfExamples {
		from := e.Fields["author"]
		if from == "" && !t.ReversePath.IsNull() {
			from = t.ReversePath.String()
		}
		c.Examples = append(c.Examples, WhatIfExample{Trace: string(t.ID), Received: t.Start, From: from, To: to.String(), Score: score})
	}
}

func (w *whatIf) finish() WhatIf {
	for _, c := range w.changes {
		w.result.Changes = append(w.result.Changes, *c)
	}
	slices.SortFunc(w.result.Changes, func(a, b PlaceChange) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.From+a.To, b.From+b.To)
	})
	return w.result
}

// factsOf reads what smtp/inbound has written down of one account's verdict.
func factsOf(t *trace.Trace, e *trace.Event, to mail.Path) (verdict.Facts, *verdict.Sender) {
	f := verdict.Facts{Known: e.Fields["known"] == "yes", Rescue: strings.EqualFold(to.Local, "postmaster") || strings.EqualFold(to.Local, "abuse")}
	f.Score, _ = strconv.ParseFloat(e.Fields["score"], 64)
	if hard := e.Fields["hard"]; hard != "" {
		f.Hard, _ = verdict.ParseAction(hard)
	}
	s := &verdict.Sender{ReversePath: verdict.Party{Address: t.ReversePath}}
	s.Client, _ = netip.ParseAddr(t.RemoteIP)
	proven := strings.Fields(e.Fields["proven"])
	s.ReversePath.Proven = slices.Contains(proven, "path")
	if p, err := mail.ParseAddress(e.Fields["author"]); err == nil {
		s.Authors = []verdict.Party{{Address: p, Proven: slices.Contains(proven, "author")}}
	}
	return f, s
}

func decideBy(f verdict.Facts, s *verdict.Sender, r verdict.Rules) verdict.Action {
	f.Policy, f.Match = r.Policy, r.Lists.Match(s)
	return verdict.Decide(f).Action
}
