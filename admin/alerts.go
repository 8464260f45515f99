package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail"
)

// AlertReport is the alerts there are.
type AlertReport struct {
	Items  []alerts.Alert `json:"items" doc:"What is wrong now comes first."`
	Firing int            `json:"firing"`
	// Channels is how many ways to people there are.
	Channels int `json:"channels" doc:"Ways by which people are told; with 0 nobody is."`
}

// AlertChannel is a way by which people are told.
type AlertChannel struct {
	ID      string       `json:"id"`
	Kind    string       `json:"kind" enum:"mail,webhook,ntfy"`
	To      string       `json:"to"`
	Least   checks.State `json:"least" enum:"warn,fail" doc:"warn: all alerts; fail: only of what fails."`
	Daily   bool         `json:"daily" doc:"Also gets the daily mail."`
	Token   bool         `json:"token" doc:"There is an access token."`
	Created time.Time    `json:"created"`
	LastOK  time.Time    `json:"lastOk,omitzero" doc:"When something went out last."`
	Failing time.Time    `json:"failingSince,omitzero" doc:"Since when nothing goes out."`
	Problem string       `json:"problem,omitempty" doc:"Why, in words."`
	Secret  push.Secret  `json:"secret,omitempty" doc:"Of a webhook: what its requests are signed with; shown only when it is made."`
}

// NewAlertChannel is a channel to make.
type NewAlertChannel struct {
	Kind  string       `json:"kind" enum:"mail,webhook,ntfy"`
	To    string       `json:"to" minLength:"1" maxLength:"1000" doc:"An address that is not on this server; for webhook and ntfy a web address, with the topic for ntfy."`
	Least checks.State `json:"least,omitempty" enum:"warn,fail" doc:"warn if it is absent."`
	Daily bool         `json:"daily,omitempty" doc:"Of mail: send the daily mail there, too."`
	Token string       `json:"token,omitempty" maxLength:"300" doc:"Of ntfy: an access token, if the topic needs one."`
}

// AlertChannelChange says what changes: what is not nil.
type AlertChannelChange struct {
	Least *checks.State `json:"least,omitempty" enum:"warn,fail"`
	Daily *bool         `json:"daily,omitempty"`
	Token *string       `json:"token,omitempty" maxLength:"300"`
}

// TestResult is what came of a test.
type TestResult struct {
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty" doc:"What went wrong, in words."`
}

// newAlerts makes the service of alerts, which observes this server.
func (a *Admin) newAlerts() *alerts.Service {
	o := alerts.Options{
		Store: a.opts.Directory, Settings: a.alertSettings, Observe: a.observe, Recheck: a.recheck, Mail: a.opts.AlertMail,
		IsLocal: a.opts.Directory.IsLocal, Changed: a.alertChanged, Hostname: string(a.opts.Hostname), Version: a.opts.Version, Web: a.opts.Web,
		Now: a.opts.Now, Logger: a.opts.Logger,
	}
	if a.opts.Push != nil {
		o.Post = a.opts.Push.Post
	}
	return alerts.New(o)
}

func (a *Admin) alertSettings() alerts.Settings {
	d := a.opts.Directory
	return alerts.Settings{
		Limits: alerts.Limits{QueueAge: d.Duration(directory.AlertsQueueAge), QueueSize: int(d.Int(directory.AlertsQueueSize)),
			FailedLogins: int(d.Int(directory.AlertsFailedLogins))},
		Rules:   alerts.Rules{Confirm: d.Duration(directory.AlertsConfirm), Clear: d.Duration(directory.AlertsClear), Remind: d.Duration(directory.AlertsRemind)},
		Private: d.Bool(directory.PushPrivate), Daily: d.Text(directory.AlertsDaily), DailyHour: int(d.Int(directory.AlertsDailyHour)),
	}
}

// WatchAlerts looks at the server and tells what is wrong, until ctx is done.
func (a *Admin) WatchAlerts(ctx context.Context) error { return a.alerts.Run(ctx) }

// AlertMailed is told what became of a mail that AlertMail has sent.
func (a *Admin) AlertMailed(ctx context.Context, trace, problem string) {
	a.alerts.Mailed(ctx, trace, problem)
}

func (a *Admin) alertChanged(c alerts.Change) {
	a.Publish(TopicAlerts, "alert.changed", AlertChange{c.Alert.ID, c.Event, c.Worst, c.Alert.Told})
	a.opts.Tell.alert(c)
}

// AlertChange is the event of an alert that is told.
type AlertChange struct {
	ID    string       `json:"id"`
	Event string       `json:"event"`
	State checks.State `json:"state"`
	At    time.Time    `json:"at"`
}

