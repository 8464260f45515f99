package admin

import (
	"cmp"
	"context"
	"slices"

	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/webhooks"
)

// Who is told what by a server that a file sets up: webhooks and alert channels.
// They are made when all of the file was found to be right.

// hookRow is a webhook of the file, as it would be kept.
type hookRow struct {
	webhooks.Hook
	row SetupRow
	err error
}

// webhooks makes those that are missing: one of the same address and label is
// here already.
func (i *setupImport) webhooks(ctx context.Context) error {
	var left []webhooks.Hook
	for _, h := range i.hooksHere {
		domains, _ := parseDomains(h.Domains)
		left = append(left, webhooks.Hook{URL: h.URL, Label: h.Label, Events: h.Events, Domains: domains, Paused: h.State == "paused"})
	}
	rows := i.hookRows(ctx)
	// Those that are the same in all are found first, as two may be of one address.
	for _, alike := range []func(a, b *webhooks.Hook) bool{sameHook, sameReceiver} {
		for n := range rows {
			r := &rows[n]
			at := slices.IndexFunc(left, func(h webhooks.Hook) bool { return alike(&h, &r.Hook) })
			if at < 0 || r.err != nil || r.row.Verdict == SetupThere {
				continue
			}
			if r.row.Verdict = SetupThere; !sameHook(&left[at], &r.Hook) {
				r.row.Text = "it is told of other events or domains here, or paused, and was left so"
			}
			left = slices.Delete(left, at, at+1)
		}
	}
	there := len(i.hooksHere)
	for n := range rows {
		r := &rows[n]
		if r.row.Verdict == SetupMade && r.err == nil {
			r.err = webhooks.CheckRoom(there)
			there++
		}
		at := i.add(r.row, r.err)
		if r.row.Verdict == SetupMade {
			i.tellers = append(i.tellers, func(ctx context.Context, a *Admin) { a.setupWebhook(ctx, &r.Hook, &i.rows[at]) })
		}
	}
	return nil
}

// hookRows are the webhooks of the file, with what is wrong with them.
func (i *setupImport) hookRows(ctx context.Context) []hookRow {
	rows := make([]hookRow, len(i.setup.Webhooks))
	for n, w := range i.setup.Webhooks {
		r := &rows[n]
		r.Hook = webhooks.Hook{URL: w.URL, Label: w.Label, Events: slices.Clone(w.Events), Paused: w.Paused}
		r.row = SetupRow{Kind: "webhook", Name: w.URL, Verdict: SetupMade}
		if r.Domains, r.err = i.in.hookDomains(PrincipalOf(ctx), w.Domains); r.err == nil {
			r.err = r.Check()
		}
		if r.Label != "" {
			r.row.Name += " (" + r.Label + ")"
		}
	}
	return rows
}

func sameReceiver(a, b *webhooks.Hook) bool { return a.URL == b.URL && a.Label == b.Label }

func sameHook(a, b *webhooks.Hook) bool {
	return sameReceiver(a, b) && a.Paused == b.Paused && sameElements(a.Events, b.Events) && sameElements(a.Domains, b.Domains)
}

// setupWebhook makes a webhook, which gets a secret of its own.
func (a *Admin) setupWebhook(ctx context.Context, h *webhooks.Hook, row *SetupRow) {
	made, err := a.AddWebhook(ctx, NewWebhook{Label: h.Label, URL: h.URL, Events: h.Events, Domains: domainTexts(h.Domains)})
	row.Secret = made.Secret
	if err == nil && h.Paused {
		_, err = a.SetWebhook(ctx, made.ID, WebhookChange{Paused: &h.Paused})
	}
	if err != nil {
		row.Verdict, row.Text = SetupRefused, err.Error()
		return
	}
	row.Text = "webhook " + made.ID
}

// channels makes alert channels that are missing.
func (i *setupImport) channels(ctx context.Context) error {
	here := i.channelsHere
	for _, w := range i.setup.Channels {
		want := alerts.Channel{Kind: w.Kind, To: w.To, Least: cmp.Or(checks.State(w.Least), checks.Warn), Daily: w.Daily}
		err := want.Check(i.in.opts.Directory.IsLocal)
		row := SetupRow{Kind: "alert channel", Name: want.Kind + " " + want.To, Verdict: SetupMade}
		at := slices.IndexFunc(here, func(c AlertChannel) bool { return c.Kind == want.Kind && c.To == want.To })
		if err == nil && at < 0 {
			err = alerts.CheckRoom(len(here))
		}
		if err != nil || at >= 0 {
			if row.Verdict = SetupThere; err == nil && (here[at].Least != want.Least || here[at].Daily != want.Daily) {
				row.Text = "it tells of other things here, and was left so"
			}
			if i.add(row, err); err == nil && w.HasToken && want.Kind == alerts.KindNtfy && !here[at].Token {
				i.tokenByHand(want.To, here[at].ID)
			}
			continue
		}
		here = append(here, AlertChannel{Kind: want.Kind, To: want.To, Least: want.Least, Daily: want.Daily, Token: true})
		n := i.add(row, nil)
		if i.report.DryRun && w.HasToken && want.Kind == alerts.KindNtfy {
			i.tokenByHand(want.To, "ID")
		}
		i.tellers = append(i.tellers, func(ctx context.Context, a *Admin) {
			made, err := a.AddAlertChannel(ctx, NewAlertChannel{Kind: want.Kind, To: want.To, Least: want.Least, Daily: want.Daily})
			if i.rows[n].Secret = made.Secret; err != nil {
				i.rows[n].Verdict, i.rows[n].Text = SetupRefused, err.Error()
			} else if w.HasToken && want.Kind == alerts.KindNtfy {
				i.tokenByHand(want.To, made.ID)
			}
		})
	}
	return nil
}

func (i *setupImport) tokenByHand(to, id string) {
	i.byHand("%s had an access token: `mailstead alert channel set %s --token-stdin` puts it in.", to, id)
}
