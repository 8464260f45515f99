package backup

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// file appends a message to a mailbox of ana, which is made if it is not there.
func (w *world) file(name, body string, received time.Time) {
	w.t.Helper()
	ix, err := message.Parse(strings.NewReader(body))
	w.must(err)
	acct := w.boxes.Account(w.ana)
	var id mailbox.ID
	w.must(acct.View(w.t.Context(), func(v *mailbox.View) error {
		box, err := v.MailboxByName(name)
		id = box.ID
		if errors.Is(err, mailbox.ErrNotFound) {
			return nil
		}
		return err
	}))
	if id == 0 {
		box, err := acct.CreateMailbox(w.t.Context(), name, mailbox.NoRole)
		w.must(err)
		id = box.ID
	}
	_, err = acct.Append(w.t.Context(), id, &mailbox.NewMessage{Body: strings.NewReader(body), Size: int64(len(body)), Index: ix, InternalDate: received})
	w.must(err)
}

// browse returns all pages, each message as mailbox and UID.
func (w *world) browse(id string, sel Selection, limit int) (list []string, pages int) {
	w.t.Helper()
	var at Place
	for {
		page, next, err := w.service.Browse(w.t.Context(), id, "Ana@example.org", sel, at, limit)
		w.must(err)
		pages++
		if len(page) > limit {
			w.t.Fatalf("a page of %d messages has %d", limit, len(page))
		}
		for _, m := range page {
			list = append(list, fmt.Sprint(m.Mailbox, m.UID))
		}
		if next == nil {
			return list, pages
		}
		at = *next
	}
}

// TestBrowse walks the messages of a backup in pages, narrowed in each way.
func TestBrowse(t *testing.T) {
	w := newWorld(t)
	day := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for i := range 5 {
		w.file("INBOX", fmt.Sprintf("From: =?utf-8?q?J=C3=BCrgen?= <j%d@example.net>\r\nSubject: Invoice %d\r\n\r\nx\r\n", i, i), day.AddDate(0, 0, i))
	}
	for i := range 3 {
		w.file("Old", fmt.Sprintf("From: <bo@invoice.example>\r\nSubject: hello %d\r\n\r\nx\r\n", i), day)
	}
	id := w.run().ID
	inbox := []string{"INBOX5", "INBOX4", "INBOX3", "INBOX2", "INBOX1"}
	all := append(slices.Clone(inbox), "Old3", "Old2", "Old1")
	for _, tt := range []struct {
		name string
		sel  Selection
		want []string
	}{
		{"all", Selection{}, all},
		{"a mailbox", Selection{Mailbox: "Old"}, all[5:]},
		{"text in subject and address", Selection{Text: "INVOICE"}, all},
		{"text in a name", Selection{Text: "jürgen"}, inbox},
		{"text in the subject of one", Selection{Text: "hello 1"}, []string{"Old2"}},
		{"nothing", Selection{Text: "champagne"}, nil},
		{"subject alone", Selection{Subject: "invoice"}, inbox},
		{"since", Selection{Since: day.AddDate(0, 0, 3)}, inbox[:2]},
		{"before", Selection{Mailbox: "INBOX", Before: day.AddDate(0, 0, 1)}, inbox[4:]},
		{"UIDs", Selection{Mailbox: "INBOX", UIDs: []uint32{2, 4}}, []string{"INBOX4", "INBOX2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, limit := range []int{1, 2, 5, 100} {
				if got, _ := w.browse(id, tt.sel, limit); !slices.Equal(got, tt.want) {
					t.Errorf("by %d: %v, want %v", limit, got, tt.want)
				}
			}
		})
	}
	if _, pages := w.browse(id, Selection{}, 8); pages != 1 {
		t.Errorf("8 messages in pages of 8 take %d", pages)
	}
	if _, _, err := w.service.Browse(t.Context(), id, "ana@example.org", Selection{Mailbox: "Old"}, Place{1, 3}, 5); !errors.Is(err, ErrNotInBackup) {
		t.Errorf("a page that begins in another mailbox: %v", err)
	}
	w.service.viewing.restoring.Store(true)
	if _, _, err := w.service.Browse(t.Context(), id, "ana@example.org", Selection{}, Place{}, 5); !errors.Is(err, ErrLocked) {
		t.Errorf("while mail is brought back: %v", err)
	}
}

// TestBrowseIsBounded looks for what is not there: each page ends after the
// messages it may look at, and the next goes on behind them.
func TestBrowseIsBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.deliver(w.ana, text(i, 100), 0)
	}
	id := w.run().ID
	w.must(w.service.withView(t.Context(), id, "ana@example.org", func(v *view) error {
		var at Place
		for _, want := range []uint32{5, 2} {
			b := &browsing{v: v, sel: Selection{Text: "number 0"}, limit: 10, left: 3}
			next, err := b.from(t.Context(), at)
			if err != nil || next == nil || next.UID != want || len(b.list) != 0 {
				t.Fatalf("after %v: %v, %v with %d messages; want to stop at %d", at, next, err, len(b.list), want)
			}
			at = *next
		}
		b := &browsing{v: v, sel: Selection{Text: "number 0"}, limit: 10, left: 3}
		next, err := b.from(t.Context(), at)
		if err != nil || next != nil || len(b.list) != 1 {
			t.Errorf("the last page: %v, %v with %d messages", next, err, len(b.list))
		}
		return nil
	}))
}

// TestDryRunSaysTheSame restores into an account that has some of the messages,
// others of the same size, and one twice: the dry run counts as the restore does.
func TestDryRunSaysTheSame(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	body := func(n int) string { return fmt.Sprintf("Subject: number %d\r\n\r\nx\r\n", n) }
	for _, n := range []int{1, 2, 3, 3, 10, 100, 100, 1000} {
		w.file("Old", body(n), now)
	}
	id := w.run().ID
	w.file("There", body(2), now)
	w.file("There", body(4), now)
	live := Live{Account: w.boxes.Account(w.ana), Boxes: w.boxes}
	restore := func(into string, dry bool) IntoResult {
		t.Helper()
		res, err := w.service.RestoreInto(t.Context(), Into{Backup: id, Address: "ana@example.org", Selection: Selection{Mailbox: "Old"}, Mailbox: into, DryRun: dry}, live, func(int64, int64) {})
		w.must(err)
		return res
	}
	for into, want := range map[string][2]int{"There": {5, 3}, "New": {6, 2}, "Old": {0, 8}} {
		for _, dry := range []bool{true, false} {
			if res := restore(into, dry); res.Added != want[0] || res.There != want[1] || len(res.Messages) != want[0] {
				t.Errorf("%s, dry run %v: %d added, %d there; want %v", into, dry, res.Added, res.There, want)
			}
		}
		if res := restore(into, true); res.Added != 0 || res.There != 8 {
			t.Errorf("%s, again: %d added, %d there", into, res.Added, res.There)
		}
	}
}
