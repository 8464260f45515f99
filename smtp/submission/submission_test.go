package submission

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

var ctx = context.Background()

// site is a directory and an MDA: account 1 is ana, who also is info.
type site struct {
	got  []delivery.Mail
	text []string
	fail error
}

func (*site) MaySend(account uint32, p mail.Path) bool {
	return account == 1 && (p.Key() == "ana@example.org" || p.Key() == "info@example.org")
}
func (*site) IsLocal(d mail.Domain) bool { return d == "example.org" }
func (*site) CheckRecipient(_ context.Context, to mail.Path, _ int64) error {
	if to.Local == "gone" {
		return mail.Errorf(mail.StatusNoSuchMailbox, "no such user")
	}
	return nil
}
func (s *site) Leaves(_ context.Context, to []mail.Recipient) bool {
	return slices.ContainsFunc(to, func(r mail.Recipient) bool { return !s.IsLocal(r.Path.Domain) })
}
func (s *site) Deliver(_ context.Context, m delivery.Mail) error {
	b, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	if int64(len(b)) != m.Size || m.Index.Size != m.Size {
		return errors.New("sizes differ")
	}
	s.got, s.text = append(s.got, m), append(s.text, string(b))
	return s.fail
}

func newSession(s *site, change func(*Options)) *session {
	o := Options{Hostname: "mx.example.org", Senders: s, Domains: s, Deliver: s, Now: func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }}
	if change != nil {
		change(&o)
	}
	sess, _ := New(o).Connect(ctx, &smtpserver.Conn{})
	return sess.(*session)
}

func path(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// send runs one transaction and returns the first error.
func send(t *testing.T, s *session, from string, to []string, text string) error {
	t.Helper()
	defer s.Reset()
	env := &mail.Envelope{}
	if from != "" {
		env.ReversePath = path(t, from)
	}
	if err := s.Mail(ctx, env); err != nil {
		return err
	}
	for _, r := range to {
		if err := s.Rcpt(ctx, mail.Recipient{Path: path(t, r)}); err != nil {
			return err
		}
	}
	_, err := s.Data(ctx, strings.NewReader(text))
	return err
}

const good = "From: Ana <ana@example.org>\r\nTo: bo@b.example\r\nSubject: hi\r\n\r\nbody\r\n"

func TestRules(t *testing.T) {
	for _, tt := range []struct {
		name, from, to, text string
		status               string
	}{
		{"own address", "ana@example.org", "bo@b.example", good, "2.0.0"},
		{"own alias", "info@example.org", "bo@b.example", strings.Replace(good, "ana@", "INFO@", 1), "2.0.0"},
		{"receipt", "", "bo@b.example", good, "2.0.0"},
		{"address literal", "ana@example.org", "bo@[192.0.2.1]", good, "2.0.0"},
		{"another's reverse-path", "bo@example.org", "bo@b.example", good, "5.7.1"},
		{"another's From", "ana@example.org", "bo@b.example", strings.Replace(good, "ana@", "bo@", 1), "5.7.1"},
		{"another among authors", "ana@example.org", "bo@b.example", strings.Replace(good, "From: ", "From: bo@example.org, ", 1), "5.7.1"},
		{"another's Sender", "ana@example.org", "bo@b.example", "Sender: bo@example.org\r\n" + good, "5.7.1"},
		{"two From fields", "ana@example.org", "bo@b.example", "From: ana@example.org\r\n" + good, "5.6.0"},
		{"no From", "ana@example.org", "bo@b.example", "Subject: x\r\n\r\n", "5.6.0"},
		{"From without address", "ana@example.org", "bo@b.example", "From: Ana\r\n\r\n", "5.6.0"},
		{"no header at all", "ana@example.org", "bo@b.example", "just text\r\n", "5.6.0"},
		{"unknown local user", "ana@example.org", "gone@example.org", good, "5.1.1"},
		{"a name without dot", "ana@example.org", "bo@localhost", good, "5.1.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &site{}
			sess := newSession(s, nil)
			sess.Login(ctx, sasl.Identity{Login: "ana@example.org", Account: 1})
			err := send(t, sess, tt.from, []string{tt.to}, tt.text)
			if got := mail.StatusOf(err).String(); got != tt.status {
				t.Errorf("status %s (%v), want %s", got, err, tt.status)
			}
			if (len(s.got) == 1) != (tt.status == "2.0.0") {
				t.Errorf("%d messages were delivered", len(s.got))
			}
		})
	}
}

func TestLoginIsNeeded(t *testing.T) {
	if err := send(t, newSession(&site{}, nil), "ana@example.org", []string{"bo@b.example"}, good); mail.StatusOf(err).String() != "5.7.0" {
		t.Errorf("without login: %v", err)
	}
}

