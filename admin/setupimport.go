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
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
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
