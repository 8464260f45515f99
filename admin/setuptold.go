package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/movein"
)

// Who is told what by a server that a file sets up: webhooks, alert channels,
// and the secrets that are put in by hand.

// webhooks makes those that are missing: one of the same address and label is
// here already.
func (i *setupImport) webhooks(ctx context.Context) error {
	if len(i.setup.Webhooks) == 0 {
		return nil
	}
	page, err := i.op.Webhooks(ctx)
	if err != nil {
		return err
	}
	left := page.Items
	rows, missing := make([]setupRow, len(i.setup.Webhooks)), []int{}
	// Those that are the same in all are found first, as two may be of one address.
	for _, alike := range []func(a, b movein.SetupWebhook) bool{sameWebhook, sameReceiver} {
		missing = missing[:0]
		for n, want := range i.setup.Webhooks {
			if rows[n].Verdict != "" {
				continue
			}
			at := slices.IndexFunc(left, func(h admin.Webhook) bool { return alike(setupWebhook(&h), want) })
			if at < 0 {
				missing = append(missing, n)
				continue
			}
			rows[n] = setupRow{Kind: "webhook", Name: webhookName(&want), Verdict: setupThere}
			if !sameWebhook(setupWebhook(&left[at]), want) {
				rows[n].Text = "it is told of other events or domains here, or paused, and was left so"
			}
			left = slices.Delete(left, at, at+1)
		}
	}
	for n := range rows {
		var err error
		if slices.Contains(missing, n) {
			rows[n], err = i.webhook(ctx, &i.setup.Webhooks[n])
		}
		if err := i.done(ctx, rows[n], err); err != nil {
			return err
		}
	}
	return nil
}

func sameReceiver(a, b movein.SetupWebhook) bool { return a.URL == b.URL && a.Label == b.Label }

func sameWebhook(a, b movein.SetupWebhook) bool {
	return sameReceiver(a, b) && a.Paused == b.Paused && sameSet(a.Events, b.Events) && sameSet(a.Domains, b.Domains)
}

func sameSet(a, b []string) bool {
	sorted := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(sorted(a), sorted(b))
}

func webhookName(h *movein.SetupWebhook) string {
	if h.Label == "" {
		return h.URL
	}
	return h.URL + " (" + h.Label + ")"
}

// webhook makes a webhook, which gets a secret of its own.
func (i *setupImport) webhook(ctx context.Context, h *movein.SetupWebhook) (setupRow, error) {
	row := setupRow{Kind: "webhook", Name: webhookName(h), Verdict: setupMade}
	for _, d := range h.Domains {
		if !i.domains[strings.ToLower(d)] {
			return row, fmt.Errorf("there is no domain %s here", d)
		}
	}
	if i.report.DryRun {
		return row, nil
	}
	made, err := i.op.AddWebhook(ctx, admin.NewWebhook{Label: h.Label, URL: h.URL, Events: h.Events, Domains: h.Domains})
	if err != nil {
		return row, err
	}
	row.Secret, row.Text = string(made.Secret), "webhook "+made.ID+" of "+some(made.Events)
	if h.Paused {
		paused := true
		if _, err := i.op.SetWebhook(ctx, made.ID, admin.WebhookChange{Paused: &paused}); err != nil {
			row.Text += "; it could not be paused: " + err.Error()
		}
	}
	return row, nil
}

// channels makes alert channels that are missing.
func (i *setupImport) channels(ctx context.Context) error {
	if len(i.setup.Channels) == 0 {
		return nil
	}
	page, err := i.op.AlertChannels(ctx)
	if err != nil {
		return err
	}
	for _, want := range i.setup.Channels {
		at := slices.IndexFunc(page.Items, func(c admin.AlertChannel) bool { return c.Kind == want.Kind && c.To == want.To })
		row, made := setupRow{Kind: "alert channel", Name: want.Kind + " " + want.To, Verdict: setupMade}, admin.AlertChannel{ID: "ID"}
		var err error
		switch {
		case at >= 0:
			made, row.Verdict = page.Items[at], setupThere
			if string(made.Least) != want.Least || made.Daily != want.Daily {
				row.Text = "it tells of other things here, and was left so"
			}
		case !i.report.DryRun:
			made, err = i.op.AddAlertChannel(ctx, admin.NewAlertChannel{Kind: want.Kind, To: want.To, Least: checks.State(want.Least), Daily: want.Daily})
			row.Secret = string(made.Secret)
		}
		if want.HasToken && want.Kind == alerts.KindNtfy && !made.Token && err == nil {
			i.report.byHand("%s had an access token: `mailstead alert channel set %s --token-stdin` puts it in.", want.To, made.ID)
		}
		if err := i.done(ctx, row, err); err != nil {
			return err
		}
	}
	return nil
}

// secrets names the settings whose secrets were set, and are not here.
func (i *setupImport) secrets(ctx context.Context) error {
	for _, s := range i.setup.Secrets {
		st, err := i.op.Setting(ctx, s.Setting)
		if err != nil {
			if err := i.done(ctx, setupRow{Kind: "secret", Name: s.Setting}, err); err != nil {
				return err
			}
			continue
		}
		if st.Value == "" {
			i.report.byHand("%s had a secret: `mailstead settings set %s -` reads it from standard input.", st.Name, st.Name)
		}
	}
	return nil
}
