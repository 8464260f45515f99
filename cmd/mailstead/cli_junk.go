package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail/verdict"
)

type junkCmd struct {
	target `embed:""`

	Policy junkPolicyCmd `cmd:"" help:"Say what is done with mail at which score."`
	Set    junkSetCmd    `cmd:"" help:"Change that."`
	Reset  junkResetCmd  `cmd:"" help:"Let the policy of the next wider scope hold again."`
	Stats  junkStatsCmd  `cmd:"" help:"Say how much was learned about junk."`
	Train  junkTrainCmd  `cmd:"" help:"Learn the messages of an mbox file as junk or as good."`
	Forget junkForgetCmd `cmd:"" help:"Forget what was learned about junk."`
	Try    junkTryCmd    `cmd:"" help:"Say what a change would have done with the mail of the last 30 days, and change nothing."`
}

// policyScope says whose policy is meant.
type policyScope struct {
	Domain  string `help:"That of this domain; else that of the server." placeholder:"NAME" xor:"scope"`
	Account string `help:"That of this account." placeholder:"ADDRESS" xor:"scope"`
	Address string `help:"That for mail to this address." placeholder:"ADDRESS" xor:"scope"`
}

func (s *policyScope) scope() admin.PolicyScope {
	return admin.PolicyScope{RuleScope: admin.RuleScope{Domain: s.Domain, Account: s.Account}, Address: s.Address}
}

type junkPolicyCmd struct{ policyScope }

func (c *junkPolicyCmd) Run(ctx context.Context, s streams, g *junkCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		p, err := op.JunkPolicy(ctx, c.scope())
		if err != nil {
			return err
		}
		return showPolicy(out, p)
	})
}

func showPolicy(out *printer, p admin.JunkPolicy) error {
	return out.show(p, func(w io.Writer) {
		table(w, []string{"mode", string(p.Holds.Mode)}, []string{"junk", threshold(p.Holds.Junk)},
			[]string{"quarantine", threshold(p.Holds.Quarantine)}, []string{"refuse", threshold(p.Holds.Refuse)})
		if p.Own == nil {
			fmt.Fprintln(w, "It has no policy of its own: this one comes from a wider scope, or is the default.")
		}
	})
}

func threshold(score float64) string {
	if score == 0 {
		return "never"
	}
	return "from " + strconv.FormatFloat(score, 'g', -1, 64)
}

// policyChange is what of a policy changes.
type policyChange struct {
	policyScope
	Mode       string   `help:"off: the score counts for nothing. tag: header field and keyword only. file: also Junk, quarantine and refusal." placeholder:"MODE"`
	Junk       *float64 `help:"Score from which mail is filed to Junk; 0 is never." placeholder:"SCORE"`
	Quarantine *float64 `help:"Score from which it is kept in quarantine; 0 is never." placeholder:"SCORE"`
	Refuse     *float64 `help:"Score from which it is refused; 0 is never." placeholder:"SCORE"`
}

// changes reports whether something was named.
func (c *policyChange) changes() bool {
	return c.Mode != "" || c.Junk != nil || c.Quarantine != nil || c.Refuse != nil
}

// on returns what holds now with the changes.
func (c *policyChange) on(p verdict.Policy) verdict.Policy {
	if c.Mode != "" {
		p.Mode = verdict.Mode(c.Mode)
	}
	for _, set := range []struct{ from, to *float64 }{{c.Junk, &p.Junk}, {c.Quarantine, &p.Quarantine}, {c.Refuse, &p.Refuse}} {
		if set.from != nil {
			*set.to = *set.from
		}
	}
	return p
}

type junkSetCmd struct{ policyChange }

func (c *junkSetCmd) Run(ctx context.Context, s streams, g *junkCmd) error {
	if !c.changes() {
		return usageError("say what changes: --mode, --junk, --quarantine or --refuse")
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		now, err := op.JunkPolicy(ctx, c.scope())
		if err != nil {
			return err
		}
		p, err := op.SetJunkPolicy(ctx, c.scope(), c.on(now.Holds))
		if err != nil {
			return err
		}
		return showPolicy(out, p)
	})
}

type junkResetCmd struct{ policyScope }

func (c *junkResetCmd) Run(ctx context.Context, s streams, g *junkCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		p, err := op.ResetJunkPolicy(ctx, c.scope())
		if err != nil {
			return err
		}
		return showPolicy(out, p)
	})
}

type junkTryCmd struct {
	policyChange
	Allow []string `help:"As if this were on the list." placeholder:"ENTRY"`
	Block []string `help:"As if this were on the list." placeholder:"ENTRY"`
}

func (c *junkTryCmd) Run(ctx context.Context, s streams, g *junkCmd) error {
	if !c.changes() && len(c.Allow)+len(c.Block) == 0 {
		return usageError("say what to try: --mode, --junk, --quarantine, --refuse, --allow or --block")
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		p, err := c.proposal(ctx, op)
		if err != nil {
			return err
		}
		found, err := op.WhatIf(ctx, c.scope(), p)
		if err != nil {
			return err
		}
		return out.show(found, func(w io.Writer) { describeWhatIf(w, found) })
	})
}

func (c *junkTryCmd) proposal(ctx context.Context, op admin.Operator) (admin.Proposal, error) {
	var p admin.Proposal
	if c.changes() {
		now, err := op.JunkPolicy(ctx, c.scope())
		if err != nil {
			return p, err
		}
		policy := c.on(now.Holds)
		p.Policy = &policy
	}
	for kind, list := range map[verdict.Verb][]string{verdict.Allow: c.Allow, verdict.Block: c.Block} {
		for _, entry := range list {
			p.Lists = append(p.Lists, admin.ListEntry{Kind: kind, Entry: entry})
		}
	}
	return p, nil
}

func describeWhatIf(w io.Writer, found admin.WhatIf) {
	fmt.Fprintf(w, "%d deliveries looked at, the oldest from %s.\n", found.Messages, when(found.Since))
	if !found.Complete {
		fmt.Fprintln(w, "There are more than can be looked at: these are the newest.")
	}
	if len(found.Changes) == 0 {
		fmt.Fprintln(w, "Nothing would have gone elsewhere.")
		return
	}
	rows := [][]string{{"", "INSTEAD OF", "WOULD GO TO", "AUTHOR", "TO", "SCORE", "BECAUSE OF"}}
	for _, c := range found.Changes {
		rows = append(rows, []string{strconv.Itoa(c.Count), c.From, c.To, "", "", "", ""})
		for _, e := range c.Examples {
			rows = append(rows, []string{"", "", "", orDash(e.Author), e.To, strconv.FormatFloat(e.Score, 'f', 1, 64), orDash(strings.Join(e.Reasons[:min(len(e.Reasons), 3)], ", "))})
		}
	}
	table(w, rows...)
}
