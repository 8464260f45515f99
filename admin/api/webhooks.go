package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/mailstead/mailstead/admin"
)

// WebhookPath names a webhook.
type WebhookPath struct {
	ID string `path:"id" maxLength:"40"`
}

// DeliveryPath names a delivery of a webhook.
type DeliveryPath struct {
	WebhookPath
	Delivery string `path:"delivery" maxLength:"60"`
}

func (s *Server) webhookRoutes() {
	handle(s, operation{id: "list-webhooks", method: "GET", path: "/webhooks", summary: "List the web servers that are told what happens here."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.Webhook]], error) {
			return answer(s.admin.Webhooks(ctx))
		})
	handle(s, operation{id: "add-webhook", method: "POST", path: "/webhooks", summary: "Tell a web server what happens here.", status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body admin.NewWebhook }) (*body[admin.Webhook], error) {
			return answer(s.admin.AddWebhook(ctx, in.Body))
		})
	handle(s, operation{id: "get-webhook", method: "GET", path: "/webhooks/{id}", summary: "Show a webhook."},
		func(ctx context.Context, in *WebhookPath) (*body[admin.Webhook], error) {
			return answer(s.admin.Webhook(ctx, in.ID))
		})
	handle(s, operation{id: "change-webhook", method: "PATCH", path: "/webhooks/{id}", summary: "Change a webhook, or switch it on again."},
		func(ctx context.Context, in *struct {
			WebhookPath
			Body admin.WebhookChange
		}) (*body[admin.Webhook], error) {
			return answer(s.admin.SetWebhook(ctx, in.ID, in.Body))
		})
	handle(s, operation{id: "remove-webhook", method: "DELETE", path: "/webhooks/{id}", summary: "Tell a web server nothing more.", status: http.StatusNoContent},
		func(ctx context.Context, in *WebhookPath) (*none, error) {
			return nil, s.admin.RemoveWebhook(ctx, in.ID)
		})
	s.deliveryRoutes()
}

func (s *Server) deliveryRoutes() {
	handle(s, operation{id: "test-webhook", method: "POST", path: "/webhooks/{id}:test", summary: "Send a test to a webhook now, and say what came of it."},
		func(ctx context.Context, in *WebhookPath) (*body[admin.TestResult], error) {
			return answer(s.admin.TestWebhook(ctx, in.ID))
		})
	handle(s, operation{id: "replay-webhook", method: "POST", path: "/webhooks/{id}:replay", summary: "Send again what a webhook could not be told."},
		func(ctx context.Context, in *WebhookPath) (*body[Changed], error) {
			n, err := s.admin.ReplayWebhook(ctx, in.ID, "")
			return answer(Changed{n}, err)
		})
	handle(s, operation{id: "list-webhook-deliveries", method: "GET", path: "/webhooks/{id}/deliveries", summary: "List what a webhook was told, with all attempts."},
		func(ctx context.Context, in *struct {
			WebhookPath
			Paging
		}) (*body[admin.Page[admin.WebhookDelivery]], error) {
			return answer(s.admin.WebhookDeliveries(ctx, in.ID, in.page()))
		})
	handle(s, operation{id: "replay-webhook-delivery", method: "POST", path: "/webhooks/{id}/deliveries/{delivery}:replay", summary: "Send one event to a webhook again."},
		func(ctx context.Context, in *DeliveryPath) (*body[Changed], error) {
			n, err := s.admin.ReplayWebhook(ctx, in.ID, in.Delivery)
			return answer(Changed{n}, err)
		})
}

func webhookPath(id string) string { return "/webhooks/" + url.PathEscape(id) }

// Webhooks is GET /webhooks.
func (c *Client) Webhooks(ctx context.Context) (admin.Page[admin.Webhook], error) {
	return get[admin.Page[admin.Webhook]](ctx, c, "/webhooks")
}

// Webhook is GET /webhooks/{id}.
func (c *Client) Webhook(ctx context.Context, id string) (admin.Webhook, error) {
	return get[admin.Webhook](ctx, c, webhookPath(id))
}

// AddWebhook is POST /webhooks.
func (c *Client) AddWebhook(ctx context.Context, n admin.NewWebhook) (admin.Webhook, error) {
	return call[admin.Webhook](ctx, c, request{method: http.MethodPost, path: "/webhooks", body: n})
}

// SetWebhook is PATCH /webhooks/{id}.
func (c *Client) SetWebhook(ctx context.Context, id string, ch admin.WebhookChange) (admin.Webhook, error) {
	return call[admin.Webhook](ctx, c, request{method: http.MethodPatch, path: webhookPath(id), body: ch})
}

// RemoveWebhook is DELETE /webhooks/{id}.
func (c *Client) RemoveWebhook(ctx context.Context, id string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: webhookPath(id)})
	return err
}

// TestWebhook is POST /webhooks/{id}:test.
func (c *Client) TestWebhook(ctx context.Context, id string) (admin.TestResult, error) {
	return call[admin.TestResult](ctx, c, request{method: http.MethodPost, path: webhookPath(id) + ":test"})
}

// WebhookDeliveries is GET /webhooks/{id}/deliveries.
func (c *Client) WebhookDeliveries(ctx context.Context, id string, p admin.Paging) (admin.Page[admin.WebhookDelivery], error) {
	return list[admin.WebhookDelivery](ctx, c, webhookPath(id)+"/deliveries", p)
}

// ReplayWebhook is POST /webhooks/{id}:replay, or that of one delivery.
func (c *Client) ReplayWebhook(ctx context.Context, id, delivery string) (int, error) {
	path := webhookPath(id)
	if delivery != "" {
		path += "/deliveries/" + url.PathEscape(delivery)
	}
	n, err := call[Changed](ctx, c, request{method: http.MethodPost, path: path + ":replay"})
	return n.Changed, err
}
