package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/mailstead/mailstead/admin"
)

type webhookCmd struct {
	target `embed:""`

	Add    webhookAddCmd    `cmd:"" help:"Tell a web server of events."`
	List   webhookListCmd   `cmd:"" help:"List webhooks, and how they do."`
	Show   webhookShowCmd   `cmd:"" help:"Show a webhook, and what it was told last."`
	Test   webhookTestCmd   `cmd:"" help:"Send a test now."`
	Replay webhookReplayCmd `cmd:"" help:"Send again what could not be told, or one event."`
	Pause  webhookPauseCmd  `cmd:"" help:"Tell nothing for now."`
	Resume webhookResumeCmd `cmd:"" help:"Go on after a pause, or after it was switched off because it did not work."`
	Remove webhookRemoveCmd `cmd:"" help:"Remove a webhook, with all that it was to be told."`
}

type webhookAddCmd struct {
	URL    string   `arg:"" name:"url" help:"As in https://example.org/hook."`
	Events []string `arg:"" name:"event" help:"message.received, message.filed, message.refused, message.quarantined, message.queued, message.delivered, message.deferred, message.bounced, account.added, account.changed, account.removed, alert.fired, alert.resolved or check.changed."`
	Domain []string `help:"Only what is of this domain; can be given more than once." placeholder:"NAME"`
	Label  string   `help:"What it is for."`
}

func (c *webhookAddCmd) Run(ctx context.Context, s streams, g *webhookCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		h, err := op.AddWebhook(ctx, admin.NewWebhook{URL: c.URL, Events: c.Events, Domains: c.Domain, Label: c.Label})
		if err != nil {
			return err
		}
		return out.show(h, func(w io.Writer) {
			fmt.Fprintf(w, "Webhook %s is made. Its requests are signed with\n\n    %s\n\nThis secret is not shown again. `mailstead webhook test %[1]s` sends a test.\n", h.ID, string(h.Secret))
		})
	})
}

type webhookListCmd struct{}

func (*webhookListCmd) Run(ctx context.Context, s streams, g *webhookCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		page, err := op.Webhooks(ctx)
		if err != nil {
			return err
		}
		return out.show(page.Items, func(w io.Writer) {
			if len(page.Items) == 0 {
				fmt.Fprintln(w, "There are no webhooks.")
				return
			}
			rows := [][]string{{"ID", "URL", "STATE", "WAITING", "EVENTS", "DOMAINS", "TROUBLE"}}
			for _, h := range page.Items {
				rows = append(rows, []string{h.ID, h.URL, h.State, strconv.Itoa(h.Waiting), some(h.Events), orAll(h.Domains), orDash(h.Problem)})
			}
			table(w, rows...)
		})
	})
}

func orAll(list []string) string {
	if len(list) == 0 {
		return "all"
	}
	return some(list)
}

// shownDeliveries is how many are shown with a webhook.
const shownDeliveries = 20

type webhookShowCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *webhookShowCmd) Run(ctx context.Context, s streams, g *webhookCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		h, err := op.Webhook(ctx, c.ID)
		if err != nil {
			return err
		}
		page, err := op.WebhookDeliveries(ctx, c.ID, admin.Paging{Limit: shownDeliveries})
		if err != nil {
			return err
		}
		view := struct {
			admin.Webhook
			Deliveries []admin.WebhookDelivery `json:"deliveries"`
		}{h, page.Items}
		return out.show(view, func(w io.Writer) { describeWebhook(w, &h, page.Items) })
	})
}

func describeWebhook(w io.Writer, h *admin.Webhook, list []admin.WebhookDelivery) {
	table(w, []string{"webhook", h.ID}, []string{"url", h.URL}, []string{"label", orDash(h.Label)}, []string{"state", h.State}, []string{"trouble", orDash(h.Problem)},
		[]string{"last worked", when(h.LastOK)}, []string{"waiting", strconv.Itoa(h.Waiting)}, []string{"lost", strconv.Itoa(h.Lost)},
		[]string{"events", some(h.Events)}, []string{"domains", orAll(h.Domains)}, []string{"made", when(h.Created) + " by " + h.Creator})
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := [][]string{{"DELIVERY", "EVENT", "TIME", "STATE", "ATTEMPTS", "LAST ANSWER"}}
	for _, d := range list {
		last := "-"
		if n := len(d.Attempts); n > 0 {
			last = d.Attempts[n-1].Text
			if code := d.Attempts[n-1].Status; code != 0 {
				last = fmt.Sprintf("%d %s", code, last)
			}
		}
		rows = append(rows, []string{d.ID, d.Type, when(d.Time), d.State, strconv.Itoa(len(d.Attempts)), last})
	}
	table(w, rows...)
}

type webhookTestCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *webhookTestCmd) Run(ctx context.Context, s streams, g *webhookCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		r, err := op.TestWebhook(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := out.show(r, func(w io.Writer) {
			if r.OK {
				fmt.Fprintln(w, "The test was taken.")
			}
		}); err != nil || r.OK {
			return err
		}
		return errors.New(clean(r.Problem))
	})
}

type webhookReplayCmd struct {
	ID       string `arg:"" name:"id"`
	Delivery string `arg:"" optional:"" help:"One event, as in msg_…; all that have failed if none is named."`
}

func (c *webhookReplayCmd) Run(ctx context.Context, s streams, g *webhookCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		n, err := op.ReplayWebhook(ctx, c.ID, c.Delivery)
		if err != nil {
			return err
		}
		return out.done("%d sent again", n)
	})
}

// setWebhook changes one webhook and says how it is.
func setWebhook(ctx context.Context, s streams, g *webhookCmd, id string, paused bool) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		h, err := op.SetWebhook(ctx, id, admin.WebhookChange{Paused: &paused})
		if err != nil {
			return err
		}
		return out.show(h, func(w io.Writer) { fmt.Fprintf(w, "Webhook %s is %s.\n", h.ID, h.State) })
	})
}

type webhookPauseCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *webhookPauseCmd) Run(ctx context.Context, s streams, g *webhookCmd) error {
	return setWebhook(ctx, s, g, c.ID, true)
}

type webhookResumeCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *webhookResumeCmd) Run(ctx context.Context, s streams, g *webhookCmd) error {
	return setWebhook(ctx, s, g, c.ID, false)
}

type webhookRemoveCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *webhookRemoveCmd) Run(ctx context.Context, s streams, g *webhookCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.RemoveWebhook(ctx, c.ID); err != nil {
			return err
		}
		return out.done("webhook %s is removed", c.ID)
	})
}
