package admin

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/admin/webhooks"
	"github.com/mailstead/mailstead/mail"
)

// Webhook is a web server that is told of events.
type Webhook struct {
	ID      string      `json:"id"`
	Label   string      `json:"label"`
	URL     string      `json:"url"`
	Events  []string    `json:"events"`
	Domains []string    `json:"domains" doc:"It is told only what is of these domains; none: of all."`
	State   string      `json:"state" enum:"on,paused,failing,off" doc:"off: it was switched off because it did not work."`
	Problem string      `json:"problem,omitempty" doc:"What went wrong last."`
	Failing time.Time   `json:"failingSince,omitzero"`
	LastOK  time.Time   `json:"lastOk,omitzero"`
	Waiting int         `json:"waiting" doc:"Events that are to be told."`
	Lost    int         `json:"lost" doc:"Events for which there was no room since it worked last."`
	Created time.Time   `json:"created"`
	Creator string      `json:"creator"`
	Secret  push.Secret `json:"secret,omitempty" doc:"What its requests are signed with; shown only when it is made."`
}

// NewWebhook is a webhook to make.
type NewWebhook struct {
	Label   string   `json:"label,omitempty" maxLength:"100"`
	URL     string   `json:"url" minLength:"1" maxLength:"1000"`
	Events  []string `json:"events" minItems:"1" maxItems:"50" doc:"message.received, message.filed, message.refused, message.quarantined, message.queued, message.delivered, message.deferred, message.bounced, account.added, account.changed, account.removed, alert.fired, alert.resolved, check.changed"`
	Domains []string `json:"domains,omitempty" maxItems:"200" doc:"None: all that one may see."`
}

// WebhookChange says what changes: what is not nil.
type WebhookChange struct {
	Label   *string   `json:"label,omitempty" maxLength:"100"`
	URL     *string   `json:"url,omitempty" minLength:"1" maxLength:"1000"`
	Events  *[]string `json:"events,omitempty" minItems:"1" maxItems:"50"`
	Domains *[]string `json:"domains,omitempty" maxItems:"200"`
	Paused  *bool     `json:"paused,omitempty" doc:"false also switches one on that was switched off."`
}

// WebhookDelivery is one event for one webhook.
type WebhookDelivery struct {
	ID       string           `json:"id" doc:"The webhook-id of its requests."`
	Type     string           `json:"type"`
	Time     time.Time        `json:"time"`
	State    string           `json:"state" enum:"waiting,delivered,failed"`
	Body     string           `json:"body" doc:"What is sent, as JSON."`
	Attempts []WebhookAttempt `json:"attempts" doc:"The last 20, the oldest first."`
	Next     time.Time        `json:"next,omitzero" doc:"When it is sent again."`
}

// WebhookAttempt is one request.
type WebhookAttempt struct {
	At           time.Time `json:"at"`
	Status       int       `json:"status" doc:"Of the answer; 0: there was none."`
	Text         string    `json:"text" doc:"The answer, or what went wrong."`
	Milliseconds int64     `json:"milliseconds"`
}

var errNoWebhooks = &directory.Problem{Kind: ErrUnavailable, Text: "there are no webhooks here"}

// webhookError makes the errors of webhooks those of an operator.
func webhookError(err error, id string) error {
	var bad *webhooks.Invalid
	switch {
	case errors.As(err, &bad):
		return At(bad.Field, invalid("%s", bad.Text))
	case errors.Is(err, webhooks.ErrNoHook):
		return &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no webhook " + id}
	case errors.Is(err, webhooks.ErrNoDelivery):
		return &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no such delivery, or no longer"}
	case errors.Is(err, webhooks.ErrOffline):
		return &directory.Problem{Kind: ErrUnavailable, Text: "only a running server calls webhooks"}
	}
	return err
}

// mayUse reports whether a webhook is a principal's: to others there is none.
func (p Principal) mayUse(h *webhooks.Hook) bool {
	if p.allDomains() {
		return true
	}
	for _, d := range h.Domains {
		if !p.sees(d) {
			return false
		}
	}
	return len(h.Domains) > 0
}

