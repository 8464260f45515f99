package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

// aliasBody is an alias to make.
type aliasBody struct {
	Address string   `json:"address"`
	Targets []string `json:"targets" minItems:"1" maxItems:"500" doc:"Addresses here or elsewhere."`
}

// targetsBody is where an alias leads.
type targetsBody struct {
	Targets []string `json:"targets" minItems:"1" maxItems:"500" doc:"Addresses here or elsewhere."`
}

func (s *Server) aliasRoutes() {
	type list struct {
		Paging
		Domain string `query:"domain" doc:"Only those of this domain."`
		Query  string `query:"q" doc:"Part of the address or of a target."`
	}
	handle(s, operation{id: "list-aliases", method: "GET", path: "/aliases", summary: "List aliases and groups."},
		func(ctx context.Context, in *list) (*body[admin.Page[admin.Alias]], error) {
			return answer(s.admin.Aliases(ctx, admin.AliasFilter{Paging: in.page(), Domain: in.Domain, Query: in.Query}))
		})
	handle(s, operation{id: "add-alias", method: "POST", path: "/aliases", summary: "Make an alias, or add targets to one."},
		func(ctx context.Context, in *struct {
			DryRun
			Body aliasBody
		}) (*body[admin.Alias], error) {
			return answer(s.admin.AddAlias(ctx, in.Body.Address, in.Body.Targets))
		})
	handle(s, operation{id: "get-alias", method: "GET", path: "/aliases/{address}", summary: "Show an alias.", etag: true},
		func(ctx context.Context, in *AccountPath) (*body[admin.Alias], error) {
			return answer(s.admin.Alias(ctx, in.Address))
		})
	type replace struct {
		AccountPath
		DryRun
		IfMatch
		Body targetsBody
	}
	handle(s, operation{id: "set-alias", method: "PUT", path: "/aliases/{address}", summary: "Let an address lead to these targets and no others; makes the alias if there is none.", etag: true},
		func(ctx context.Context, in *replace) (*body[admin.Alias], error) {
			return changeIf(s, in.IfMatch,
				func() (admin.Alias, error) { return s.admin.Alias(ctx, in.Address) },
				func() (admin.Alias, error) { return s.admin.SetAlias(ctx, in.Address, in.Body.Targets) })
		})
	type remove struct {
		AccountPath
		DryRun
		Target []string `query:"target,explode" doc:"Take only these targets out."`
	}
	handle(s, operation{id: "remove-alias", method: "DELETE", path: "/aliases/{address}", summary: "Remove an alias, or some of its targets."},
		func(ctx context.Context, in *remove) (*none, error) {
			return nil, s.admin.RemoveAlias(ctx, in.Address, in.Target)
		})
}
