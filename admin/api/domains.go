package api

import (
	"context"
	"net/http"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/dnsadvice"
)

// DomainPath names a domain.
type DomainPath struct {
	Domain string `path:"domain" doc:"The domain, as in example.org."`
}

func (s *Server) domainRoutes() {
	type list struct {
		Paging
		Query string `query:"q" doc:"Part of the name."`
	}
	handle(s, operation{id: "list-domains", method: "GET", path: "/domains", summary: "List domains."},
		func(ctx context.Context, in *list) (*body[admin.Page[admin.Domain]], error) {
			return answer(s.admin.Domains(ctx, admin.DomainFilter{Paging: in.page(), Query: in.Query}))
		})
	handle(s, operation{id: "add-domain", method: "POST", path: "/domains", summary: "Add a domain and make its DKIM keys.", status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			DryRun
			Body admin.NewDomain
		}) (*body[admin.Domain], error) {
			return answer(s.admin.AddDomain(ctx, in.Body))
		})
	handle(s, operation{id: "get-domain", method: "GET", path: "/domains/{domain}", summary: "Show a domain with the records to publish.", etag: true},
		func(ctx context.Context, in *DomainPath) (*body[admin.Domain], error) {
			return answer(s.admin.Domain(ctx, in.Domain))
		})
	type change struct {
		DomainPath
		DryRun
		IfMatch
		Body admin.DomainChange
	}
	handle(s, operation{id: "change-domain", method: "PATCH", path: "/domains/{domain}", summary: "Change a domain.", etag: true},
		func(ctx context.Context, in *change) (*body[admin.Domain], error) {
			return changeIf(s, in.IfMatch,
				func() (admin.Domain, error) { return s.admin.Domain(ctx, in.Domain) },
				func() (admin.Domain, error) { return s.admin.SetDomain(ctx, in.Domain, in.Body) })
		})
	s.domainRemoval()
	handle(s, operation{id: "get-domain-dns", method: "GET", path: "/domains/{domain}/dns", summary: "Show which records the DNS should have, and had when it was last looked at."},
		func(ctx context.Context, in *DomainPath) (*body[dnsadvice.Report], error) {
			return answer(s.admin.DomainDNS(ctx, in.Domain))
		})
	handle(s, operation{id: "check-domain-dns", method: "POST", path: "/domains/{domain}/dns:check", summary: "Ask the name servers of the domain now."},
		func(ctx context.Context, in *DomainPath) (*body[dnsadvice.Report], error) {
			return answer(s.admin.CheckDNS(ctx, in.Domain))
		})
}

func (s *Server) domainRemoval() {
	type remove struct {
		DomainPath
		DryRun
		Force   bool   `query:"force" doc:"Remove its accounts, too, with all their mail."`
		Confirm string `query:"confirm" doc:"With force: the name of the domain."`
	}
	handle(s, operation{id: "remove-domain", method: "DELETE", path: "/domains/{domain}", summary: "Remove a domain."},
		func(ctx context.Context, in *remove) (*none, error) {
			if in.Force && in.Confirm != in.Domain && !in.DryRun.DryRun {
				return nil, confirmation("query.confirm", in.Domain)
			}
			return nil, s.admin.RemoveDomain(ctx, in.Domain, in.Force)
		})
}

// confirmation asks for the name of what is about to be lost.
func confirmation(location, name string) *Problem {
	p := problem(http.StatusUnprocessableEntity, "invalid", "this deletes all that is in "+name+"; repeat its name to confirm")
	p.Errors = []FieldError{{location, "write " + name + " here"}}
	return p
}
