package junk

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

const (
	me   mailbox.AccountID = 7
	you  mailbox.AccountID = 8
	host                   = "mx.example.org"
)

var clock = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// incoming is a message as it comes in, with what the checks found out.
type incoming struct {
	raw      string // with LF
	client   string
	name     string // of the client
	hello    string
	spf      string
	dkim     []mail.Domain
	dmarc    string
	from, to string // envelope
}

// good returns a message of an author whom its domain confirms.
func good(author, raw string) incoming {
	_, domain, _ := strings.Cut(author, "@")
	return incoming{raw: "From: " + author + "\n" + raw, client: "192.0.2.10", name: "mail." + domain, hello: "mail." + domain,
		spf: "pass", dkim: []mail.Domain{mail.Domain(domain)}, dmarc: "pass", from: author, to: "bo@example.org"}
}

func (m *incoming) evidence(t testing.TB) *Evidence {
	t.Helper()
	raw := []byte(strings.ReplaceAll(m.raw, "\n", "\r\n"))
	ix, err := message.Parse(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	e := &Evidence{Header: raw[:message.HeaderEnd(raw)], Index: ix, ClientName: m.name, Hello: m.hello, SPF: m.spf, DKIM: m.dkim, DMARC: m.dmarc,
		Open: func(from, to int64) io.Reader { return bytes.NewReader(raw[from:to]) }}
	if m.client != "" {
		e.Client = netip.MustParseAddr(m.client)
	}
	if p, err := mail.ParseAddress(m.from); err == nil {
		e.Envelope.ReversePath = p
	}
	if p, err := mail.ParseAddress(m.to); err == nil {
		e.Envelope.Recipients = []mail.Recipient{{Path: p}}
	}
	e.Author = authorOf(ix)
	e.AuthorOrg = mail.Domain(authorOrg(e.Author))
	return e
}

// trace is what inbound puts before a message.
func (m *incoming) trace() string {
	r := mail.AuthResults{ServID: host}
	add := func(method, result string, props ...mail.AuthProp) {
		r.Results = append(r.Results, mail.AuthResult{Method: method, Result: result, Comment: "a; comment", Props: props})
	}
	add("iprev", "pass", mail.AuthProp{Type: "policy", Name: "iprev", Value: m.client})
	add("spf", m.spf, mail.AuthProp{Type: "smtp", Name: "mailfrom", Value: m.from})
	add("spf", "none", mail.AuthProp{Type: "smtp", Name: "helo", Value: m.hello})
	for _, d := range m.dkim {
		add("dkim", "pass", mail.AuthProp{Type: "header", Name: "d", Value: string(d)}, mail.AuthProp{Type: "header", Name: "b", Value: "ab/cd"})
	}
	add("dmarc", m.dmarc, mail.AuthProp{Type: "header", Name: "from", Value: "x"})
	return "Authentication-Results: " + r.String() + "\r\nReceived-SPF: " + m.spf + "\r\nReceived: from " + m.hello + " (" + strings.TrimPrefix(m.name+" [", " ") + m.client + "])\r\n\tby " + host + ";\r\n\tSat, 28 Nov 2026 12:00:00 +0000\r\n"
}

// world is accounts on a store, and a classifier that learns from them.
type world struct {
	*Classifier
	t     testing.TB
	path  string
	boxes *mailbox.Boxes
	now   time.Time
	stop  func()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "junk.db"), now: clock}
	eng, err := store.Open(t.TempDir(), store.Options{Apply: mailbox.Apply})
	if err != nil {
		t.Fatal(err)
	}
	w.boxes = mailbox.Open(eng, mailbox.Options{Now: func() time.Time { return w.now }, Touched: func(id mailbox.AccountID) { w.Touched(id) }})
	for _, id := range []mailbox.AccountID{me, you} {
		if err := w.boxes.CreateAccount(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	w.open()
	t.Cleanup(func() {
		w.close()
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) open() {
	w.t.Helper()
	c, err := Open(w.path, Options{Boxes: w.boxes, Hostname: host, Delay: time.Nanosecond, Now: func() time.Time { return w.now }})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Classifier = c
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	w.stop = func() { cancel(); <-done }
}

func (w *world) close() {
	w.t.Helper()
	w.stop()
	if err := w.Classifier.Close(); err != nil {
		w.t.Error(err)
	}
}

// deliver files a message as inbound and delivery do: to INBOX, or where the
// verdict says.
func (w *world) deliver(id mailbox.AccountID, m incoming, verdict string) mailbox.EmailID {
	w.t.Helper()
	raw := m.trace() + strings.ReplaceAll(m.raw, "\n", "\r\n")
	target := mailbox.Target{Account: id, Header: []byte("Return-Path: <x@y>\r\nDelivered-To: " + m.to + "\r\n")}
	place, _, _ := strings.Cut(verdict, ";")
	if place != "" {
		target.Header = append(target.Header, "X-Mailstead-Verdict: "+verdict+"\r\n"...)
	}
	switch place {
	case "junk":
		target.Role, target.Keywords = mailbox.RoleJunk, []string{"$Junk"}
	case "quarantine":
		target.Role = mailbox.RoleQuarantine
	}
	if err := w.boxes.Deliver(w.t.Context(), newMessage(w.t, raw), []mailbox.Target{target}); err != nil {
		w.t.Fatal(err)
	}
	last := mailbox.EmailID(0)
	w.view(id, func(v *mailbox.View) error {
		for ch, err := range v.Changes(0, 0) {
			if err != nil {
				return err
			}
			last = max(last, ch.Email)
		}
		return nil
	})
	return last
}

func newMessage(t testing.TB, raw string) *mailbox.NewMessage {
	t.Helper()
	ix, err := message.Parse(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return &mailbox.NewMessage{Body: strings.NewReader(raw), Size: int64(len(raw)), Index: ix}
}

func (w *world) view(id mailbox.AccountID, fn func(*mailbox.View) error) {
	w.t.Helper()
	if err := w.boxes.Account(id).View(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// place returns where an email is.
func (w *world) place(id mailbox.AccountID, email mailbox.EmailID) (box mailbox.ID, uids *mailbox.UIDSet) {
	w.t.Helper()
	w.view(id, func(v *mailbox.View) error {
		places := v.Places(email)
		if len(places) == 0 {
			return mailbox.ErrNoMessage
		}
		p := places[len(places)-1]
		box, uids = p.Mailbox, mailbox.NewUIDSet(p.UID)
		return nil
	})
	return box, uids
}

func (w *world) box(id mailbox.AccountID, r mailbox.Role) (box mailbox.ID) {
	w.view(id, func(v *mailbox.View) error {
		m, err := v.MailboxByRole(r)
		box = m.ID
		return err
	})
	return box
}

// move moves an email as a client does.
func (w *world) move(id mailbox.AccountID, email mailbox.EmailID, r mailbox.Role) {
	w.t.Helper()
	from, uids := w.place(id, email)
	if _, err := w.boxes.Account(id).Move(w.t.Context(), from, uids, w.box(id, r)); err != nil {
		w.t.Fatal(err)
	}
}

// flag adds flags to an email as a client does.
func (w *world) flag(id mailbox.AccountID, email mailbox.EmailID, flags mailbox.Flags, keywords ...string) {
	w.t.Helper()
	box, uids := w.place(id, email)
	c := mailbox.FlagChange{Op: mailbox.AddFlags, Flags: flags, Keywords: keywords}
	if _, err := w.boxes.Account(id).StoreFlags(w.t.Context(), box, uids, c, mailbox.AnyModSeq); err != nil {
		w.t.Fatal(err)
	}
}

// flush waits until the trainer has learned.
func (w *world) flush() {
	w.t.Helper()
	if err := w.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// class returns what an email was learned as.
func (w *world) class(id mailbox.AccountID, email mailbox.EmailID) Class {
	w.t.Helper()
	w.flush()
	n, err := w.lesson(id, email)
	if err != nil {
		w.t.Fatal(err)
	}
	return n.class
}

// names returns the names of an opinion's reasons.
func (o *Opinion) names() string {
	var list []string
	for _, r := range o.Reasons {
		list = append(list, r.Name)
	}
	return strings.Join(list, " ")
}

func (w *world) score(id mailbox.AccountID, m incoming) Opinion {
	w.t.Helper()
	return w.Score(w.t.Context(), m.evidence(w.t), []mailbox.AccountID{id})[0]
}
