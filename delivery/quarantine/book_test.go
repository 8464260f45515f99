package quarantine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

var day0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

type world struct {
	*Book
	t     *testing.T
	boxes *mailbox.Boxes
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	eng, err := store.Open(t.TempDir(), store.Options{Apply: mailbox.Apply})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	w := &world{t: t, boxes: mailbox.Open(eng, mailbox.Options{}), now: day0}
	w.Book = New(Options{Boxes: w.boxes, Accounts: func() []mailbox.AccountID { return []mailbox.AccountID{1, 2, 3} },
		Keep: func() time.Duration { return 24 * time.Hour }, Now: func() time.Time { return w.now }})
	for _, id := range []mailbox.AccountID{1, 2} {
		if err := w.boxes.CreateAccount(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// put files a message into quarantine.
func (w *world) put(id mailbox.AccountID, at time.Time, subject string) {
	w.t.Helper()
	raw := "Received: from x (y [192.0.2.1])\r\n\tby mail.example.test with ESMTP id 06gsdyrp01rjgf5v;\r\n\tSun, 1 Nov 2026 12:00:00 +0000\r\n" +
		"From: =?utf-8?q?Ev=C3=A9?= <eve@far.example>\r\nSubject: " + subject + "\r\n\r\nbuy this\r\n"
	ix, err := message.Parse(strings.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	m := &mailbox.NewMessage{Body: strings.NewReader(raw), Size: int64(len(raw)), Index: ix, InternalDate: at}
	err = w.boxes.Deliver(w.t.Context(), m, []mailbox.Target{{Account: id, Role: mailbox.RoleQuarantine, Header: []byte(
		"Delivered-To: ana@example.test\r\nX-Mailstead-Verdict: quarantine; score=11.5;\r\n\treasons=words=+5.0,url.ip=+2.5,\r\n\tdmarc.pass=-1.0\r\n")}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Added(id)
}

// subjects are those of a mailbox.
func (w *world) subjects(id mailbox.AccountID, role mailbox.Role) string {
	w.t.Helper()
	var list []string
	err := w.boxes.Account(id).View(w.t.Context(), func(v *mailbox.View) error {
		list = nil
		box, err := v.MailboxByRole(role)
		if err != nil {
			return err
		}
		for m, err := range v.Messages(box.ID, nil, 1) {
			if err != nil {
				return err
			}
			e, err := m.Envelope()
			if err != nil {
				return err
			}
			at, err := m.InternalDate()
			if err != nil {
				return err
			}
			list = append(list, fmt.Sprintf("%s@%s", e.Subject, at.UTC().Format("15:04")))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func (w *world) keysOf(ids ...mailbox.AccountID) []Key {
	w.t.Helper()
	keys, err := w.Keys(w.t.Context(), ids)
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

func TestKeysAreNewestFirst(t *testing.T) {
	w := newWorld(t)
	w.put(1, day0, "a")
	w.put(2, day0.Add(time.Hour), "b")
	w.put(1, day0.Add(2*time.Hour), "c")
	want := fmt.Sprint([]Key{{1, 2, day0.Add(2 * time.Hour)}, {2, 1, day0.Add(time.Hour)}, {1, 1, day0}})
	for range 2 { // the second time from memory
		if got := fmt.Sprint(w.keysOf()); got != want {
			t.Errorf("keys are %s, want %s", got, want)
		}
	}
	if got := w.keysOf(2); len(got) != 1 || got[0].Account != 2 {
		t.Errorf("keys of account 2 are %v", got)
	}
	if got := w.keysOf(3); len(got) != 0 {
		t.Errorf("an account that is not there has %v", got)
	}
}

// What was in quarantine before the start is found without anybody telling.
func TestRunFindsWhatIsThere(t *testing.T) {
	w := newWorld(t)
	w.put(2, day0, "a")
	b := New(w.opts)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	for {
		keys, err := b.Keys(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 1 {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReleaseKeepsTheDate(t *testing.T) {
	w := newWorld(t)
	w.put(1, day0, "a")
	w.put(1, day0.Add(time.Hour), "b")
	released, err := w.Release(t.Context(), 1, []mailbox.UID{2, 7})
	if err != nil || len(released) != 1 || released[0].UID != 2 || released[0].Email == 0 {
		t.Fatalf("released %+v, %v", released, err)
	}
	if in, left := w.subjects(1, mailbox.RoleInbox), w.subjects(1, mailbox.RoleQuarantine); in != "b@13:00" || left != "a@12:00" {
		t.Errorf("INBOX has %q, quarantine %q", in, left)
	}
	if keys := w.keysOf(); len(keys) != 1 || keys[0].UID != 1 {
		t.Errorf("keys after release: %v", keys)
	}
	if n, err := w.Delete(t.Context(), 1, []mailbox.UID{1}); n != 1 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	if keys := w.keysOf(); len(keys) != 0 {
		t.Errorf("keys at the end: %v", keys)
	}
	if _, err := w.Release(t.Context(), 2, []mailbox.UID{1}); !errors.Is(err, mailbox.ErrNotFound) {
		t.Errorf("release where nothing ever was: %v", err)
	}
}

func TestOldMailGoesToJunk(t *testing.T) {
	w := newWorld(t)
	w.put(1, day0, "old")
	w.put(1, day0.Add(2*time.Hour), "new")
	w.put(2, day0.Add(time.Minute), "other")
	w.now = day0.Add(25 * time.Hour)
	if n, err := w.Expire(t.Context()); n != 2 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	if junk, left := w.subjects(1, mailbox.RoleJunk), w.subjects(1, mailbox.RoleQuarantine); junk != "old@12:00" || left != "new@14:00" {
		t.Errorf("Junk has %q, quarantine %q", junk, left)
	}
	if junk := w.subjects(2, mailbox.RoleJunk); junk != "other@12:01" {
		t.Errorf("Junk of the other has %q", junk)
	}
}

func TestLoad(t *testing.T) {
	w := newWorld(t)
	w.put(1, day0, "=?utf-8?q?hall=C3=B6?=")
	m, err := w.Load(t.Context(), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "hallö" || m.Preview != "buy this" || m.Trace != trace.ID("06gsdyrp01rjgf5v") || m.Score != 11.5 || m.To.String() != "ana@example.test" ||
		len(m.From) != 1 || m.From[0].Name != "Evé" || !m.Received.Equal(day0) || m.Size < 300 ||
		fmt.Sprint(m.Reasons) != fmt.Sprint([]mail.Reason{{Name: "words", Score: 5}, {Name: "url.ip", Score: 2.5}, {Name: "dmarc.pass", Score: -1}}) {
		t.Errorf("loaded %+v", m)
	}
	for _, k := range []Key{{Account: 1, UID: 2}, {Account: 2, UID: 1}} {
		if _, err := w.Load(t.Context(), k.Account, k.UID); !errors.Is(err, mailbox.ErrNoMessage) {
			t.Errorf("load of what is not there: %v", err)
		}
	}
}
