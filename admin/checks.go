package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail"
)

// CheckReport is the results of checks, and what they mean together.
type CheckReport struct {
	checks.Summary
	Items []checks.Result `json:"items"`
}

// newChecks makes the registry. What only admin knows is filled in.
func (a *Admin) newChecks(s checks.Server) *checks.Registry {
	d := a.opts.Directory
	s.Hostname, s.Addrs, s.Resolver, s.Now = string(a.opts.Hostname), a.opts.Addresses, a.opts.Resolver, a.opts.Now
	s.RelayHost = func() string { return d.Text(directory.RelayHost) }
	s.ReceiveOnly = func() bool { return d.Bool(directory.ServerReceiveOnly) }
	s.Queue = a.opts.Queue.Size
	s.Domains = a.checkedDomains
	if a.opts.Backup != nil {
		s.Backups = a.checkedBackups
	}
	if a.opts.Certificates != nil {
		s.Certificates = a.opts.Certificates.Status
	}
	if a.opts.Clock != nil {
		s.Clock = a.opts.Clock.Doubt
	}
	a.server = func() *checks.Server {
		s := s
		s.MXHosts = strings.Fields(d.Text(directory.ChecksMXHosts))
		s.Blocklists = strings.Fields(d.Text(directory.ChecksBlocklists))
		s.SignedName, s.TimeHost = d.Text(directory.ChecksSignedName), d.Text(directory.ChecksTimeHost)
		return &s
	}
	return checks.New(checks.Options{Store: d, Now: a.opts.Now, Logger: a.opts.Logger, Changed: a.checkChanged, Checks: func() []checks.Check { return a.server().Checks() }})
}

// checkChanged tells those who watch.
func (a *Admin) checkChanged(id string, from, to checks.State, at time.Time) {
	a.Publish(TopicChecks, "check.changed", CheckChange{id, from, to, at})
	if a.opts.CheckChanged != nil {
		a.opts.CheckChanged(id, from, to, at)
	}
	a.opts.Tell.check(CheckChange{id, from, to, at})
	a.alerts.Look()
}

// CheckChange is the event of a check that has another state than before.
type CheckChange struct {
	ID   string       `json:"id"`
	From checks.State `json:"from"`
	To   checks.State `json:"to"`
	At   time.Time    `json:"at"`
}

// checkedDomains are our domains; their DNS is looked at as always.
func (a *Admin) checkedDomains() []checks.Domain {
	if a.opts.Authority == nil {
		return nil
	}
	var list []checks.Domain
	for _, d := range a.opts.Directory.Domains() {
		list = append(list, checks.Domain{Name: string(d.Name), Check: func(ctx context.Context) (dnsadvice.Report, error) { return a.checkDNS(ctx, d) }})
	}
	return list
}

var errNoChecks = &directory.Problem{Kind: ErrUnavailable, Text: "there are no checks without a configuration that says what this server is called"}

// seen leaves out what is about domains of others.
func seen(p Principal, list []checks.Result) []checks.Result {
	return slices.DeleteFunc(list, func(r checks.Result) bool {
		return !p.allDomains() && (r.Domain == "" || !p.sees(mail.Domain(r.Domain)))
	})
}

// Checks returns what all checks found last.
func (a *Admin) Checks(ctx context.Context) (CheckReport, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return CheckReport{}, err
	}
	if a.checks == nil {
		return CheckReport{}, errNoChecks
	}
	list, err := a.checks.Results(ctx)
	return a.report(p, list), err
}

func (a *Admin) report(p Principal, list []checks.Result) CheckReport {
	list = seen(p, list)
	return CheckReport{Summary: checks.Summarize(list, a.opts.Now()), Items: list}
}

// RunChecks runs checks now; none named are all.
func (a *Admin) RunChecks(ctx context.Context, ids []string) (CheckReport, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return CheckReport{}, err
	}
	if a.checks == nil {
		return CheckReport{}, errNoChecks
	}
	if !p.allDomains() {
		for _, id := range ids {
			if d, ok := strings.CutPrefix(id, "dns."); !ok || !p.sees(mail.Domain(d)) {
				return CheckReport{}, noCheck(checks.ErrNoCheck, id)
			}
		}
		if len(ids) == 0 {
			for _, d := range p.Domains {
				ids = append(ids, "dns."+string(d))
			}
		}
	}
	list, err := a.checks.Run(ctx, ids...)
	if err != nil {
		return CheckReport{}, noCheck(err, strings.Join(ids, ", "))
	}
	return a.report(p, list), nil
}

// noCheck makes the registry's errors those of an operator.
func noCheck(err error, ids string) error {
	switch {
	case errors.Is(err, checks.ErrNoCheck):
		return &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no check " + ids}
	case errors.Is(err, checks.ErrMute):
		return At("until", invalid("say until when: a time in the future, within a year"))
	}
	return err
}

// MuteCheck keeps a check out of what there is to fix, until a time.
func (a *Admin) MuteCheck(ctx context.Context, id string, until time.Time) (checks.Result, error) {
	return a.setMute(ctx, id, "check.mute", func() (checks.Result, error) { return a.checks.Mute(ctx, id, until) })
}

// UnmuteCheck ends MuteCheck.
func (a *Admin) UnmuteCheck(ctx context.Context, id string) (checks.Result, error) {
	return a.setMute(ctx, id, "check.unmute", func() (checks.Result, error) { return a.checks.Unmute(ctx, id) })
}

func (a *Admin) setMute(ctx context.Context, id, action string, do func() (checks.Result, error)) (checks.Result, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return checks.Result{}, err
	}
	if a.checks == nil {
		return checks.Result{}, errNoChecks
	}
	res, err := do()
	if err != nil {
		return checks.Result{}, noCheck(err, id)
	}
	return res, a.opts.Directory.Record(ctx, Actor(ctx), action, id, res.MutedUntil)
}

// WatchChecks runs checks when they are due, until ctx is done.
func (a *Admin) WatchChecks(ctx context.Context) error {
	if a.checks == nil {
		<-ctx.Done()
		return nil
	}
	return a.checks.Watch(ctx)
}
