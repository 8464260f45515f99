package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

type accountCmd struct {
	target `embed:""`

	Add     accountAddCmd    `cmd:"" help:"Add an account with its mailboxes."`
	List    accountListCmd   `cmd:"" help:"List accounts."`
	Show    accountShowCmd   `cmd:"" help:"Show an account and what it uses."`
	Set     accountSetCmd    `cmd:"" help:"Change an account."`
	Passwd  accountPasswdCmd `cmd:"" help:"Set the password."`
	Suspend accountSuspend   `cmd:"" help:"Take no mail and let nobody log in; the mail is kept."`
	Resume  accountResume    `cmd:"" help:"End suspend."`
	Remove  accountRemoveCmd `cmd:"" help:"Remove an account with all its mail."`
}

// quotaFlags are sizes as people write them.
type quotaFlags struct {
	Quota       *string `help:"Room for mail, as in \"5 GiB\"; 0 is no limit." placeholder:"SIZE"`
	MaxMessages *int64  `help:"Number of messages; 0 is no limit." placeholder:"N"`
}

func (q *quotaFlags) bytes() (*int64, error) {
	if q.Quota == nil {
		return nil, nil
	}
	n, err := directory.ParseSize(*q.Quota)
	if err != nil {
		return nil, usageError("--quota: " + err.Error())
	}
	return &n, nil
}

// passwordFlags say where a password comes from.
type passwordFlags struct {
	PasswordStdin bool `help:"Read the password from the first line of standard input." xor:"password"`
	Generate      bool `help:"Make a password and print it." xor:"password"`
}

// read returns the password, and whether it was made here.
func (f *passwordFlags) read(in *os.File, prompt io.Writer) (password string, made bool, err error) {
	switch {
	case f.Generate:
		return directory.GeneratePassword(), true, nil
	case f.PasswordStdin:
		password, err = firstLine(in)
		return password, false, err
	case !term.IsTerminal(int(in.Fd())):
		return "", false, usageError("there is no terminal to ask for a password: say --password-stdin or --generate")
	}
	password, err = ask(in, prompt, "Password (empty: make one): ")
	if err != nil {
		return "", false, err
	}
	if password == "" {
		return directory.GeneratePassword(), true, nil
	}
	again, err := ask(in, prompt, "Again: ")
	if err == nil && again != password {
		err = errors.New("the two are not the same; nothing was changed")
	}
	return password, false, err
}

// firstLine reads a password that another program hands over.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usageError("--password-stdin: there is nothing on standard input")
	}
	return line, nil
}

func ask(in *os.File, prompt io.Writer, text string) (string, error) {
	fmt.Fprint(prompt, text)
	b, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(prompt)
	return string(b), err
}

// madeAccount is the result of account add and passwd; Password only if it was
// made here.
type madeAccount struct {
	admin.Account
	Password string `json:"password,omitempty"`
}

type accountAddCmd struct {
	Address string `arg:"" help:"The address, as in ana@example.org."`
	Name    string `help:"Name of the person."`
	quotaFlags
	passwordFlags
}

func (c *accountAddCmd) Run(ctx context.Context, s streams, g *accountCmd) error {
	bytes, err := c.bytes()
	if err != nil {
		return err
	}
	password, made, err := c.read(os.Stdin, s.err)
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		a, err := op.AddAccount(ctx, admin.NewAccount{Address: c.Address, Name: c.Name, Password: password, QuotaBytes: bytes, QuotaMessages: c.MaxMessages})
		if err != nil {
			return err
		}
		return showMade(out, a, password, made)
	})
}

func showMade(out *printer, a admin.Account, password string, made bool) error {
	m := madeAccount{Account: a}
	if made {
		m.Password = password
	}
	return out.show(m, func(w io.Writer) {
		describeAccount(w, a)
		if made {
			table(w, []string{"password", password})
		}
	})
}

