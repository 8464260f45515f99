package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
	"github.com/mailstead/mailstead/mail/verdict"
)

// setupImport brings one file into a server. Things are made if they are
// missing; settings and junk policies become what the file says.
type setupImport struct {
	op     admin.Operator
	setup  *movein.Setup
	invite bool
	report *setupReport

	domains  map[string]bool // of the file and of the server
	accounts map[string]bool // of the file
	aliases  map[string]bool
	fresh    map[string]*movein.PeopleDomain // of the file, and not of the server yet
}

// importSetup does all in the order in which things lead to others. A dry run
// only looks.
func importSetup(ctx context.Context, op admin.Operator, setup *movein.Setup, invite, dry bool) (*setupReport, error) {
	i := &setupImport{op: op, setup: setup, invite: invite, report: &setupReport{DryRun: dry, Rows: []setupRow{}, ByHand: []string{}}}
	for _, step := range []func(context.Context) error{i.know, i.people, i.settings, i.lists, i.policies, i.webhooks, i.channels, i.secrets} {
		if err := step(ctx); err != nil {
			return i.report, err
		}
	}
	return i.report, nil
}

// know learns what there is, or will be.
func (i *setupImport) know(ctx context.Context) error {
	i.domains, i.accounts, i.aliases = map[string]bool{}, map[string]bool{}, map[string]bool{}
	here, err := first(math.MaxInt, func(p admin.Paging) (admin.Page[admin.Domain], error) {
		return i.op.Domains(ctx, admin.DomainFilter{Paging: p})
	})
	for _, d := range here {
		i.domains[strings.ToLower(d.Name)] = true
	}
	i.fresh = map[string]*movein.PeopleDomain{}
	for n := range i.setup.Domains {
		d := &i.setup.Domains[n]
		if name := strings.ToLower(d.Name); !i.domains[name] {
			i.domains[name], i.fresh[name] = true, d
		}
	}
	for _, a := range i.setup.Accounts {
		i.accounts[strings.ToLower(a.Address)] = true
		_, domain, _ := strings.Cut(a.Address, "@")
		i.domains[strings.ToLower(domain)] = true // which import people adds
	}
	for _, a := range i.setup.Aliases {
		i.aliases[strings.ToLower(a.Address)] = true
	}
	return err
}

// ours reports whether an address is one that the file makes.
func (i *setupImport) ours(address string) bool {
	address = strings.ToLower(address)
	return i.accounts[address] || i.aliases[address]
}

// nowhere reports whether an address is of a domain that is only to be made,
// and nobody of the file has it. A rehearsal cannot see that: it lets pass what
// fails because the domain is missing.
func (i *setupImport) nowhere(address string) bool {
	local, name, _ := strings.Cut(strings.ToLower(address), "@")
	d := i.fresh[name]
	if d == nil || d.AliasOf != "" || d.CatchAll != "" || local == "postmaster" || local == "abuse" || i.ours(address) {
		return false
	}
	base, _, sub := strings.Cut(local, cmp.Or(d.Separator, directory.DefaultSeparator))
	return !sub || !i.ours(base+"@"+name)
}

// refuseNowhere refuses what a dry run would make and what would lead nowhere.
func (i *setupImport) refuseNowhere(rows []admin.PeopleRow) {
	forward := map[string][]string{}
	for _, a := range i.setup.Accounts {
		forward[a.Address] = a.Forward
	}
	for n := range rows {
		row := &rows[n]
		at := slices.IndexFunc(slices.Concat(row.Targets, forward[row.Address]), i.nowhere)
		if row.Verdict == setupMade && at >= 0 {
			row.Verdict, row.Text = setupRefused, "there is no account or alias "+slices.Concat(row.Targets, forward[row.Address])[at]+", neither in the file nor here"
		}
	}
}

// done notes what came of a change.
func (i *setupImport) done(ctx context.Context, row setupRow, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		row.Verdict, row.Text = setupRefused, err.Error()
	}
	i.report.add(row)
	return nil
}

