package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// export makes a copy of the mail of an account, and returns its job.
func (w *world) export(address string) string {
	w.t.Helper()
	return w.finish(attempt{as: address, method: "POST", path: "/me/export"}).ID
}

// finish begins a job and waits until it is done.
func (w *world) finish(c attempt) admin.Job {
	w.t.Helper()
	stream, err := w.admin.Events(admin.AsOwner(w.t.Context(), "test"), []admin.Topic{admin.TopicJobs}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	r := w.do(c)
	if r.code != http.StatusAccepted {
		w.t.Fatalf("%s: %+v", c.path, r)
	}
	id := r.field(w.t, "job")
	for {
		list, _, err := stream.Next(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range list {
			if j := e.Data.(admin.Job); j.ID == id && j.State == admin.JobDone {
				return j
			} else if j.ID == id && j.State == admin.JobFailed {
				w.t.Fatalf("%s: %+v", c.path, j)
			}
		}
	}
}

// deliver files a message for somebody.
func (w *world) deliver(address, text string) {
	w.t.Helper()
	ix, err := message.Parse(strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	m := &mailbox.NewMessage{Body: strings.NewReader(text), Size: int64(len(text)), Index: ix}
	if err := w.boxes.Deliver(w.t.Context(), m, []mailbox.Target{{Account: mailbox.AccountID(w.account(address).ID)}}); err != nil {
		w.t.Fatal(err)
	}
}

// fill files some messages for somebody.
func (w *world) fill(address string, n int) {
	w.t.Helper()
	for range n {
		w.deliver(address, "Subject: x\r\n\r\ny\r\n")
	}
}

func TestExport(t *testing.T) {
	w := newWorld(t)
	text := "Subject: " + strings.Repeat("x", 900) + "\r\n\r\n" + strings.Repeat("From a long message\r\n", 2*exportChunk/20)
	w.deliver("user@a.test", text)
	id := w.export("user@a.test")
	got := w.do(attempt{as: "user@a.test", method: "GET", path: "/me/export/" + id})
	_, rest, _ := strings.Cut(got.body, "\n")
	want := strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\nFrom", "\n>From") + "\n"
	if got.code != http.StatusOK || !strings.HasPrefix(got.body, "From MAILER-DAEMON ") || rest != want {
		t.Errorf("%d: %d octets %.100q, want %d", got.code, len(rest), got.body, len(want))
	}
	if h := got.header; h.Get("Content-Type") != mboxType || !strings.HasPrefix(h.Get("Content-Disposition"), `attachment; filename="user@a.test `) {
		t.Errorf("header = %v", h)
	}
}
