package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail/verdict"
)

// Lists and junk policies of a file that sets a server up.

// lists puts on lists who is missing there.
func (i *setupImport) lists(ctx context.Context) error {
	have := map[admin.RuleScope][]admin.ListEntry{}
	for _, e := range i.setup.Lists {
		scope := admin.RuleScope{Domain: e.Domain, Account: e.Account}
		row := setupRow{Kind: "list", Name: string(e.Kind) + " " + e.Entry + ownerText(scope, ""), Verdict: setupMade}
		list, ok := have[scope]
		var err error
		if !ok {
			var page admin.Page[admin.ListEntry]
			if page, err = i.op.List(ctx, scope); i.pending(err, e.Domain, e.Account) {
				err = nil
			}
			if list = page.Items; err == nil {
				have[scope] = list
			}
		}
		at := slices.IndexFunc(list, func(h admin.ListEntry) bool { return h.Entry == e.Entry })
		switch {
		case err != nil:
		case at >= 0:
			if row.Verdict = setupThere; list[at].Kind != e.Kind {
				row.Text = "here it is " + string(list[at].Kind) + ", and was left so"
			}
		case !i.report.DryRun:
			_, err = i.op.PutListEntry(ctx, scope, admin.ListEntry{Kind: e.Kind, Entry: e.Entry, Note: e.Note})
		}
		if err := i.done(ctx, row, err); err != nil {
			return err
		}
	}
	return nil
}

// ownerText says whose a rule is.
func ownerText(s admin.RuleScope, address string) string {
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
		scope := admin.PolicyScope{RuleScope: admin.RuleScope{Domain: p.Domain, Account: p.Account}, Address: p.Address}
		row, before := setupRow{Kind: "junk policy", Name: strings.TrimPrefix(ownerText(scope.RuleScope, p.Address), ", "), Verdict: setupChanged}, "that of the next wider scope"
		if row.Name == "" {
			row.Name, before = "of the server", "the default"
		}
		domain := p.Domain
		if p.Address != "" {
			_, domain, _ = strings.Cut(p.Address, "@")
		}
		now, err := i.op.JunkPolicy(ctx, scope)
		if i.pending(err, domain, p.Account) {
			err = nil
		}
		if now.Own != nil {
			before = policyText(*now.Own)
		}
		row.Text = before + " → " + policyText(p.Policy())
		switch {
		case err != nil:
		case now.Own != nil && *now.Own == p.Policy():
			row.Verdict, row.Text = setupThere, ""
		case !i.report.DryRun:
			_, err = i.op.SetJunkPolicy(ctx, scope, p.Policy())
		}
		if err := i.done(ctx, row, err); err != nil {
			return err
		}
	}
	return nil
}

// policyText is a policy in one line.
func policyText(p verdict.Policy) string {
	return fmt.Sprintf("%s, junk %s, quarantine %s, refuse %s", p.Mode, threshold(p.Junk), threshold(p.Quarantine), threshold(p.Refuse))
}