func TestMessageIsCompleted(t *testing.T) {
	s := &site{}
	sess := newSession(s, nil)
	sess.Login(ctx, sasl.Identity{Login: "ana@example.org", Account: 1})
	text := "Bcc: secret@example.org,\r\n\tother@example.org\r\n" + good
	if err := send(t, sess, "ana@example.org", []string{"bo@b.example", "x@example.org"}, text); err != nil {
		t.Fatal(err)
	}
	got := s.text[0]
	for _, want := range []string{"Received: by mx.example.org with ", "Date: Sun, 01 Nov 2026 12:00:00 +0000\r\n", "Message-ID: <", "@example.org>\r\n", "\r\n\r\nbody\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "other@") {
		t.Errorf("Bcc went out:\n%s", got)
	}
	m := s.got[0]
	if !m.Submitted || len(m.Envelope.Recipients) != 2 || m.ID == "" || m.Index.MessageID == "" {
		t.Errorf("handed over: %+v", m)
	}
	have := "Date: Fri, 30 Oct 2026 10:00:00 +0000\r\nMessage-ID: <mine@x>\r\n" + good
	if err := send(t, sess, "ana@example.org", []string{"bo@b.example"}, have); err != nil {
		t.Fatal(err)
	}
	if strings.Count(s.text[1], "Date:") != 1 || strings.Count(s.text[1], "Message-ID:") != 1 {
		t.Errorf("what was there is not kept:\n%s", s.text[1])
	}
}

// TestSigned: mail that leaves has the signatures of all keys, mail that stays
// the one that costs little.
func TestSigned(t *testing.T) {
	_, light, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	heavy, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	both := []dkim.Key{{Domain: "example.org", Selector: "r", Signer: heavy}, {Domain: "example.org", Selector: "e", Signer: light}}
	for _, tt := range []struct {
		name string
		keys []dkim.Key
		to   []string
		want []string // selectors
	}{
		{"out", both, []string{"bo@b.example"}, []string{"r", "e"}},
		{"out and here", both, []string{"cy@example.org", "bo@b.example"}, []string{"r", "e"}},
		{"here", both, []string{"cy@example.org"}, []string{"e"}},
		{"here, with one key", both[:1], []string{"cy@example.org"}, []string{"r"}},
		{"no key", nil, []string{"bo@b.example"}, nil},
	} {
		s := &site{}
		sess := newSession(s, func(o *Options) {
			o.Keys = func(d mail.Domain) []dkim.Key {
				if d != "example.org" {
					return nil
				}
				return tt.keys
			}
		})
		sess.Login(ctx, sasl.Identity{Login: "ana@example.org", Account: 1})
		if err := send(t, sess, "ana@example.org", tt.to, good); err != nil {
			t.Fatal(err)
		}
		var got []string
		for f := range message.Fields([]byte(s.text[0])) {
			if _, after, ok := strings.Cut(string(f.Raw), " s="); ok && f.Name == "DKIM-Signature" {
				selector, _, _ := strings.Cut(after, ";")
				got = append(got, selector)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: signed with %q, want %q:\n%s", tt.name, got, tt.want, s.text[0])
		}
	}
}

func TestQuotaOfADay(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := &site{}
	sess := newSession(s, func(o *Options) {
		o.Quota = func(uint32) Quota { return Quota{RecipientsPerDay: 4} }
		o.Now = func() time.Time { return now }
	})
	sess.Login(ctx, sasl.Identity{Login: "ana@example.org", Account: 1})
	two := []string{"a@b.example", "b@b.example"}
	for i, want := range []string{"2.0.0", "2.0.0", "4.7.1"} {
		if err := send(t, sess, "ana@example.org", two, good); mail.StatusOf(err).String() != want {
			t.Errorf("message %d: %v, want %s", i, err, want)
		}
	}
	if err := send(t, sess, "ana@example.org", []string{"a@b.example", "b@b.example", "c@b.example", "d@b.example", "e@b.example"}, good); mail.StatusOf(err).String() != "5.7.1" {
		t.Errorf("more than a day's worth: %v", err)
	}
	now = now.Add(12 * time.Hour)
	if err := send(t, sess, "ana@example.org", two, good); err != nil {
		t.Errorf("half a day later: %v", err)
	}
}

func TestCutOffIsTemporary(t *testing.T) {
	s := &site{}
	sess := newSession(s, nil)
	sess.Login(ctx, sasl.Identity{Login: "ana@example.org", Account: 1})
	for _, text := range []string{"From: an", good} {
		if err := sess.Mail(ctx, &mail.Envelope{ReversePath: path(t, "ana@example.org")}); err != nil {
			t.Fatal(err)
		}
		if err := sess.Rcpt(ctx, mail.Recipient{Path: path(t, "bo@b.example")}); err != nil {
			t.Fatal(err)
		}
		_, err := sess.Data(ctx, io.MultiReader(strings.NewReader(text), errReader{}))
		if !mail.StatusOf(err).Temporary() {
			t.Errorf("a transfer cut off: %v", err)
		}
		sess.Reset()
	}
	if len(s.got) != 0 {
		t.Error("a message that was cut off was delivered")
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
