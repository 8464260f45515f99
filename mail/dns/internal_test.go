package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestParseResolvConf(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		servers  []string
		trust    bool
	}{
		{"usual", "# by hand\nsearch example.org\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions edns0 trust-ad\n",
			[]string{"192.0.2.1:53", "[2001:db8::1]:53"}, true},
		{"link-local", "nameserver fe80::1%eth0\n", []string{"[fe80::1%eth0]:53"}, false},
		{"at most three", strings.Repeat("nameserver 192.0.2.1\n", 4),
			[]string{"192.0.2.1:53", "192.0.2.1:53", "192.0.2.1:53"}, false},
		{"none", "nameserver nonsense\n", []string{"127.0.0.1:53", "[::1]:53"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			servers, trust, err := parseResolvConf(strings.NewReader(tt.in))
			var got []string
			for _, s := range servers {
				got = append(got, s.String())
			}
			if err != nil || !slices.Equal(got, tt.servers) || trust != tt.trust {
				t.Errorf("got %v, %v, %v; want %v, %v", got, trust, err, tt.servers, tt.trust)
			}
		})
	}
}

func TestReverseName(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.10":  "10.2.0.192.in-addr.arpa.",
		"2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
	} {
		if got := ReverseName(netip.MustParseAddr(in)); got != want {
			t.Errorf("ReverseName(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	const limit = 100_000
	c := newCache(limit)
	now := time.Unix(1_800_000_000, 0)
	hot := question{"hot.test.", dns.TypeTXT}
	c.put(hot, &answer{size: 100, ttl: time.Hour}, now)
	for i := range 2_000 {
		c.put(question{fmt.Sprintf("n%d.test.", i), dns.TypeTXT}, &answer{size: 1_000, ttl: time.Hour}, now)
		if _, ok := c.get(hot, now); !ok {
			t.Fatalf("what is in use was dropped after %d others", i)
		}
	}
	octets := func() (total int) {
		for _, m := range []map[question]*answer{c.young, c.old} {
			for _, a := range m {
				total += a.size + entryOverhead
			}
		}
		return total
	}
	if total := octets(); total > limit || total < limit/3 || c.octets() != total {
		t.Errorf("the cache holds %d octets, says %d, limit %d", total, c.octets(), limit)
	}
	if _, ok := c.get(hot, now.Add(2*time.Hour)); ok {
		t.Error("an expired answer was returned")
	}
	if c.limit(10_000); octets() > 10_000 || c.octets() != octets() {
		t.Errorf("the cache holds %d octets, says %d, limit 10000", octets(), c.octets())
	}
	for i := range 100 {
		c.put(question{fmt.Sprintf("m%d.test.", i), dns.TypeTXT}, &answer{size: 1_000, ttl: time.Hour}, now)
	}
	if total := octets(); total > 10_000 || total < 3_000 || c.octets() != total {
		t.Errorf("the cache holds %d octets, says %d, limit 10000", total, c.octets())
	}
	never := newCache(-1)
	never.limit(limit)
	if never.put(hot, &answer{size: 100, ttl: time.Hour}, now); never.octets() != 0 {
		t.Error("a resolver without a cache has one")
	}
}

// FuzzAnswer feeds messages from the network to the code that believes them.
func FuzzAnswer(f *testing.F) {
	q := question{"example.test.", dns.TypeMX}
	query := new(dns.Msg).SetQuestion(q.name, q.qtype)
	query.Id = 0x1234
	for _, rrs := range [][]string{
		{},
		{"example.test. 60 IN MX 10 mail.example.test."},
		{"example.test. 60 IN CNAME a.test.", "a.test. 60 IN CNAME b.test.", "b.test. 60 IN MX 0 ."},
		{"example.test. 60 IN CNAME example.test."},
		{`example.test. 4294967295 IN TXT "a\"b" "\200"`},
	} {
		for _, rcode := range []int{dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeFormatError} {
			m := new(dns.Msg).SetRcode(query, rcode)
			for _, s := range rrs {
				rr, err := dns.NewRR(s)
				if err != nil {
					f.Fatal(err)
				}
				m.Answer = append(m.Answer, rr)
			}
			wire, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		msg, err := match(query, wire)
		if err != nil {
			return
		}
		a, err := interpret(q, msg, false)
		if err != nil {
			return
		}
		if a.ttl < 0 || a.ttl > maxTTL {
			t.Errorf("ttl = %v", a.ttl)
		}
		if len(a.records) > 0 && a.alias != "" {
			t.Error("both records and an alias")
		}
		for _, rr := range a.records {
			if rr.Header().Rrtype != q.qtype {
				t.Errorf("record of another type: %v", rr)
			}
		}
		addresses(a.records)
	})
}

func FuzzJoinText(f *testing.F) {
	for _, s := range []string{`plain`, `a\"b`, `\\`, `\200\`, `\2`, `\999`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := joinText([]string{s}); len(got) > len(s) {
			t.Errorf("joinText(%q) = %q is longer", s, got)
		}
	})
}
