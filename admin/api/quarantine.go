package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

func (s *Server) quarantineRoutes() {
	type list struct {
		Paging
		Account string `query:"account" maxLength:"256" doc:"Only of this account."`
		Domain  string `query:"domain" maxLength:"253" doc:"Only of accounts of this domain."`
	}
	handle(s, operation{id: "list-quarantine", method: "GET", path: "/quarantine", summary: "List messages that wait for release, newest first."},
		func(ctx context.Context, in *list) (*body[admin.Page[admin.Quarantined]], error) {
			return answer(s.admin.Quarantine(ctx, admin.QuarantineQuery{Paging: in.page(), Account: in.Account, Domain: in.Domain}))
		})
	handle(s, operation{id: "get-quarantined", method: "GET", path: "/quarantine/{id}", summary: "Say why a message is in quarantine."},
		func(ctx context.Context, in *IDPath) (*body[admin.Quarantined], error) {
			return answer(s.admin.QuarantinedMessage(ctx, in.ID))
		})
	handle(s, operation{id: "list-my-quarantine", method: "GET", path: "/me/quarantine", summary: "List messages to you that wait for release, newest first."},
		func(ctx context.Context, in *Paging) (*body[admin.Page[admin.Quarantined]], error) {
			return answer(s.admin.MyQuarantine(ctx, in.page()))
		})
	handle(s, operation{id: "get-my-quarantined", method: "GET", path: "/me/quarantine/{id}", summary: "Say why a message to you is in quarantine."},
		func(ctx context.Context, in *IDPath) (*body[admin.Quarantined], error) {
			return answer(s.admin.MyQuarantinedMessage(ctx, in.ID))
		})
	for _, verb := range []struct {
		id, path, summary string
		do                func(context.Context, admin.QuarantineSelection) (int, error)
	}{
		{"release-quarantine", "/quarantine:release", "Move messages to the inboxes of their accounts.", s.admin.ReleaseQuarantined},
		{"delete-quarantine", "/quarantine:delete", "Remove messages for good.", s.admin.DeleteQuarantined},
		{"release-my-quarantine", "/me/quarantine:release", "Move messages to your inbox.", s.admin.ReleaseMyQuarantined},
		{"delete-my-quarantine", "/me/quarantine:delete", "Remove messages for good.", s.admin.DeleteMyQuarantined},
	} {
		handle(s, operation{id: verb.id, method: "POST", path: verb.path, summary: verb.summary},
			func(ctx context.Context, in *struct{ Body admin.QuarantineSelection }) (*body[Changed], error) {
				n, err := verb.do(ctx, in.Body)
				return answer(Changed{n}, err)
			})
	}
}
