package inbound

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

const zone = `
sender.test.            TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.sender.test.     TXT "v=DMARC1; p=reject"
mail.sender.test.       A   192.0.2.1
mail.sender.test.       TXT "v=spf1 ip4:192.0.2.1 -all"
1.2.0.192.in-addr.arpa. PTR mail.sender.test.
2.2.0.192.in-addr.arpa. PTR mail.sender.test.
_dmarc.careful.test.    TXT "v=DMARC1; p=quarantine"
_dmarc.trying.test.     TXT "v=DMARC1; p=reject; t=y"
_dmarc.watching.test.   TXT "v=DMARC1; p=none"
`

const hostname = "mx.example.org"

// reach is a Deliverer whose addresses are accounts by their number.
type reach map[string]mailbox.AccountID

func (r reach) CheckRecipient(context.Context, mail.Path, int64) error { return nil }
func (r reach) Deliver(context.Context, delivery.Mail) error           { return nil }

func (r reach) Reach(_ context.Context, to []mail.Recipient) (all []delivery.Reached) {
	for _, rcpt := range to {
		if id, ok := r[rcpt.Path.Key()]; ok {
			all = append(all, delivery.Reached{Account: id, To: rcpt.Path})
		}
	}
	return all
}

// newMail makes a message of header fields, split into lines by "|".
func newMail(t testing.TB, addr, from, fields string) *Mail {
	t.Helper()
	path, err := mail.ParsePath("<" + from + ">")
	if err != nil {
		t.Fatal(err)
	}
	header := []byte(strings.ReplaceAll(fields, "|", "\r\n") + "\r\n\r\n")
	indexer := message.NewIndexer()
	indexer.Write(header)
	return &Mail{
		ID:     "0123456789abcdef",
		Client: Client{Addr: netip.MustParseAddr(addr), Hello: "mail.sender.test", Protocol: "ESMTPS"},
		Envelope: mail.Envelope{ReversePath: path, Recipients: []mail.Recipient{
			{Path: mail.Path{Local: "bo", Domain: "example.org"}},
		}},
		Header: header,
		Kept:   header,
		Body:   reads("Hello\r\n"),
		Index:  indexer.Close(),
	}
}

func reads(body string) func() io.Reader { return func() io.Reader { return strings.NewReader(body) } }

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name, addr, from, fields string
		action                   Action
		reply, reason            string
	}{
		{"good", "192.0.2.1", "ana@sender.test", "From: ana@sender.test", Accept, "", ""},
		{"forged, p=reject", "192.0.2.66", "eve@evil.test", "From: ana@sender.test", Refuse,
			"5.7.1 the owner of sender.test asks to refuse mail that is not authenticated as its own (DMARC p=reject of sender.test)", "sender.test"},
		{"forged host of the domain", "192.0.2.66", "eve@evil.test", "From: ana@sub.sender.test", Refuse,
			"5.7.1 the owner of sub.sender.test asks to refuse mail that is not authenticated as its own (DMARC p=reject of sender.test)", "sub.sender.test"},
		{"forged, p=quarantine", "192.0.2.66", "eve@evil.test", "From: ana@careful.test", Junk, "", "careful.test"},
		{"forged, test mode", "192.0.2.66", "eve@evil.test", "From: ana@trying.test", Junk, "", "trying.test"},
		{"forged, p=none", "192.0.2.66", "eve@evil.test", "From: ana@watching.test", Accept, "", ""},
		{"no policy, SPF fails", "192.0.2.66", "ana@mail.sender.test", "From: ana@nowhere.test", Accept, "", ""},
		{"two authors, one forged", "192.0.2.66", "eve@evil.test", "From: eve@evil.test, ana@sender.test", Refuse, "5.7.1 the owner of sender.test", "sender.test"},
		{"two From fields", "192.0.2.66", "eve@evil.test", "From: eve@evil.test|From: ana@sender.test", Refuse, "5.7.1 the owner of sender.test", "sender.test"},
		{"no author", "192.0.2.1", "ana@sender.test", "Subject: x", Junk, "", "no author"},
		{"too many authors", "192.0.2.1", "ana@sender.test", "From: a@a.test, a@b.test, a@c.test, a@d.test, a@e.test", Junk, "", "not checked"},
		{"null reverse-path, by HELO", "192.0.2.1", "", "From: mailer-daemon@mail.sender.test", Accept, "", ""},
		{"delivered here before", "192.0.2.1", "ana@sender.test", "Delivered-To: BO@example.org|From: ana@sender.test", Refuse, "5.4.6 message was already delivered", "already delivered"},
		{"delivered elsewhere before", "192.0.2.1", "ana@sender.test", "Delivered-To: bo@elsewhere.test|From: ana@sender.test", Accept, "", ""},
		{"100 hops", "192.0.2.1", "ana@sender.test", strings.Repeat("Received: x|", 100) + "From: ana@sender.test", Accept, "", ""},
		{"101 hops", "192.0.2.1", "ana@sender.test", strings.Repeat("Received: x|", 101) + "From: ana@sender.test", Refuse, "5.4.6 message has passed 101 servers", "101"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: dnstest.New(zone)})
			v := s.judge(t.Context(), newMail(t, tt.addr, tt.from, tt.fields))
			if v.Action != tt.action || !strings.Contains(strings.Join(v.Reasons, "; "), tt.reason) || (tt.reason == "") != (len(v.Reasons) == 0) {
				t.Errorf("got %s for %q, want %s for %q", v.Action, v.Reasons, tt.action, tt.reason)
			}
			if err := v.err(); (err != nil) != (tt.action == Refuse) || err != nil && !strings.HasPrefix(err.Error(), tt.reply) {
				t.Errorf("reply %v, want %s", err, tt.reply)
			}
		})
	}
}

