package dnsadvice

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

var longKey = "v=DKIM1; k=rsa; p=" + strings.Repeat("MIIBIjANBgkqhkiG9w0B", 20)

var testPlan = Plan{
	Domain: "example.org", Host: "mail.example.org",
	Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
	Keys:  []Key{{"r1", "rsa", "r1._domainkey.example.org", longKey}},
	CA:    "ca.example",

	DMARCReports: "dmarc-reports@example.org", TLSReports: "tls-reports@example.org",
	PACC: &Text{"_ua-auto-config.example.org", "v=UAAC1; a=sha256; d=x="},
}

// servers is what every zone of these tests has.
const servers = `
example.org. NS ns1.dns.example.
example.org. NS ns2.dns.example.
ns1.dns.example. A 192.0.2.53
ns2.dns.example. A 192.0.2.54
dns.example. NS ns1.dns.example.
`

// rightZone has every record of testPlan, as lines by the ID of each.
func rightZone() map[string]string {
	lines := map[string]string{}
	for _, r := range testPlan.Records("") {
		lines[r.ID] = r.ZoneFile
	}
	return lines
}

func zoneText(lines map[string]string) string {
	text := servers
	for _, l := range lines {
		text += l + "\n"
	}
	return text
}

func checker(z *dnstest.Zones) *Checker {
	return &Checker{Authority: dns.NewAuthority(dns.AuthorityOptions{Finder: z, Dial: z.Dial}), Resolver: z,
		Now: func() time.Time { return time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) }}
}

func find(t *testing.T, r Report, id string) Record {
	t.Helper()
	for _, rec := range r.Records() {
		if rec.ID == id {
			return rec
		}
	}
	t.Fatalf("no record %s", id)
	return Record{}
}

// What is published as the zone file lines say is right.
func TestZoneFileIsRight(t *testing.T) {
	report := checker(dnstest.New(zoneText(rightZone()))).Check(t.Context(), testPlan)
	for _, r := range report.Records() {
		if r.State != OK || r.Text == "" {
			t.Errorf("%s: %s: %s (have %q)", r.ID, r.State, r.Text, r.Have)
		}
	}
	n := len(report.Records())
	if report.Summary != (Summary{Right: n, Of: n}) || report.Text != fmt.Sprintf("all %d records are right", n) {
		t.Errorf("summary = %+v, %s", report.Summary, report.Text)
	}
	if report.Zone != "example.org" || len(report.Servers) != 2 || report.CheckedAt.IsZero() {
		t.Errorf("report = %+v", report)
	}
}

func TestRecordsOfPlan(t *testing.T) {
	for id, want := range map[string]struct{ host, line string }{
		"mx":        {"@", "example.org. 3600 IN MX 10 mail.example.org."},
		"a":         {"mail", "mail.example.org. 3600 IN A 192.0.2.1"},
		"aaaa":      {"mail", "mail.example.org. 3600 IN AAAA 2001:db8::1"},
		"spf":       {"@", `example.org. 3600 IN TXT "v=spf1 mx -all"`},
		"dkim-r1":   {"r1._domainkey", `r1._domainkey.example.org. 3600 IN TXT "` + longKey[:255] + `" "` + longKey[255:] + `"`},
		"ptr":       {"", "1.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.org."},
		"srv-imaps": {"_imaps._tcp", "_imaps._tcp.example.org. 3600 IN SRV 0 1 993 mail.example.org."},
		"srv-imap":  {"_imap._tcp", "_imap._tcp.example.org. 3600 IN SRV 0 0 0 ."},
		"dmarc":     {"_dmarc", `_dmarc.example.org. 3600 IN TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc-reports@example.org"`},
		"tlsrpt":    {"_smtp._tls", `_smtp._tls.example.org. 3600 IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@example.org"`},
		"pacc":      {"_ua-auto-config", `_ua-auto-config.example.org. 3600 IN TXT "v=UAAC1; a=sha256; d=x="`},
		"caa":       {"mail", `mail.example.org. 3600 IN CAA 0 issue "ca.example"`},
	} {
		r := find(t, Unchecked(testPlan), id)
		if r.Host != want.host || r.ZoneFile != want.line || r.Why == "" || r.State != "" {
			t.Errorf("%s: host %q, line %q, state %q", id, r.Host, r.ZoneFile, r.State)
		}
	}
	sub := testPlan
	sub.Domain, sub.Host = "lists.example.org", "mx.example.net"
	for _, r := range sub.Records("example.org") {
		if r.ID == "mx" && r.Host != "lists" || r.ID == "a" && r.Host != "" {
			t.Errorf("below another zone: %s has host %q", r.ID, r.Host)
		}
	}
}