// observe says what is known of this server now.
func (a *Admin) observe(ctx context.Context) (alerts.Observations, error) {
	o := alerts.Observations{Host: string(a.opts.Hostname)}
	if a.checks != nil {
		var err error
		if o.Checks, err = a.checks.Results(ctx); err != nil {
			return o, err
		}
	}
	if a.opts.Certificates != nil {
		for _, s := range a.opts.Certificates.Status() {
			if s.Source != string(certs.SelfSigned) {
				o.Certificates = append(o.Certificates, alerts.Certificate{Name: s.Name, NotAfter: s.NotAfter, Problem: s.Problem, Renewed: s.Source == string(certs.ACME)})
			}
		}
	}
	if d := a.diskUse(ctx); d != nil {
		o.Disk = &alerts.Disk{FullAt: d.FullAt, Stage: a.opts.Disk.Stage()}
	}
	n, oldest, err := a.opts.Queue.Size(ctx)
	switch {
	case ctx.Err() != nil:
		return o, ctx.Err()
	case err != nil:
		o.QueueTrouble = "the store does not answer: " + err.Error()
	default:
		o.Queue = &alerts.Queue{Messages: n, Oldest: oldest}
	}
	if a.opts.ErrorsSince != nil {
		o.Errors, o.LastError = a.opts.ErrorsSince(alerts.ErrorsSpan)
	}
	if a.opts.Webhooks != nil {
		for _, h := range a.opts.Webhooks.Hooks() {
			if h.Off != "" {
				o.Webhooks = append(o.Webhooks, alerts.Webhook{ID: h.ID, URL: h.URL, Reason: h.Off})
			}
		}
	}
	o.Logins, err = a.failedLogins(ctx)
	return o, err
}

// failedLogins counts them, and looks who is behind many.
func (a *Admin) failedLogins(ctx context.Context) (*alerts.Logins, error) {
	if a.opts.Series == nil {
		return nil, nil
	}
	now := a.opts.Now()
	sums, err := a.opts.Series.Totals(ctx, []string{"logins.failed"}, now.Add(-alerts.LoginsSpan), now)
	if err != nil {
		return nil, err
	}
	l := &alerts.Logins{Failed: int(sums[0])}
	if most := int(a.opts.Directory.Int(directory.AlertsFailedLogins)); most == 0 || l.Failed < most {
		return l, nil
	}
	l.Most, err = a.mostGuessed(ctx, now.Add(-alerts.LoginsSpan))
	return l, err
}

// mostGuessed says where most of the failed logins since a time came from, and
// whom they meant, as far as the history has them.
func (a *Admin) mostGuessed(ctx context.Context, since time.Time) (string, error) {
	failed := false
	page, err := a.opts.Directory.Logins(ctx, directory.LoginFilter{OK: &failed, Limit: pageMost})
	if err != nil {
		return "", err
	}
	logins, nets := map[string]int{}, map[netip.Prefix]int{}
	for _, e := range page.Items {
		if e.Last.Before(since) {
			continue
		}
		logins[e.Login] += e.Count
		nets[directory.SourceNet(e.IP)] += e.Count
	}
	net, _ := largest(nets)
	login, _ := largest(logins)
	if !net.IsValid() || login == "" {
		return "", nil
	}
	return fmt.Sprintf("most of them from %s, and most for %s", net, login), nil
}

func largest[K comparable](counts map[K]int) (most K, n int) {
	for k, c := range counts {
		if c > n {
			most, n = k, c
		}
	}
	return most, n
}

// recheck runs those checks that there are still.
func (a *Admin) recheck(ctx context.Context, ids []string) error {
	if a.checks == nil {
		return nil
	}
	list, err := a.checks.Results(ctx)
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		return !slices.ContainsFunc(list, func(r checks.Result) bool { return r.ID == id })
	})
	if len(ids) == 0 {
		return nil
	}
	_, err = a.checks.Run(ctx, ids...)
	return err
}

// Alerts returns what is wrong, and what was.
func (a *Admin) Alerts(ctx context.Context) (AlertReport, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return AlertReport{}, err
	}
	list, err := a.alerts.Alerts(ctx)
	if err != nil {
		return AlertReport{}, err
	}
	channels, err := a.alerts.Channels(ctx)
	if err != nil {
		return AlertReport{}, err
	}
	r := AlertReport{Items: slices.DeleteFunc(list, func(al alerts.Alert) bool {
		return !p.allDomains() && (al.Domain == "" || !p.sees(mail.Domain(al.Domain)))
	}), Channels: len(channels)}
	for _, al := range r.Items {
		if al.Phase == alerts.Firing {
			r.Firing++
		}
	}
	return r, nil
}

