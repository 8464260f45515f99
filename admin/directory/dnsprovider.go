package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// bucketDNSProviders has how zones are changed where they are hosted.
var bucketDNSProviders = []byte("dns_providers")

// Bounds of DNS providers.
const (
	maxDNSProviders   = 1000
	maxProviderZones  = 1000
	maxProviderField  = 500 // octets
	maxProviderSecret = 4096
)

// DNSProvider is how some zones are changed where they are hosted.
type DNSProvider struct {
	Name   string // chosen by the administrator
	Kind   string
	Zones  []mail.Domain
	Server string
	Login  string
	// Secret never leaves the server again.
	Secret  string
	Created time.Time
}

// dnsProviderRecord is a row of dns_providers.
type dnsProviderRecord struct {
	Name    string        `json:"name"`
	Kind    string        `json:"kind"`
	Zones   []mail.Domain `json:"zones"`
	Server  string        `json:"server,omitempty"`
	Login   string        `json:"login,omitempty"`
	Secret  string        `json:"secret,omitempty"`
	Created time.Time     `json:"created"`
}

// public is the record without the secret, for the audit log.
func (p DNSProvider) public() *dnsProviderRecord {
	r := dnsProviderRecord(p)
	r.Secret = ""
	return &r
}

// DNSProviders returns all, by name.
func (d *Directory) DNSProviders() []DNSProvider {
	list := []DNSProvider{}
	for _, p := range d.current.Load().dnsProviders {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b DNSProvider) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// PutDNSProvider adds a provider, or replaces the one of its name. Without a
// secret it keeps the one before.
func (d *Directory) PutDNSProvider(ctx context.Context, actor string, p DNSProvider) error {
	if err := p.check(); err != nil {
		return err
	}
	return d.update(ctx, actor, func(c *change) error {
		old := c.next.dnsProviders[p.Name]
		for _, other := range c.next.dnsProviders {
			if i := slices.IndexFunc(p.Zones, func(z mail.Domain) bool { return slices.Contains(other.Zones, z) }); i >= 0 && other.Name != p.Name {
				return invalid("%s is changed by the DNS provider %q already; take it away from there first", p.Zones[i], other.Name)
			}
		}
		if old == nil && len(c.next.dnsProviders) >= maxDNSProviders {
			return invalid("there are %d DNS providers, and no more are kept", maxDNSProviders)
		}
		action, before := "dns-provider.add", (*dnsProviderRecord)(nil)
		p.Created = c.now.UTC()
		if old != nil {
			action, before, p.Created = "dns-provider.change", old.public(), old.Created
			p.Secret = cmp.Or(p.Secret, old.Secret)
		}
		c.next.dnsProviders[p.Name] = &p
		if err := c.put(bucketDNSProviders, []byte(p.Name), (*dnsProviderRecord)(&p)); err != nil {
			return err
		}
		if before == nil {
			return c.audit(action, p.Name, nil, p.public())
		}
		return c.audit(action, p.Name, before, p.public())
	})
}

func (p *DNSProvider) check() error {
	var err error
	if p.Name, err = checkLabel(p.Name); err != nil {
		return err
	}
	if len(p.Zones) == 0 || len(p.Zones) > maxProviderZones {
		return invalid("name the zones that are hosted there, from 1 to %d, such as example.org", maxProviderZones)
	}
	for _, f := range []string{p.Server, p.Login} {
		if len(f) > maxProviderField || strings.ContainsFunc(f, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return invalid("server and login are one line of at most %d octets", maxProviderField)
		}
	}
	if len(p.Secret) > maxProviderSecret || strings.ContainsAny(p.Secret, "\r\n\x00") {
		return invalid("a secret is one line of at most %d octets", maxProviderSecret)
	}
	slices.Sort(p.Zones)
	p.Zones = slices.Compact(p.Zones)
	return nil
}

// RemoveDNSProvider forgets a provider with its secret.
func (d *Directory) RemoveDNSProvider(ctx context.Context, actor, name string) error {
	return d.update(ctx, actor, func(c *change) error {
		p := c.next.dnsProviders[name]
		if p == nil {
			return notFound("there is no DNS provider %q", name)
		}
		delete(c.next.dnsProviders, name)
		if err := c.put(bucketDNSProviders, []byte(name), nil); err != nil {
			return err
		}
		return c.audit("dns-provider.remove", name, p.public(), nil)
	})
}

func (s *snapshot) readDNSProvider(_, v []byte) error {
	var r dnsProviderRecord
	if err := decode(v, &r); err != nil {
		return err
	}
	p := DNSProvider(r)
	s.dnsProviders[p.Name] = &p
	return nil
}
