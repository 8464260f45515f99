package spf

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

const zone = `
pass.test.     TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"
soft.test.     TXT "v=spf1 ~all"
neutral.test.  TXT "v=spf1 a"
neutral.test.  A   198.51.100.1
mx.test.       TXT "v=spf1 mx -all"
mx.test.       MX  10 mail.mx.test.
mail.mx.test.  A   192.0.2.1
mail.mx.test.  AAAA 2001:db8::1
bad.test.      TXT "v=spf1 nonsense"
two.test.      TXT "v=spf1 -all"
two.test.      TXT "v=spf1 +all"
void.test.     TXT "v=spf1 a:n1.test a:n2.test a:n3.test +all"
loop.test.     TXT "v=spf1 include:loop.test +all"
ptr.test.      TXT "v=spf1 ptr -all"
1.2.0.192.in-addr.arpa. PTR host.ptr.test.
host.ptr.test. A   192.0.2.1
macro.test.    TXT "v=spf1 exists:%{l}.%{d2}.list.test -all"
ana.macro.test.list.test. A 127.0.0.2
broken.test.   TXT "v=spf1 include:gone.test -all"
silent.test.   TXT "v=spf1 a:slow.test -all"
mail.hello.test. TXT "v=spf1 ip4:192.0.2.1 -all"
evil.test.     TXT "v=spf1 +all"
outer.test.    TXT "v=spf1 a:absent.test include:pass.test ~all"
leads.test.    TXT "v=spf1 redirect=pass.test"
leadsnowhere.test. TXT "v=spf1 redirect=none.test"
late.test.     TXT "v=spf1 +all ip4:192.0.2.256"
none.test.     TXT "something else"
`

func zones() *dnstest.Zones {
	z := dnstest.New(zone)
	z.SetFault("slow.test", dnstest.ServFail)
	return z
}

func path(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParsePath("<" + s + ">")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheckMailFrom(t *testing.T) {
	z := zones()
	for _, tt := range []struct{ name, addr, hello, from, result, mechanism string }{
		{"permitted", "192.0.2.1", "mail.hello.test", "ana@pass.test", "pass", "ip4:192.0.2.0/24"},
		{"permitted by IPv6", "2001:db8::5", "mail.hello.test", "ana@pass.test", "pass", "ip6:2001:db8::/32"},
		{"IPv4 in an IPv6 socket", "::ffff:192.0.2.1", "mail.hello.test", "ana@pass.test", "pass", "ip4:192.0.2.0/24"},
		{"denied", "198.51.100.1", "mail.hello.test", "ana@pass.test", "fail", "all"},
		{"weakly denied", "192.0.2.1", "mail.hello.test", "ana@soft.test", "softfail", "all"},
		{"nothing matches", "192.0.2.1", "mail.hello.test", "ana@neutral.test", "neutral", "default"},
		{"exchanger", "2001:db8::1", "mail.hello.test", "ana@mx.test", "pass", "mx"},
		{"reverse name", "192.0.2.1", "mail.hello.test", "ana@ptr.test", "pass", "ptr"},
		{"macro", "192.0.2.1", "mail.hello.test", "ana@macro.test", "pass", "exists:%{l}.%{d2}.list.test"},
		{"macro, other local-part", "192.0.2.1", "mail.hello.test", "bo@macro.test", "fail", "all"},
		{"include", "192.0.2.1", "mail.hello.test", "ana@outer.test", "pass", "include:pass.test"},
		{"include does not match", "192.0.3.1", "mail.hello.test", "ana@outer.test", "softfail", "all"},
		{"redirect", "192.0.3.1", "mail.hello.test", "ana@leads.test", "fail", "redirect"},
		{"redirect to nothing", "192.0.3.1", "mail.hello.test", "ana@leadsnowhere.test", "permerror", ""},
		{"mistake after the match", "192.0.2.1", "mail.hello.test", "ana@late.test", "permerror", ""},
		{"no record", "192.0.2.1", "mail.hello.test", "ana@none.test", "none", ""},
		{"no domain", "192.0.2.1", "mail.hello.test", "ana@absent.test", "none", ""},
		{"address literal", "192.0.2.1", "mail.hello.test", "ana@[192.0.2.1]", "none", ""},
		{"syntax", "192.0.2.1", "mail.hello.test", "ana@bad.test", "permerror", ""},
		{"two records", "192.0.2.1", "mail.hello.test", "ana@two.test", "permerror", ""},
		{"three void lookups", "192.0.2.1", "mail.hello.test", "ana@void.test", "permerror", ""},
		{"endless", "192.0.2.1", "mail.hello.test", "ana@loop.test", "permerror", ""},
		{"include of nothing", "192.0.2.1", "mail.hello.test", "ana@broken.test", "permerror", ""},
		{"server trouble", "192.0.2.1", "mail.hello.test", "ana@silent.test", "temperror", ""},
		{"quoted @ does not change the domain", "192.0.2.1", "mail.hello.test", `"x@evil.test"@pass.test`, "pass", "ip4:192.0.2.0/24"},
		{"quoted @ of an unrelated domain", "198.51.100.1", "mail.hello.test", `"x@evil.test"@pass.test`, "fail", "all"},
		{"null reverse-path", "192.0.2.1", "mail.hello.test", "", "pass", "ip4:192.0.2.1"},
		{"null reverse-path, denied", "192.0.2.2", "mail.hello.test", "", "fail", "all"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := CheckMailFrom(t.Context(), z, Client{netip.MustParseAddr(tt.addr), tt.hello, path(t, tt.from)})
			if r.Result != tt.result || r.Mechanism != tt.mechanism {
				t.Errorf("got %s by %q (%s); want %s by %q", r.Result, r.Mechanism, r.Comment, tt.result, tt.mechanism)
			}
			if want := map[bool]Identity{true: Helo, false: MailFrom}[tt.from == ""]; r.Identity != want {
				t.Errorf("identity = %s, want %s", r.Identity, want)
			}
		})
	}
}