// MuteAlert keeps an alert quiet until a time.
func (a *Admin) MuteAlert(ctx context.Context, id string, until time.Time) (alerts.Alert, error) {
	if until.IsZero() {
		return alerts.Alert{}, At("until", invalid("say until when: a time in the future, within a year"))
	}
	return a.setAlertMute(ctx, "alert.mute", id, until)
}

// UnmuteAlert ends MuteAlert.
func (a *Admin) UnmuteAlert(ctx context.Context, id string) (alerts.Alert, error) {
	return a.setAlertMute(ctx, "alert.unmute", id, time.Time{})
}

func (a *Admin) setAlertMute(ctx context.Context, action, id string, until time.Time) (alerts.Alert, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return alerts.Alert{}, err
	}
	al, err := a.alerts.Mute(ctx, id, until)
	if err != nil {
		return alerts.Alert{}, alertError(err, id)
	}
	a.alerts.Look()
	return al, a.opts.Directory.Record(ctx, Actor(ctx), action, id, al.MutedUntil)
}

// alertError makes the errors of alerts those of an operator.
func alertError(err error, id string) error {
	var bad *alerts.Invalid
	switch {
	case errors.As(err, &bad):
		return At(bad.Field, invalid("%s", bad.Text))
	case errors.Is(err, alerts.ErrNoAlert):
		return &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no alert " + id + ", or no longer"}
	case errors.Is(err, alerts.ErrNoChannel):
		return &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no alert channel " + id}
	case errors.Is(err, alerts.ErrOffline):
		return &directory.Problem{Kind: ErrUnavailable, Text: "only a running server sends alerts"}
	}
	return err
}

// AlertChannels returns the ways by which people are told.
func (a *Admin) AlertChannels(ctx context.Context) (Page[AlertChannel], error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Page[AlertChannel]{}, err
	}
	list, err := a.alerts.Channels(ctx)
	if err != nil {
		return Page[AlertChannel]{}, err
	}
	views := []AlertChannel{}
	for _, c := range list {
		views = append(views, describeChannel(c))
	}
	return whole(views), nil
}

func describeChannel(c alerts.Channel) AlertChannel {
	return AlertChannel{ID: c.ID, Kind: c.Kind, To: c.To, Least: c.Least, Daily: c.Daily, Token: c.Token != "", Created: c.Created,
		LastOK: c.Health.LastOK, Failing: c.Health.Failing, Problem: c.Health.Problem}
}

// AddAlertChannel makes a way by which people are told.
func (a *Admin) AddAlertChannel(ctx context.Context, n NewAlertChannel) (AlertChannel, error) {
	if _, err := authorizeSudo(ctx, ChangeSystem); err != nil {
		return AlertChannel{}, err
	}
	if n.Least == "" {
		n.Least = checks.Warn
	}
	c, err := a.alerts.AddChannel(ctx, alerts.Channel{Kind: n.Kind, To: n.To, Least: n.Least, Daily: n.Daily, Token: push.Secret(n.Token)})
	if err != nil {
		return AlertChannel{}, alertError(err, "")
	}
	view := describeChannel(c)
	err = a.opts.Directory.Record(ctx, Actor(ctx), "alert-channel.add", c.Kind+" "+c.To, view)
	view.Secret = c.Secret
	return view, err
}

// SetAlertChannel changes of what a channel tells.
func (a *Admin) SetAlertChannel(ctx context.Context, id string, ch AlertChannelChange) (AlertChannel, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return AlertChannel{}, err
	}
	c, err := a.alerts.SetChannel(ctx, id, func(c *alerts.Channel) {
		if ch.Least != nil {
			c.Least = *ch.Least
		}
		if ch.Daily != nil {
			c.Daily = *ch.Daily
		}
		if ch.Token != nil {
			c.Token = push.Secret(*ch.Token)
		}
	})
	if err != nil {
		return AlertChannel{}, alertError(err, id)
	}
	view := describeChannel(c)
	return view, a.opts.Directory.Record(ctx, Actor(ctx), "alert-channel.set", c.Kind+" "+c.To, view)
}

// RemoveAlertChannel ends a way by which people are told.
func (a *Admin) RemoveAlertChannel(ctx context.Context, id string) error {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return err
	}
	c, err := a.alerts.RemoveChannel(ctx, id)
	if err != nil {
		return alertError(err, id)
	}
	return a.opts.Directory.Record(ctx, Actor(ctx), "alert-channel.remove", c.Kind+" "+c.To, nil)
}

// TestAlertChannel sends a message through a channel now.
func (a *Admin) TestAlertChannel(ctx context.Context, id string) (TestResult, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return TestResult{}, err
	}
	problem, err := a.alerts.Test(ctx, id)
	if err != nil {
		return TestResult{}, alertError(err, id)
	}
	return TestResult{OK: problem == "", Problem: problem}, nil
}
