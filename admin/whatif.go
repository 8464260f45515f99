package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

// Bounds of WhatIf.
const (
	whatIfBack     = 30 * 24 * time.Hour
	whatIfTime     = 5 * time.Second
	whatIfMessages = 50_000
	whatIfPage     = 500
	whatIfExamples = 5 // of each change
)

// Proposal is a change to be tried: of a policy, of a list, or of both.
type Proposal struct {
	Policy *verdict.Policy `json:"policy,omitempty" doc:"Absent: as it is."`
	Lists  []ListEntry     `json:"lists,omitempty" maxItems:"100" doc:"Entries to put on the list."`
	Remove []string        `json:"remove,omitempty" maxItems:"100" doc:"Entries to take off it."`
}

// WhatIf says what a proposal would have done.
type WhatIf struct {
	Since    time.Time     `json:"since" doc:"Time of the oldest message that was looked at."`
	Messages int           `json:"messages" doc:"Number of deliveries that the proposal is about; one message to two accounts is two."`
	Complete bool          `json:"complete" doc:"All mail of the last 30 days was looked at, as far as it is remembered; else only the newest."`
	Changes  []PlaceChange `json:"changes" doc:"What would have gone elsewhere, the most frequent first."`
}

// PlaceChange is what would have gone from one place to another.
type PlaceChange struct {
	From     string          `json:"from" enum:"inbox,junk,quarantine,refuse" doc:"By the rules of now."`
	To       string          `json:"to" enum:"inbox,junk,quarantine,refuse" doc:"By the proposal."`
	Count    int             `json:"count"`
	Examples []WhatIfExample `json:"examples" doc:"The newest."`
}

// WhatIfExample is one message of a change; it has no subject.
type WhatIfExample struct {
	Trace   string    `json:"trace"`
	Time    time.Time `json:"time"`
	Author  string    `json:"author,omitempty"`
	To      string    `json:"to"`
	Score   float64   `json:"score"`
	Reasons []string  `json:"reasons" doc:"Names, the heaviest first."`
}

// WhatIf decides again about the mail of the last 30 days: by the rules as
// they are, and with a proposal. Nothing is changed.
func (a *Admin) WhatIf(ctx context.Context, s PolicyScope, p Proposal) (WhatIf, error) {
	scope, err := a.policyScope(ctx, s, SeeFlow, SeeFlow)
	if err != nil {
		return WhatIf{}, err
	}
	return a.whatIf(ctx, scope, p)
}

// MyWhatIf is WhatIf for one's own account.
func (a *Admin) MyWhatIf(ctx context.Context, p Proposal) (WhatIf, error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return WhatIf{}, err
	}
	return a.whatIf(ctx, directory.RuleScope{Account: acct.ID}, p)
}

func (a *Admin) whatIf(ctx context.Context, s directory.RuleScope, p Proposal) (WhatIf, error) {
	r := replay{scope: s, dir: a.opts.Directory, now: a.opts.Directory.Rules, found: map[[2]verdict.Action]*PlaceChange{}}
	change := directory.Proposal{Policy: p.Policy, Remove: p.Remove}
	if err := checkPolicy(p.Policy); err != nil {
		return WhatIf{}, err
	}
	for _, e := range p.Lists {
		change.Entries = append(change.Entries, verdict.Entry{Verb: e.Kind, Subject: e.Entry})
	}
	var err error
	if r.then, err = a.opts.Directory.Propose(s, change); err != nil {
		return WhatIf{}, At("lists", err)
	}
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return WhatIf{}, err
	}
	complete, err := a.replayAll(ctx, &r)
	if err != nil {
		return WhatIf{}, err
	}
	out := WhatIf{Since: r.oldest, Messages: r.messages, Complete: complete, Changes: []PlaceChange{}}
	for _, c := range r.found {
		out.Changes = append(out.Changes, *c)
	}
	slices.SortFunc(out.Changes, func(x, y PlaceChange) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), strings.Compare(x.From+x.To, y.From+y.To))
	})
	return out, nil
}

// replayAll goes back through traces until time or number are used up.
func (a *Admin) replayAll(ctx context.Context, r *replay) (complete bool, err error) {
	within, cancel := context.WithTimeout(ctx, whatIfTime)
	defer cancel()
	q := trace.Query{Direction: "in", After: a.opts.Now().Add(-whatIfBack), Limit: whatIfPage, Domains: r.domains()}
	for n := 0; n < whatIfMessages; {
		page, err := a.opts.Traces.Page(within, q)
		for i := range page.Items {
			if err != nil {
				break
			}
			n++
			var t trace.Trace
			if t, err = a.opts.Traces.Show(within, page.Items[i].ID); errors.Is(err, trace.ErrNotFound) {
				err = nil // too old by now
				continue
			}
			if err == nil {
				r.message(&t)
			}
		}
		if err != nil {
			if within.Err() != nil && ctx.Err() == nil {
				return false, nil // what was seen so far is the newest
			}
			return false, err
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return true, nil
		}
	}
	return false, nil
}

// replay decides again, by two sets of rules.
type replay struct {
	scope     directory.RuleScope
	dir       *directory.Directory
	now, then func(account uint32, by mail.Path) verdict.Rules

	messages int
	oldest   time.Time
	found    map[[2]verdict.Action]*PlaceChange
}

