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
const setupHead = `# What a Mailstead server is set up with: domains, accounts and aliases, then all settings.
# Passwords, keys and other secrets are not in it.
#
#   mailstead import people --domains FILE   makes the domains, accounts and aliases that are missing
#   mailstead settings import FILE           takes the settings

`

// exportSetup writes the file of --settings, which must not be there.
func exportSetup(ctx context.Context, op admin.Operator, name string) error {
	people, err := setupPeople(ctx, op)
	if err != nil {
		return err
	}
	settings, err := op.ExportSettings(ctx)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(setupHead)
	if err := toml.NewEncoder(&b).Encode(people); err != nil {
		return err
	}
	b.WriteByte('\n')
	b.Write(settings)
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