// people makes domains, accounts and aliases.
func (i *setupImport) people(ctx context.Context) error {
	text, err := i.setup.PeopleFile()
	if err != nil || text == "" {
		return err
	}
	r, err := i.op.ImportPeople(ctx, admin.PeopleList{Format: movein.ListMailstead, Text: text, Domains: true, Invite: i.invite, DryRun: i.report.DryRun})
	if err != nil {
		return err
	}
	if i.report.DryRun {
		i.refuseNowhere(r.Rows)
	}
	made := map[string]int{}
	for _, row := range r.Rows {
		name := row.Address
		if len(row.Targets) > 0 {
			name += " → " + strings.Join(row.Targets, ", ")
		}
		i.report.add(setupRow{Kind: row.Kind, Name: name, Verdict: row.Verdict, Text: row.Text, Invite: row.Invite})
		if row.Verdict == setupMade {
			made[row.Kind]++
		}
	}
	if n := made["domain"]; n > 0 {
		i.report.byHand("%s, with DKIM keys of this server: `mailstead domain show NAME` prints the records that the DNS needs.", counted(n, "domain is new", "domains are new"))
	}
	if n := made["account"]; n > 0 && !i.invite {
		i.report.byHand("%s a password: `mailstead account passwd ADDRESS` sets one.", counted(n, "new account needs", "new accounts need"))
	}
	return nil
}

// settings takes the settings of the file.
func (i *setupImport) settings(ctx context.Context) error {
	file, err := i.setup.SettingsFile()
	if err != nil || file == nil {
		return err
	}
	if i.report.DryRun {
		return i.previewSettings(ctx)
	}
	page, err := i.op.ImportSettings(ctx, file)
	if err != nil {
		return i.done(ctx, setupRow{Kind: "settings", Name: "all"}, err)
	}
	for _, ch := range page.Items {
		i.report.add(setupRow{Kind: "setting", Name: ch.Name, Verdict: setupChanged, Text: orDash(ch.Before) + " → " + orDash(ch.After)})
	}
	return nil
}

// previewSettings says what would change. A setting that is an address which
// the file makes cannot be tried before that is made.
func (i *setupImport) previewSettings(ctx context.Context) error {
	here, err := i.op.Settings(ctx)
	if err != nil {
		return err
	}
	kept := *i.setup
	kept.Settings = cloneTree(i.setup.Settings)
	for _, st := range here.Items {
		value, ok := take(kept.Settings, st.Name, func(v any) bool {
			s, ok := v.(string)
			return ok && st.Kind == "address" && i.ours(s)
		})
		if ok && !strings.EqualFold(fmt.Sprint(value), st.Value) {
			i.report.add(setupRow{Kind: "setting", Name: st.Name, Verdict: setupChanged, Text: orDash(st.Value) + " → " + fmt.Sprint(value)})
		}
	}
	file, err := kept.SettingsFile()
	if err != nil || file == nil {
		return err
	}
	p, err := i.op.PreviewSettings(ctx, file)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	for _, ch := range p.Changes {
		i.report.add(setupRow{Kind: "setting", Name: ch.Path, Verdict: setupChanged, Text: orDash(jsonText(ch.Before)) + " → " + orDash(jsonText(ch.After))})
	}
	return nil
}

