package api

import (
	"context"
	"net/http"

	"github.com/mailstead/mailstead/admin"
)

// AccountPath names an account.
type AccountPath struct {
	Address string `path:"address" doc:"The address, as in ana@example.org."`
}

func (s *Server) accountRoutes() {
	type list struct {
		Paging
		Domain string `query:"domain" doc:"Only those of this domain."`
		Query  string `query:"q" doc:"Part of address or name."`
		State  string `query:"state" enum:"active,suspended"`
		Role   string `query:"role" enum:"user,support,domain-admin,admin,owner"`
	}
	handle(s, operation{id: "list-accounts", method: "GET", path: "/accounts", summary: "List accounts."},
		func(ctx context.Context, in *list) (*body[admin.Page[admin.Account]], error) {
			return answer(s.admin.Accounts(ctx, admin.AccountFilter{Paging: in.page(), Domain: in.Domain, Query: in.Query, State: in.State, Role: in.Role}))
		})
	handle(s, operation{id: "add-account", method: "POST", path: "/accounts", summary: "Add an account with its mailboxes.", status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			DryRun
			Body admin.NewAccount
		}) (*body[admin.Account], error) {
			return answer(s.admin.AddAccount(ctx, in.Body))
		})
	handle(s, operation{id: "get-account", method: "GET", path: "/accounts/{address}", summary: "Show an account and what it uses.", etag: true},
		func(ctx context.Context, in *AccountPath) (*body[admin.Account], error) {
			return answer(s.admin.Account(ctx, in.Address))
		})
	type change struct {
		AccountPath
		DryRun
		IfMatch
		Body admin.AccountChange
	}
	handle(s, operation{id: "change-account", method: "PATCH", path: "/accounts/{address}", summary: "Change an account.", etag: true},
		func(ctx context.Context, in *change) (*body[admin.Account], error) {
			return changeIf(s, in.IfMatch,
				func() (admin.Account, error) { return s.admin.Account(ctx, in.Address) },
				func() (admin.Account, error) { return s.admin.SetAccount(ctx, in.Address, in.Body) })
		})
	type remove struct {
		AccountPath
		DryRun
	}
	handle(s, operation{id: "remove-account", method: "DELETE", path: "/accounts/{address}", summary: "Remove an account with all its mail."},
		func(ctx context.Context, in *remove) (*none, error) {
			return nil, s.admin.RemoveAccount(ctx, in.Address)
		})
	s.accountVerbs()
}

// passwordBody is a new password.
type passwordBody struct {
	Password string `json:"password" minLength:"1" maxLength:"1000"`
}

func (s *Server) accountVerbs() {
	type password struct {
		AccountPath
		Body passwordBody
	}
	handle(s, operation{id: "set-account-password", method: "POST", path: "/accounts/{address}:password", summary: "Set the password of an account.", status: http.StatusNoContent},
		func(ctx context.Context, in *password) (*none, error) {
			return nil, s.admin.SetPassword(ctx, in.Address, in.Body.Password)
		})
	for verb, suspended := range map[string]bool{"suspend": true, "resume": false} {
		summary := map[bool]string{true: "Take no mail and let nobody log in; the mail is kept.", false: "End suspend."}[suspended]
		handle(s, operation{id: verb + "-account", method: "POST", path: "/accounts/{address}:" + verb, summary: summary},
			func(ctx context.Context, in *AccountPath) (*body[admin.Account], error) {
				return answer(s.admin.SetAccount(ctx, in.Address, admin.AccountChange{Suspended: &suspended}))
			})
	}
}
