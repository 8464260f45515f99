package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"

	"github.com/pelletier/go-toml/v2"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/movein"
)

// setupHead explains the file to people.
const setupHead = `# What a Mailstead server is set up with: all settings, then domains, accounts, aliases, lists, junk policies,
# webhooks and alert channels. Passwords, keys, tokens and other secrets are not in it. Addresses of web servers
# are as they were given: one with a secret in it has it here, too.
#
#   mailstead import setup --dry-run FILE    says what the whole file would make and change
#   mailstead import setup FILE              makes what is missing, and takes the settings and junk policies
#
# Parts of it:
#
#   mailstead import people --domains FILE   makes the domains, accounts and aliases that are missing
#   mailstead settings import FILE           takes the settings

`

// exportSetup writes the file of --settings, which must not be there.
func exportSetup(ctx context.Context, op admin.Operator, name string) error {
	setup, err := readSetup(ctx, op)
	if err != nil {
		return err
	}
	settings, err := op.ExportSettings(ctx)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(setupHead)
	b.Write(settings) // first: behind a table, keys without one would be of that table
	b.WriteByte('\n')
	if err := toml.NewEncoder(&b).Encode(setup); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return errors.New(name + " is there already, and nothing is written over; name another file")
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Sync(), f.Close())
}

// readSetup is what a server is set up with, but for settings.
func readSetup(ctx context.Context, op admin.Operator) (s movein.Setup, err error) {
	if s.People, err = setupPeople(ctx, op); err != nil {
		return s, err
	}
	if err := setupRules(ctx, op, &s); err != nil {
		return s, err
	}
	hooks, err := op.Webhooks(ctx)
	if err != nil {
		return s, err
	}
	for _, h := range hooks.Items {
		s.Webhooks = append(s.Webhooks, setupWebhook(&h))
	}
	channels, err := op.AlertChannels(ctx)
	if err != nil {
		return s, err
	}
	for _, c := range channels.Items {
		s.Channels = append(s.Channels, setupChannel(&c))
	}
	settings, err := op.Settings(ctx)
	for _, st := range settings.Items {
		if st.Secret && st.Value != "" {
			s.Secrets = append(s.Secrets, movein.SetupSecret{Setting: st.Name})
		}
	}
	return s, err
}

// setupWebhook is a webhook in the file. One that was switched off because it
// did not work may work elsewhere.
func setupWebhook(h *admin.Webhook) movein.SetupWebhook {
	return movein.SetupWebhook{URL: h.URL, Label: h.Label, Events: h.Events, Domains: h.Domains, Paused: h.State == "paused"}
}

func setupChannel(c *admin.AlertChannel) movein.SetupChannel {
	return movein.SetupChannel{Kind: c.Kind, To: c.To, Least: string(c.Least), Daily: c.Daily, HasToken: c.Token}
}

// setupRules are lists and junk policies.
func setupRules(ctx context.Context, op admin.Operator, s *movein.Setup) error {
	rules, err := op.OwnRules(ctx)
	if err != nil {
		return err
	}
	for _, r := range rules.Items {
		if r.Policy != nil {
			p := r.Policy
			s.Policies = append(s.Policies, movein.SetupPolicy{Domain: r.Domain, Account: r.Account, Address: r.Address, Mode: p.Mode, Junk: &p.Junk, Quarantine: &p.Quarantine, Refuse: &p.Refuse})
		}
		if r.Entries == 0 {
			continue
		}
		list, err := op.List(ctx, r.RuleScope)
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			s.Lists = append(s.Lists, movein.SetupList{Domain: r.Domain, Account: r.Account, Kind: e.Kind, Entry: e.Entry, Note: e.Note})
		}
	}
	return nil
}

// setupPeople are domains, accounts and aliases.
func setupPeople(ctx context.Context, op admin.Operator) (movein.People, error) {
	var p movein.People
	domains, err := first(math.MaxInt, func(pg admin.Paging) (admin.Page[admin.Domain], error) {
		return op.Domains(ctx, admin.DomainFilter{Paging: pg})
	})
	if err != nil {
		return p, err
	}
	for _, d := range domains {
		p.Domains = append(p.Domains, movein.PeopleDomain{Name: d.Name, AliasOf: d.AliasOf, CatchAll: d.CatchAll, Separator: d.Separator, Disabled: d.Disabled, AppPasswordsOnly: d.AppOnly})
	}
	accounts, err := first(math.MaxInt, func(pg admin.Paging) (admin.Page[admin.Account], error) {
		return op.Accounts(ctx, admin.AccountFilter{Paging: pg})
	})
	if err != nil {
		return p, err
	}
	for _, a := range accounts {
		p.Accounts = append(p.Accounts, movein.PeopleAccount{Address: a.Address, Name: a.Name, Role: a.Role, Domains: a.Domains, QuotaBytes: a.QuotaBytes, QuotaMessages: a.QuotaMessages,
			Suspended: a.Suspended, Forward: a.Forward, KeepCopy: a.KeepCopy, AppPasswordsOnly: a.AppPasswordsOnly})
	}
	aliases, err := first(math.MaxInt, func(pg admin.Paging) (admin.Page[admin.Alias], error) {
		return op.Aliases(ctx, admin.AliasFilter{Paging: pg})
	})
	for _, a := range aliases {
		p.Aliases = append(p.Aliases, movein.PeopleAlias{Address: a.Address, Targets: a.Targets})
	}
	return p, err
}
