package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/verdict"
)

// Lists and junk policies of a file that sets a server up.

// lists puts on lists who is missing there.
func (i *setupImport) lists(ctx context.Context) error {
	var order []RuleScope
	by := map[RuleScope][]verdict.Entry{}
	for _, e := range i.setup.Lists {
		s := RuleScope{Domain: e.Domain, Account: e.Account}
		if by[s] == nil {
			order = append(order, s)
		}
		by[s] = append(by[s], verdict.Entry{Verb: e.Kind, Subject: e.Entry, Note: strings.TrimSpace(e.Note)})
	}
	for _, s := range order {
		want := by[s]
		kept, refused := want, make([]error, len(want))
		scope, err := i.in.scope(ctx, s, ChangeSystem, ChangePeople)
		if err == nil {
			kept, refused, err = i.in.opts.Directory.AddListEntries(ctx, Actor(ctx), scope, want)
		}
		if err != nil && !errors.As(err, new(*directory.Problem)) {
			return err
		}
		for n, e := range want {
			row := SetupRow{Kind: "list", Name: string(e.Verb) + " " + e.Subject + ownerText(s, ""), Verdict: SetupMade}
			hindered := err
			if hindered == nil {
				hindered = refused[n]
			}
			if errors.Is(hindered, directory.ErrExists) {
				row.Verdict, hindered = SetupThere, nil
				if kept[n].Verb != e.Verb {
					row.Text = "here it is " + string(kept[n].Verb) + ", and was left so"
				}
			}
			i.add(row, hindered)
		}
	}
	return nil
}

// ownerText says whose a rule is.
func ownerText(s RuleScope, address string) string {
	switch {
	case s.Account != "":
		return ", of " + s.Account
	case s.Domain != "":
		return ", of " + s.Domain
	case address != "":
		return ", for " + address
	}
	return ""
}

// policies gives junk policies to those who have others.
func (i *setupImport) policies(ctx context.Context) error {
	for _, p := range i.setup.Policies {
		scope := PolicyScope{RuleScope: RuleScope{Domain: p.Domain, Account: p.Account}, Address: p.Address}
		row, before := SetupRow{Kind: "junk policy", Name: strings.TrimPrefix(ownerText(scope.RuleScope, p.Address), ", "), Verdict: SetupChanged}, "that of the next wider scope"
		if row.Name == "" {
			row.Name, before = "of the server", "the default"
		}
		now, err := i.in.JunkPolicy(ctx, scope)
		switch {
		case err != nil:
		case now.Own != nil && *now.Own == p.Policy():
			row.Verdict = SetupThere
		default:
			if now.Own != nil {
				before = policyText(*now.Own)
			}
			row.Text = before + " → " + policyText(p.Policy())
			_, err = i.in.SetJunkPolicy(ctx, scope, p.Policy())
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		i.add(row, err)
	}
	return nil
}

// policyText is a policy in one line.
func policyText(p verdict.Policy) string {
	return fmt.Sprintf("%s, junk %s, quarantine %s, refuse %s", p.Mode, threshold(p.Junk), threshold(p.Quarantine), threshold(p.Refuse))
}

func threshold(score float64) string {
	if score == 0 {
		return "never"
	}
	return "from " + strconv.FormatFloat(score, 'g', -1, 64)
}
