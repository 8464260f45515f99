package inbound

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/arc/arctest"
	"github.com/mailstead/mailstead/smtp/dmarc"
)

// forwarded is what a mailing list passes on: its own reverse-path, a changed
// subject, and the author's address as it was.
const forwarded = "From: ana@sender.test\r\nTo: list@lists.test\r\nSubject: [list] x\r\n\r\nHello\r\n"

const forwarders = `
lists.test.              TXT "v=spf1 ip4:192.0.2.70 -all"
70.2.0.192.in-addr.arpa. PTR out.lists.test.
out.lists.test.          A   192.0.2.70
`

func TestOverrule(t *testing.T) {
	z := dnstest.New(zone + forwarders)
	list, other := arctest.NewSealer(z, "lists.test", 0), arctest.NewSealer(z, "other.test", 0)
	sealed := func(results string) string { return list.Seal(forwarded, 1, arctest.Form{Results: results}) }
	passed := sealed("spf=pass smtp.mailfrom=ana@sender.test; dmarc=pass header.from=sender.test")
	for _, tt := range []struct {
		name, msg, from, addr string
		trust                 string // settings, with ";" between
		action                Action
		override              dmarc.Override
		want                  string // in Authentication-Results
	}{
		{"nobody is trusted", passed, "bounce@lists.test", "192.0.2.70", ";", Refuse, "", "dmarc=fail (p=reject of sender.test) header.from=sender.test policy.dmarc=reject"},
		{"sealer, DMARC", passed, "bounce@lists.test", "192.0.2.70", "lists.test;", Accept, dmarc.LocalPolicy,
			`dmarc=fail (p=reject of sender.test, vouched for by lists.test) reason="local policy: ARC" header.from=sender.test policy.dmarc=none`},
		{"sealer, aligned SPF", sealed("spf=pass smtp.mailfrom=ana@mail.sender.test"), "bounce@lists.test", "192.0.2.70", "lists.test;", Accept, dmarc.LocalPolicy, "ARC"},
		{"sealer, aligned DKIM", sealed("dkim=pass header.d=sender.test header.s=x"), "bounce@lists.test", "192.0.2.70", "lists.test;", Accept, dmarc.LocalPolicy, "ARC"},
		{"sealer, DKIM by i=", sealed("dkim=pass header.i=@sender.test"), "bounce@lists.test", "192.0.2.70", "lists.test;", Accept, dmarc.LocalPolicy, "ARC"},
		{"sealer, DMARC of another author", sealed("dmarc=pass header.from=evil.test"), "bounce@lists.test", "192.0.2.70", "lists.test;", Refuse, "", "policy.dmarc=reject"},
		{"sealer, DKIM of a stranger", sealed("dkim=pass header.d=evil.test"), "bounce@lists.test", "192.0.2.70", "lists.test;", Refuse, "", "policy.dmarc=reject"},
		{"sealer, DMARC failed", sealed("dmarc=fail header.from=sender.test"), "bounce@lists.test", "192.0.2.70", "lists.test;", Refuse, "", "policy.dmarc=reject"},
		{"sealer, results that are none", sealed("dmarc=pass header"), "bounce@lists.test", "192.0.2.70", "lists.test;", Refuse, "", "policy.dmarc=reject"},
		{"another sealer is trusted", passed, "bounce@lists.test", "192.0.2.70", "other.test;", Refuse, "", "policy.dmarc=reject"},
		{"a stranger sealed last", other.Seal(passed, 2, arctest.Form{}), "bounce@lists.test", "192.0.2.70", "lists.test;", Refuse, "", "policy.dmarc=reject"},
		{"two trusted sealers", other.Seal(passed, 2, arctest.Form{}), "bounce@lists.test", "192.0.2.70", "lists.test other.test;", Accept, dmarc.LocalPolicy, "vouched for by lists.test"},
		{"broken chain", passed + "more\r\n", "bounce@lists.test", "192.0.2.70", "lists.test;", Refuse, "", "arc=fail (message signature 1: body was changed)"},
		{"forwarder by its network", forwarded, "bounce@nowhere.test", "192.0.2.99", ";192.0.2.96/28", Accept, dmarc.TrustedForwarder,
			`dmarc=fail (p=reject of sender.test, came through 192.0.2.99) reason="local policy: forwarder" header.from=sender.test policy.dmarc=none`},
		{"forwarder by its address", forwarded, "bounce@nowhere.test", "::ffff:192.0.2.99", ";192.0.2.99", Accept, dmarc.TrustedForwarder, "came through 192.0.2.99"},
		{"forwarder by its name", forwarded, "bounce@nowhere.test", "192.0.2.70", ";lists.test", Accept, dmarc.TrustedForwarder, "came through out.lists.test"},
		{"forwarder by SPF", forwarded, "bounce@lists.test", "192.0.2.70", ";lists.test", Accept, dmarc.TrustedForwarder, "forwarder"},
		{"forwarder that is not proved", forwarded, "bounce@lists.test", "192.0.2.66", ";lists.test", Refuse, "", "policy.dmarc=reject"},
		{"forwarder with another name", forwarded, "bounce@lists.test", "192.0.2.70", ";evillists.test", Refuse, "", "policy.dmarc=reject"},
		{"forwarder before sealer", passed, "bounce@lists.test", "192.0.2.70", "lists.test;lists.test", Accept, dmarc.TrustedForwarder, "forwarder"},
		{"who passes needs nobody", forwarded, "ana@sender.test", "192.0.2.1", "lists.test;192.0.2.1", Accept, "", "dmarc=pass (p=reject) header.from=sender.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sealers, names, _ := strings.Cut(tt.trust, ";")
			trust, err := ParseTrust(sealers, names)
			if err != nil {
				t.Fatal(err)
			}
			s := New(Options{Hostname: hostname, Resolver: z, Deliverer: reach{}, Trust: func() Trust { return trust }})
			m := newMessage(t, tt.addr, tt.from, tt.msg)
			v := s.judge(t.Context(), m)
			if v.Action != tt.action {
				t.Errorf("got %s %v, want %s", v.Action, v.Reasons, tt.action)
			}
			last := m.Findings[len(m.Findings)-1]
			if got := last.DMARC[0].Override; got != tt.override {
				t.Errorf("override %q, want %q", got, tt.override)
			}
			if told := slices.ContainsFunc(last.Reasons, func(r mail.Reason) bool { return strings.HasPrefix(r.Name, "dmarc.") }); told != (tt.override != "") {
				t.Errorf("reasons = %v", last.Reasons)
			}
			if (last.Sealer != "") != (tt.override == dmarc.LocalPolicy) {
				t.Errorf("sealer = %q", last.Sealer)
			}
			results := mail.AuthResults{ServID: hostname}
			for _, f := range m.Findings {
				results.Results = append(results.Results, f.Results...)
			}
			if !strings.Contains(results.String(), tt.want) {
				t.Errorf("%q is missing in\n%s", tt.want, results)
			}
		})
	}
}

// newMessage is newMail for a whole message.
func newMessage(t testing.TB, addr, from, msg string) *Mail {
	t.Helper()
	header, body := arctest.Split(msg)
	m := newMail(t, addr, from, strings.ReplaceAll(strings.TrimSuffix(header, "\r\n\r\n"), "\r\n", "|"))
	m.Body = reads(body)
	return m
}

func TestParseTrust(t *testing.T) {
	trust, err := ParseTrust("Lists.test  exämple.test", "lists.test 192.0.2.9/24 2001:db8::1")
	if err != nil || !slices.Equal(trust.Sealers, []mail.Domain{"lists.test", "xn--exmple-cua.test"}) ||
		!slices.Equal(trust.Forwarders, []mail.Domain{"lists.test"}) ||
		!slices.Equal(trust.Networks, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")}) {
		t.Errorf("got %+v, %v", trust, err)
	}
	for _, bad := range [][2]string{{"192.0.2.0/24", ""}, {"a..b", ""}, {"", "192.0.2.0/33"}, {"", "[192.0.2.1]"}} {
		if _, err := ParseTrust(bad[0], bad[1]); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