func TestLenientDMARC(t *testing.T) {
	s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: dnstest.New(zone), LenientDMARC: func() bool { return true }})
	if v := s.judge(t.Context(), newMail(t, "192.0.2.66", "eve@evil.test", "From: ana@sender.test")); v.Action != Junk {
		t.Errorf("got %s, want junk", v.Action)
	}
}

func TestDNSTroubleRefusesNothing(t *testing.T) {
	for _, broken := range []string{"sender.test", "_dmarc.sender.test", "mail.sender.test", "66.2.0.192.in-addr.arpa", "_dmarc.test"} {
		for _, fault := range []dnstest.Fault{dnstest.ServFail, dnstest.Timeout} {
			synctest.Test(t, func(t *testing.T) {
				z := dnstest.New(zone)
				z.SetFault(broken, fault)
				s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: z})
				m := newMail(t, "192.0.2.66", "ana@sender.test", "From: ana@sender.test")
				start := time.Now()
				v := s.judge(t.Context(), m)
				decided := broken == "mail.sender.test" || broken == "66.2.0.192.in-addr.arpa" || broken == "_dmarc.test"
				if (v.Action == Refuse) != decided {
					t.Errorf("%s broken: %s %v", broken, v.Action, v.Reasons)
				}
				if took := time.Since(start); took > defaultBudget {
					t.Errorf("%s broken: took %v", broken, took)
				}
			})
		}
	}
}

func TestSlowStrangerDoesNotUseUpTheTimeForDMARC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := dnstest.New(zone)
		z.SetFault("s._domainkey.slow.test", dnstest.Timeout)
		z.SetFault("evil.test", dnstest.Timeout)
		s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: z})
		signature := "DKIM-Signature: v=1; a=rsa-sha256; s=s; h=from; bh=AA==; b=AA==; d="
		v := s.judge(t.Context(), newMail(t, "192.0.2.66", "eve@evil.test", signature+"slow.test|"+signature+"sender.test|From: ana@sender.test"))
		if v.Action != Refuse {
			t.Errorf("got %s: forged mail got through by wasting time", v.Action)
		}
	})
}

func TestHeaderTellsWhatWasFound(t *testing.T) {
	s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: dnstest.New(zone)})
	m := newMail(t, "192.0.2.1", "ana@sender.test", "From: ana@sender.test")
	s.judge(t.Context(), m)
	got := s.traceHeader(m, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	golden := filepath.Join("testdata", "header.golden")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(string(want), "\n", "\r\n"); string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUnsignedMessageIsNotReadAgain(t *testing.T) {
	s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: dnstest.New(zone)})
	m := newMail(t, "192.0.2.1", "ana@sender.test", "From: ana@sender.test")
	m.Body = func() io.Reader { return iotest.ErrReader(errors.New("was read")) }
	if v := s.judge(t.Context(), m); v.Action != Accept {
		t.Errorf("got %s", v.Action)
	}
	for _, f := range m.Findings {
		if f.Check == "dkim" && f.Results[0].Result != "none" {
			t.Errorf("dkim = %v", f.Results)
		}
	}
}