// ownWebhook returns a webhook of who asks.
func (a *Admin) ownWebhook(ctx context.Context, id string) (Principal, webhooks.Status, error) {
	p, err := authorize(ctx, UseWebhooks)
	if err != nil {
		return p, webhooks.Status{}, err
	}
	if a.opts.Webhooks == nil {
		return p, webhooks.Status{}, errNoWebhooks
	}
	h, err := a.opts.Webhooks.Hook(id)
	if err == nil && !p.mayUse(&h.Hook) {
		err = webhooks.ErrNoHook
	}
	return p, h, webhookError(err, id)
}

func describeWebhook(h webhooks.Status) Webhook {
	v := Webhook{ID: h.ID, Label: h.Label, URL: h.URL, Events: h.Events, Domains: domainTexts(h.Domains), State: "on", Problem: h.Problem, Failing: h.Failing, LastOK: h.LastOK,
		Waiting: h.Waiting, Lost: h.Lost, Created: h.Created, Creator: h.Creator}
	switch {
	case h.Paused:
		v.State = "paused"
	case h.Off != "":
		v.State, v.Problem = "off", h.Off
	case h.Fails > 0:
		v.State = "failing"
	}
	return v
}

// Webhooks returns the webhooks that one may see.
func (a *Admin) Webhooks(ctx context.Context) (Page[Webhook], error) {
	p, err := authorize(ctx, UseWebhooks)
	if err != nil {
		return Page[Webhook]{}, err
	}
	if a.opts.Webhooks == nil {
		return Page[Webhook]{}, errNoWebhooks
	}
	list := []Webhook{}
	for _, h := range a.opts.Webhooks.Hooks() {
		if p.mayUse(&h.Hook) {
			list = append(list, describeWebhook(h))
		}
	}
	return whole(list), nil
}

// Webhook returns one webhook.
func (a *Admin) Webhook(ctx context.Context, id string) (Webhook, error) {
	_, h, err := a.ownWebhook(ctx, id)
	if err != nil {
		return Webhook{}, err
	}
	return describeWebhook(h), nil
}

// hookDomains are those that a principal names for a webhook; a domain admin
// who names none means all of theirs.
func (a *Admin) hookDomains(p Principal, names []string) ([]mail.Domain, error) {
	list, err := parseDomains(names)
	if err != nil {
		return nil, At("domains", err)
	}
	for _, d := range list {
		if _, err := a.opts.Directory.Domain(d); err != nil || !p.sees(d) {
			return nil, At("domains", invalid("there is no domain %s here", d))
		}
	}
	if len(list) == 0 {
		list = p.domains()
	}
	return list, nil
}

// AddWebhook makes a webhook. That of a domain admin is for domains of theirs.
func (a *Admin) AddWebhook(ctx context.Context, n NewWebhook) (Webhook, error) {
	p, err := authorizeSudo(ctx, UseWebhooks)
	if err != nil {
		return Webhook{}, err
	}
	if a.opts.Webhooks == nil {
		return Webhook{}, errNoWebhooks
	}
	domains, err := a.hookDomains(p, n.Domains)
	if err != nil {
		return Webhook{}, err
	}
	h, err := a.opts.Webhooks.Add(ctx, webhooks.Hook{Label: n.Label, URL: n.URL, Events: n.Events, Domains: domains, Wide: p.allDomains(), Creator: p.actor()})
	if err != nil {
		return Webhook{}, webhookError(err, "")
	}
	v := describeWebhook(webhooks.Status{Hook: h})
	err = a.opts.Directory.Record(ctx, Actor(ctx), "webhook.add", h.URL, v)
	v.Secret = h.Secret
	return v, err
}

