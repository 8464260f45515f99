package api

import (
	"context"
	"net/http"

	"github.com/mailstead/mailstead/admin"
)

// KeyPath names a DKIM key.
type KeyPath struct {
	DomainPath
	Selector string `path:"selector" maxLength:"63"`
}

func (s *Server) dkimRoutes() {
	handle(s, operation{id: "list-dkim-keys", method: "GET", path: "/domains/{domain}/dkim", summary: "List the keys of a domain: those that sign, and those before and after."},
		func(ctx context.Context, in *DomainPath) (*body[admin.Page[admin.DKIMKey]], error) {
			return answer(s.admin.DKIMKeys(ctx, in.Domain))
		})
	handle(s, operation{id: "add-dkim-key", method: "POST", path: "/domains/{domain}/dkim", summary: "Make a key. It does not sign until it is activated.", status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			DomainPath
			Body admin.NewDKIMKey
		}) (*body[admin.DKIMKey], error) {
			return answer(s.admin.AddDKIMKey(ctx, in.Domain, in.Body))
		})
	handle(s, operation{id: "activate-dkim-key", method: "POST", path: "/domains/{domain}/dkim/{selector}:activate", summary: "Make a key sign, in the place of those of its algorithm. The DNS must have its record."},
		func(ctx context.Context, in *struct {
			KeyPath
			Force bool `query:"force" doc:"Also if the DNS does not have its record."`
		}) (*body[admin.DKIMKey], error) {
			return answer(s.admin.ActivateDKIMKey(ctx, in.Domain, in.Selector, in.Force))
		})
	handle(s, operation{id: "retire-dkim-key", method: "POST", path: "/domains/{domain}/dkim/{selector}:retire", summary: "Make a key sign no more. Leave its record published for some days."},
		func(ctx context.Context, in *KeyPath) (*body[admin.DKIMKey], error) {
			return answer(s.admin.RetireDKIMKey(ctx, in.Domain, in.Selector))
		})
	handle(s, operation{id: "remove-dkim-key", method: "DELETE", path: "/domains/{domain}/dkim/{selector}", summary: "Remove a key that does not sign."},
		func(ctx context.Context, in *KeyPath) (*none, error) {
			return nil, s.admin.RemoveDKIMKey(ctx, in.Domain, in.Selector)
		})
	type zone struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
	handle(s, operation{id: "get-domain-zone", method: "GET", path: "/domains/{domain}/zone", answers: "text/plain", summary: "Return the records to publish as lines of a zone file."},
		func(ctx context.Context, in *DomainPath) (*zone, error) {
			text, err := s.admin.Zone(ctx, in.Domain)
			return &zone{"text/plain; charset=utf-8", []byte(text)}, err
		})
}
