package transfer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// TestAll exports more messages than a transaction finds at once, from two
// mailboxes.
func TestAll(t *testing.T) {
	boxes, acct := newAccount(t)
	archive, err := acct.CreateMailbox(t.Context(), "Old", mailbox.NoRole)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range batch + 5 {
		text := fmt.Sprintf("Subject: %d\r\n\r\nFrom here\r\n", i)
		deliver(t, boxes, text, mailbox.Target{Account: 3, Header: []byte("Return-Path: <bo@example.org>\r\n")})
		want = append(want, "Return-Path: <bo@example.org>\n"+plain(text))
	}
	deliver(t, boxes, "Subject: old\r\n\r\n", mailbox.Target{Account: 3, Mailbox: archive.ID})
	want = append(want, plain("Subject: old\r\n\r\n"))
	if n, err := Count(t.Context(), acct); err != nil || n != int64(len(want)) {
		t.Errorf("Count = %d, %v; want %d", n, err, len(want))
	}
	var out bytes.Buffer
	if err := WriteMbox(t.Context(), &out, All(t.Context(), boxes, acct)); err != nil {
		t.Fatal(err)
	}
	if got := readMbox(out.Bytes()); !slices.Equal(got, want) {
		t.Errorf("%d messages, the last %q; want %d", len(got), got[max(0, len(got)-1):], len(want))
	}
	if !strings.HasPrefix(out.String(), "From bo@example.org ") {
		t.Errorf("begins with %.60q", out.String())
	}
}

// TestAllNoAccount: an account that is not there has no messages, or an error.
func TestAllNoAccount(t *testing.T) {
	eng, err := store.Open(t.TempDir(), store.Options{Apply: mailbox.Apply})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	boxes := mailbox.Open(eng, mailbox.Options{})
	for m, err := range All(t.Context(), boxes, boxes.Account(9)) {
		if err == nil {
			t.Errorf("there is a message: %+v", m)
		}
	}
}

func deliver(t *testing.T, boxes *mailbox.Boxes, text string, to mailbox.Target) {
	t.Helper()
	ix, err := message.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	m := &mailbox.NewMessage{Body: strings.NewReader(text), Size: int64(len(text)), Index: ix}
	if err := boxes.Deliver(t.Context(), m, []mailbox.Target{to}); err != nil {
		t.Fatal(err)
	}
}

// newAccount opens a store with one account.
func newAccount(t *testing.T) (*mailbox.Boxes, *mailbox.Account) {
	t.Helper()
	eng, err := store.Open(t.TempDir(), store.Options{Apply: mailbox.Apply})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	boxes := mailbox.Open(eng, mailbox.Options{})
	if err := boxes.CreateAccount(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	return boxes, boxes.Account(3)
}