func describeAccount(w io.Writer, a admin.Account) {
	rows := [][]string{{"address", a.Address}, {"number", strconv.FormatUint(uint64(a.ID), 10)}, {"name", orDash(a.Name)}, {"created", when(a.Created)},
		{"role", strings.Join(append([]string{a.Role}, a.Domains...), " ")},
		{"quota", limit(a.QuotaBytes, amount)}, {"messages", limit(a.QuotaMessages, func(n int64) string { return fmt.Sprintf("at most %d", n) })}}
	if a.Suspended {
		rows = append(rows, []string{"suspended", "it takes no mail, and nobody can log in"})
	}
	if a.Usage != nil {
		rows = append(rows, []string{"uses", fmt.Sprintf("%s in %d messages", amount(a.Usage.Bytes), a.Usage.Messages)})
	}
	if len(a.Forward) > 0 {
		kept := "no copy is kept"
		if a.KeepCopy {
			kept = "a copy is kept"
		}
		rows = append(rows, []string{"forwards", strings.Join(a.Forward, ", ") + "; " + kept})
	}
	if a.AppPasswordsOnly {
		rows = append(rows, []string{"login", "mail programs need an app password"})
	}
	if len(a.Aliases) > 0 {
		rows = append(rows, []string{"aliases", strings.Join(a.Aliases, ", ")})
	}
	table(w, rows...)
}

type accountListCmd struct {
	Domain string `help:"Only those of this domain." placeholder:"DOMAIN"`
}

func (c *accountListCmd) Run(ctx context.Context, s streams, g *accountCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := admin.All(func(p admin.Paging) (admin.Page[admin.Account], error) {
			return op.Accounts(ctx, admin.AccountFilter{Paging: p, Domain: c.Domain})
		})
		if err != nil {
			return err
		}
		return out.show(list, func(w io.Writer) {
			rows := [][]string{{"ADDRESS", "NAME", "QUOTA", "SUSPENDED", "CREATED"}}
			for _, a := range list {
				rows = append(rows, []string{a.Address, orDash(a.Name), limit(a.QuotaBytes, amount), yesNo(a.Suspended), when(a.Created)})
			}
			table(w, rows...)
		})
	})
}

type accountShowCmd struct {
	Address string `arg:""`
}

func (c *accountShowCmd) Run(ctx context.Context, s streams, g *accountCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		a, err := op.Account(ctx, c.Address)
		if err != nil {
			return err
		}
		return out.show(a, func(w io.Writer) { describeAccount(w, a) })
	})
}

type accountSetCmd struct {
	Address string  `arg:""`
	Name    *string `help:"Name of the person."`
	quotaFlags
	Role             *string   `help:"user, support, domain-admin, admin or owner." placeholder:"ROLE"`
	Domains          *[]string `help:"What a domain-admin administers, with commas between." placeholder:"DOMAIN"`
	Forward          *[]string `help:"Where mail goes on to, with commas between; none ends it." placeholder:"ADDRESS"`
	KeepCopy         *bool     `help:"Also file mail here that is forwarded." negatable:""`
	AppPasswordsOnly *bool     `help:"Refuse the password of the account to mail programs." negatable:""`
}

func (c *accountSetCmd) Run(ctx context.Context, s streams, g *accountCmd) error {
	bytes, err := c.bytes()
	if err != nil {
		return err
	}
	ch := admin.AccountChange{Name: c.Name, QuotaBytes: bytes, QuotaMessages: c.MaxMessages,
		Role: c.Role, Domains: c.Domains, Forward: c.Forward, KeepCopy: c.KeepCopy, AppPasswordsOnly: c.AppPasswordsOnly}
	if ch == (admin.AccountChange{}) {
		return usageError("say what to change: `mailstead account set --help` shows what there is")
	}
	return g.change(ctx, s, c.Address, ch)
}

// change changes an account and shows it.
func (g *accountCmd) change(ctx context.Context, s streams, address string, ch admin.AccountChange) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		a, err := op.SetAccount(ctx, address, ch)
		if err != nil {
			return err
		}
		return out.show(a, func(w io.Writer) { describeAccount(w, a) })
	})
}

type accountPasswdCmd struct {
	Address string `arg:""`
	passwordFlags
}

