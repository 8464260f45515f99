package reports

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// names looks up what is waiting.
func (w *world) lookUp(t *testing.T) {
	for {
		select {
		case a := <-w.names:
			if !w.nameIsKnown(a) {
				w.findName(t.Context(), a)
			}
		default:
			return
		}
	}
}

// history gives the Book a report of each of some days, with rows of address,
// count, DKIM, SPF, domain of a signature that passes.
func (w *world) history(t *testing.T, days int, policy string, rows ...[5]string) {
	t.Helper()
	for d := days; d > 0; d-- {
		at := now.AddDate(0, 0, -d)
		var b strings.Builder
		fmt.Fprintf(&b, `<feedback><report_metadata><org_name>google.com</org_name><report_id>%d</report_id><date_range><begin>%[1]d</begin><end>%[2]d</end></date_range></report_metadata>`+
			`<policy_published><domain>example.test</domain><p>%s</p></policy_published>`, dayOf(at).Unix(), dayOf(at).Add(day-time.Second).Unix(), policy)
		for _, r := range rows {
			fmt.Fprintf(&b, `<record><row><source_ip>%s</source_ip><count>%s</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row>`+
				`<identifiers><header_from>example.test</header_from></identifiers><auth_results><dkim><domain>%s</domain><result>pass</result></dkim></auth_results></record>`, r[0], r[1], r[2], r[3], r[4])
		}
		b.WriteString("</feedback>")
		w.mustTake(t, "google.com", mailOf(part{"text/xml", "", b.String()}))
	}
	w.lookUp(t)
}

func TestSummary(t *testing.T) {
	w := newWorld(t)
	w.mustTake(t, "google.com", mailOf(part{"text/xml", "", dmarcFile(t, "google.xml")}))
	w.mustTake(t, "microsoft.com", mailOf(part{"text/xml", "", dmarcFile(t, "microsoft.xml")}))
	w.mustTake(t, "", mailOf(part{"text/xml", "", dmarcFile(t, "yahoo.xml")}))
	w.lookUp(t)
	s := w.summary(t)
	if want := (Numbers{Messages: 674, Aligned: 629, DKIM: 629, SPF: 629, None: 43, Quarantine: 2}); s.Total != want {
		t.Errorf("total %+v, want %+v", s.Total, want)
	}
	if len(s.Days) != 1 || s.Days[0].Day != "2025-11-27" || s.Days[0].Messages != 674 {
		t.Errorf("days %+v", s.Days)
	}
	if s.Policy == nil || (s.Policy.P != "none" && s.Policy.P != "quarantine") || s.Unverified != 1 || len(s.Reports) != 3 {
		t.Errorf("policy %+v, %d reports of which %d do not count", s.Policy, len(s.Reports), s.Unverified)
	}
	if len(s.Reporters) != 2 || s.Reporters[0] != (Reporter{"google.com", "google.com", 1, 655}) {
		t.Errorf("reporters %+v", s.Reporters)
	}
	for i, want := range []struct {
		name, kind, state string
		messages          int64
		address           string
	}{
		{"this server", "this-server", "aligned", 629, "192.0.2.25"},
		{"Mailchimp", "service", "unaligned", 40, "198.2.130.7"},
		{"2001:db8::bad", "address", "forged", 3, "2001:db8::bad"},
		{"203.0.113.77", "address", "forged", 2, "203.0.113.77"}, // it calls itself mail.google.com, which does not lead back
	} {
		if i >= len(s.Sources) {
			t.Fatalf("%d sources", len(s.Sources))
		}
		got := s.Sources[i]
		if got.Name != want.name || got.Kind != want.kind || got.State != want.state || got.Messages != want.messages || got.Addresses[0].IP != want.address || len(got.Days) != 1 {
			t.Errorf("source %d is %+v, want %+v", i, got, want)
		}
	}
	if s.Sources[1].Addresses[0].Name != "mail7.mcsv.net" || !strings.Contains(s.Sources[1].Text, "set up DKIM there for example.test") {
		t.Errorf("%+v", s.Sources[1])
	}
	if s.Verdict.State != "too-little" {
		t.Errorf("verdict %+v", s.Verdict)
	}
	if other, err := w.DMARC(t.Context(), "other.test", now.AddDate(0, 0, -28), now); err != nil || other.Total.Messages != 0 || other.Verdict.State != "no-reports" {
		t.Errorf("%+v, %v", other, err)
	}
	if before, err := w.DMARC(t.Context(), "example.test", now.AddDate(0, 0, -28), now.AddDate(0, 0, -2)); err != nil || before.Total.Messages != 0 || len(before.Reports) != 0 {
		t.Errorf("before: %+v, %v", before, err)
	}
}

