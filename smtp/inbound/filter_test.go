package inbound_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// TestFilters: they run last, know who sent the message, change header and
// envelope of what is delivered, and their words are in the trace.
func TestFilters(t *testing.T) {
	log, err := trace.Open(filepath.Join(t.TempDir(), "trace.db"), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var d mda
	other := mail.Path{Local: "other", Domain: "sender.test"}
	change := inbound.Check{Name: "milter", Run: func(_ context.Context, m *inbound.Mail) inbound.Finding {
		if m.ClientName() != "mail.sender.test" || !strings.Contains(string(m.ResultsField("mx.example.org")), "dmarc=") {
			t.Errorf("the filter is told: %q, %s", m.ClientName(), m.ResultsField("mx.example.org"))
		}
		return inbound.Finding{
			Header: []byte("X-Filter: seen\r\n"), ReversePath: &other, Reasons: []mail.Reason{{Name: "milter", Score: 1.5, Text: "a milter does not like it"}},
			Edit: []message.FieldEdit{{Name: "Subject", Nth: 1, Raw: []byte("Subject: changed\r\n")}, {Name: "X-Two", Nth: 1}},
		}
	}}
	after := inbound.Check{Name: "second", Run: func(ctx context.Context, m *inbound.Mail) inbound.Finding {
		if i := slices.IndexFunc(m.Findings, func(f inbound.Finding) bool { return f.Check == "milter" }); i >= 0 {
			t.Error("filters do not run at once")
		}
		return inbound.Finding{}
	}}
	t.Run("dialogue", func(t *testing.T) { // the server has ended the session when it is over
		addr := serve(t, inbound.Options{Hostname: "mx.example.org", Resolver: dnstest.New(world), Deliverer: &d, Trace: log, Intake: message.NewIntake(t.TempDir()),
			Filters: []inbound.Check{change, after}})
		play(t, filepath.Join("testdata", "filters.txt"), addr)
	})
	if err := log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := d.delivered.String()
	for _, want := range []string{"from=<other@sender.test>", "\nX-Filter: seen\n", "\nSubject: changed\n", "\nbody\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the message lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "X-Two") || len(d.problems) > 0 {
		t.Errorf("%v\n%s", d.problems, got)
	}
	found, err := log.Find(t.Context(), trace.Query{Address: "ana@sender.test"}) // as the client said
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	story, err := log.Show(t.Context(), found[0].ID)
	if err != nil || !slices.ContainsFunc(story.Events, func(e trace.Event) bool {
		return e.Kind == trace.Check && e.Text == "a milter does not like it" && fmt.Sprint(e.Fields["check"], e.Fields["score"]) == "milter1.50"
	}) {
		t.Errorf("the story lacks the filter: %+v, %v", story.Events, err)
	}
}