func TestStates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		id     string   // of the record that is replaced and looked at
		zone   []string // what stands in its place
		state  State
		says   string
		code   string
		want   string // "" as planned
		remove []string
	}{
		{name: "no address", id: "a", state: Missing, says: "publish this record"},
		{name: "address of another", id: "a", zone: []string{"mail.example.org. A 192.0.2.9"}, state: Wrong, says: "192.0.2.9, which is not this server"},
		{name: "a second address", id: "a", zone: []string{"mail.example.org. A 192.0.2.1", "mail.example.org. A 192.0.2.9"}, state: Wrong, says: "some mail would go there"},
		{name: "proxied", id: "a", zone: []string{"mail.example.org. A 104.16.1.2"}, state: Wrong, says: "grey cloud", code: "dns.proxied"},
		{name: "alias", id: "a", zone: []string{"mail.example.org. CNAME host.example.org.", "host.example.org. A 192.0.2.1"}, remove: []string{"aaaa", "spf-host", "caa"}, state: Wrong, says: "alias (CNAME) of host.example.org"},
		{name: "alias behind MX", id: "mx", zone: []string{"example.org. MX 10 mail.example.org.", "mail.example.org. CNAME host.example.org."}, remove: []string{"a", "aaaa", "spf-host", "caa"}, state: Wrong, says: "alias (CNAME) of host.example.org"},
		{name: "name doubled", id: "a", zone: []string{"mail.example.org.example.org. A 192.0.2.1"}, state: Wrong, says: `Write only "mail"`, code: "dns.name_doubled"},

		{name: "no MX", id: "mx", state: Missing, says: "publish this record"},
		{name: "MX elsewhere", id: "mx", zone: []string{"example.org. MX 1 aspmx.l.google.com.", "example.org. MX 5 alt1.aspmx.l.google.com."}, state: Wrong, says: "Google (aspmx.l.google.com)", code: "dns.mx_elsewhere"},
		{name: "another first", id: "mx", zone: []string{"example.org. MX 1 mx.other.example.", "example.org. MX 10 mail.example.org."}, state: Wrong, says: "mx.other.example first"},
		{name: "another behind", id: "mx", zone: []string{"example.org. MX 20 mx.other.example.", "example.org. MX 10 mail.example.org."}, state: Wrong, says: "some mail goes to"},
		{name: "null MX", id: "mx", zone: []string{"example.org. MX 0 ."}, state: Wrong, says: "takes no mail"},
		{name: "MX without final dot", id: "mx", zone: []string{"example.org. MX 10 mail.example.org.example.org."}, state: Wrong, says: "with a dot at its end", code: "dns.name_doubled"},
		{name: "MX to an address", id: "mx", zone: []string{"example.org. MX 10 192.0.2.1."}, state: Wrong, says: "needs a name"},

		{name: "no SPF", id: "spf", state: Missing, says: "publish"},
		{name: "two SPF", id: "spf", zone: []string{`example.org. TXT "v=spf1 include:_spf.google.com ~all"`, `example.org. TXT "v=spf1 mx -all"`}, state: Wrong, says: "2 SPF records", code: "dns.spf_duplicate", want: "v=spf1 mx include:_spf.google.com ~all"},
		{name: "SPF of another", id: "spf", zone: []string{`example.org. TXT "v=spf1 include:other.example -all"`, `other.example. TXT "v=spf1 ip4:198.51.100.0/24 -all"`}, state: Wrong, says: "keeps what is there", code: "dns.spf_merge", want: "v=spf1 mx include:other.example -all"},
		{name: "included SPF has us", id: "spf", zone: []string{`example.org. TXT "v=spf1 include:other.example -all"`, `other.example. TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/64 -all"`}, state: OK, says: "lets this server send", want: "v=spf1 include:other.example -all"},
		{name: "SPF with our nets", id: "spf", zone: []string{`example.org. TXT "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 ~all"`}, state: OK, says: "names this server", want: "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 ~all"},
		{name: "SPF for everybody", id: "spf", zone: []string{`example.org. TXT "v=spf1 mx +all"`}, state: Wrong, says: "everybody", want: "v=spf1 mx ~all"},
		{name: "SPF with a loop", id: "spf", zone: []string{`example.org. TXT "v=spf1 include:example.org -all"`}, state: Wrong, says: "has a mistake", code: "dns.spf_broken"},
		{name: "SPF before the move", id: "spf", zone: []string{`example.org. TXT "v=spf1 include:other.example -all"`, "example.org. MX 10 mx.other.example.", `other.example. TXT "v=spf1 -all"`}, remove: []string{"mx"}, state: Wrong, code: "dns.spf_merge", says: "keeps", want: "v=spf1 a:mail.example.org include:other.example -all"},

		{name: "no key", id: "dkim-r1", state: Missing, says: "publish"},
		{name: "another key", id: "dkim-r1", zone: []string{`r1._domainkey.example.org. TXT "v=DKIM1; k=rsa; p=AAAA"`}, state: Wrong, says: "another key"},
		{name: "key cut off", id: "dkim-r1", zone: []string{`r1._domainkey.example.org. TXT "` + longKey[:255] + `"`}, state: Wrong, says: "cut off after 255", code: "dns.txt_cut"},
		{name: "key withdrawn", id: "dkim-r1", zone: []string{`r1._domainkey.example.org. TXT "v=DKIM1; p="`}, state: Wrong, says: "withdrawn"},
		{name: "key with other spaces", id: "dkim-r1", zone: []string{`r1._domainkey.example.org. TXT "` + strings.ReplaceAll(longKey[:200], " ", "") + `" "` + longKey[200:] + `;"`}, state: OK, says: "as it should be"},
		{name: "key behind an alias", id: "dkim-r1", zone: []string{`r1._domainkey.example.org. CNAME k.other.example.`, `k.other.example. TXT "` + longKey[:200] + `" "` + longKey[200:] + `"`}, state: OK, says: "as it should be"},
		{name: "key under a doubled name", id: "dkim-r1", zone: []string{`r1._domainkey.example.org.example.org. TXT "v=DKIM1"`}, state: Wrong, says: `"r1._domainkey"`, code: "dns.name_doubled"},

		{name: "no DMARC", id: "dmarc", state: Missing, says: "publish"},
		{name: "DMARC with pct", id: "dmarc", zone: []string{`_dmarc.example.org. TXT "v=DMARC1; p=reject; pct=50; rua=mailto:a@else.example"`}, state: OK, says: "RFC 9989", want: "v=DMARC1; p=reject; pct=50; rua=mailto:a@else.example"},
		{name: "DMARC with reports elsewhere", id: "dmarc", zone: []string{`_dmarc.example.org. TXT "v=DMARC1; p=reject; rua=mailto:a@else.example"`}, state: OK, says: "as it should be", want: "v=DMARC1; p=reject; rua=mailto:a@else.example"},
		{name: "DMARC without reports", id: "dmarc", zone: []string{`_dmarc.example.org. TXT "v=DMARC1; p=reject;"`}, state: OK, says: "it asks for no reports", want: "v=DMARC1; p=reject; rua=mailto:dmarc-reports@example.org"},
		{name: "DMARC that asks for nothing", id: "dmarc", zone: []string{`_dmarc.example.org. TXT "v=DMARC1; p=none"`}, state: OK, says: "nothing about forged mail", want: "v=DMARC1; p=none; rua=mailto:dmarc-reports@example.org"},
		{name: "two DMARC", id: "dmarc", zone: []string{`_dmarc.example.org. TXT "v=DMARC1; p=none"`, `_dmarc.example.org. TXT "v=DMARC1; p=reject"`}, state: Wrong, says: "none counts", code: "dns.dmarc_duplicate", want: "v=DMARC1; p=none"},
		{name: "DMARC without policy", id: "dmarc", zone: []string{`_dmarc.example.org. TXT "v=DMARC1; rua=mailto:a@example.org"`}, state: Wrong, says: "no valid policy"},

		{name: "no TLSRPT", id: "tlsrpt", state: Missing, says: "nice to have"},
		{name: "TLSRPT elsewhere", id: "tlsrpt", zone: []string{`_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=https://else.example/r"`}, state: OK, says: "as good", want: "v=TLSRPTv1; rua=https://else.example/r"},
		{name: "TLSRPT without an address", id: "tlsrpt", zone: []string{`_smtp._tls.example.org. TXT "v=TLSRPTv1"`}, state: Wrong, says: "no address"},
		{name: "two TLSRPT", id: "tlsrpt", zone: []string{`_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:a@b.example"`, `_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:c@b.example"`}, state: Wrong, says: "none counts"},
		{name: "no PACC", id: "pacc", state: Missing, says: "nice to have"},
		{name: "PACC of before", id: "pacc", zone: []string{`_ua-auto-config.example.org. TXT "v=UAAC1; a=sha256; d=y="`}, state: Wrong, says: "does not fit"},

		{name: "no reverse name", id: "ptr", state: Missing, says: "provider of this server"},
		{name: "generic reverse name", id: "ptr", zone: []string{"1.2.0.192.in-addr.arpa. PTR host-1.provider.example."}, state: Wrong, says: "host-1.provider.example"},

		{name: "CAA of another", id: "caa", zone: []string{`example.org. CAA 0 issue "other.example"`}, state: Wrong, says: "example.org keeps ca.example"},
		{name: "no CAA", id: "caa", state: OK, says: "every authority"},
		{name: "CAA above", id: "caa", zone: []string{`example.org. CAA 0 issue "ca.example; accounturi=x"`}, state: OK, says: "lets ca.example"},

		{name: "SRV of another", id: "srv-imaps", zone: []string{"_imaps._tcp.example.org. SRV 0 1 993 imap.other.example."}, state: Wrong, says: "imap.other.example"},
		{name: "SRV with other weights", id: "srv-imaps", zone: []string{"_imaps._tcp.example.org. SRV 5 50 993 mail.example.org."}, state: OK, says: "as it should be"},
		{name: "no SRV", id: "srv-imaps", state: Missing, says: "nice to have"},
		{name: "autoconfig by address", id: "autoconfig", zone: []string{"autoconfig.example.org. A 192.0.2.1"}, state: OK, says: "as good"},
		{name: "autoconfig elsewhere", id: "autoconfig", zone: []string{"autoconfig.example.org. CNAME autoconfig.other.example.", "autoconfig.other.example. A 192.0.2.77"}, state: Wrong, says: "another server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := rightZone()
			delete(lines, tt.id)
			for _, id := range tt.remove {
				delete(lines, id)
			}
			report := checker(dnstest.New(zoneText(lines)+strings.Join(tt.zone, "\n"))).Check(t.Context(), testPlan)
			r := find(t, report, tt.id)
			if tt.want == "" {
				tt.want = find(t, Unchecked(testPlan), tt.id).Want
			}
			if r.State != tt.state || !strings.Contains(r.Text, tt.says) || r.Code != tt.code || tt.code != "dns.spf_broken" && r.Want != tt.want {
				t.Errorf("%s: %s %q %q, want %q; have %q", tt.id, r.State, r.Code, r.Text, r.Want, r.Have)
			}
			if len(tt.zone) > 0 && !strings.Contains(strings.Join(tt.zone, ""), "org.example.org") && tt.id != "caa" && len(r.Have) == 0 {
				t.Errorf("%s does not say what is there", tt.id)
			}
		})
	}
}

