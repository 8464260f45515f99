package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/reports"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// reportText is a DMARC report about yesterday, as a large provider writes it.
func reportText(id string) string {
	begin := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1).Unix()
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8" ?>
<feedback><version>1.0</version>
<report_metadata><org_name>Big Mail</org_name><email>dmarc@bigmail.test</email><report_id>%s</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>
<policy_published><domain>example.test</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct></policy_published>
<record><row><source_ip>192.0.2.25</source_ip><count>612</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row>
<identifiers><header_from>example.test</header_from></identifiers>
<auth_results><dkim><domain>example.test</domain><result>pass</result><selector>s</selector></dkim><spf><domain>example.test</domain><result>pass</result></spf></auth_results></record>
<record><row><source_ip>198.51.100.77</source_ip><count>3</count><policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>example.test</header_from></identifiers><auth_results><spf><domain>spoof.test</domain><result>softfail</result></spf></auth_results></record>
</feedback>
`, id, begin, begin+86399)
}

// reportMessage brings a file in gzip.
func reportMessage(t *testing.T, from, file, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return "From: " + from + "\r\nTo: dmarc-reports@example.test\r\nSubject: Report Domain: example.test\r\nDate: " + time.Now().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <" + file + "@bigmail.test>\r\nMIME-Version: 1.0\r\nContent-Type: application/gzip; name=\"" + file + "\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(b.Bytes()) + "\r\n"
}

// bring delivers a message on port 25 as bigmail.test, whose SPF allows it.
func (i *instance) bring(t *testing.T, to, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: remoteAddrs[remoteBig].AsSlice()}}
	conn, err := d.DialContext(ctx, "tcp", i.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "mx." + remoteBig})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rcpt, err := mail.ParseAddress(to)
	if err != nil {
		t.Fatal(err)
	}
	env := mail.Envelope{ReversePath: mail.Path{Local: "dmarc", Domain: remoteBig}, Recipients: []mail.Recipient{{Path: rcpt}}}
	if res := c.Send(ctx, &smtpclient.Message{Envelope: env, Size: int64(len(text)), Body: strings.NewReader(text)}); res[0].Err != nil {
		t.Fatal(res[0].Err)
	}
}

// ask runs a command on the running server and reads its JSON.
func (i *instance) ask(t *testing.T, into any, args ...string) {
	t.Helper()
	out := succeed(t, append(args, "--data", i.Data, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%v: %v in\n%s", args, err, out)
	}
}

// TestReportsOfOthers mails reports to a running server and reads on the
// command line what they say.
func TestReportsOfOthers(t *testing.T) {
	i := startTry(t, "--dir", t.TempDir())
	i.bring(t, "dmarc-reports@example.test", reportMessage(t, "dmarc@bigmail.test", "bigmail.test!example.test!1!2.xml.gz", reportText("one")))
	i.bring(t, "dmarc-reports@example.test", reportMessage(t, "dmarc@bigmail.test", "again.xml.gz", reportText("one")))
	i.bring(t, "dmarc-reports@example.test", reportMessage(t, "dmarc@slow.test", "forged.xml.gz", reportText("two"))) // SPF stands for bigmail.test
	day := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	tls := fmt.Sprintf(`{"organization-name":"Big Mail","date-range":{"start-datetime":"%sT00:00:00Z","end-datetime":"%[1]sT23:59:59Z"},"report-id":"t1","policies":[{"policy":{"policy-type":"sts","policy-domain":"example.test"},`+
		`"summary":{"total-successful-session-count":9,"total-failure-session-count":1},"failure-details":[{"result-type":"certificate-expired","failed-session-count":1}]}]}`, day)
	i.bring(t, "tls-reports@example.test", reportMessage(t, "tls@bigmail.test", "r.json.gz", tls))

	var list []reports.Summary
	i.ask(t, &list, "report", "dmarc", "example.test")
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	s := list[0]
	if s.Total.Messages != 615 || s.Total.Aligned != 612 || len(s.Reports) != 2 || s.Unverified != 1 || len(s.Sources) != 2 || s.Sources[1].State != "forged" || s.Verdict.State != "too-little" {
		t.Errorf("%+v", s)
	}
	if text := succeed(t, "report", "dmarc", "--data", i.Data); !strings.Contains(text, "612 of 615 messages passed on 1 day") {
		t.Errorf("as text:\n%s", text)
	}
	var one admin.DMARCReport
	for _, l := range s.Reports {
		if l.Verified {
			i.ask(t, &one, "report", "show", l.ID)
		}
	}
	if one.Org != "Big Mail" || one.Sender != "bigmail.test" || len(one.Rows) != 2 || one.Rows[0].Messages != 612 {
		t.Errorf("%+v", one)
	}
	if story := succeed(t, "trace", "show", one.Trace, "--data", i.Data); !strings.Contains(story, "DMARC report of Big Mail about example.test") {
		t.Errorf("the trace does not tell of it:\n%s", story)
	}
	var tlsList []reports.TLSSummary
	i.ask(t, &tlsList, "report", "tls", "example.test")
	if len(tlsList) != 1 || tlsList[0].Successful != 9 || tlsList[0].Failed != 1 || tlsList[0].Failures[0].Type != "certificate-expired" {
		t.Errorf("%+v", tlsList)
	}

	// What is no report is not lost.
	i.bring(t, "dmarc-reports@example.test", "From: dmarc@bigmail.test\r\nSubject: hello\r\n\r\nIs there anybody?\r\n")
	var found []admin.TraceSummary
	i.ask(t, &found, "trace", "find", "dmarc-reports@example.test")
	if len(found) != 4 {
		t.Fatalf("%d messages are found", len(found))
	}
	if story := succeed(t, "trace", "show", found[0].ID, "--data", i.Data); !strings.Contains(story, "goes to the postmaster: no report: there is neither") || !strings.Contains(story, "filed to INBOX") {
		t.Errorf("the trace does not tell where it went:\n%s", story)
	}

	// The reports are still there when the server is not running.
	i.stop(t)
	i.ask(t, &list, "report", "dmarc", "example.test")
	if len(list) != 1 || list[0].Total.Messages != 615 {
		t.Errorf("without a server: %+v", list)
	}
}

// TestReportsToOthers lets one server tell another what came in its name: the
// mail of its user, and what somebody forged.
func TestReportsToOthers(t *testing.T) {
	w := &internet{zones: dnstest.New(""), ports: map[string]string{}}
	a := newTestNode(t, w, "alpha.test", "127.0.92.1")
	b := newTestNode(t, w, "beta.test", "127.0.92.2")
	w.zones.Remove("_dmarc.alpha.test")
	if err := w.zones.Add("_dmarc.alpha.test. 300 IN TXT \"v=DMARC1; p=reject; rua=mailto:dmarc-reports@alpha.test,mailto:d@elsewhere.test\"\n"); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	a.submit(b.user, "there")
	b.waitFor("Subject: there", "dmarc=pass")
	b.forge(w, "user@alpha.test")

	if err := b.reports.SendDay(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	asOwner := admin.AsOwner(ctx, "test")
	var s reports.Summary
	eventually(t, "the report at the other side", func() bool {
		var err error
		s, err = a.admin.DMARCReports(asOwner, admin.ReportQuery{Domain: "alpha.test"})
		return err == nil && len(s.Reports) == 1
	})
	if s.Total.Messages != 2 || s.Total.Aligned != 1 || s.Total.Reject != 1 || s.Unverified != 0 || s.Reporters[0] != (reports.Reporter{Org: "beta.test", Sender: "beta.test", Reports: 1, Messages: 2}) {
		t.Errorf("%+v", s)
	}
	r, err := a.admin.DMARCReport(asOwner, s.Reports[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, row := range r.Rows {
		states[row.Source] = row.Disposition
	}
	if r.Policy.P != "reject" || states["127.0.92.1"] != "pass" || states["127.0.92.66"] != "reject" {
		t.Errorf("%+v", r)
	}
	sent, err := b.admin.SentReports(asOwner)
	if err != nil || len(sent.Items) != 2 {
		t.Fatalf("%+v, %v", sent, err)
	}
	for _, it := range sent.Items {
		if (it.To == "dmarc-reports@alpha.test") != (it.Reason == "" && it.Trace != "") {
			t.Errorf("%+v", it)
		}
	}
	// The report itself is not reported back, or it would never end.
	if err := a.reports.SendDay(ctx, time.Now()); err != nil {
		t.Error(err)
	}
	if back, err := a.admin.SentReports(asOwner); err != nil || len(back.Items) != 0 {
		t.Errorf("%+v, %v", back, err)
	}
}

// forge brings the node a message in the name of another from an address that
// may not send in it.
func (n *testNode) forge(w *internet, author string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), deadline)
	defer cancel()
	conn, err := w.dialFrom(netip.MustParseAddr("127.0.92.66").String())(ctx, "tcp", n.addr+":25")
	if err != nil {
		n.t.Fatal(err)
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "evil.test"})
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Close()
	from, err := mail.ParseAddress(author)
	if err != nil {
		n.t.Fatal(err)
	}
	text := "From: " + author + "\r\nSubject: forged\r\n\r\nhello\r\n"
	res := c.Send(ctx, &smtpclient.Message{Envelope: mail.Envelope{ReversePath: from, Recipients: []mail.Recipient{{Path: n.user}}}, Size: int64(len(text)), Body: strings.NewReader(text)})
	if mail.StatusOf(res[0].Err).Class != 5 {
		n.t.Fatalf("the forged message was answered %v", res[0].Err)
	}
}
