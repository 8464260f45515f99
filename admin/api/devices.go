package api

import (
	"context"
	"net/http"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) myDeviceRoutes() {
	handle(s, operation{id: "list-my-app-passwords", method: "GET", path: "/me/app-passwords", summary: "List your app passwords."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.AppPassword]], error) {
			return answer(s.admin.MyAppPasswords(ctx))
		})
	handle(s, operation{id: "add-my-app-password", method: "POST", path: "/me/app-passwords", summary: "Make an app password. It is shown only now.", status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body admin.NewAppPassword }) (*body[admin.AppPassword], error) {
			return answer(s.admin.AddMyAppPassword(ctx, in.Body))
		})
	handle(s, operation{id: "remove-my-app-password", method: "DELETE", path: "/me/app-passwords/{id}", summary: "Revoke an app password at once."},
		func(ctx context.Context, in *IDPath) (*none, error) {
			return nil, s.admin.RemoveMyAppPassword(ctx, in.ID)
		})
	handle(s, operation{id: "list-my-devices", method: "GET", path: "/me/devices", summary: "List the programs that have logged in to your account."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.Device]], error) {
			return answer(s.admin.MyDevices(ctx))
		})
	handle(s, operation{id: "list-my-logins", method: "GET", path: "/me/logins", summary: "List your sign-ins, newest first."},
		func(ctx context.Context, in *Paging) (*body[admin.Page[admin.Login]], error) {
			return answer(s.admin.MyLogins(ctx, in.page()))
		})
}

func (s *Server) accountDeviceRoutes() {
	handle(s, operation{id: "list-account-app-passwords", method: "GET", path: "/accounts/{address}/app-passwords", summary: "List the app passwords of an account."},
		func(ctx context.Context, in *AccountPath) (*body[admin.Page[admin.AppPassword]], error) {
			return answer(s.admin.AppPasswords(ctx, in.Address))
		})
	type thing struct {
		AccountPath
		IDPath
	}
	handle(s, operation{id: "remove-account-app-password", method: "DELETE", path: "/accounts/{address}/app-passwords/{id}", summary: "Revoke an app password of an account."},
		func(ctx context.Context, in *thing) (*none, error) {
			return nil, s.admin.RemoveAppPassword(ctx, in.Address, in.ID)
		})
	handle(s, operation{id: "list-account-sessions", method: "GET", path: "/accounts/{address}/sessions", summary: "List the browsers in which an account is signed in."},
		func(ctx context.Context, in *AccountPath) (*body[admin.Page[admin.WebSession]], error) {
			return answer(s.admin.Sessions(ctx, in.Address))
		})
	handle(s, operation{id: "end-account-session", method: "DELETE", path: "/accounts/{address}/sessions/{id}", summary: "Sign a browser of an account out."},
		func(ctx context.Context, in *thing) (*none, error) {
			return nil, s.admin.EndSession(ctx, in.Address, in.ID)
		})
	handle(s, operation{id: "list-account-devices", method: "GET", path: "/accounts/{address}/devices", summary: "List the programs that have logged in to an account."},
		func(ctx context.Context, in *AccountPath) (*body[admin.Page[admin.Device]], error) {
			return answer(s.admin.Devices(ctx, in.Address))
		})
	type logins struct {
		AccountPath
		Paging
	}
	handle(s, operation{id: "list-account-logins", method: "GET", path: "/accounts/{address}/logins", summary: "List the sign-ins of an account, newest first."},
		func(ctx context.Context, in *logins) (*body[admin.Page[admin.Login]], error) {
			return answer(s.admin.AccountLogins(ctx, in.Address, in.page()))
		})
}