// A subdomain needs no DMARC record where that of the zone above counts.
func TestInheritedDMARC(t *testing.T) {
	p := testPlan
	p.Domain = "lists.example.org"
	z := dnstest.New(servers + `_dmarc.example.org. TXT "v=DMARC1; p=reject"`)
	r := find(t, checker(z).Check(t.Context(), p), "dmarc")
	if r.State != OK || r.Host != "_dmarc.lists" || !strings.Contains(r.Text, "example.org counts") {
		t.Errorf("dmarc = %+v", r)
	}
}

// In no way in which name servers and resolvers fail does a record look
// missing or wrong, and nothing is reported as failing.
func TestFaultsAreNoAlarm(t *testing.T) {
	types := map[string]string{"a": "A", "aaaa": "AAAA"}
	for name, fault := range map[string]dnstest.Fault{"SERVFAIL": dnstest.ServFail, "REFUSED": dnstest.Refused, "timeout": dnstest.Timeout} {
		for _, rec := range testPlan.Records("") {
			t.Run(name+" "+rec.ID, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					z := dnstest.New(zoneText(rightZone()))
					qtype := rec.Type
					if types[rec.ID] != "" {
						qtype = types[rec.ID]
					}
					z.SetFault(rec.Name+" "+qtype, fault)
					report := checker(z).Check(t.Context(), testPlan)
					for _, r := range report.Records() {
						if r.State != OK && r.State != Unknown || r.ID == rec.ID && rec.Type != "CNAME" && r.State != Unknown {
							t.Errorf("%s: %s: %s", r.ID, r.State, r.Text)
						}
					}
					if report.Summary.Failing != 0 {
						t.Errorf("summary = %+v", report.Summary)
					}
				})
			})
		}
	}
}

