package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/mailbox/store/memstore"
)

var ctx = context.Background()

// addresses is a Directory: address → account number, targets, or copying.
type addresses map[string]any

// copying is an account that forwards and keeps a copy.
type copying struct {
	account uint32
	to      string
}

func (a addresses) IsLocal(d mail.Domain) bool { return d == "example.org" || d == "alias.example" }

func (a addresses) Resolve(_ context.Context, p mail.Path) (uint32, []mail.Path, error) {
	switch v := a[p.Key()].(type) {
	case int:
		return uint32(v), nil, nil
	case copying:
		return v.account, []mail.Path{path(v.to)}, nil
	case []string:
		var to []mail.Path
		for _, s := range v {
			to = append(to, path(s))
		}
		return 0, to, nil
	}
	return 0, nil, mail.Errorf(mail.StatusNoSuchMailbox, "no such user")
}

func path(s string) mail.Path {
	p, err := mail.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return p
}

var people = addresses{
	"ana@example.org": 1, "bo@example.org": 2, "full@example.org": 3,
	"team@example.org":  []string{"ana@example.org", "bo@example.org", "gone@example.org"},
	"all@example.org":   []string{"team@example.org", "ana@example.org", "out@elsewhere.example"},
	"fwd@example.org":   []string{"me@elsewhere.example"},
	"loop@example.org":  []string{"pool@example.org"},
	"pool@example.org":  []string{"loop@example.org"},
	"self@example.org":  []string{"self@example.org", "ana@example.org"},
	"empty@example.org": []string{"gone@example.org"},
	"postmaster@":       1,
	"cy@example.org":    copying{2, "cy@elsewhere.example"},
	"crew@example.org":  []string{"cy@example.org", "ana@example.org"},
	"di@example.org":    copying{3, "di@elsewhere.example"}, // whose mailbox is full
	"back@example.org":  copying{2, "back@example.org"},
}

// world is an MDA on a store in memory; queued keeps what went to the queue.
type world struct {
	*delivery.MDA
	boxes  *mailbox.Boxes
	traces *trace.Log
	queued []mail.Envelope
	fails  bool // Enqueue fails
}

func newWorld(t *testing.T) *world { return newWorldWith(t, nil) }

func newWorldWith(t *testing.T, r delivery.Reports) *world {
	t.Helper()
	w := &world{}
	s := memstore.New(func(rw store.RW, a store.Accepted) error {
		if a.To.Owner == store.Queue {
			return nil
		}
		return mailbox.Apply(rw, a)
	})
	w.boxes = mailbox.Open(s, mailbox.Options{})
	var err error
	if w.traces, err = trace.Open(filepath.Join(t.TempDir(), "trace.db"), trace.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.traces.Close() })
	w.MDA = delivery.New(delivery.Options{Directory: people, Boxes: w.boxes, Reports: r, Trace: w.traces, Enqueue: func(_ trace.ID, env mail.Envelope, _ time.Time) (store.Recipient, error) {
		if w.fails {
			return store.Recipient{}, errors.New("no")
		}
		w.queued = append(w.queued, env)
		return store.Recipient{Owner: store.Queue}, nil
	}})
	if err := w.boxes.Account(3).SetQuota(ctx, 10, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

const text = "Subject: x\r\n\r\nbody\r\n"

func mailTo(to ...string) delivery.Mail { return mailOf(text, to...) }

func mailOf(text string, to ...string) delivery.Mail {
	ix, err := message.Parse(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	m := delivery.Mail{ID: "0123456789abcdef", Index: ix, Body: strings.NewReader(text), Size: int64(len(text)), Received: time.Now()}
	m.Envelope.ReversePath = path("sender@elsewhere.example")
	for _, s := range to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Path: path(s), Notify: mail.NotifyDelay})
	}
	return m
}