func TestCheckHelo(t *testing.T) {
	z := zones()
	for _, tt := range []struct{ name, addr, hello, result string }{
		{"permitted", "192.0.2.1", "Mail.Hello.test", "pass"},
		{"denied", "192.0.2.2", "mail.hello.test", "fail"},
		{"literal", "192.0.2.1", "[192.0.2.1]", "none"},
		{"one label", "192.0.2.1", "localhost", "none"},
		{"nonsense", "192.0.2.1", "a b\"c", "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := CheckHelo(t.Context(), z, Client{netip.MustParseAddr(tt.addr), tt.hello, path(t, "ana@pass.test")})
			if r.Result != tt.result || r.Identity != Helo {
				t.Errorf("got %s for %s (%s); want %s", r.Result, r.Identity, r.Comment, tt.result)
			}
		})
	}
}

func TestTimeBudget(t *testing.T) {
	z := zones()
	z.SetFault("pass.test", dnstest.Timeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := CheckMailFrom(ctx, z, Client{netip.MustParseAddr("198.51.100.1"), "mail.hello.test", path(t, "ana@pass.test")})
	if r.Result != "temperror" {
		t.Errorf("result = %s, want temperror", r.Result)
	}
}

func TestHeader(t *testing.T) {
	z := zones()
	for _, tt := range []struct{ name, hello, from, want string }{
		{"pass", "mail.hello.test", "ana@pass.test",
			"pass (mx.example.org: domain of ana@pass.test permits 192.0.2.1 by ip4:192.0.2.0/24)\r\n" +
				"\treceiver=mx.example.org;\r\n\tclient-ip=192.0.2.1;\r\n\tenvelope-from=\"ana@pass.test\";\r\n" +
				"\thelo=mail.hello.test;\r\n\tidentity=mailfrom;\r\n\tmechanism=\"ip4:192.0.2.0/24\""},
		{"hostile hello", "x\"\r\nSubject: (evil)\\", "ana@soft.test",
			"softfail (mx.example.org: domain of transitioning ana@soft.test does not permit 192.0.2.1 by ~all)\r\n" +
				"\treceiver=mx.example.org;\r\n\tclient-ip=192.0.2.1;\r\n\tenvelope-from=\"ana@soft.test\";\r\n" +
				"\thelo=\"x\\\"  Subject: (evil)\\\\\";\r\n\tidentity=mailfrom;\r\n\tmechanism=all"},
		{"comment in the local-part", "mail.hello.test", `"a) b"@none.test`,
			"none (mx.example.org: domain of \"a_ b\"@none.test says nothing about permitted hosts)\r\n" +
				"\treceiver=mx.example.org;\r\n\tclient-ip=192.0.2.1;\r\n\tenvelope-from=\"\\\"a) b\\\"@none.test\";\r\n" +
				"\thelo=mail.hello.test;\r\n\tidentity=mailfrom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := CheckMailFrom(t.Context(), z, Client{netip.MustParseAddr("192.0.2.1"), tt.hello, path(t, tt.from)})
			if got := r.Header("mx.example.org"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// FuzzCheck feeds records of strangers to the evaluation: it ends, has one of
// the results of RFC 7208 section 2.6, and its words stay on one line.
func FuzzCheck(f *testing.F) {
	for line := range strings.Lines(zone) {
		if _, record, ok := strings.Cut(line, "TXT"); ok {
			f.Add(strings.Trim(record, " \"\n"), "mail.hello.test", "ana")
		}
	}
	f.Fuzz(func(t *testing.T, record, hello, local string) {
		z := zones()
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(record)
		if len(quoted) > 255 || z.Add(`fuzz.test. TXT "`+quoted+`"`) != nil {
			return
		}
		r := CheckMailFrom(t.Context(), z, Client{netip.MustParseAddr("192.0.2.1"), hello, mail.Path{Local: local, Domain: "fuzz.test"}})
		if !strings.Contains(" none neutral pass fail softfail temperror permerror ", " "+r.Result+" ") {
			t.Errorf("result = %q", r.Result)
		}
		for line := range strings.SplitSeq(r.Header("mx.example.org"), "\r\n\t") {
			if strings.ContainsAny(line, "\r\n") {
				t.Errorf("line break of a stranger in %q", line)
			}
		}
	})
}