// SetWebhook changes a webhook. Another address gets the same secret, so that
// only who made one may lead it elsewhere within what they may see.
func (a *Admin) SetWebhook(ctx context.Context, id string, ch WebhookChange) (Webhook, error) {
	p, _, err := a.ownWebhook(ctx, id)
	if err == nil && (ch.URL != nil || ch.Events != nil || ch.Domains != nil) {
		p, err = authorizeSudo(ctx, UseWebhooks)
	}
	if err != nil {
		return Webhook{}, err
	}
	var domains []mail.Domain
	if ch.Domains != nil {
		if domains, err = a.hookDomains(p, *ch.Domains); err != nil {
			return Webhook{}, err
		}
	}
	h, err := a.opts.Webhooks.Set(ctx, id, func(h *webhooks.Hook) {
		set(&h.Label, ch.Label)
		set(&h.URL, ch.URL)
		set(&h.Events, ch.Events)
		set(&h.Paused, ch.Paused)
		if ch.Domains != nil {
			h.Domains = domains
		}
		if !p.allDomains() { // whoever says where it goes has no more leave than they have
			h.Wide, h.Creator = false, p.actor()
		}
	})
	if err != nil {
		return Webhook{}, webhookError(err, id)
	}
	a.alerts.Look()
	st, err := a.opts.Webhooks.Hook(id)
	if err != nil {
		return Webhook{}, webhookError(err, id)
	}
	v := describeWebhook(st)
	return v, a.opts.Directory.Record(ctx, Actor(ctx), "webhook.set", h.URL, v)
}

// set sets what is to change.
func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

// RemoveWebhook ends a webhook, with all that it was to be told.
func (a *Admin) RemoveWebhook(ctx context.Context, id string) error {
	if _, _, err := a.ownWebhook(ctx, id); err != nil {
		return err
	}
	h, err := a.opts.Webhooks.Remove(ctx, id)
	if err != nil {
		return webhookError(err, id)
	}
	a.alerts.Look()
	return a.opts.Directory.Record(ctx, Actor(ctx), "webhook.remove", h.URL, nil)
}

// TestWebhook sends an event to a webhook now.
func (a *Admin) TestWebhook(ctx context.Context, id string) (TestResult, error) {
	if _, _, err := a.ownWebhook(ctx, id); err != nil {
		return TestResult{}, err
	}
	problem, err := a.opts.Webhooks.Test(ctx, id)
	if err != nil {
		return TestResult{}, webhookError(err, id)
	}
	return TestResult{OK: problem == "", Problem: problem}, nil
}

// WebhookDeliveries returns what a webhook was told, or is to be told, the
// newest first.
func (a *Admin) WebhookDeliveries(ctx context.Context, id string, paging Paging) (Page[WebhookDelivery], error) {
	if _, _, err := a.ownWebhook(ctx, id); err != nil {
		return Page[WebhookDelivery]{}, err
	}
	var before uint64
	if paging.Cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(paging.Cursor)
		if err != nil || len(b) != 8 {
			return Page[WebhookDelivery]{}, At("cursor", invalid("the cursor is not one of this list; begin without"))
		}
		before = binary.BigEndian.Uint64(b)
	}
	found, err := a.opts.Webhooks.Deliveries(ctx, id, before, paging.limit())
	if err != nil {
		return Page[WebhookDelivery]{}, webhookError(err, id)
	}
	page := Page[WebhookDelivery]{Items: []WebhookDelivery{}}
	for _, d := range found.Items {
		v := WebhookDelivery{ID: d.ID, Type: d.Type, Time: d.Time, State: string(d.State), Body: string(d.Body), Attempts: []WebhookAttempt{}, Next: d.Next}
		for _, at := range d.Attempts {
			v.Attempts = append(v.Attempts, WebhookAttempt{at.At, at.Status, at.Text, at.Took.Milliseconds()})
		}
		page.Items = append(page.Items, v)
	}
	if found.Next != 0 {
		page.Next = base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, found.Next))
	}
	return page, nil
}

// ReplayWebhook sends a delivery again, or all that have failed if none is
// named, and returns how many.
func (a *Admin) ReplayWebhook(ctx context.Context, id, delivery string) (int, error) {
	_, h, err := a.ownWebhook(ctx, id)
	if err != nil {
		return 0, err
	}
	n, err := a.opts.Webhooks.Replay(ctx, id, delivery)
	if err != nil {
		return 0, webhookError(err, id)
	}
	return n, a.opts.Directory.Record(ctx, Actor(ctx), "webhook.replay", h.URL, map[string]int{"deliveries": n})
}

// RunWebhooks tells webhooks what they are to be told, until ctx is done.
func (a *Admin) RunWebhooks(ctx context.Context) error {
	if a.opts.Webhooks == nil {
		<-ctx.Done()
		return nil
	}
	return a.opts.Webhooks.Run(ctx)
}

// LookForAlerts has what is wrong looked at soon, such as when a webhook was
// switched off.
func (a *Admin) LookForAlerts() { a.alerts.Look() }
