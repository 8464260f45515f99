package reports

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp/dmarc"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// asking is the DNS of those who ask for reports.
const asking = `
_dmarc.plain.test. 300 IN TXT "v=DMARC1; p=reject; rua=mailto:d@plain.test"
_dmarc.sub.test. 300 IN TXT "v=DMARC1; p=none; rua=mailto:d@reports.sub.test"
_dmarc.away.test. 300 IN TXT "v=DMARC1; p=none; rua=mailto:d@service.test,mailto:d@victim.test"
away.test._report._dmarc.service.test. 300 IN TXT "v=DMARC1;"
_dmarc.moved.test. 300 IN TXT "v=DMARC1; p=none; rua=mailto:d@service.test"
moved.test._report._dmarc.service.test. 300 IN TXT "v=DMARC1; rua=mailto:moved@service.test"
_dmarc.tricky.test. 300 IN TXT "v=DMARC1; p=none; rua=mailto:d@service.test"
tricky.test._report._dmarc.service.test. 300 IN TXT "v=DMARC1; rua=mailto:x@victim.test"
_dmarc.any.test. 300 IN TXT "v=DMARC1; p=none; rua=mailto:d@open.test"
*._report._dmarc.open.test. 300 IN TXT "v=DMARC1"
`

func TestDestination(t *testing.T) {
	w := newWorld(t)
	w.zones = dnstest.New(asking)
	w.opts.Resolver = w.zones
	for _, tt := range []struct{ policy, rua, want, says string }{
		{"plain.test", "mailto:d@plain.test", "d@plain.test", ""},
		{"sub.test", "mailto:d@reports.sub.test", "d@reports.sub.test", ""},
		{"away.test", "mailto:d@service.test", "d@service.test", ""},
		{"away.test", "mailto:d@victim.test", "", "victim.test does not say that it takes reports about away.test"},
		{"moved.test", "mailto:d@service.test", "moved@service.test", ""},
		{"tricky.test", "mailto:d@service.test", "", "leads to another host"},
		{"any.test", "mailto:d@open.test", "d@open.test", ""},
		{"any.test", "MAILTO:d%2Bx@open.test?subject=hi", "d+x@open.test", ""},
		{"any.test", "mailto:d@[192.0.2.1]", "", "no domain name"},
		{"any.test", "mailto:nobody", "", "nobody"},
		{mail.Domain(strings.Repeat("a.", 110) + "test").String(), "mailto:d@" + strings.Repeat("b.", 30) + "test", "", "too long a name"},
	} {
		p, err := addressOf(tt.rua)
		var got mail.Path
		if err == nil {
			got, err = w.destination(t.Context(), mail.Domain(tt.policy), p)
		}
		if err != nil && tt.says != "" && strings.Contains(err.Error(), tt.says) {
			continue
		}
		if err != nil || got.String() != tt.want {
			t.Errorf("%.40s to %.40s goes to %s, %v; want %s %s", tt.policy, tt.rua, got, err, tt.want, tt.says)
		}
	}
	w.zones.SetFault("away.test._report._dmarc.service.test", dnstest.ServFail)
	if _, err := w.destination(t.Context(), "away.test", mail.Path{Local: "d", Domain: "service.test"}); err == nil || errors.Is(err, errNotWanted) {
		t.Errorf("DNS trouble: %v", err)
	}
}

// observe tells the Book of a message as inbound does, after DMARC was
// evaluated for it.
func (w *world) observe(t *testing.T, author mail.Domain, from string, spf, dkim bool, action inbound.Action, to ...string) {
	t.Helper()
	if to == nil {
		to = []string{"ana@example.test"}
	}
	m := &inbound.Mail{Client: inbound.Client{Addr: netip.MustParseAddr(from)}}
	m.Envelope.ReversePath = mail.Path{Local: "x", Domain: author}
	for _, s := range to {
		p, err := mail.ParseAddress(s)
		if err != nil {
			t.Fatal(err)
		}
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Path: p})
	}
	word := map[bool]string{true: "pass", false: "fail"}
	ids := []dmarc.Identifier{{Method: dmarc.SPF, Domain: author, Pass: spf}, {Method: dmarc.DKIM, Domain: author, Pass: dkim}}
	m.Findings = []inbound.Finding{
		{Check: "spf", Identifiers: ids[:1], Results: []mail.AuthResult{{Method: "spf", Result: word[spf]}}},
		{Check: "dkim", Identifiers: ids[1:], Results: []mail.AuthResult{{Method: "dkim", Result: word[dkim],
			Props: []mail.AuthProp{{Type: "header", Name: "d", Value: string(author)}, {Type: "header", Name: "s", Value: "sel"}}}}},
	}
	r := dmarc.Evaluate(t.Context(), w.zones, author, ids)
	m.Findings = append(m.Findings, inbound.Finding{Check: "dmarc", Action: action, DMARC: []dmarc.Result{r}})
	v := inbound.Verdict{Action: action}
	if action == inbound.Refuse {
		v.Status = mail.StatusPolicy
	}
	w.Observe(m, v)
}

