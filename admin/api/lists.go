package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/mailstead/mailstead/admin"
)

// ScopeQuery says whose list or policy is meant.
type ScopeQuery struct {
	Domain  string `query:"domain" maxLength:"253" doc:"That of this domain; neither: that of the server."`
	Account string `query:"account" maxLength:"320" doc:"That of this account."`
}

func (q *ScopeQuery) scope() admin.RuleScope {
	return admin.RuleScope{Domain: q.Domain, Account: q.Account}
}

// EntryQuery names an entry of a list.
type EntryQuery struct {
	Entry string `query:"entry" required:"true" minLength:"1" maxLength:"320"`
}

func (s *Server) listRoutes() {
	handle(s, operation{id: "get-list", method: "GET", path: "/lists", summary: "List whose mail is always taken, or never."},
		func(ctx context.Context, in *ScopeQuery) (*body[admin.Page[admin.ListEntry]], error) {
			return answer(s.admin.List(ctx, in.scope()))
		})
	handle(s, operation{id: "put-list-entry", method: "PUT", path: "/lists", summary: "Always take mail of somebody, or never."},
		func(ctx context.Context, in *struct {
			ScopeQuery
			DryRun
			Body admin.ListEntry
		}) (*body[admin.ListEntry], error) {
			return answer(s.admin.PutListEntry(ctx, in.scope(), in.Body))
		})
	handle(s, operation{id: "remove-list-entry", method: "DELETE", path: "/lists", summary: "Take somebody off a list.", status: http.StatusNoContent},
		func(ctx context.Context, in *struct {
			ScopeQuery
			EntryQuery
		}) (*none, error) {
			return nil, s.admin.RemoveListEntry(ctx, in.scope(), in.Entry)
		})
	handle(s, operation{id: "allow-sender", method: "POST", path: "/lists:allow-sender", summary: "Always take mail of the author of a message."},
		func(ctx context.Context, in *struct {
			ScopeQuery
			Body admin.SenderOf
		}) (*body[admin.ListEntry], error) {
			return answer(s.admin.AllowSender(ctx, in.scope(), in.Body))
		})
	handle(s, operation{id: "list-own-rules", method: "GET", path: "/own-rules", summary: "List who has a list or a junk policy of their own."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.OwnRules]], error) {
			return answer(s.admin.OwnRules(ctx))
		})
	s.myListRoutes()
}

func (s *Server) myListRoutes() {
	handle(s, operation{id: "get-my-list", method: "GET", path: "/me/lists", summary: "List whose mail you always take, or never."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.ListEntry]], error) {
			return answer(s.admin.MyList(ctx))
		})
	handle(s, operation{id: "put-my-list-entry", method: "PUT", path: "/me/lists", summary: "Always take mail of somebody, or never."},
		func(ctx context.Context, in *struct{ Body admin.ListEntry }) (*body[admin.ListEntry], error) {
			return answer(s.admin.PutMyListEntry(ctx, in.Body))
		})
	handle(s, operation{id: "remove-my-list-entry", method: "DELETE", path: "/me/lists", summary: "Take somebody off your list.", status: http.StatusNoContent},
		func(ctx context.Context, in *EntryQuery) (*none, error) {
			return nil, s.admin.RemoveMyListEntry(ctx, in.Entry)
		})
	handle(s, operation{id: "allow-my-sender", method: "POST", path: "/me/lists:allow-sender", summary: "Always take mail of the author of a message to you."},
		func(ctx context.Context, in *struct{ Body admin.SenderOf }) (*body[admin.ListEntry], error) {
			return answer(s.admin.AllowMySender(ctx, in.Body))
		})
}

func scopeValues(s admin.RuleScope) url.Values {
	q := url.Values{}
	if s.Domain != "" {
		q.Set("domain", s.Domain)
	}
	if s.Account != "" {
		q.Set("account", s.Account)
	}
	return q
}

// List is GET /lists.
func (c *Client) List(ctx context.Context, s admin.RuleScope) (admin.Page[admin.ListEntry], error) {
	return get[admin.Page[admin.ListEntry]](ctx, c, "/lists", "domain", s.Domain, "account", s.Account)
}

// OwnRules is GET /own-rules.
func (c *Client) OwnRules(ctx context.Context) (admin.Page[admin.OwnRules], error) {
	return get[admin.Page[admin.OwnRules]](ctx, c, "/own-rules")
}

// PutListEntry is PUT /lists.
func (c *Client) PutListEntry(ctx context.Context, s admin.RuleScope, e admin.ListEntry) (admin.ListEntry, error) {
	return call[admin.ListEntry](ctx, c, request{method: http.MethodPut, path: "/lists", query: scopeValues(s), body: e})
}

// RemoveListEntry is DELETE /lists.
func (c *Client) RemoveListEntry(ctx context.Context, s admin.RuleScope, entry string) error {
	q := scopeValues(s)
	q.Set("entry", entry)
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: "/lists", query: q})
	return err
}
