package movein

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/mailstead/mailstead/mail/verdict"
)

// setupKeys are the keys of a table.
func setupKeys(table string) (keys []string) {
	for _, of := range []reflect.Type{reflect.TypeFor[People](), reflect.TypeFor[Setup]()} {
		for i := range of.NumField() {
			f := of.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("toml"), ","); name != table {
				continue
			}
			for k := range f.Type.Elem().NumField() {
				key, _, _ := strings.Cut(f.Type.Elem().Field(k).Tag.Get("toml"), ",")
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// check says what is wrong with a setup by itself: two rows about the same, and
// what is forgotten. All else the server checks when it makes it.
func (s *Setup) check() error {
	return errors.Join(
		each("domains", s.Domains, func(d *PeopleDomain) (string, error) { return d.Name, nil }),
		each("accounts", s.Accounts, func(a *PeopleAccount) (string, error) { return a.Address, nil }),
		each("aliases", s.Aliases, func(a *PeopleAlias) (string, error) { return a.Address, a.check() }),
		each("lists", s.Lists, func(e *SetupList) (string, error) {
			err := e.check()
			return strings.TrimSpace(e.Entry + " " + scopeText(e.Domain, e.Account, "")), err
		}),
		each("junk-policies", s.Policies, func(p *SetupPolicy) (string, error) {
			return scopeText(p.Domain, p.Account, p.Address), p.check()
		}),
		each("alert-channels", s.Channels, func(c *SetupChannel) (string, error) { return c.Kind + " " + c.To, nil }),
		each("secrets", s.Secrets, func(e *SetupSecret) (string, error) { return e.Setting, nil }),
	)
}

// each looks at all rows of a table and says what is wrong with the first that
// is wrong, by its number.
func each[T any](table string, rows []T, check func(*T) (name string, err error)) error {
	seen := map[string]int{}
	for i := range rows {
		name, err := check(&rows[i])
		key := strings.ToLower(name)
		if before, ok := seen[key]; ok && err == nil {
			err = fmt.Errorf("it is there twice, as number %d as well", before)
		}
		seen[key] = i + 1
		if err != nil {
			return fmt.Errorf("[[%s]] number %d (%s): %w", table, i+1, name, err)
		}
	}
	return nil
}

// scopeText says whose a row is; "" is the server's.
func scopeText(domain, account, address string) string {
	switch {
	case account != "":
		return "of " + account
	case address != "":
		return "for " + address
	case domain != "":
		return "of " + domain
	}
	return "of the server"
}

func (a *PeopleAlias) check() error {
	if len(a.Targets) == 0 {
		return errors.New("it leads nowhere; name targets")
	}
	return nil
}

// check brings an entry into its one form.
func (e *SetupList) check() error {
	subject, err := verdict.ParseSubject(e.Entry)
	if err == nil {
		e.Entry = subject
	}
	return err
}

func (p *SetupPolicy) check() error {
	if p.Junk == nil || p.Quarantine == nil || p.Refuse == nil {
		return errors.New("say junk, quarantine and refuse; 0 is never")
	}
	return nil
}