func (c *accountPasswdCmd) Run(ctx context.Context, s streams, g *accountCmd) error {
	password, made, err := c.read(os.Stdin, s.err)
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.SetPassword(ctx, c.Address, password); err != nil {
			return err
		}
		if !made {
			return out.done("the password of %s is set", c.Address)
		}
		v := map[string]string{"address": c.Address, "password": password}
		return out.show(v, func(w io.Writer) { table(w, []string{"address", c.Address}, []string{"password", password}) })
	})
}

type accountSuspend struct {
	Address string `arg:""`
}

func (c *accountSuspend) Run(ctx context.Context, s streams, g *accountCmd) error {
	yes := true
	return g.change(ctx, s, c.Address, admin.AccountChange{Suspended: &yes})
}

type accountResume struct {
	Address string `arg:""`
}

func (c *accountResume) Run(ctx context.Context, s streams, g *accountCmd) error {
	no := false
	return g.change(ctx, s, c.Address, admin.AccountChange{Suspended: &no})
}

type accountRemoveCmd struct {
	Address string `arg:""`
	Yes     bool   `help:"Do not ask."`
}

func (c *accountRemoveCmd) Run(ctx context.Context, s streams, g *accountCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := confirm(c.Yes, c.Address, "the account with all its mail", out.notes); err != nil {
			return err
		}
		if err := op.RemoveAccount(ctx, c.Address); err != nil {
			return err
		}
		return out.done("removed %s", c.Address)
	})
}

type aliasCmd struct {
	target `embed:""`

	Add    aliasAddCmd    `cmd:"" help:"Let an address lead to others, or to more of them."`
	Set    aliasSetCmd    `cmd:"" help:"Let an address lead to these addresses and no others."`
	List   aliasListCmd   `cmd:"" help:"List aliases."`
	Remove aliasRemoveCmd `cmd:"" help:"Remove an alias, or some of its targets."`
}

type aliasAddCmd struct {
	Address string   `arg:""`
	Targets []string `arg:"" help:"Addresses here or elsewhere."`
}

func (c *aliasAddCmd) Run(ctx context.Context, s streams, g *aliasCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		a, err := op.AddAlias(ctx, c.Address, c.Targets)
		if err != nil {
			return err
		}
		return out.alias(a)
	})
}

type aliasSetCmd struct {
	Address string   `arg:""`
	Targets []string `arg:"" help:"Addresses here or elsewhere."`
}

func (c *aliasSetCmd) Run(ctx context.Context, s streams, g *aliasCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		a, err := op.SetAlias(ctx, c.Address, c.Targets)
		if err != nil {
			return err
		}
		return out.alias(a)
	})
}

// alias shows where an address leads.
func (p *printer) alias(a admin.Alias) error {
	return p.show(a, func(w io.Writer) { table(w, []string{a.Address, "→ " + strings.Join(a.Targets, ", ")}) })
}

type aliasListCmd struct {
	Domain string `help:"Only those of this domain." placeholder:"DOMAIN"`
}

func (c *aliasListCmd) Run(ctx context.Context, s streams, g *aliasCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := admin.All(func(p admin.Paging) (admin.Page[admin.Alias], error) {
			return op.Aliases(ctx, admin.AliasFilter{Paging: p, Domain: c.Domain})
		})
		if err != nil {
			return err
		}
		return out.show(list, func(w io.Writer) {
			rows := [][]string{{"ALIAS", "LEADS TO"}}
			for _, a := range list {
				rows = append(rows, []string{a.Address, strings.Join(a.Targets, ", ")})
			}
			table(w, rows...)
		})
	})
}

type aliasRemoveCmd struct {
	Address string   `arg:""`
	Targets []string `arg:"" optional:"" help:"Only these targets."`
}

func (c *aliasRemoveCmd) Run(ctx context.Context, s streams, g *aliasCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.RemoveAlias(ctx, c.Address, c.Targets); err != nil {
			return err
		}
		if len(c.Targets) > 0 {
			return out.done("%s no longer leads to %s", c.Address, strings.Join(c.Targets, ", "))
		}
		return out.done("removed %s", c.Address)
	})
}