// inbox returns the messages of an account's mailbox with a role.
func (w *world) inbox(t *testing.T, id mailbox.AccountID, role mailbox.Role) []string {
	t.Helper()
	var refs []mailbox.BodyRef
	err := w.boxes.Account(id).View(ctx, func(v *mailbox.View) error {
		m, err := v.MailboxByRole(role)
		if errors.Is(err, mailbox.ErrNotFound) {
			return nil
		}
		for msg, err := range v.Messages(m.ID, nil, 1) {
			if err != nil {
				return err
			}
			ref, err := msg.Body()
			if err != nil {
				return err
			}
			ix, err := msg.Index()
			if err != nil || ix.Size != ref.Size {
				t.Errorf("index of %d octets for a body of %d, %v", ix.Size, ref.Size, err)
			}
			refs = append(refs, ref)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, r := range refs {
		b, err := w.boxes.OpenBody(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		s, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(s))
	}
	return texts
}

func TestCheckRecipient(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		to     string
		size   int64
		status string
	}{
		{"ana@example.org", 0, "2.0.0"},
		{"team@example.org", 0, "2.0.0"},
		{"gone@example.org", 0, "5.1.1"},
		{"empty@example.org", 0, "5.1.1"},
		{"x@elsewhere.example", 0, "5.7.1"},
		{"fwd@example.org", 0, "2.0.0"},
		{"loop@example.org", 0, "5.4.6"},
		{"full@example.org", 10, "2.0.0"},
		{"full@example.org", 11, "5.2.3"},
	} {
		if got := mail.StatusOf(w.CheckRecipient(ctx, path(tt.to), tt.size)).String(); got != tt.status {
			t.Errorf("%s with %d octets: %s, want %s", tt.to, tt.size, got, tt.status)
		}
	}
	if err := w.CheckRecipient(ctx, mail.Path{Local: "Postmaster"}, 0); err != nil {
		t.Errorf("Postmaster without domain: %v", err)
	}
}

func TestDeliverToMany(t *testing.T) {
	w := newWorld(t)
	if err := w.Deliver(ctx, mailTo("all@example.org", "ana@example.org", "team@example.org")); err != nil {
		t.Fatal(err)
	}
	for id, to := range map[mailbox.AccountID]string{1: "all@example.org", 2: "all@example.org"} {
		want := []string{"Return-Path: <sender@elsewhere.example>\r\nDelivered-To: " + to + "\r\n" + text}
		if got := w.inbox(t, id, mailbox.RoleInbox); !slices.Equal(got, want) {
			t.Errorf("account %d has %q, want %q", id, got, want)
		}
	}
	if len(w.queued) != 1 || len(w.queued[0].Recipients) != 1 || w.queued[0].Recipients[0] !=
		(mail.Recipient{Path: path("out@elsewhere.example"), Notify: mail.NotifyDelay, ORcpt: "rfc822;all@example.org"}) {
		t.Errorf("queued %+v", w.queued)
	}
}

func TestLeaves(t *testing.T) {
	w := newWorld(t)
	for to, want := range map[string]bool{
		"ana@example.org": false, "team@example.org": false, "all@example.org": true, "fwd@example.org": true,
		"out@elsewhere.example": true, "nobody@example.org": true,
	} {
		if got := w.Leaves(ctx, []mail.Recipient{{Path: path("bo@example.org")}, {Path: path(to)}}); got != want {
			t.Errorf("%s: leaves %v, want %v", to, got, want)
		}
	}
}

func TestForwardLeavesItsMark(t *testing.T) {
	w := newWorld(t)
	if err := w.Deliver(ctx, mailTo("self@example.org")); err != nil {
		t.Fatal(err)
	}
	if got := w.inbox(t, 1, mailbox.RoleInbox); len(got) != 1 || strings.Count(got[0], "Delivered-To") != 1 {
		t.Errorf("ana has %q", got)
	}
	if err := w.Deliver(ctx, mailTo("fwd@example.org")); err != nil {
		t.Fatal(err)
	}
	if len(w.queued) != 1 || w.queued[0].ReversePath != path("sender@elsewhere.example") {
		t.Errorf("queued %+v", w.queued)
	}
}

// told returns what the trace of a message says.
func (w *world) told(t *testing.T) (texts []string) {
	t.Helper()
	if err := w.traces.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	tr, err := w.traces.Show(ctx, "0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tr.Events {
		texts = append(texts, e.Text)
	}
	return texts
}

// TestForwarding is of accounts that forward and keep a copy; without a copy
// they are like an alias.
func TestForwarding(t *testing.T) {
	for _, tt := range []struct {
		to     string
		filed  map[mailbox.AccountID]int
		queued string
		told   []string
	}{
		{"cy@example.org", map[mailbox.AccountID]int{2: 1}, "cy@elsewhere.example",
			[]string{"cy@example.org filed to INBOX", "cy@example.org is forwarded to cy@elsewhere.example", "queued for 1 recipient elsewhere"}},
		{"crew@example.org", map[mailbox.AccountID]int{1: 1, 2: 1}, "cy@elsewhere.example",
			[]string{"crew@example.org filed to INBOX", "crew@example.org filed to INBOX", "crew@example.org is forwarded to cy@elsewhere.example by cy@example.org", "queued for 1 recipient elsewhere"}},
		{"di@example.org", map[mailbox.AccountID]int{3: 0}, "di@elsewhere.example",
			[]string{"di@example.org is forwarded to di@elsewhere.example", "no copy for di@example.org here: the mailbox is full", "queued for 1 recipient elsewhere"}},
		{"back@example.org", map[mailbox.AccountID]int{2: 1}, "", []string{"back@example.org filed to INBOX"}},
	} {
		t.Run(tt.to, func(t *testing.T) {
			w := newWorld(t)
			if err := w.CheckRecipient(ctx, path(tt.to), int64(len(text))); err != nil {
				t.Fatal(err)
			}
			if err := w.Deliver(ctx, mailTo(tt.to)); err != nil {
				t.Fatal(err)
			}
			for id, n := range tt.filed {
				if got := w.inbox(t, id, mailbox.RoleInbox); len(got) != n {
					t.Errorf("account %d has %q", id, got)
				}
			}
			var queued []string
			for _, env := range w.queued {
				for _, r := range env.Recipients {
					queued = append(queued, r.Path.String())
				}
			}
			if got := strings.Join(queued, " "); got != tt.queued {
				t.Errorf("queued for %q, want %q", got, tt.queued)
			}
			if got := w.told(t); !slices.Equal(got, tt.told) {
				t.Errorf("the trace says %q, want %q", got, tt.told)
			}
		})
	}
}

// TestJunkIsNotForwarded: an account that forwards keeps what is junk for it,
// and passes on the rest; where nobody keeps a copy it goes on.
func TestJunkIsNotForwarded(t *testing.T) {
	for _, tt := range []struct {
		to     string
		place  delivery.Place
		queued int
		told   string
	}{
		{"cy@example.org", delivery.Junk, 0, "junk is not forwarded; cy@example.org keeps it"},
		{"cy@example.org", delivery.Inbox, 1, "cy@example.org is forwarded to cy@elsewhere.example"},
		{"di@example.org", delivery.Junk, 1, "di@example.org is forwarded to di@elsewhere.example"}, // has no room for a copy
	} {
		w := newWorld(t)
		m := mailTo(tt.to)
		m.Treat = func(mailbox.AccountID) delivery.Treatment { return delivery.Treatment{Place: tt.place} }
		if err := w.Deliver(ctx, m); err != nil {
			t.Fatal(err)
		}
		if told := w.told(t); len(w.queued) != tt.queued || !slices.Contains(told, tt.told) {
			t.Errorf("%s as %s: queued %v, told %q", tt.to, tt.place, w.queued, told)
		}
	}
}

func TestTreat(t *testing.T) {
	w := newWorld(t)
	m := mailTo("ana@example.org", "bo@example.org")
	m.Treat = func(id mailbox.AccountID) delivery.Treatment {
		return map[mailbox.AccountID]delivery.Treatment{
			1: {Place: delivery.Junk, Keywords: []string{"$Junk"}, Header: []byte("X-Test: one\r\n")},
			2: {Place: delivery.Quarantine, Header: []byte("X-Test: two\r\n")},
		}[id]
	}
	if err := w.Deliver(ctx, m); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id       mailbox.AccountID
		role     mailbox.Role
		keywords []string
		header   string
	}{
		{1, mailbox.RoleJunk, []string{"$Junk"}, "Delivered-To: ana@example.org\r\nX-Test: one\r\nSubject: x\r\n"},
		{2, mailbox.RoleQuarantine, nil, "Delivered-To: bo@example.org\r\nX-Test: two\r\nSubject: x\r\n"},
	} {
		if got := w.inbox(t, tt.id, tt.role); len(got) != 1 || !strings.Contains(got[0], tt.header) {
			t.Errorf("account %d: %q", tt.id, got)
		}
		if got := w.inbox(t, tt.id, mailbox.RoleInbox); len(got) != 0 {
			t.Errorf("account %d: INBOX has %q", tt.id, got)
		}
		if got := w.keywords(t, tt.id); !slices.Equal(got, tt.keywords) {
			t.Errorf("account %d: keywords %q, want %q", tt.id, got, tt.keywords)
		}
	}
}

// keywords returns those that are in use in an account.
func (w *world) keywords(t *testing.T, id mailbox.AccountID) (names []string) {
	t.Helper()
	err := w.boxes.Account(id).View(ctx, func(v *mailbox.View) error {
		names = v.Keywords()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestReach(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ name, to, want string }{
		{"accounts once, by the first address", "ana@example.org team@example.org bo@example.org", "1 ana@example.org, 2 team@example.org"},
		{"elsewhere only", "fwd@example.org ana@example.org", "0 fwd@example.org, 1 ana@example.org"},
		{"forwarded, and kept here", "cy@example.org", "2 cy@example.org"},
		{"not ours, or not there", "x@elsewhere.example nobody@example.org empty@example.org", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, r := range w.Reach(ctx, mailTo(strings.Fields(tt.to)...).Envelope.Recipients) {
				got = append(got, fmt.Sprint(r.Account, " ", r.To))
			}
			if got := strings.Join(got, ", "); got != tt.want {
				t.Errorf("reaches %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSubmitted(t *testing.T) {
	w := newWorld(t)
	m := mailTo("bo@example.org", "x@elsewhere.example", "y@third.example")
	if err := w.Deliver(ctx, m); mail.StatusOf(err).String() != "4.3.0" && mail.StatusOf(err).String() != "5.7.1" {
		t.Errorf("a stranger's mail for elsewhere: %v", err)
	}
	if got := w.inbox(t, 2, mailbox.RoleInbox); len(got) != 0 {
		t.Errorf("a part was delivered: %q", got)
	}
	m = mailTo("bo@example.org", "x@elsewhere.example", "y@third.example")
	m.Submitted = true
	if err := w.Deliver(ctx, m); err != nil {
		t.Fatal(err)
	}
	if len(w.inbox(t, 2, mailbox.RoleInbox)) != 1 || len(w.queued) != 1 || len(w.queued[0].Recipients) != 2 {
		t.Errorf("queued %+v", w.queued)
	}
}

// TestAllOrNone: what fails, fails for everybody, and so that it is tried
// again.
func TestAllOrNone(t *testing.T) {
	w := newWorld(t)
	w.fails = true
	if err := w.Deliver(ctx, mailTo("ana@example.org", "fwd@example.org")); mail.StatusOf(err).String() != "4.3.0" {
		t.Errorf("the queue fails: %v", err)
	}
	if err := w.Deliver(ctx, mailTo("ana@example.org", "gone@example.org")); mail.StatusOf(err).String() != "4.3.0" {
		t.Errorf("a recipient who went: %v", err)
	}
	m := mailTo("ana@example.org")
	m.Body = strings.NewReader(text[:5])
	if err := w.Deliver(ctx, m); !mail.StatusOf(err).Temporary() {
		t.Errorf("a body that is cut off: %v", err)
	}
	if got := w.inbox(t, 1, mailbox.RoleInbox); len(got) != 0 {
		t.Errorf("a part was delivered: %q", got)
	}
}

func TestFullAccountDoesNotHoldUpOthers(t *testing.T) {
	w := newWorld(t)
	if err := w.Deliver(ctx, mailTo("full@example.org")); mail.StatusOf(err).String() != "5.2.3" {
		t.Errorf("alone: %v", err)
	}
	if err := w.Deliver(ctx, mailTo("full@example.org", "ana@example.org")); err != nil {
		t.Fatal(err)
	}
	if len(w.inbox(t, 1, mailbox.RoleInbox)) != 1 || len(w.inbox(t, 3, mailbox.RoleInbox)) != 1 {
		t.Error("the message is not in both")
	}
}

// TestFillingUp: what fits and does not any more is temporary.
func TestFillingUp(t *testing.T) {
	w := newWorld(t)
	if err := w.boxes.Account(2).SetQuota(ctx, int64(2*len(text)), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Deliver(ctx, mailTo("bo@example.org")); err != nil {
		t.Fatal(err)
	}
	if err := w.CheckRecipient(ctx, path("bo@example.org"), int64(len(text)+1)); mail.StatusOf(err).String() != "4.2.2" {
		t.Errorf("a full mailbox: %v", err)
	}
}

func TestExpansionIsBounded(t *testing.T) {
	var many []string
	for i := range 5000 {
		many = append(many, fmt.Sprintf("p%d@elsewhere.example", i))
	}
	people["many@example.org"] = many
	defer delete(people, "many@example.org")
	w := newWorld(t)
	route, err := w.Route(ctx, path("many@example.org"))
	if err != nil || len(route.Remote) >= 5000 {
		t.Errorf("%d addresses, %v", len(route.Remote), err)
	}
}

// What comes from the queue leaves it by the Accept that files it.
func TestSettle(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		to     string
		onward int
	}{{"ana@example.org", 0}, {"all@example.org", 1}} {
		var settled []mail.Envelope
		m := mailTo(tt.to)
		m.Settle = func(onward mail.Envelope) (store.Recipient, error) {
			settled = append(settled, onward)
			return store.Recipient{Owner: store.Queue}, nil
		}
		if err := w.Deliver(ctx, m); err != nil {
			t.Fatal(err)
		}
		if len(settled) != 1 || len(settled[0].Recipients) != tt.onward || len(w.queued) != 0 {
			t.Errorf("%s: settled with %+v, queued %+v", tt.to, settled, w.queued)
		}
	}
	if n := len(w.inbox(t, 1, mailbox.RoleInbox)); n != 2 {
		t.Errorf("%d messages are filed", n)
	}
}
