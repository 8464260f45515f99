package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/durable"
)

// tryPeople are those who have accounts.
type tryPeople struct {
	owner tryAccount
	users []tryAccount
}

// ensureTryPeople makes the domain and its accounts, or finds them and their
// passwords again in a folder that was used before.
func ensureTryPeople(ctx context.Context, n *node, dir string) (tryPeople, error) {
	file := filepath.Join(dir, "try.json")
	var accounts []tryAccount
	b, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &accounts); err != nil {
			return tryPeople{}, fmt.Errorf("%s is not readable: %w; remove the folder to begin anew", file, err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return tryPeople{}, err
	}
	for _, name := range tryLogins[min(len(accounts), len(tryLogins)):] {
		accounts = append(accounts, tryAccount{Address: name + "@" + tryDomain, Password: rand.Text()[:16]})
	}
	if b, err = json.Marshal(accounts); err != nil {
		return tryPeople{}, err
	}
	// Passwords are on stable storage before they count.
	if err := durable.WriteFile(file, b, 0o600); err != nil {
		return tryPeople{}, err
	}
	for i, a := range accounts {
		if err := makeTryAccount(ctx, n, a, tryLogins[i] == tryOwner); err != nil {
			return tryPeople{}, err
		}
	}
	owner := len(tryLogins) - 1
	return tryPeople{owner: accounts[owner], users: accounts[:owner]}, nil
}

// tryLogins are the accounts, in the order of try.json.
var tryLogins = []string{"alice", "bob", tryOwner}

const tryOwner = "admin"

// makeTryAccount makes an account if it is not there, and before the first the
// domain with its keys. It looks before it makes: keys and hashes take time and
// memory at each start.
func makeTryAccount(ctx context.Context, n *node, a tryAccount, owner bool) error {
	local, _, _ := strings.Cut(a.Address, "@")
	if _, err := n.directory.AccountByAddress(mail.Path{Local: local, Domain: tryDomain}); !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	if _, err := n.directory.Domain(tryDomain); errors.Is(err, directory.ErrNotFound) {
		if _, err := n.admin.AddDomain(ctx, admin.NewDomain{Name: tryDomain}); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	role := directory.RoleUser
	if owner {
		role = directory.RoleOwner
	}
	_, err := n.admin.AddAccount(ctx, admin.NewAccount{Address: a.Address, Password: a.Password, Role: string(role)})
	return err
}

// asTry is who makes what a try begins with.
func asTry(ctx context.Context) context.Context { return admin.AsOwner(ctx, "try") }