// The same for whole zones.
func TestDeadZonesAreNoAlarm(t *testing.T) {
	for _, at := range []string{"example.org NS", "ns1.dns.example", "everything"} {
		for name, fault := range map[string]dnstest.Fault{"SERVFAIL": dnstest.ServFail, "REFUSED": dnstest.Refused, "timeout": dnstest.Timeout} {
			t.Run(at+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					z := dnstest.New(zoneText(rightZone()))
					names := []string{at}
					if at == "everything" {
						names = nil
						for _, rec := range testPlan.Records("") {
							names = append(names, rec.Name)
						}
					}
					for _, n := range names {
						z.SetFault(n, fault)
					}
					report := checker(z).Check(t.Context(), testPlan)
					for _, r := range report.Records() {
						if r.State == Missing || r.State == Wrong {
							t.Errorf("%s: %s: %s", r.ID, r.State, r.Text)
						}
					}
					if report.Text == "" || report.Summary.Failing != 0 {
						t.Errorf("report: %q %+v", report.Text, report.Summary)
					}
				})
			})
		}
	}
}

func TestNotRegistered(t *testing.T) {
	report := checker(dnstest.New("")).Check(t.Context(), testPlan)
	if !strings.Contains(report.Text, "not registered") {
		t.Errorf("report: %q", report.Text)
	}
	for _, r := range report.Records() {
		if r.Type != "PTR" && r.State != Unknown {
			t.Errorf("%s: %s: %s", r.ID, r.State, r.Text)
		}
	}
}