func TestVerdict(t *testing.T) {
	own := [5]string{"192.0.2.25", "30", "pass", "pass", "example.test"}
	for _, tt := range []struct {
		name   string
		days   int
		policy string
		rows   [][5]string
		state  string
		next   string
		says   string
	}{
		{"no reports", 0, "none", nil, "no-reports", "", "No report that counts"},
		{"little mail", 10, "none", [][5]string{{"192.0.2.25", "1", "pass", "pass", "example.test"}}, "too-little", "", "10 of 10 messages passed on 10 days: not enough"},
		{"few days", 6, "none", [][5]string{own}, "too-little", "", "on 6 days"},
		{"all well", 14, "none", [][5]string{own}, "safe", "quarantine", "Safe to go to p=quarantine: 420 of 420 messages passed on 14 days."},
		{"all well and forged", 14, "quarantine", [][5]string{own, {"203.0.113.99", "5", "fail", "fail", ""}}, "safe", "reject",
			"Safe to go to p=reject: 420 of 490 messages passed on 14 days; 70 messages look forged."},
		{"all well at reject", 14, "reject", [][5]string{own}, "done", "", "All is well at p=reject"},
		{"a service that does not sign", 14, "none", [][5]string{own, {"198.2.130.7", "4", "fail", "fail", "mcsv.net"}}, "fix-first", "",
			"Not yet: 56 messages that may be yours did not pass, from Mailchimp (56)."},
		{"own mail without a signature", 14, "none", [][5]string{own, {"192.0.2.25", "10", "fail", "fail", ""}}, "fix-first", "", "from this server (140)"},
		{"a stranger who stands for himself", 14, "none", [][5]string{own, {"198.51.100.9", "3", "fail", "fail", "hoster.test"}}, "safe", "quarantine", "42 messages look forged"},
		{"a host that passes at times", 14, "none", [][5]string{own, {"198.51.100.9", "3", "pass", "fail", "example.test"}, {"198.51.100.9", "3", "fail", "fail", "hoster.test"}},
			"fix-first", "", "from hoster.test (42)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.history(t, tt.days, tt.policy, tt.rows...)
			v := w.summary(t).Verdict
			if v.State != tt.state || v.Next != tt.next || !strings.Contains(v.Text, tt.says) {
				t.Errorf("verdict %+v; want %s, %s with %q", v, tt.state, tt.next, tt.says)
			}
		})
	}
}

func TestFindName(t *testing.T) {
	w := newWorld(t)
	for addr, want := range map[string]string{"198.2.130.7": "mail7.mcsv.net", "203.0.113.77": "", "192.0.2.99": ""} {
		w.findName(t.Context(), netip.MustParseAddr(addr))
		if !w.nameIsKnown(netip.MustParseAddr(addr)) {
			t.Errorf("nothing is known of %s", addr)
		}
		if got := w.name(t, addr); got != want {
			t.Errorf("%s is called %q, want %q", addr, got, want)
		}
	}
	w.zones.SetFault("1.2.0.192.in-addr.arpa", dnstest.ServFail)
	w.findName(t.Context(), netip.MustParseAddr("192.0.2.1"))
	if w.nameIsKnown(netip.MustParseAddr("192.0.2.1")) {
		t.Error("DNS trouble was taken for the absence of a name")
	}
	w.now = w.now.Add(nameFresh)
	if w.nameIsKnown(netip.MustParseAddr("198.2.130.7")) {
		t.Error("a name is never looked up again")
	}
}

func TestSenderOf(t *testing.T) {
	for host, want := range map[string]string{"mail7.mcsv.net": "Mailchimp", "a1-2.smtp-out.amazonses.com": "Amazon SES", "mail-eur.outbound.protection.outlook.com": "Microsoft 365",
		"google.com": "Google", "notgoogle.com": "", "google.com.evil.test": "", "": ""} {
		if got := senderOf(host); got != want {
			t.Errorf("%s is of %q, want %q", host, got, want)
		}
	}
}

func TestTLSSummary(t *testing.T) {
	w := newWorld(t)
	old := func(name string) string {
		return strings.ReplaceAll(read(t, "tlsrpt", "testdata", name), "2026", "2025")
	}
	w.mustTake(t, "google.com", mailOf(part{"text/json", "", old("google.json")}))
	w.mustTake(t, "microsoft.com", mailOf(part{"text/json", "", gzipped(t, old("microsoft.json"))}))
	w.mustTake(t, "", mailOf(part{"text/json", "", strings.Replace(old("google.json"), "Google Inc.", "Forger", 1)}))
	s, err := w.TLS(t.Context(), "example.test", now.AddDate(0, 0, -28), now)
	if err != nil {
		t.Fatal(err)
	}
	if s.Successful != 58 || s.Failed != 3 || len(s.Reports) != 3 || s.Unverified != 1 || len(s.Days) != 1 {
		t.Errorf("%+v", s)
	}
	if len(s.Policies) != 2 || s.Policies[0].Type != "sts" || s.Policies[0].Successful != 53 || s.Policies[0].Mode == "" || s.Policies[1] != (TLSPolicy{"tlsa", "", 5, 0}) {
		t.Errorf("policies %+v", s.Policies)
	}
	if len(s.Failures) != 2 || s.Failures[0].Type != "certificate-host-mismatch" || s.Failures[0].Sessions != 2 || s.Failures[1].Info != "certificate has expired" {
		t.Errorf("failures %+v", s.Failures)
	}
	if !strings.Contains(s.Text, "3 of 61 sessions failed, most of them so: The certificate has another name") {
		t.Errorf("text %q", s.Text)
	}
	other, err := w.TLS(t.Context(), "other.test", now.AddDate(0, 0, -28), now)
	if err != nil || len(other.Reports) != 1 || other.Failed != 0 {
		t.Errorf("other.test: %+v, %v", other, err)
	}
}
