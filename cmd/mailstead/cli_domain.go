package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail"
)

type domainCmd struct {
	target `embed:""`

	Add    domainAddCmd    `cmd:"" help:"Add a domain, make its DKIM keys, and print the records to publish."`
	List   domainListCmd   `cmd:"" help:"List all domains."`
	Show   domainShowCmd   `cmd:"" help:"Show a domain and the records to publish."`
	Set    domainSetCmd    `cmd:"" help:"Change a domain."`
	Remove domainRemoveCmd `cmd:"" help:"Remove a domain."`
	Check  domainCheckCmd  `cmd:"" help:"Compare the DNS with what it should have."`
	DNS    domainDNSCmd    `cmd:"" name:"dns" help:"Show what a DNS provider would publish for a domain, or publish it."`
}

type domainAddCmd struct {
	Name      string `arg:"" help:"The domain, as in example.org."`
	AliasOf   string `help:"Addresses of the new domain mean those of this one." placeholder:"DOMAIN"`
	CatchAll  string `help:"Gets mail for addresses that do not exist." placeholder:"ADDRESS"`
	Separator string `help:"Separates subaddresses: + by default, \"off\" for none." placeholder:"CHAR"`
}

func (c *domainAddCmd) Run(ctx context.Context, s streams, g *domainCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		d, err := op.AddDomain(ctx, admin.NewDomain{Name: c.Name, AliasOf: c.AliasOf, CatchAll: c.CatchAll, Separator: c.Separator})
		if err != nil {
			return err
		}
		return out.show(d, func(w io.Writer) { describeDomain(w, d) })
	})
}

type domainListCmd struct{}

func (c *domainListCmd) Run(ctx context.Context, s streams, g *domainCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := admin.All(func(p admin.Paging) (admin.Page[admin.Domain], error) {
			return op.Domains(ctx, admin.DomainFilter{Paging: p})
		})
		if err != nil {
			return err
		}
		return out.show(list, func(w io.Writer) {
			rows := [][]string{{"DOMAIN", "ACCOUNTS", "ALIASES", "ALIAS OF", "CATCH-ALL", "DISABLED"}}
			for _, d := range list {
				rows = append(rows, []string{display(d.Name), strconv.Itoa(d.Accounts), strconv.Itoa(d.Aliases), orDash(display(d.AliasOf)), orDash(d.CatchAll), yesNo(d.Disabled)})
			}
			table(w, rows...)
		})
	})
}

// display is a domain for people.
func display(name string) string { return mail.Domain(name).Unicode() }

type domainShowCmd struct {
	Name string `arg:""`
}

func (c *domainShowCmd) Run(ctx context.Context, s streams, g *domainCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		d, err := op.Domain(ctx, c.Name)
		if err != nil {
			return err
		}
		return out.show(d, func(w io.Writer) { describeDomain(w, d) })
	})
}

func describeDomain(w io.Writer, d admin.Domain) {
	rows := [][]string{{"domain", display(d.Name)}, {"accounts", strconv.Itoa(d.Accounts)}, {"aliases", strconv.Itoa(d.Aliases)}, {"separator", d.Separator}}
	if d.AliasOf != "" {
		rows = append(rows, []string{"alias of", display(d.AliasOf)})
	}
	if d.CatchAll != "" {
		rows = append(rows, []string{"catch-all", d.CatchAll})
	}
	if d.Disabled {
		rows = append(rows, []string{"disabled", "it takes no mail, and nobody can log in"})
	}
	if d.AppOnly {
		rows = append(rows, []string{"login", "mail programs need an app password"})
	}
	table(w, rows...)
	fmt.Fprintln(w, "\nPublish these records in the DNS (`mailstead domain check` compares):")
	for _, r := range d.Records {
		line := r.ZoneFile
		if line == "" {
			line = r.Name + ". IN " + r.Type + " (you know it)"
		}
		fmt.Fprintf(w, "\n  ; %s\n  %s\n", r.Why, line)
	}
}

type domainSetCmd struct {
	Name      string  `arg:""`
	CatchAll  *string `help:"Gets mail for addresses that do not exist; an empty value: nobody." placeholder:"ADDRESS"`
	Separator *string `help:"Separates subaddresses; \"off\" for none." placeholder:"CHAR"`
	Disabled  *bool   `help:"Take no mail, and let nobody log in." negatable:""`

	AppPasswordsOnly *bool `help:"Refuse the passwords of its accounts to mail programs." negatable:""`
}

func (c *domainSetCmd) Run(ctx context.Context, s streams, g *domainCmd) error {
	ch := admin.DomainChange{CatchAll: c.CatchAll, Separator: c.Separator, Disabled: c.Disabled, AppPasswordsOnly: c.AppPasswordsOnly}
	if ch == (admin.DomainChange{}) {
		return usageError("say what to change: `mailstead domain set --help` shows what there is")
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		d, err := op.SetDomain(ctx, c.Name, ch)
		if err != nil {
			return err
		}
		return out.show(d, func(w io.Writer) { describeDomain(w, d) })
	})
}

type domainRemoveCmd struct {
	Name  string `arg:""`
	Force bool   `help:"Remove its accounts, too, with all their mail."`
	Yes   bool   `help:"Do not ask."`
}

func (c *domainRemoveCmd) Run(ctx context.Context, s streams, g *domainCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if c.Force {
			if err := confirm(c.Yes, c.Name, "all accounts of the domain with all their mail", out.notes); err != nil {
				return err
			}
		}
		if err := op.RemoveDomain(ctx, c.Name, c.Force); err != nil {
			return err
		}
		return out.done("removed %s", c.Name)
	})
}

type domainCheckCmd struct {
	Name string `arg:""`
}

// errFindings makes the exit status 1 when a check found something.
var errFindings = errors.New("the DNS is not as it should be")

func (c *domainCheckCmd) Run(ctx context.Context, s streams, g *domainCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		r, err := op.CheckDNS(ctx, c.Name)
		if err != nil {
			return err
		}
		if err := out.show(r, func(w io.Writer) { describeDNS(w, r) }); err != nil {
			return err
		}
		if r.Summary.Failing > 0 {
			return errFindings
		}
		return nil
	})
}

func describeDNS(w io.Writer, r dnsadvice.Report) {
	rows := [][]string{{"", "NAME", "TYPE", "MEANS"}}
	for _, rec := range r.Records() {
		rows = append(rows, []string{strings.ToUpper(string(rec.State)), rec.Name, rec.Type, rec.Text})
	}
	table(w, rows...)
	fmt.Fprintf(w, "\n%s: %s\n", display(r.Domain), clean(r.Text))
	if r.Provider != nil {
		fmt.Fprintf(w, "The DNS is at %s. %s\n", r.Provider.Name, r.Provider.Note)
	}
	for _, rec := range r.Records() {
		if rec.State == dnsadvice.OK || rec.State == dnsadvice.Unknown {
			continue
		}
		fmt.Fprintf(w, "\n%s %s: %s\n", rec.Name, rec.Type, rec.Why)
		if rec.Want != "" {
			fmt.Fprintf(w, "  should be  %s\n", rec.Want)
		}
		for _, f := range rec.Have {
			fmt.Fprintf(w, "  is         %s\n", clean(f))
		}
	}
}
