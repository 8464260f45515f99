package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail/verdict"
)

// PolicyQuery says whose policy is meant.
type PolicyQuery struct {
	ScopeQuery
	Address string `query:"address" maxLength:"320" doc:"That for mail to this address."`
}

func (q *PolicyQuery) policyScope() admin.PolicyScope {
	return admin.PolicyScope{RuleScope: q.scope(), Address: q.Address}
}

func (s *Server) junkRoutes() {
	type change struct {
		PolicyQuery
		DryRun
		Body verdict.Policy
	}
	handle(s, operation{id: "get-junk-policy", method: "GET", path: "/junk/policy", summary: "Say what is done with mail at which score."},
		func(ctx context.Context, in *PolicyQuery) (*body[admin.JunkPolicy], error) {
			return answer(s.admin.JunkPolicy(ctx, in.policyScope()))
		})
	handle(s, operation{id: "set-junk-policy", method: "PUT", path: "/junk/policy", summary: "Say what is to be done with mail at which score."},
		func(ctx context.Context, in *change) (*body[admin.JunkPolicy], error) {
			return answer(s.admin.SetJunkPolicy(ctx, in.policyScope(), in.Body))
		})
	handle(s, operation{id: "reset-junk-policy", method: "DELETE", path: "/junk/policy", summary: "Let the policy of the next wider scope hold again.", status: http.StatusOK},
		func(ctx context.Context, in *PolicyQuery) (*body[admin.JunkPolicy], error) {
			return answer(s.admin.ResetJunkPolicy(ctx, in.policyScope()))
		})
	handle(s, operation{id: "try-junk-policy", method: "POST", path: "/junk:what-if", summary: "Say what another policy or list would have done with the mail of the last 30 days."},
		func(ctx context.Context, in *struct {
			PolicyQuery
			Body admin.Proposal
		}) (*body[admin.WhatIf], error) {
			return answer(s.admin.WhatIf(ctx, in.policyScope(), in.Body))
		})
	s.myJunkRoutes()
}

func (s *Server) myJunkRoutes() {
	handle(s, operation{id: "get-my-junk-policy", method: "GET", path: "/me/junk/policy", summary: "Say what is done with your mail at which score."},
		func(ctx context.Context, _ *none) (*body[admin.JunkPolicy], error) {
			return answer(s.admin.MyJunkPolicy(ctx))
		})
	handle(s, operation{id: "set-my-junk-policy", method: "PUT", path: "/me/junk/policy", summary: "Say what is to be done with your mail at which score."},
		func(ctx context.Context, in *struct{ Body verdict.Policy }) (*body[admin.JunkPolicy], error) {
			return answer(s.admin.SetMyJunkPolicy(ctx, &in.Body))
		})
	handle(s, operation{id: "reset-my-junk-policy", method: "DELETE", path: "/me/junk/policy", summary: "Let the policy of your domain hold again.", status: http.StatusOK},
		func(ctx context.Context, _ *none) (*body[admin.JunkPolicy], error) {
			return answer(s.admin.SetMyJunkPolicy(ctx, nil))
		})
	handle(s, operation{id: "try-my-junk-policy", method: "POST", path: "/me/junk:what-if", summary: "Say what another policy or list would have done with your mail of the last 30 days."},
		func(ctx context.Context, in *struct{ Body admin.Proposal }) (*body[admin.WhatIf], error) {
			return answer(s.admin.MyWhatIf(ctx, in.Body))
		})
}

func policyValues(s admin.PolicyScope) url.Values {
	q := scopeValues(s.RuleScope)
	if s.Address != "" {
		q.Set("address", s.Address)
	}
	return q
}

// JunkPolicy is GET /junk/policy.
func (c *Client) JunkPolicy(ctx context.Context, s admin.PolicyScope) (admin.JunkPolicy, error) {
	return call[admin.JunkPolicy](ctx, c, request{method: http.MethodGet, path: "/junk/policy", query: policyValues(s)})
}

// SetJunkPolicy is PUT /junk/policy.
func (c *Client) SetJunkPolicy(ctx context.Context, s admin.PolicyScope, p verdict.Policy) (admin.JunkPolicy, error) {
	return call[admin.JunkPolicy](ctx, c, request{method: http.MethodPut, path: "/junk/policy", query: policyValues(s), body: p})
}

// ResetJunkPolicy is DELETE /junk/policy.
func (c *Client) ResetJunkPolicy(ctx context.Context, s admin.PolicyScope) (admin.JunkPolicy, error) {
	return call[admin.JunkPolicy](ctx, c, request{method: http.MethodDelete, path: "/junk/policy", query: policyValues(s)})
}

// WhatIf is POST /junk:what-if.
func (c *Client) WhatIf(ctx context.Context, s admin.PolicyScope, p admin.Proposal) (admin.WhatIf, error) {
	return call[admin.WhatIf](ctx, c, request{method: http.MethodPost, path: "/junk:what-if", query: policyValues(s), body: p})
}
