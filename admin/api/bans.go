package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) banRoutes() {
	handle(s, operation{id: "list-bans", method: "GET", path: "/bans", summary: "List the sources of failed logins that are held back now."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.Ban]], error) {
			return answer(s.admin.Bans(ctx))
		})
	handle(s, operation{id: "lift-ban", method: "POST", path: "/bans:lift", summary: "Look at logins from a source again.", status: 204},
		func(ctx context.Context, in *struct{ Body admin.BanKey }) (*none, error) {
			return nil, s.admin.LiftBan(ctx, in.Body)
		})
}

// Bans is GET /bans.
func (c *Client) Bans(ctx context.Context) (admin.Page[admin.Ban], error) {
	return get[admin.Page[admin.Ban]](ctx, c, "/bans")
}

// LiftBan is POST /bans:lift.
func (c *Client) LiftBan(ctx context.Context, key admin.BanKey) error {
	_, err := c.raw(ctx, request{method: "POST", path: "/bans:lift", body: key})
	return err
}
