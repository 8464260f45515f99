package movein

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/admin/webhooks"
	"github.com/mailstead/mailstead/mail"
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

// check says what is wrong with a setup as far as it can be known without the
// server it is for: so that nothing is changed because of half a file.
func (s *Setup) check() error {
	return errors.Join(
		each("domains", s.Domains, func(d *PeopleDomain) (string, error) { return d.Name, d.check() }),
		each("accounts", s.Accounts, func(a *PeopleAccount) (string, error) { return a.Address, a.check() }),
		each("aliases", s.Aliases, func(a *PeopleAlias) (string, error) { return a.Address, a.check() }),
		each("lists", s.Lists, func(e *SetupList) (string, error) {
			return strings.TrimSpace(e.Entry + " " + scopeText(e.Domain, e.Account, "")), e.check()
		}),
		each("junk-policies", s.Policies, func(p *SetupPolicy) (string, error) {
			return scopeText(p.Domain, p.Account, p.Address), p.check()
		}),
		each("webhooks", s.Webhooks, func(h *SetupWebhook) (string, error) { return h.URL, h.check() }),
		each("alert-channels", s.Channels, func(c *SetupChannel) (string, error) { return c.Kind + " " + c.To, s.checkChannel(c) }),
		each("secrets", s.Secrets, func(e *SetupSecret) (string, error) { return e.Setting, nil }),
	)
}

// repeats are tables in which two rows may be about the same.
func repeats(table string) bool { return table == "webhooks" }

// each looks at all rows of a table and says what is wrong with the first that
// is wrong, by its number.
func each[T any](table string, rows []T, check func(*T) (name string, err error)) error {
	seen := map[string]int{}
	for i := range rows {
		name, err := check(&rows[i])
		key := strings.ToLower(name)
		if before, ok := seen[key]; ok && err == nil && !repeats(table) {
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

func checkDomain(name string) error {
	if _, err := mail.ParseDomain(name); err != nil {
		return fmt.Errorf("%q is no domain name", name)
	}
	return nil
}

func checkAddress(s string) error {
	if _, err := mail.ParseAddress(s); err != nil {
		return fmt.Errorf("%q is no address; write it as in ana@example.org", s)
	}
	return nil
}

// checkAll checks each of a list.
func checkAll(list []string, check func(string) error) error {
	for _, s := range list {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

// checkOne makes sure that a row is of one domain, account or address at most.
func checkOne(domain, account, address string) error {
	n := 0
	for _, of := range []struct {
		text  string
		check func(string) error
	}{{domain, checkDomain}, {account, checkAddress}, {address, checkAddress}} {
		if of.text == "" {
			continue
		}
		if err := of.check(of.text); err != nil {
			return err
		}
		n++
	}
	if n > 1 {
		return errors.New("name one of domain, account and address; none is the server")
	}
	return nil
}

func (d *PeopleDomain) check() error {
	err := checkDomain(d.Name)
	if err == nil && d.AliasOf != "" {
		err = checkDomain(d.AliasOf)
	}
	if err == nil && d.CatchAll != "" {
		err = checkAddress(d.CatchAll)
	}
	return err
}

func (a *PeopleAccount) check() error {
	if err := checkAddress(a.Address); err != nil {
		return err
	}
	if _, err := directory.ParseRole(a.Role); a.Role != "" && err != nil {
		return err
	}
	if a.QuotaBytes < 0 || a.QuotaMessages < 0 {
		return errors.New("a quota is not below 0; 0 is no limit")
	}
	if err := checkAll(a.Domains, checkDomain); err != nil {
		return err
	}
	return checkAll(a.Forward, checkAddress)
}

func (a *PeopleAlias) check() error {
	if len(a.Targets) == 0 {
		return errors.New("it leads nowhere; name targets")
	}
	if err := checkAddress(a.Address); err != nil {
		return err
	}
	return checkAll(a.Targets, checkAddress)
}

// maxNote bounds the note of an entry, as the server does.
const maxNote = 500

func (e *SetupList) check() error {
	if err := checkOne(e.Domain, e.Account, ""); err != nil {
		return err
	}
	if e.Kind != verdict.Allow && e.Kind != verdict.Block {
		return fmt.Errorf("kind is allow or block, not %q", e.Kind)
	}
	if len(e.Note) > maxNote {
		return fmt.Errorf("a note has at most %d octets", maxNote)
	}
	subject, err := verdict.ParseSubject(e.Entry)
	if err != nil {
		return err
	}
	e.Entry = subject
	return nil
}

func (p *SetupPolicy) check() error {
	if err := checkOne(p.Domain, p.Account, p.Address); err != nil {
		return err
	}
	if p.Junk == nil || p.Quarantine == nil || p.Refuse == nil {
		return errors.New("say junk, quarantine and refuse; 0 is never")
	}
	return p.Policy().Check()
}

func (h *SetupWebhook) check() error {
	if err := push.CheckURL(h.URL); err != nil {
		return err
	}
	if len(h.Events) == 0 {
		return errors.New("name the events to be told, such as " + webhooks.MessageReceived)
	}
	for _, e := range h.Events {
		if !slices.Contains(webhooks.Events(), e) {
			return fmt.Errorf("there is no event %q; choose from %s", e, strings.Join(webhooks.Events(), ", "))
		}
	}
	return checkAll(h.Domains, checkDomain)
}

func (s *Setup) checkChannel(c *SetupChannel) error {
	if c.Least != string(checks.Warn) && c.Least != string(checks.Fail) {
		return fmt.Errorf("least is warn or fail, not %q", c.Least)
	}
	switch c.Kind {
	case alerts.KindMail:
		p, err := mail.ParseAddress(c.To)
		if err != nil {
			return checkAddress(c.To)
		}
		if slices.ContainsFunc(s.Domains, func(d PeopleDomain) bool { return strings.EqualFold(d.Name, string(p.Domain)) }) {
			return errors.New("it is an address of this server, where nobody can read that it is in trouble; give one elsewhere")
		}
		return nil
	case alerts.KindWebhook, alerts.KindNtfy:
		return push.CheckURL(c.To)
	}
	return fmt.Errorf("kind is mail, webhook or ntfy, not %q", c.Kind)
}
