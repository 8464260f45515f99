package dnsadvice

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// splitDial has ns1 answer from one set of zones, and ns2 from another.
func splitDial(ns1, ns2 *dnstest.Zones) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "192.0.2.54:") {
			return ns2.Dial(ctx, network, addr)
		}
		return ns1.Dial(ctx, network, addr)
	}
}

func TestMergeSPF(t *testing.T) {
	for _, tt := range []struct {
		name string
		have []string
		add  string
		want string
	}{
		{"one", []string{"v=spf1 include:a.example -all"}, "mx", "v=spf1 mx include:a.example -all"},
		{"ours is in it", []string{"v=spf1 include:a.example +mx -all"}, "mx", "v=spf1 mx include:a.example -all"},
		{"mildest end", []string{"v=spf1 a -all", "v=spf1 ip4:192.0.2.1 ~all"}, "mx", "v=spf1 mx a ip4:192.0.2.1 ~all"},
		{"the same twice", []string{"v=spf1 include:A.example -all", "v=spf1 include:a.example -all"}, "mx", "v=spf1 mx include:A.example -all"},
		{"redirect alone", []string{"v=spf1 redirect=a.example"}, "mx", "v=spf1 mx redirect=a.example"},
		{"redirect of two", []string{"v=spf1 redirect=a.example", "v=spf1 a -all"}, "mx", "v=spf1 mx include:a.example a -all"},
		{"redirect behind all", []string{"v=spf1 a -all redirect=a.example"}, "mx", "v=spf1 mx a -all"},
		{"no end", []string{"v=spf1 a"}, "mx", "v=spf1 mx a ~all"},
		{"everybody", []string{"v=spf1 +all"}, "mx", "v=spf1 mx ~all"},
		{"nothing", []string{"v=spf1"}, "a:mail.example.org", "v=spf1 a:mail.example.org ~all"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mergeSPF(tt.have, tt.add); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestGuessProvider(t *testing.T) {
	for server, want := range map[string]string{
		"ada.ns.cloudflare.com": "Cloudflare", "ns-12.awsdns-01.com": "Amazon Route 53", "helium.ns.hetzner.de": "Hetzner", "ns1.example.net": "",
	} {
		got := ""
		if p := guessProvider([]string{server}); p != nil {
			got = p.Name
		}
		if got != want {
			t.Errorf("%s is at %q, want %q", server, got, want)
		}
	}
}

func FuzzSPF(f *testing.F) {
	f.Add("v=spf1 mx -all", "v=spf1 redirect=a")
	f.Fuzz(func(t *testing.T, a, b string) {
		records := withVersion([]string{a, b}, spfVersion)
		if len(records) == 0 {
			return
		}
		merged := mergeSPF(records, "mx")
		if len(withVersion([]string{merged}, spfVersion)) != 1 || allowsAll(merged) {
			t.Fatalf("merged %q", merged)
		}
		spfNames{domain: "example.org", host: "mail.example.org", mxIsOurs: true}.allows(records[0])
	})
}
