package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/mailstead/mailstead/admin"
)

type dnsProviderCmd struct {
	target `embed:""`

	List   dnsProviderListCmd   `cmd:"" help:"List what changes records where zones are hosted."`
	Add    dnsProviderAddCmd    `cmd:"" help:"Add or change one, after it was tried."`
	Test   dnsProviderTestCmd   `cmd:"" help:"Ask one for its zones, to see whether it still answers. Nothing is changed."`
	Remove dnsProviderRemoveCmd `cmd:"" help:"Forget one and its secret. Records stay as they are."`
}

type dnsProviderListCmd struct{}

func (c *dnsProviderListCmd) Run(ctx context.Context, s streams, g *dnsProviderCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := op.DNSProviders(ctx)
		if err != nil {
			return err
		}
		return out.show(list.Items, func(w io.Writer) {
			rows := [][]string{{"NAME", "KIND", "ZONES", "SERVER", "LOGIN"}}
			for _, p := range list.Items {
				rows = append(rows, []string{p.Name, p.Kind, strings.Join(p.Zones, " "), orDash(p.Server), orDash(p.Login)})
			}
			table(w, rows...)
		})
	})
}

type dnsProviderAddCmd struct {
	Name  string   `arg:"" help:"A name for it, as you like."`
	Kind  string   `arg:"" help:"rfc2136, exec, cloudflare, hetzner, desec, digitalocean, gandi or route53." enum:"rfc2136,exec,cloudflare,hetzner,desec,digitalocean,gandi,route53"`
	Zones []string `arg:"" help:"The zones that are hosted there, as in example.org."`

	Server      string `help:"The name server that takes updates (rfc2136), or the whole path of the program (exec)." placeholder:"HOST|FILE"`
	Login       string `help:"Name of the TSIG key (rfc2136), or the access key ID (route53)." placeholder:"NAME"`
	SecretStdin bool   `help:"Read the token, key or password from the first line of standard input."`
	KeepSecret  bool   `help:"Keep the secret that it has."`
	Unchecked   bool   `help:"Save it without trying it."`
}

func (c *dnsProviderAddCmd) Run(ctx context.Context, s streams, g *dnsProviderCmd) error {
	secret, err := c.secret(s.err)
	if err != nil {
		return err
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		p, err := op.PutDNSProvider(ctx, c.Name, admin.NewZoneProvider{Kind: c.Kind, Zones: c.Zones, Server: c.Server, Login: c.Login, Secret: secret, Unchecked: c.Unchecked})
		if err != nil {
			return err
		}
		return out.show(p, func(w io.Writer) {
			fmt.Fprintln(w, clean(fmt.Sprintf("%s changes %s. `mailstead domain dns DOMAIN` shows what it would publish", p.Name, strings.Join(p.Zones, " and "))))
		})
	})
}

// secret comes from standard input or the terminal, never from an argument:
// those can be seen by all users.
func (c *dnsProviderAddCmd) secret(prompt io.Writer) (string, error) {
	switch {
	case c.KeepSecret:
		return "", nil
	case c.SecretStdin:
		return firstLine(os.Stdin)
	case term.IsTerminal(int(os.Stdin.Fd())):
		return ask(os.Stdin, prompt, "Token, key or password: ")
	case c.Kind == "exec":
		return "", nil
	}
	return "", usageError("there is no terminal to ask for the secret: say --secret-stdin")
}

type dnsProviderTestCmd struct {
	Name string `arg:""`
}

func (c *dnsProviderTestCmd) Run(ctx context.Context, s streams, g *dnsProviderCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		t, err := op.TestDNSProvider(ctx, c.Name)
		if err != nil {
			return err
		}
		if err := out.show(t, func(w io.Writer) {
			for _, z := range t.Zones {
				fmt.Fprintln(w, clean(z.Zone+": "+z.Text))
			}
		}); err != nil {
			return err
		}
		if !t.OK {
			return fmt.Errorf("%s does not answer as it should", c.Name)
		}
		return nil
	})
}

type dnsProviderRemoveCmd struct {
	Name string `arg:""`
}

func (c *dnsProviderRemoveCmd) Run(ctx context.Context, s streams, g *dnsProviderCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.RemoveDNSProvider(ctx, c.Name); err != nil {
			return err
		}
		return out.done("removed %s; its records stay as they are", c.Name)
	})
}

// domainDNSCmd is `mailstead domain dns`.
type domainDNSCmd struct {
	Name    string   `arg:""`
	Apply   bool     `help:"Publish it, after a question."`
	Yes     bool     `help:"Ask no question."`
	Replace []string `help:"IDs of records for which what others have published may go." placeholder:"ID"`
	Records []string `help:"Only these records." placeholder:"ID"`
}

func (c *domainDNSCmd) Run(ctx context.Context, s streams, g *domainCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		return c.publish(ctx, op, out, func() error { return agree(os.Stdin, out.notes, "Publish this? [y/N] ") })
	})
}

// publish shows the plan, or does it after the question.
func (c *domainDNSCmd) publish(ctx context.Context, op admin.Operator, out *printer, question func() error) error {
	r := admin.DNSApply{DryRun: true, Records: c.Records, Replace: c.Replace}
	plan, err := op.ApplyDNS(ctx, c.Name, r)
	if err != nil {
		return err
	}
	if !c.Apply {
		return out.show(plan, func(w io.Writer) { describePlan(w, plan) })
	}
	if !c.Yes {
		describePlan(out.notes, plan)
		if err := question(); err != nil {
			return err
		}
		r.Seen = plan.Shown() // and nothing else
	}
	r.DryRun = false
	if plan, err = op.ApplyDNS(ctx, c.Name, r); err != nil {
		return err
	}
	return out.show(plan, func(w io.Writer) { describePlan(w, plan) })
}

// agree asks a question that only "y" answers.
func agree(in *os.File, prompt io.Writer, question string) error {
	if !term.IsTerminal(int(in.Fd())) {
		return usageError("there is no terminal to ask: say --yes")
	}
	fmt.Fprint(prompt, question)
	line, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(line)); err != nil || a != "y" && a != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// signs are how changes are printed.
var signs = map[string]string{admin.DNSKeep: " ", admin.DNSAdd: "+", admin.DNSMerge: "~", admin.DNSReplace: "~", admin.DNSForeign: "!", admin.DNSManual: "?"}

// describePlan writes what would be published, or was.
func describePlan(w io.Writer, p admin.DNSPlan) {
	for _, ch := range p.Changes {
		if ch.Action == admin.DNSKeep {
			continue
		}
		fmt.Fprintf(w, "%s %s %s (%s): %s\n", signs[ch.Action], clean(ch.Name), ch.Type, strings.Join(ch.Records, ", "), clean(ch.Text))
		if ch.Action == admin.DNSManual {
			continue
		}
		for _, v := range ch.Remove {
			fmt.Fprintf(w, "    - %s\n", clean(v))
		}
		for _, v := range ch.Want {
			fmt.Fprintf(w, "    + %s\n", clean(v))
		}
	}
	fmt.Fprintln(w, clean(p.Domain+": "+p.Text))
}