// domains are those whose mail the scope is about; nil is all.
func (r *replay) domains() []mail.Domain {
	home := cmp.Or(r.scope.Domain, r.scope.Address.Domain)
	if acct, err := r.dir.Account(r.scope.Account); err == nil && r.scope.Account != 0 {
		home = acct.Address.Domain
		if len(r.dir.AliasesTo(acct.Address)) > 0 {
			return nil // they may be anywhere
		}
	}
	if home == "" {
		return nil
	}
	list := []mail.Domain{home}
	for _, d := range r.dir.Domains() {
		if d.AliasOf == home {
			list = append(list, d.Name)
		}
	}
	return list
}

// record is a verdict as a trace has it.
type record struct {
	account uint32
	to      mail.Path
	sender  verdict.Sender
	facts   verdict.Facts
	event   *trace.Event
}

// message decides about one message for all whom it reached, and counts those
// of the scope.
func (r *replay) message(t *trace.Trace) {
	var records []record
	for i := range t.Events {
		if rec, ok := readRecord(&t.Summary, &t.Events[i], r.dir.Bool(directory.InboundForwardJunk)); ok {
			records = append(records, rec)
		}
	}
	before, after := decideAll(records, r.now), decideAll(records, r.then)
	for i := range records {
		if !r.about(&records[i]) {
			continue
		}
		r.messages++
		if r.oldest.IsZero() || t.Start.Before(r.oldest) {
			r.oldest = t.Start
		}
		if before[i].Action != after[i].Action {
			r.count(t, &records[i], before[i].Action, after[i].Action)
		}
	}
}

func decideAll(records []record, rules func(uint32, mail.Path) verdict.Rules) []verdict.Decision {
	wanted := make([]verdict.Decision, len(records))
	for i := range records {
		rec := &records[i]
		holds := rules(rec.account, rec.to)
		f := rec.facts
		f.Policy, f.Match = holds.Policy, holds.Lists.Match(&rec.sender)
		wanted[i] = verdict.Decide(f)
	}
	verdict.Settle(wanted)
	return wanted
}

// about reports whether a verdict concerns the scope.
func (r *replay) about(rec *record) bool {
	switch s := r.scope; {
	case s.Account != 0:
		return rec.account == s.Account
	case !s.Address.IsNull():
		return rec.to.Key() == s.Address.Key()
	case s.Domain != "":
		acct, err := r.dir.Account(rec.account)
		return rec.to.Domain == s.Domain || err == nil && acct.Address.Domain == s.Domain
	}
	return true
}

func (r *replay) count(t *trace.Trace, rec *record, from, to verdict.Action) {
	key := [2]verdict.Action{from, to}
	c := r.found[key]
	if c == nil {
		c = &PlaceChange{From: from.String(), To: to.String(), Examples: []WhatIfExample{}}
		r.found[key] = c
	}
	c.Count++
	if len(c.Examples) == whatIfExamples {
		return
	}
	e := WhatIfExample{Trace: string(t.ID), Time: t.Start, Author: rec.event.Fields["author"], To: rec.to.String(), Score: rec.facts.Score, Reasons: []string{}}
	var reasons []mail.Reason
	if json.Unmarshal([]byte(rec.event.Fields[trace.Reasons]), &reasons) == nil {
		for _, reason := range reasons {
			e.Reasons = append(e.Reasons, reason.Name)
		}
	}
	c.Examples = append(c.Examples, e)
}

// readRecord reads what smtp/inbound has written of one account. Refusals
// before anybody was asked are none: no rule would have changed them.
func readRecord(s *trace.Summary, e *trace.Event, forwardJunk bool) (record, bool) {
	f := e.Fields
	account, err := strconv.ParseUint(f["account"], 10, 32)
	if e.Kind != trace.Verdict || err != nil {
		return record{}, false
	}
	to, toErr := mail.ParseAddress(f["rcpt_to"])
	score, scoreErr := strconv.ParseFloat(f["score"], 64)
	if toErr != nil && !strings.EqualFold(f["rcpt_to"], "postmaster") || scoreErr != nil {
		return record{}, false
	}
	if toErr != nil {
		to = mail.Path{Local: f["rcpt_to"]}
	}
	rec := record{account: uint32(account), to: to, event: e,
		facts: verdict.Facts{Score: score, Known: f["known"] == "yes", Rescue: verdict.IsRescue(to), Onward: account == 0 && !forwardJunk}}
	if hard, err := verdict.ParseAction(f["hard"]); err == nil {
		rec.facts.Hard = hard
	}
	proven := strings.Fields(f["proven"])
	rec.sender.ReversePath = verdict.Party{Address: s.ReversePath, Proven: slices.Contains(proven, "path")}
	if author, err := mail.ParseAddress(f["author"]); err == nil {
		rec.sender.Authors = []verdict.Party{{Address: author, Proven: slices.Contains(proven, "author")}}
	}
	if ip, err := netip.ParseAddr(s.RemoteIP); err == nil {
		rec.sender.Client = ip
	}
	return rec, true
}
