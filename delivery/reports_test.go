package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

// reports takes what has the word report in it, for one address.
type reports struct {
	taken []string
	fails error
}

func (r *reports) Takes(p mail.Path) bool { return p.Key() == "dmarc@example.org" }

func (r *reports) Take(_ context.Context, m delivery.ReportMail) (string, error) {
	text, err := io.ReadAll(io.NewSectionReader(m.Text, 0, m.Index.Size))
	if err != nil {
		return "", err
	}
	if r.fails != nil {
		return "", r.fails
	}
	if !strings.Contains(string(text), "report") {
		return "", fmt.Errorf("%w: the word is\r\nnot there", delivery.ErrNoReport)
	}
	r.taken = append(r.taken, m.To.String()+" by "+string(m.Author))
	return "a report", nil
}

func TestReports(t *testing.T) {
	people["postmaster@example.org"] = 1
	defer delete(people, "postmaster@example.org")
	for _, tt := range []struct {
		name, text string
		to         []string
		fails      error
		status     string
		taken      int
		inbox      int // of ana, who is the postmaster
		told       string
	}{
		{"a report", "Subject: report\r\n\r\nhi\r\n", []string{"dmarc@example.org"}, nil, "2.0.0", 1, 0, "dmarc@example.org: a report"},
		{"a report and a person", "Subject: report\r\n\r\nhi\r\n", []string{"dmarc@example.org", "ana@example.org"}, nil, "2.0.0", 1, 1, "dmarc@example.org: a report"},
		{"something else", "Subject: offer\r\n\r\nhi\r\n", []string{"dmarc@example.org"}, nil, "2.0.0", 0, 1, "dmarc@example.org goes to the postmaster: no report: the word is not there"},
		{"something else to the postmaster too", "Subject: offer\r\n\r\nhi\r\n", []string{"ana@example.org", "dmarc@example.org"}, nil, "2.0.0", 0, 1, "dmarc@example.org goes to the postmaster: no report: the word is not there"},
		{"too large", "Subject: report\r\n\r\n" + strings.Repeat("report\r\n", 3<<20), []string{"dmarc@example.org"}, nil, "2.0.0", 0, 1, "dmarc@example.org goes to the postmaster: no report: the message is too large for one"},
		{"trouble here", "Subject: report\r\n\r\nhi\r\n", []string{"dmarc@example.org", "ana@example.org"}, errors.New("disk"), "4.3.0", 0, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &reports{fails: tt.fails}
			w := newWorldWith(t, r)
			if err := w.CheckRecipient(ctx, path("dmarc@example.org"), 0); err != nil {
				t.Fatal(err)
			}
			m := mailOf(tt.text, tt.to...)
			m.Author = "google.example"
			if err := w.Deliver(ctx, m); mail.StatusOf(err).String() != tt.status {
				t.Fatalf("status %v, want %s: %v", mail.StatusOf(err), tt.status, err)
			}
			if len(r.taken) != tt.taken || tt.taken > 0 && r.taken[0] != "dmarc@example.org by google.example" {
				t.Errorf("taken %q", r.taken)
			}
			if got := w.inbox(t, 1, mailbox.RoleInbox); len(got) != tt.inbox {
				t.Errorf("the postmaster has %d messages, want %d", len(got), tt.inbox)
			}
			if tt.told != "" && !slices.Contains(w.told(t), tt.told) {
				t.Errorf("the trace says %q, not %q", w.told(t), tt.told)
			}
		})
	}
}

// Without a postmaster the peer hears that it was no report.
func TestNoReportAndNoPostmaster(t *testing.T) {
	w := newWorldWith(t, &reports{})
	err := w.Deliver(ctx, mailOf("Subject: offer\r\n\r\nhi\r\n", "dmarc@example.org"))
	if mail.StatusOf(err).String() != "5.6.0" || !strings.Contains(err.Error(), "takes reports about mail alone") {
		t.Errorf("error %v", err)
	}
}
