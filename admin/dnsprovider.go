package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsprovider"
	"github.com/mailstead/mailstead/mail"
)

// ZoneProvider is how zones are changed where they are hosted. Its secret is
// never shown.
type ZoneProvider struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind" enum:"rfc2136,exec,cloudflare,hetzner,desec,digitalocean,gandi,route53"`
	Zones     []string  `json:"zones"`
	Server    string    `json:"server,omitempty" doc:"The name server that takes updates (rfc2136), or the program (exec)."`
	Login     string    `json:"login,omitempty" doc:"Name of the TSIG key (rfc2136), or the access key ID (route53)."`
	HasSecret bool      `json:"hasSecret"`
	Created   time.Time `json:"created"`
}

// NewZoneProvider is a provider to add, or to change: then an empty secret
// keeps the one before.
type NewZoneProvider struct {
	Kind   string   `json:"kind" enum:"rfc2136,exec,cloudflare,hetzner,desec,digitalocean,gandi,route53"`
	Zones  []string `json:"zones" minItems:"1" maxItems:"1000" doc:"That are hosted there, such as example.org."`
	Server string   `json:"server,omitempty" maxLength:"500"`
	Login  string   `json:"login,omitempty" maxLength:"500"`
	Secret string   `json:"secret,omitempty" maxLength:"4096" doc:"Token, key or password. It is not shown again."`
	// Unchecked saves it although it does not answer.
	Unchecked bool `json:"unchecked,omitempty" doc:"Save it without trying it."`
}

// DNSZones are the zones that have a provider, for certs.ACMEOptions and
// Options.DNS.
func DNSZones(d *directory.Directory, authority dnsprovider.Authority) *dnsprovider.Zones {
	return &dnsprovider.Zones{Authority: authority, Specs: func() map[string]dnsprovider.Spec {
		specs := map[string]dnsprovider.Spec{}
		for _, p := range d.DNSProviders() {
			for _, z := range p.Zones {
				specs[string(z)] = specOf(p)
			}
		}
		return specs
	}}
}

func specOf(p directory.DNSProvider) dnsprovider.Spec {
	return dnsprovider.Spec{Kind: dnsprovider.Kind(p.Kind), Server: p.Server, Login: p.Login, Secret: dnsprovider.Secret(p.Secret)}
}

func describeDNSProvider(p directory.DNSProvider) ZoneProvider {
	v := ZoneProvider{Name: p.Name, Kind: p.Kind, Zones: []string{}, Server: p.Server, Login: p.Login, HasSecret: p.Secret != "", Created: p.Created}
	for _, z := range p.Zones {
		v.Zones = append(v.Zones, string(z))
	}
	return v
}

// DNSProviders returns the providers by name.
func (a *Admin) DNSProviders(ctx context.Context) (Page[ZoneProvider], error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Page[ZoneProvider]{}, err
	}
	list := []ZoneProvider{}
	for _, p := range a.opts.Directory.DNSProviders() {
		list = append(list, describeDNSProvider(p))
	}
	return whole(list), nil
}

// PutDNSProvider adds or changes a provider. A running server tries it first.
func (a *Admin) PutDNSProvider(ctx context.Context, name string, n NewZoneProvider) (ZoneProvider, error) {
	if _, err := authorizeSudo(ctx, ChangeSystem); err != nil {
		return ZoneProvider{}, err
	}
	p := directory.DNSProvider{Name: name, Kind: n.Kind, Server: n.Server, Login: n.Login, Secret: n.Secret}
	for _, z := range n.Zones {
		d, err := parseDomain(z)
		if err != nil {
			return ZoneProvider{}, At("zones", err)
		}
		p.Zones = append(p.Zones, d)
	}
	for _, old := range a.opts.Directory.DNSProviders() {
		if old.Name == name && p.Secret == "" && old.Kind == p.Kind {
			p.Secret = old.Secret
		}
	}
	if n.Kind == string(dnsprovider.Exec) && PrincipalOf(ctx).Kind != KindSocket {
		return ZoneProvider{}, &directory.Problem{Kind: ErrForbidden, Text: "a program is named on the server itself alone: `mailstead dns-provider add NAME exec …`"}
	}
	if err := specOf(p).Check(); err != nil {
		return ZoneProvider{}, invalid("%v", err)
	}
	if !n.Unchecked && a.opts.Authority != nil {
		if err := a.tryDNSProvider(ctx, p); err != nil {
			return ZoneProvider{}, err
		}
	}
	if err := a.opts.Directory.PutDNSProvider(ctx, Actor(ctx), p); err != nil {
		return ZoneProvider{}, err
	}
	for _, saved := range a.opts.Directory.DNSProviders() {
		if saved.Name == p.Name {
			p = saved
		}
	}
	return describeDNSProvider(p), nil
}

