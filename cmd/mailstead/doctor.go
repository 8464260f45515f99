package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// doctorCmd is `mailstead doctor`: the checks of the console, in the terminal.
type doctorCmd struct {
	target `embed:""`

	IDs []string `arg:"" optional:"" name:"check" help:"Only these checks, as in ptr.v4."`
	All bool     `help:"Show what is all right, too."`
}

// errProblems makes the exit status 1 when a check fails.
var errProblems = errors.New("something is wrong")

// Run runs the checks in the running server, or here if there is none.
func (c *doctorCmd) Run(ctx context.Context, s streams) error {
	actor := actorName()
	op, running, err := c.operator(ctx)
	if err != nil {
		return err
	}
	ctx = admin.AsOwner(ctx, actor)
	out := &printer{w: s.out, notes: s.err, json: c.Output == "json"}
	if !running && !out.json {
		fmt.Fprintln(s.err, "No server is running here: its ports and certificate are not checked.")
	}
	report, err := op.RunChecks(ctx, c.IDs)
	if err == nil {
		err = out.show(report, func(w io.Writer) { describeReport(w, report, c.All || len(c.IDs) > 0) })
	}
	if err == nil && report.State == checks.Fail {
		err = errProblems
	}
	return errors.Join(err, op.Close())
}

// operator is the running server, or its data with a network of its own.
func (c *doctorCmd) operator(ctx context.Context) (op admin.Operator, running bool, err error) {
	data, hostname, err := c.dataDir()
	if err != nil {
		return nil, false, err
	}
	client, err := api.Dial(ctx, adminSocket(data), actorName())
	if err == nil {
		return client, true, nil
	}
	if !errors.Is(err, api.ErrNotRunning) {
		return nil, false, err
	}
	if hostname == "" {
		return nil, false, fmt.Errorf("no server is running, and there is no configuration at %s that says what it is called; `mailstead setup` makes one", c.Config)
	}
	o, err := doctorOptions(c.Config, data, hostname)
	if err != nil {
		return nil, false, err
	}
	if err := becomeOwner(data); err != nil {
		return nil, false, err
	}
	op, err = admin.Open(data, o)
	return op, false, err
}

// doctorOptions are what checks need without a server.
func doctorOptions(file, data string, hostname mail.Domain) (admin.Options, error) {
	cfg, err := config.Load(file)
	if err != nil {
		return admin.Options{}, err
	}
	servers, trustAD, err := resolvers(cfg)
	if err != nil {
		return admin.Options{}, err
	}
	log := slog.New(slog.DiscardHandler)
	return admin.Options{
		Hostname: hostname, Addresses: interfaceAddrs, Resolver: dns.NewClient(dns.Options{Servers: servers, TrustAD: trustAD}),
		Authority: newAuthority(servers, nil, log),
		Server:    &checks.Server{Dial: (&net.Dialer{}).DialContext, DataDir: data, Disk: checks.Statfs},
	}, nil
}

// resolvers are those of the configuration, or of the system, and whether
// their DNSSEC bit counts.
func resolvers(c config.Config) (servers []netip.AddrPort, trustAD bool, err error) {
	if servers, err = c.Resolvers(); err != nil || len(servers) > 0 {
		return servers, c.DNS.TrustAD, err
	}
	servers, system, err := dns.SystemServers()
	if err != nil {
		return nil, false, fmt.Errorf("name servers of this system: %w; name some in [dns] servers", err)
	}
	return servers, c.DNS.TrustAD || system, nil
}

// marks stand for states where there may be no colours.
var marks = map[checks.State]string{checks.OK: "✓", checks.Warn: "!", checks.Fail: "✗", checks.Unknown: "?"}

// describeReport writes one line per check, then what to do.
func describeReport(w io.Writer, r admin.CheckReport, all bool) {
	rows := [][]string{}
	for _, group := range []checks.Group{checks.Network, checks.Names, checks.Host, checks.Mail} {
		for _, c := range r.Items {
			if c.Group == group && (all || c.State != checks.OK) {
				rows = append(rows, []string{marks[c.State], c.ID, c.Title, c.Saw})
			}
		}
	}
	if len(rows) > 0 {
		table(w, rows...)
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s. %d ✓  %d !  %d ✗  %d ?\n", r.Sentence, r.Counts.OK, r.Counts.Warn, r.Counts.Fail, r.Counts.Unknown)
	for _, c := range r.ToFix {
		fmt.Fprintf(w, "\n%s %s (%s)\n", marks[c.State], clean(c.Title), clean(c.ID))
		for _, line := range slices.DeleteFunc([]string{"found    " + c.Saw, "wanted   " + c.Want, "why      " + c.Why, "do       " + c.Fix, "see      " + c.FixLink}, func(l string) bool {
			return len(strings.Fields(l)) < 2
		}) {
			fmt.Fprintf(w, "  %s\n", clean(line))
		}
		if c.MutedUntil != nil {
			fmt.Fprintf(w, "  muted until %s\n", c.MutedUntil.Format(time.DateOnly))
		}
	}
}
