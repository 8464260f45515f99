package dns_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

const authorityZone = `
$ORIGIN example.org.
@       NS    ns1.dns.example.
@       NS    ns2.dns.example.
@       MX    10 mail
@       TXT   "v=spf1 " "mx -all"
mail    A     192.0.2.1
www     CNAME mail
_imaps._tcp SRV 0 1 993 mail
_imap._tcp  SRV 0 0 0 .
mail    CAA   0 issue "ca.example"
ns1.dns.example. A 192.0.2.53
ns2.dns.example. A 192.0.2.54
`

// authority asks ns1 and ns2, each with zones of its own.
func authority(find, ns1, ns2 *dnstest.Zones) *dns.Authority {
	return dns.NewAuthority(dns.AuthorityOptions{Finder: find, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch addr {
		case "192.0.2.53:53":
			return ns1.Dial(ctx, network, addr)
		case "192.0.2.54:53":
			return ns2.Dial(ctx, network, addr)
		}
		return nil, errors.New("no such server: " + addr)
	}})
}

func TestAuthorityRecords(t *testing.T) {
	z := dnstest.New(authorityZone)
	a := authority(z, z, z)
	zone, err := a.Zone(t.Context(), "deep._imaps._tcp.Example.org.")
	if err != nil || zone.Name != "example.org" || len(zone.Servers) != 2 || zone.Servers[1].Name != "ns2.dns.example" {
		t.Fatalf("zone = %+v, %v", zone, err)
	}
	for _, tt := range []struct{ name, qtype, want, alias string }{
		{"example.org", "MX", "10 mail.example.org", ""},
		{"example.org", "txt", "v=spf1 mx -all", ""},
		{"mail.example.org.", "A", "192.0.2.1", ""},
		{"MAIL.example.org", "AAAA", "", ""},
		{"none.example.org", "A", "", ""},
		{"www.example.org", "A", "", "mail.example.org"},
		{"_imaps._tcp.example.org", "SRV", "0 1 993 mail.example.org", ""},
		{"_imap._tcp.example.org", "SRV", "0 0 0 .", ""},
		{"mail.example.org", "CAA", `0 issue "ca.example"`, ""},
	} {
		for _, got := range a.Ask(t.Context(), zone, tt.name, tt.qtype) {
			if got.Err != nil || strings.Join(got.Values, "|") != tt.want || got.Alias != tt.alias {
				t.Errorf("%s %s = %+v; want %q, alias %q", tt.name, tt.qtype, got, tt.want, tt.alias)
			}
		}
	}
}

func TestAuthorityIsAskedEachTime(t *testing.T) {
	z := dnstest.New(authorityZone)
	a := authority(z, z, z)
	zone, err := a.Zone(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Ask(t.Context(), zone, "new.example.org", "TXT"); got[0].Err != nil || got[0].Values != nil {
		t.Fatalf("before: %+v", got)
	}
	if err := z.Add(`new.example.org. TXT "here"`); err != nil {
		t.Fatal(err)
	}
	if got := a.Ask(t.Context(), zone, "new.example.org", "TXT"); !slices.Equal(got[1].Values, []string{"here"}) {
		t.Errorf("after: %+v", got)
	}
}

func TestAuthorityServersDiffer(t *testing.T) {
	ns1, ns2 := dnstest.New(authorityZone), dnstest.New(authorityZone)
	a := authority(ns1, ns1, ns2)
	ns2.Remove("mail.example.org")
	zone, err := a.Zone(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	got := a.Ask(t.Context(), zone, "mail.example.org", "A")
	if !slices.Equal(got[0].Values, []string{"192.0.2.1"}) || got[1].Values != nil || got[1].Err != nil {
		t.Errorf("answers = %+v", got)
	}
}

// No fault of a server may look like a record that is missing.
func TestAuthorityFaults(t *testing.T) {
	for name, fault := range map[string]dnstest.Fault{"SERVFAIL": dnstest.ServFail, "REFUSED": dnstest.Refused, "timeout": dnstest.Timeout} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := dnstest.New(authorityZone)
				a := authority(z, z, z)
				zone, err := a.Zone(t.Context(), "example.org")
				if err != nil {
					t.Fatal(err)
				}
				z.SetFault("mail.example.org", fault)
				for _, got := range a.Ask(t.Context(), zone, "mail.example.org", "A") {
					if !errors.Is(got.Err, dns.ErrTemporary) || errors.Is(got.Err, dns.ErrNotFound) || got.Values != nil {
						t.Errorf("answer = %+v", got)
					}
				}
			})
		})
	}
}

func TestAuthorityZoneFaults(t *testing.T) {
	z := dnstest.New(authorityZone)
	a := authority(z, z, z)
	if _, err := a.Zone(t.Context(), "not-registered.example"); !errors.Is(err, dns.ErrNotFound) {
		t.Errorf("not registered: %v", err)
	}
	z.SetFault("example.org NS", dnstest.ServFail)
	if _, err := a.Zone(t.Context(), "mail.example.org"); !errors.Is(err, dns.ErrTemporary) {
		t.Errorf("SERVFAIL: %v", err)
	}
	z.SetFault("example.org NS", dnstest.NoFault)
	z.Remove("ns1.dns.example")
	zone, err := a.Zone(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	got := a.Ask(t.Context(), zone, "example.org", "MX")
	if !errors.Is(got[0].Err, dns.ErrTemporary) || got[1].Err != nil || len(got[1].Values) != 1 {
		t.Errorf("a server without address: %+v", got)
	}
	if got := a.Ask(t.Context(), zone, "example.org", "NONSENSE"); got[0].Err == nil {
		t.Errorf("type that does not exist: %+v", got)
	}
}
