package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

// ProviderPath names a DNS provider.
type ProviderPath struct {
	Name string `path:"name" maxLength:"100"`
}

func (s *Server) dnsProviderRoutes() {
	handle(s, operation{id: "list-dns-providers", method: "GET", path: "/dns-providers", summary: "List what changes records where zones are hosted."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.ZoneProvider]], error) {
			return answer(s.admin.DNSProviders(ctx))
		})
	handle(s, operation{id: "put-dns-provider", method: "PUT", path: "/dns-providers/{name}", summary: "Add or change a DNS provider, after it was tried."},
		func(ctx context.Context, in *struct {
			ProviderPath
			Body admin.NewZoneProvider
		}) (*body[admin.ZoneProvider], error) {
			return answer(s.admin.PutDNSProvider(ctx, in.Name, in.Body))
		})
	handle(s, operation{id: "remove-dns-provider", method: "DELETE", path: "/dns-providers/{name}", summary: "Forget a DNS provider and its secret. Records stay as they are."},
		func(ctx context.Context, in *ProviderPath) (*none, error) {
			return nil, s.admin.RemoveDNSProvider(ctx, in.Name)
		})
	handle(s, operation{id: "test-dns-provider", method: "POST", path: "/dns-providers/{name}:test", summary: "Ask a DNS provider for the records of its zones. Nothing is changed."},
		func(ctx context.Context, in *ProviderPath) (*body[admin.ZoneProviderTest], error) {
			return answer(s.admin.TestDNSProvider(ctx, in.Name))
		})
	handle(s, operation{id: "plan-domain-dns", method: "GET", path: "/domains/{domain}/dns:plan", summary: "Look at the DNS, and say what would be published for a domain."},
		func(ctx context.Context, in *DomainPath) (*body[admin.DNSPlan], error) {
			return answer(s.admin.PlanDNS(ctx, in.Domain))
		})
	handle(s, operation{id: "apply-domain-dns", method: "POST", path: "/domains/{domain}/dns:apply", summary: "Publish what a domain needs, or just what was seen of it. What others have published is not touched unless it is named."},
		func(ctx context.Context, in *struct {
			DomainPath
			Body admin.DNSApply
		}) (*body[admin.DNSPlan], error) {
			return answer(s.admin.ApplyDNS(ctx, in.Domain, in.Body))
		})
}
