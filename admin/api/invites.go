package api

import (
	"context"
	"net/http"

	"github.com/mailstead/mailstead/admin"
)

// linkMaking is for those who let others in.
func (s *Server) linkMaking() {
	handle(s, operation{id: "invite-account", method: "POST", path: "/accounts/{address}:invite", summary: "Make a link by which the person sets a password. Older links are dead from then on.", signIn: true},
		func(ctx context.Context, in *AccountPath) (*body[admin.InviteLink], error) {
			return answer(s.admin.Invite(ctx, in.Address))
		})
	handle(s, operation{id: "remove-account-factors", method: "POST", path: "/accounts/{address}:remove-factors", summary: "Take passkeys and codes from an account whose owner has lost them.", status: http.StatusNoContent},
		func(ctx context.Context, in *AccountPath) (*none, error) {
			return nil, s.admin.RemoveFactors(ctx, in.Address)
		})
	type query struct {
		Address string `query:"address" required:"true" maxLength:"320"`
	}
	handle(s, operation{id: "resolve-address", method: "GET", path: "/resolve", summary: "Say who gets mail for an address, step by step."},
		func(ctx context.Context, in *query) (*body[admin.Resolution], error) {
			return answer(s.admin.Resolve(ctx, in.Address))
		})
}
