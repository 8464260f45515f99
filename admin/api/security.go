package api

import (
	"context"
	"net/http"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) securityRoutes() {
	handle(s, operation{id: "list-api-keys", method: "GET", path: "/api-keys", summary: "List API keys."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.APIKey]], error) {
			return answer(s.admin.APIKeys(ctx))
		})
	handle(s, operation{id: "add-api-key", method: "POST", path: "/api-keys", summary: "Make an API key. It is shown only now.", status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body admin.NewAPIKey }) (*body[admin.APIKey], error) {
			return answer(s.admin.AddAPIKey(ctx, in.Body))
		})
	handle(s, operation{id: "remove-api-key", method: "DELETE", path: "/api-keys/{id}", summary: "Revoke an API key at once."},
		func(ctx context.Context, in *IDPath) (*none, error) { return nil, s.admin.RemoveAPIKey(ctx, in.ID) })
	type list struct {
		Paging
		Query string `query:"q" doc:"Part of login, address, program or reason."`
		OK    string `query:"ok" enum:"true,false"`
	}
	handle(s, operation{id: "list-sign-ins", method: "GET", path: "/sign-ins", summary: "List the sign-ins of all accounts, newest first."},
		func(ctx context.Context, in *list) (*body[admin.Page[admin.Login]], error) {
			f := admin.LoginFilter{Paging: in.page(), Query: in.Query}
			if in.OK != "" {
				ok := in.OK == "true"
				f.OK = &ok
			}
			return answer(s.admin.Logins(ctx, f))
		})
	handle(s, operation{id: "list-roles", method: "GET", path: "/roles", summary: "List the roles and what each may do."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.RoleInfo]], error) {
			return answer(s.admin.Roles(ctx))
		})
}