// readReport reads what a message of ours brings.
func readReport(t *testing.T, w *world, text string) *Report {
	t.Helper()
	other := newWorld(t)
	other.now = w.now
	other.opts.Hosted = func(mail.Domain) bool { return true }
	other.mustTake(t, "example.test", text)
	ids := []*Report{}
	for _, d := range []mail.Domain{"plain.test", "away.test", "moved.test", "sub.test"} {
		s, err := other.DMARC(t.Context(), d, w.now.AddDate(0, 0, -5), w.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range s.Reports {
			r, err := other.Report(t.Context(), l.ID)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r)
		}
	}
	if len(ids) != 1 {
		t.Fatalf("%d reports in\n%s", len(ids), text)
	}
	return ids[0]
}

func TestSendDay(t *testing.T) {
	w := newWorld(t)
	if err := w.zones.Add(asking); err != nil {
		t.Fatal(err)
	}
	today := w.now
	for range 3 {
		w.observe(t, "plain.test", "198.51.100.1", true, true, inbound.Accept)
	}
	w.observe(t, "plain.test", "198.51.100.66", false, false, inbound.Refuse)
	w.observe(t, "away.test", "198.51.100.2", false, false, inbound.Accept)
	w.observe(t, "silent.test", "198.51.100.3", true, true, inbound.Accept)                                               // asks for nothing
	w.observe(t, "plain.test", "198.51.100.4", true, true, inbound.Accept, "dmarc-reports@example.test")                  // a report
	w.observe(t, "plain.test", "198.51.100.1", true, true, inbound.Accept, "dmarc-reports@example.test", "bo@other.test") // not only
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	w.observe(t, "plain.test", "198.51.100.1", true, true, inbound.Accept) // after some were written down
	w.now = today.Add(day)
	w.observe(t, "plain.test", "198.51.100.1", true, true, inbound.Accept) // belongs to the next report
	if err := w.SendDay(t.Context(), today); err != nil {
		t.Fatal(err)
	}
	if len(w.sent) != 2 {
		t.Fatalf("%d messages were sent: %q", len(w.sent), w.texts)
	}
	first, second := w.sent[0].Envelope, w.sent[1].Envelope
	if first.Recipients[0].Path.String() != "d@service.test" || second.Recipients[0].Path.String() != "d@plain.test" || second.Recipients[0].Notify != mail.NotifyNever ||
		second.ReversePath.String() != "postmaster@example.test" || !w.sent[1].Submitted {
		t.Errorf("%+v, %+v", first, second)
	}
	r := readReport(t, w, w.texts[1])
	if r.Report.Org != "example.test" || r.Report.Email != "postmaster@example.test" || r.Report.Generator != "Mailstead test" || r.Report.Policy.Domain != "plain.test" ||
		r.Report.Policy.Policy != dmarc.Reject || !r.Report.Begin.Equal(dayOf(today)) || !r.Report.End.Equal(dayOf(today).Add(day-time.Second)) || len(r.Report.Rows) != 2 {
		t.Fatalf("%+v", r.Report)
	}
	good, forged := r.Report.Rows[0], r.Report.Rows[1]
	if good.Count != 5 || !good.DKIM || !good.SPF || good.Disposition != "pass" || good.Source.String() != "198.51.100.1" || good.EnvelopeFrom != "plain.test" ||
		good.DKIMResults[0].Selector != "sel" || good.SPFResults[0].Result != "pass" {
		t.Errorf("row %+v", good)
	}
	if forged.Count != 1 || forged.DKIM || forged.SPF || forged.Disposition != "reject" || len(forged.Reasons) != 0 {
		t.Errorf("row %+v", forged)
	}
	ix, err := message.Parse(strings.NewReader(w.texts[1]))
	if err != nil {
		t.Fatal(err)
	}
	if want := "Report Domain: plain.test Submitter: example.test Report-ID: <" + r.Report.ID + ">"; ix.Envelope.Subject != want {
		t.Errorf("subject %q, want %q", ix.Envelope.Subject, want)
	}
	list, err := w.Sent(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	if list[0].To != "d@plain.test" || list[0].Messages != 6 || list[0].Rows != 2 || list[0].Trace == "" || list[2].To != "d@victim.test" || list[2].Trace != "" || !strings.Contains(list[2].Reason, "does not say") {
		t.Errorf("%+v", list)
	}
	if err := w.SendDay(t.Context(), today); err != nil || len(w.sent) != 2 {
		t.Errorf("sent again: %d, %v", len(w.sent), err)
	}
	if err := w.SendDay(t.Context(), w.now); err != nil || len(w.sent) != 3 {
		t.Errorf("the next day: %d, %v", len(w.sent), err)
	}
}

// What could not be sent waits for the next time, and is the same report then.
func TestSendAgain(t *testing.T) {
	w := newWorld(t)
	if err := w.zones.Add(asking); err != nil {
		t.Fatal(err)
	}
	w.observe(t, "plain.test", "198.51.100.1", true, true, inbound.Accept)
	w.observe(t, "away.test", "198.51.100.1", true, true, inbound.Accept)
	w.zones.SetFault("away.test._report._dmarc.service.test", dnstest.ServFail)
	if err := w.SendDay(t.Context(), now); err == nil || len(w.sent) != 1 {
		t.Fatalf("%d sent, %v", len(w.sent), err)
	}
	w.zones.SetFault("away.test._report._dmarc.service.test", dnstest.NoFault)
	w.fails = errors.New("disk is full")
	if err := w.SendDay(t.Context(), now); err == nil || len(w.sent) != 1 {
		t.Fatalf("%d sent, %v", len(w.sent), err)
	}
	w.fails = nil
	if err := w.SendDay(t.Context(), now); err != nil || len(w.sent) != 2 {
		t.Fatalf("%d sent, %v", len(w.sent), err)
	}
	off := false
	w.opts.Send = func() bool { return off }
	w.observe(t, "plain.test", "198.51.100.1", true, true, inbound.Accept)
	if len(w.seen) != 0 {
		t.Error("messages are counted though no reports are sent")
	}
}

// Whoever sends in many names costs no more than the bounds.
func TestSeenIsBounded(t *testing.T) {
	w := newWorld(t)
	if err := w.zones.Add(asking); err != nil {
		t.Fatal(err)
	}
	var addr [4]byte
	for i := range maxSeenRows + 10 {
		addr = [4]byte{10, 0, byte(i >> 8), byte(i)}
		w.observe(t, "plain.test", netip.AddrFrom4(addr).String(), true, true, inbound.Accept)
	}
	if err := w.SendDay(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	r := readReport(t, w, w.texts[0])
	if len(r.Report.Rows) != maxSeenRows || len(r.Report.Errors) != 1 || !strings.HasPrefix(r.Report.Errors[0], "10 more messages") {
		t.Errorf("%d rows, %q", len(r.Report.Rows), r.Report.Errors)
	}
}

// TestDisposition is of what became of mail that failed.
func TestDisposition(t *testing.T) {
	for _, tt := range []struct {
		name     string
		record   string
		hard     inbound.Action
		final    inbound.Action
		sealer   mail.Domain
		want     string
		override string
	}{
		{"refused as asked", "p=reject", inbound.Refuse, inbound.Refuse, "", "reject", ""},
		{"filed to Junk as asked", "p=quarantine", inbound.Junk, inbound.Junk, "", "quarantine", ""},
		{"nothing is asked for", "p=none", inbound.Accept, inbound.Accept, "", "none", ""},
		{"junk for other reasons", "p=none", inbound.Accept, inbound.Junk, "", "none", ""},
		{"Junk instead of refused", "p=reject", inbound.Junk, inbound.Junk, "", "quarantine", "local_policy"},
		{"allowed by a list", "p=quarantine", inbound.Junk, inbound.Accept, "", "none", "local_policy"},
		{"a sealer stands for it", "p=reject", inbound.Accept, inbound.Accept, "list.test", "none", "trusted_forwarder"},
		{"test mode", "p=reject; t=y", inbound.Junk, inbound.Junk, "", "quarantine", "policy_test_mode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			zones := dnstest.New(`_dmarc.x.test. 300 IN TXT "v=DMARC1; ` + tt.record + `"`)
			r := dmarc.Evaluate(t.Context(), zones, "x.test", nil)
			m := &inbound.Mail{Findings: []inbound.Finding{{Sealer: tt.sealer}}}
			got, why := dispositionOf(m, inbound.Verdict{Action: tt.final}, &inbound.Finding{Action: tt.hard}, &r)
			override := ""
			if len(why) > 0 {
				override = why[0].Type
			}
			if string(got) != tt.want || override != tt.override {
				t.Errorf("%s %q, want %s %q", got, override, tt.want, tt.override)
			}
		})
	}
}