// ZoneProviderTest is what a provider answered when it was asked for its zones.
type ZoneProviderTest struct {
	OK    bool       `json:"ok" doc:"It has answered for every zone."`
	Zones []ZoneTest `json:"zones"`
}

// ZoneTest is the answer about one zone.
type ZoneTest struct {
	Zone    string `json:"zone"`
	OK      bool   `json:"ok"`
	Records int    `json:"records,omitempty" doc:"There are in the zone, as far as the provider tells."`
	Text    string `json:"text" doc:"What it said, in a sentence."`
}

// testTimeout bounds a test of all zones of a provider.
const testTimeout = time.Minute

// TestDNSProvider asks a provider for the records of its zones, which shows
// whether its credentials are still good. It changes nothing.
func (a *Admin) TestDNSProvider(ctx context.Context, name string) (ZoneProviderTest, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return ZoneProviderTest{}, err
	}
	list := a.opts.Directory.DNSProviders()
	i := slices.IndexFunc(list, func(p directory.DNSProvider) bool { return p.Name == name })
	switch {
	case i < 0:
		return ZoneProviderTest{}, &directory.Problem{Kind: directory.ErrNotFound, Text: fmt.Sprintf("there is no DNS provider %q", name)}
	case a.opts.Authority == nil:
		return ZoneProviderTest{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server asks DNS providers; start it with `mailstead serve`"}
	}
	provider, err := dnsprovider.New(specOf(list[i]), a.dnsOptions())
	if err != nil {
		return ZoneProviderTest{}, invalid("%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	t := ZoneProviderTest{OK: true, Zones: make([]ZoneTest, len(list[i].Zones))}
	var g errgroup.Group
	g.SetLimit(4)
	for n, z := range list[i].Zones {
		g.Go(func() error {
			t.Zones[n] = testZone(ctx, provider, string(z))
			return nil
		})
	}
	g.Wait()
	t.OK = !slices.ContainsFunc(t.Zones, func(z ZoneTest) bool { return !z.OK })
	return t, nil
}

func testZone(ctx context.Context, p dnsprovider.Provider, zone string) ZoneTest {
	records, err := p.GetRecords(ctx, zone)
	switch {
	case errors.Is(err, dnsprovider.ErrCannotList):
		return ZoneTest{Zone: zone, OK: true, Text: "it tells no records; whether it may change them shows when it does"}
	case err != nil:
		return ZoneTest{Zone: zone, Text: err.Error()}
	}
	text := fmt.Sprintf("it has %d records", len(records))
	if len(records) == 1 {
		text = "it has 1 record"
	}
	return ZoneTest{Zone: zone, OK: true, Records: len(records), Text: text}
}

// tryDNSProvider lists the zones, which shows that the credentials are good.
func (a *Admin) tryDNSProvider(ctx context.Context, p directory.DNSProvider) error {
	provider, err := dnsprovider.New(specOf(p), a.dnsOptions())
	if err != nil {
		return invalid("%v", err)
	}
	for _, z := range p.Zones {
		if _, err := provider.GetRecords(ctx, string(z)); err != nil && !errors.Is(err, dnsprovider.ErrCannotList) {
			return invalid("%s: %v", z, err)
		}
	}
	return nil
}

func (a *Admin) dnsOptions() dnsprovider.Options {
	if a.opts.DNS == nil {
		return dnsprovider.Options{}
	}
	return a.opts.DNS.Options
}

// providerOf returns the name of the provider that changes the zone of a
// domain; "" if there is none.
func (a *Admin) providerOf(d mail.Domain) string {
	name, longest := "", 0
	for _, p := range a.opts.Directory.DNSProviders() {
		for _, z := range p.Zones {
			if (d == z || strings.HasSuffix(string(d), "."+string(z))) && len(z) > longest {
				name, longest = p.Name, len(z)
			}
		}
	}
	return name
}

// RemoveDNSProvider forgets a provider. Records stay as they are.
func (a *Admin) RemoveDNSProvider(ctx context.Context, name string) error {
	if _, err := authorizeSudo(ctx, ChangeSystem); err != nil {
		return err
	}
	return a.opts.Directory.RemoveDNSProvider(ctx, Actor(ctx), name)
}

// forgetPublished drops what was published for a domain that is removed.
func (a *Admin) forgetPublished(ctx context.Context, d mail.Domain) error {
	return a.opts.Directory.PutState(ctx, publishedState(string(d)), nil)
}