// Where name servers have different data the record is not right yet, and both
// are told.
func TestServersDisagree(t *testing.T) {
	full := dnstest.New(zoneText(rightZone()))
	lines := rightZone()
	delete(lines, "mx")
	lagging := dnstest.New(zoneText(lines))
	c := checker(full)
	c.Authority = dns.NewAuthority(dns.AuthorityOptions{Finder: full, Dial: splitDial(full, lagging)})
	r := find(t, c.Check(t.Context(), testPlan), "mx")
	if r.State != Missing || !strings.Contains(r.Text, "do not agree") || !strings.Contains(r.Text, "ns2.dns.example has nothing") || len(r.Have) != 1 {
		t.Errorf("mx = %+v", r)
	}
}

// One server that gives no answer among others that do is told, and no more.
func TestOneServerIsSilent(t *testing.T) {
	full, dead := dnstest.New(zoneText(rightZone())), dnstest.New("")
	dead.SetFault("example.org", dnstest.ServFail)
	c := checker(full)
	c.Authority = dns.NewAuthority(dns.AuthorityOptions{Finder: full, Dial: splitDial(full, dead)})
	r := find(t, c.Check(t.Context(), testPlan), "mx")
	if r.State != OK || !strings.Contains(r.Text, "no answer from ns2.dns.example") {
		t.Errorf("mx = %+v", r)
	}
}