// jsonText is a text in JSON, or what else it is.
func jsonText(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

func cloneTree(tree map[string]any) map[string]any {
	c := map[string]any{}
	for k, v := range tree {
		if sub, ok := v.(map[string]any); ok {
			v = cloneTree(sub)
		}
		c[k] = v
	}
	return c
}

// take takes a value out of tables if want says so.
func take(tree map[string]any, name string, want func(any) bool) (any, bool) {
	if table, rest, ok := strings.Cut(name, "."); ok {
		if sub, is := tree[table].(map[string]any); is {
			return take(sub, rest, want)
		}
		return nil, false
	}
	v, ok := tree[name]
	if !ok || !want(v) {
		return nil, false
	}
	delete(tree, name)
	return v, true
}

// pending reports whether something is only not here because the dry run has
// not made it.
func (i *setupImport) pending(err error, domain, address string) bool {
	return i.report.DryRun && errors.Is(err, directory.ErrNotFound) && (domain != "" && i.domains[strings.ToLower(domain)] || address != "" && i.ours(address))
}

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

// webhooks makes those that are missing: one of the same address and label is
// here already.
func (i *setupImport) webhooks(ctx context.Context) error {
	if len(i.setup.Webhooks) == 0 {
		return nil
	}
	page, err := i.op.Webhooks(ctx)
	if err != nil {
		return err
	}
	left := page.Items
	rows, missing := make([]setupRow, len(i.setup.Webhooks)), []int{}
	// Those that are the same in all are found first, as two may be of one address.
	for _, alike := range []func(a, b movein.SetupWebhook) bool{sameWebhook, sameReceiver} {
		missing = missing[:0]
		for n, want := range i.setup.Webhooks {
			if rows[n].Verdict != "" {
				continue
			}
			at := slices.IndexFunc(left, func(h admin.Webhook) bool { return alike(setupWebhook(&h), want) })
			if at < 0 {
				missing = append(missing, n)
				continue
			}
			rows[n] = setupRow{Kind: "webhook", Name: webhookName(&want), Verdict: setupThere}
			if !sameWebhook(setupWebhook(&left[at]), want) {
				rows[n].Text = "it is told of other events or domains here, or paused, and was left so"
			}
			left = slices.Delete(left, at, at+1)
		}
	}
	for n := range rows {
		var err error
		if slices.Contains(missing, n) {
			rows[n], err = i.webhook(ctx, &i.setup.Webhooks[n])
		}
		if err := i.done(ctx, rows[n], err); err != nil {
			return err
		}
	}
	return nil
}

func sameReceiver(a, b movein.SetupWebhook) bool { return a.URL == b.URL && a.Label == b.Label }

func sameWebhook(a, b movein.SetupWebhook) bool {
	return sameReceiver(a, b) && a.Paused == b.Paused && sameSet(a.Events, b.Events) && sameSet(a.Domains, b.Domains)
}

func sameSet(a, b []string) bool {
	sorted := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(sorted(a), sorted(b))
}

func webhookName(h *movein.SetupWebhook) string {
	if h.Label == "" {
		return h.URL
	}
	return h.URL + " (" + h.Label + ")"
}

// webhook makes a webhook, which gets a secret of its own.
func (i *setupImport) webhook(ctx context.Context, h *movein.SetupWebhook) (setupRow, error) {
	row := setupRow{Kind: "webhook", Name: webhookName(h), Verdict: setupMade}
	for _, d := range h.Domains {
		if !i.domains[strings.ToLower(d)] {
			return row, fmt.Errorf("there is no domain %s here", d)
		}
	}
	if i.report.DryRun {
		return row, nil
	}
	made, err := i.op.AddWebhook(ctx, admin.NewWebhook{Label: h.Label, URL: h.URL, Events: h.Events, Domains: h.Domains})
	if err != nil {
		return row, err
	}
	row.Secret, row.Text = string(made.Secret), "webhook "+made.ID+" of "+some(made.Events)
	if h.Paused {
		paused := true
		if _, err := i.op.SetWebhook(ctx, made.ID, admin.WebhookChange{Paused: &paused}); err != nil {
			row.Text += "; it could not be paused: " + err.Error()
		}
	}
	return row, nil
}

// channels makes alert channels that are missing.
func (i *setupImport) channels(ctx context.Context) error {
	if len(i.setup.Channels) == 0 {
		return nil
	}
	page, err := i.op.AlertChannels(ctx)
	if err != nil {
		return err
	}
	for _, want := range i.setup.Channels {
		at := slices.IndexFunc(page.Items, func(c admin.AlertChannel) bool { return c.Kind == want.Kind && c.To == want.To })
		row, made := setupRow{Kind: "alert channel", Name: want.Kind + " " + want.To, Verdict: setupMade}, admin.AlertChannel{ID: "ID"}
		var err error
		switch {
		case at >= 0:
			made, row.Verdict = page.Items[at], setupThere
			if string(made.Least) != want.Least || made.Daily != want.Daily {
				row.Text = "it tells of other things here, and was left so"
			}
		case !i.report.DryRun:
			made, err = i.op.AddAlertChannel(ctx, admin.NewAlertChannel{Kind: want.Kind, To: want.To, Least: checks.State(want.Least), Daily: want.Daily})
			row.Secret = string(made.Secret)
		}
		if want.HasToken && want.Kind == alerts.KindNtfy && !made.Token && err == nil {
			i.report.byHand("%s had an access token: `mailstead alert channel set %s --token-stdin` puts it in.", want.To, made.ID)
		}
		if err := i.done(ctx, row, err); err != nil {
			return err
		}
	}
	return nil
}

// secrets names the settings whose secrets were set, and are not here.
func (i *setupImport) secrets(ctx context.Context) error {
	for _, s := range i.setup.Secrets {
		st, err := i.op.Setting(ctx, s.Setting)
		if err != nil {
			if err := i.done(ctx, setupRow{Kind: "secret", Name: s.Setting}, err); err != nil {
				return err
			}
			continue
		}
		if st.Value == "" {
			i.report.byHand("%s had a secret: `mailstead settings set %s -` reads it from standard input.", st.Name, st.Name)
		}
	}
	return nil
}