func TestFurtherChecksPlugIn(t *testing.T) {
	var seen []string
	s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: dnstest.New(zone), Checks: []Check{
		{"list", func(context.Context, *Mail) Finding { return Finding{Action: Junk, Reason: "is listed"} }},
		{"taste", func(_ context.Context, m *Mail) Finding {
			for _, f := range m.Findings {
				seen = append(seen, f.Check)
			}
			return Finding{Action: Refuse, Status: mail.StatusPolicy, Text: "not wanted", Reason: "tastes bad"}
		}},
	}})
	v := s.judge(t.Context(), newMail(t, "192.0.2.1", "ana@sender.test", "From: ana@sender.test"))
	if v.Action != Refuse || v.Text != "not wanted; if this is wrong, write to postmaster@example.org" || !slices.Equal(v.Reasons, []string{"list: is listed", "taste: tastes bad"}) {
		t.Errorf("verdict = %+v", v)
	}
	if !slices.Equal(seen, []string{"loop"}) {
		t.Errorf("findings of the stages before: %v", seen)
	}
}

func TestDecide(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []Finding
		want Verdict
	}{
		{"nothing", nil, Verdict{}},
		{"all well", []Finding{{Check: "a", Reason: "ignored"}}, Verdict{}},
		{"strictest", []Finding{{Check: "a", Action: Junk, Reason: "1"}, {Check: "b", Action: Refuse, Text: "no", Reason: "2"}, {Check: "c", Action: Junk, Reason: "3"}},
			Verdict{Action: Refuse, Text: "no", Reasons: []string{"a: 1", "b: 2", "c: 3"}}},
		{"first among equals", []Finding{{Check: "a", Action: Refuse, Text: "first", Reason: "1"}, {Check: "b", Action: Refuse, Text: "second", Reason: "2"}},
			Verdict{Action: Refuse, Text: "first", Reasons: []string{"a: 1", "b: 2"}}},
	} {
		got := decide(tt.in)
		if got.Action != tt.want.Action || got.Text != tt.want.Text || !slices.Equal(got.Reasons, tt.want.Reasons) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// FuzzTraceHeader: whatever a stranger says in HELO, the reverse-path or the
// header, our fields stay ours: one of each, and nothing smuggled in.
func FuzzTraceHeader(f *testing.F) {
	f.Add("mail.sender.test", "ana", "From: ana@sender.test\r\n\r\n")
	f.Add("x)\r\nFrom: evil", "a)(b\"\\", "DKIM-Signature: d=x\"; s=(; b=)\r\nFrom: <@>, x@\"y\"\r\n")
	f.Fuzz(func(t *testing.T, hello, local, header string) {
		s := New(Options{Hostname: hostname, Deliverer: reach{}, Resolver: dnstest.New(zone)})
		m := newMail(t, "192.0.2.1", "", "From: x")
		m.Client.Hello, m.Header, m.Kept = hello, []byte(header), []byte(header)
		if local != "" {
			m.Envelope.ReversePath = mail.Path{Local: local, Domain: "sender.test"}
		}
		s.judge(t.Context(), m)
		got := s.traceHeader(m, time.Unix(0, 0))
		var names []string
		for line := range strings.SplitSeq(strings.TrimSuffix(string(got), "\r\n"), "\r\n") {
			if !strings.HasPrefix(line, "\t") {
				name, _, _ := strings.Cut(line, ":")
				names = append(names, name)
			}
		}
		if !slices.Equal(names, []string{"Authentication-Results", "Received-SPF", "Received"}) {
			t.Errorf("fields %q in\n%s", names, got)
		}
		if bytes.ContainsAny(bytes.ReplaceAll(got, []byte("\r\n"), nil), "\r\n\x00") {
			t.Errorf("control characters in\n%q", got)
		}
	})
}
