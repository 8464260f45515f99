package dnsadvice

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

func TestMemory(t *testing.T) {
	z := dnstest.New(zoneText(rightZone()))
	c := checker(z)
	clock := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	c.Now = func() time.Time { clock = clock.Add(time.Hour); return clock }
	var m Memory
	look := func() Report {
		r := c.Check(t.Context(), testPlan)
		m.Note(&r)
		return r
	}
	first := look()
	if len(first.History) != 0 || find(t, first, "mx").Since != clock {
		t.Errorf("first look: %+v", first.History)
	}
	z.SetFault("example.org MX", dnstest.ServFail)
	if r := look(); len(r.History) != 0 || find(t, r, "mx").Since != clock {
		t.Errorf("no answer: %+v", r.History)
	}
	z.SetFault("example.org MX", dnstest.NoFault)
	look()
	z.Remove("_dmarc.example.org")
	r := look()
	if len(r.History) != 1 || r.History[0].Record != "dmarc" || !strings.Contains(r.History[0].Text, "is gone") || find(t, r, "mx").Since == clock {
		t.Errorf("history = %+v", r.History)
	}
	if err := z.Add(`_dmarc.example.org. TXT "v=DMARC1; p=none"`); err != nil {
		t.Fatal(err)
	}
	r = look()
	if len(r.History) != 2 || !strings.Contains(r.History[0].Text, "appeared") || find(t, r, "dmarc").Since != clock {
		t.Errorf("history = %+v", r.History)
	}
	recalled := m.Recall()
	if recalled == nil || len(recalled.History) != 2 || recalled.CheckedAt != clock {
		t.Errorf("recalled: %+v", recalled)
	}
	for i := range maxHistory + 10 {
		rec := Record{ID: "x", State: OK, Have: []string{strconv.Itoa(i)}, Group: Receive}
		r = newReport("example.org", "example.org", []Record{rec})
		m.Note(&r)
	}
	if len(r.History) != maxHistory {
		t.Errorf("%d changes are kept", len(r.History))
	}
}

func TestSurvey(t *testing.T) {
	for _, tt := range []struct {
		name, zone string
		fault      dnstest.Fault
		registered State
		mailAt     string
		says       string
	}{
		{"new", servers, 0, OK, "", "No mail goes"},
		{"elsewhere", servers + "example.org. MX 5 alt.aspmx.l.google.com.\nexample.org. MX 1 aspmx.l.google.com.\nexample.org. TXT \"v=spf1 -all\"", 0, OK, "Google (aspmx.l.google.com)", "switch later"},
		{"here", servers + "example.org. MX 5 mail.example.org.", 0, OK, "", "comes to this server already"},
		{"not registered", "", 0, Missing, "", "not registered"},
		{"no answer", servers, dnstest.ServFail, OK, "", "no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			z := dnstest.New(tt.zone)
			z.SetFault("example.org MX", tt.fault)
			s := checker(z).Survey(t.Context(), "example.org", "mail.example.org")
			if s.Registered != tt.registered || s.MailAt != tt.mailAt || !strings.Contains(s.Text, tt.says) {
				t.Errorf("%+v", s)
			}
		})
	}
}
