package spf

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail/dns"
)

// echo is a resolver in which every name has the same records, and which counts
// what it is asked.
type echo struct {
	text  string
	hosts int // MX records and names of an address
	asked int
}

func (e *echo) TXT(context.Context, string) ([]string, bool, error) {
	e.asked++
	return []string{e.text}, false, nil
}

func (e *echo) A(context.Context, string) ([]netip.Addr, bool, error) {
	e.asked++
	return []netip.Addr{netip.MustParseAddr("198.51.100.1")}, false, nil
}

func (e *echo) MX(context.Context, string) (mxs []dns.MX, _ bool, _ error) {
	e.asked++
	for i := range e.hosts {
		mxs = append(mxs, dns.MX{Host: fmt.Sprintf("mx%d.test", i)})
	}
	return mxs, false, nil
}

func (e *echo) PTR(context.Context, netip.Addr) (names []string, _ bool, _ error) {
	e.asked++
	for i := range e.hosts {
		names = append(names, fmt.Sprintf("host%d.test", i))
	}
	return names, false, nil
}

func (e *echo) TLSA(context.Context, string) ([]dns.TLSA, bool, error) {
	return nil, false, dns.ErrNotFound
}
func (e *echo) CNAME(context.Context, string) (string, bool, error) {
	return "", false, dns.ErrNotFound
}

// maxAsked is what one check can cost: the first record, and ten terms with
// ten hosts each, and the names of the client.
const maxAsked = 1 + maxLookups*(2+maxHosts) + (1 + maxHosts)

// TestHostileRecords counts the work that records made to cost some can cause.
func TestHostileRecords(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		hosts      int
		result     string
	}{
		{"includes itself", "v=spf1 include:x.test -all", 0, permerror},
		{"includes itself often", "v=spf1 " + strings.Repeat("include:x.test ", 1_000), 0, permerror},
		{"leads to itself", "v=spf1 redirect=x.test", 0, permerror},
		{"grows with each turn", "v=spf1 include:%{d}.%{d}.test -all", 0, permerror},
		{"ten exchangers each time", "v=spf1 mx:a.test mx:b.test include:x.test -all", 10, permerror},
		{"eleven exchangers", "v=spf1 mx -all", 11, permerror},
		{"many names", "v=spf1 ptr:nobody.example -all", 1_000, fail},
		{"names in a macro", "v=spf1 exists:%{p}.%{p}.%{p}.x.test -all", 10, pass},
		{"thousands of networks", "v=spf1 " + strings.Repeat("ip4:203.0.113.0/24 ", 3_000) + "-all", 0, fail},
		{"ten thousand spaces", "v=spf1" + strings.Repeat(" ", 10_000) + "-all", 0, fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &echo{text: tt.text, hosts: tt.hosts}
			r := CheckMailFrom(t.Context(), e, Client{netip.MustParseAddr("192.0.2.1"), "mail.x.test", path(t, "ana@x.test")})
			if r.Result != tt.result || e.asked > maxAsked {
				t.Errorf("got %s (%s) with %d lookups; want %s with %d at most", r.Result, r.Comment, e.asked, tt.result, maxAsked)
			}
			if len(r.Header("mx.example.org")) > 2_000 {
				t.Errorf("a field of %d octets", len(r.Header("mx.example.org")))
			}
		})
	}
}

// FuzzEvaluate: whatever a record says, the check ends within its limits and the
// result is one of RFC 7208.
func FuzzEvaluate(f *testing.F) {
	for _, s := range []string{
		"v=spf1 a mx/24//64 ptr include:%{ir}.%{v}._spf.%{d2} exists:%{L1r+-}.x.test ~all", "v=spf1 ip6:2001:db8::/32 redirect=%{h}",
		"v=spf1 exists:%{p}%%%_%-.test ?all", "v=spf1 a:%{s3r/}.test.", "v=SPF1",
	} {
		f.Add(s, "ana", "mail.x.test")
	}
	f.Fuzz(func(t *testing.T, text, local, hello string) {
		e := &echo{text: text, hosts: 3}
		c := Client{netip.MustParseAddr("2001:db8::1"), hello, path(t, "ana@x.test")}
		c.ReversePath.Local = local
		r := CheckMailFrom(t.Context(), e, c)
		if !strings.Contains(" none neutral pass fail softfail temperror permerror ", " "+r.Result+" ") {
			t.Errorf("result = %q", r.Result)
		}
		if e.asked > maxAsked {
			t.Errorf("%d lookups", e.asked)
		}
	})
}
