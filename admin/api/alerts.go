package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/alerts"
)

// AlertPath names an alert.
type AlertPath struct {
	ID string `path:"id" maxLength:"300" doc:"The alert, as in check.ptr.v4."`
}

// ChannelPath names an alert channel.
type ChannelPath struct {
	ID string `path:"id" maxLength:"40"`
}

func (s *Server) alertRoutes() {
	handle(s, operation{id: "list-alerts", method: "GET", path: "/alerts", summary: "List what is wrong with this server, and what was."},
		func(ctx context.Context, _ *none) (*body[admin.AlertReport], error) {
			return answer(s.admin.Alerts(ctx))
		})
	handle(s, operation{id: "mute-alert", method: "POST", path: "/alerts/{id}:mute", summary: "Tell nobody of an alert until a time."},
		func(ctx context.Context, in *struct {
			AlertPath
			Body muteUntil
		}) (*body[alerts.Alert], error) {
			return answer(s.admin.MuteAlert(ctx, in.ID, in.Body.Until))
		})
	handle(s, operation{id: "unmute-alert", method: "POST", path: "/alerts/{id}:unmute", summary: "Tell of an alert again."},
		func(ctx context.Context, in *AlertPath) (*body[alerts.Alert], error) {
			return answer(s.admin.UnmuteAlert(ctx, in.ID))
		})
	s.channelRoutes()
}

func (s *Server) channelRoutes() {
	handle(s, operation{id: "list-alert-channels", method: "GET", path: "/alert-channels", summary: "List the ways by which people are told of alerts."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.AlertChannel]], error) {
			return answer(s.admin.AlertChannels(ctx))
		})
	handle(s, operation{id: "add-alert-channel", method: "POST", path: "/alert-channels", summary: "Tell somebody of alerts.", status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body admin.NewAlertChannel }) (*body[admin.AlertChannel], error) {
			return answer(s.admin.AddAlertChannel(ctx, in.Body))
		})
	handle(s, operation{id: "change-alert-channel", method: "PATCH", path: "/alert-channels/{id}", summary: "Change of what an alert channel tells."},
		func(ctx context.Context, in *struct {
			ChannelPath
			Body admin.AlertChannelChange
		}) (*body[admin.AlertChannel], error) {
			return answer(s.admin.SetAlertChannel(ctx, in.ID, in.Body))
		})
	handle(s, operation{id: "remove-alert-channel", method: "DELETE", path: "/alert-channels/{id}", summary: "Tell somebody of alerts no more.", status: http.StatusNoContent},
		func(ctx context.Context, in *ChannelPath) (*none, error) {
			return nil, s.admin.RemoveAlertChannel(ctx, in.ID)
		})
	handle(s, operation{id: "test-alert-channel", method: "POST", path: "/alert-channels/{id}:test", summary: "Send a test through an alert channel now, and say what came of it."},
		func(ctx context.Context, in *ChannelPath) (*body[admin.TestResult], error) {
			return answer(s.admin.TestAlertChannel(ctx, in.ID))
		})
}

func alertPath(id string) string   { return "/alerts/" + url.PathEscape(id) }
func channelPath(id string) string { return "/alert-channels/" + url.PathEscape(id) }

// Alerts is GET /alerts.
func (c *Client) Alerts(ctx context.Context) (admin.AlertReport, error) {
	return get[admin.AlertReport](ctx, c, "/alerts")
}

// MuteAlert is POST /alerts/{id}:mute.
func (c *Client) MuteAlert(ctx context.Context, id string, until time.Time) (alerts.Alert, error) {
	return call[alerts.Alert](ctx, c, request{method: http.MethodPost, path: alertPath(id) + ":mute", body: muteUntil{until}})
}

// UnmuteAlert is POST /alerts/{id}:unmute.
func (c *Client) UnmuteAlert(ctx context.Context, id string) (alerts.Alert, error) {
	return call[alerts.Alert](ctx, c, request{method: http.MethodPost, path: alertPath(id) + ":unmute"})
}

// AlertChannels is GET /alert-channels.
func (c *Client) AlertChannels(ctx context.Context) (admin.Page[admin.AlertChannel], error) {
	return get[admin.Page[admin.AlertChannel]](ctx, c, "/alert-channels")
}

// AddAlertChannel is POST /alert-channels.
func (c *Client) AddAlertChannel(ctx context.Context, n admin.NewAlertChannel) (admin.AlertChannel, error) {
	return call[admin.AlertChannel](ctx, c, request{method: http.MethodPost, path: "/alert-channels", body: n})
}

// SetAlertChannel is PATCH /alert-channels/{id}.
func (c *Client) SetAlertChannel(ctx context.Context, id string, ch admin.AlertChannelChange) (admin.AlertChannel, error) {
	return call[admin.AlertChannel](ctx, c, request{method: http.MethodPatch, path: channelPath(id), body: ch})
}

// RemoveAlertChannel is DELETE /alert-channels/{id}.
func (c *Client) RemoveAlertChannel(ctx context.Context, id string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: channelPath(id)})
	return err
}

// TestAlertChannel is POST /alert-channels/{id}:test.
func (c *Client) TestAlertChannel(ctx context.Context, id string) (admin.TestResult, error) {
	return call[admin.TestResult](ctx, c, request{method: http.MethodPost, path: channelPath(id) + ":test"})
}
