package dsn

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	arrival = time.Date(2026, 2, 2, 9, 0, 0, 0, time.UTC)
	now     = arrival.Add(5 * 24 * time.Hour)
)

// counter stands in for randomness.
type counter byte

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(*c)
		*c++
	}
	return len(p), nil
}

const originalMessage = "Received: by mail.example.org; Mon, 2 Feb 2026 09:00:00 +0000\r\n" +
	"From: Ana <ana@example.org>\r\nTo: bo@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Message-ID: <1@example.org>\r\n\r\nHello Bo,\r\n\r\n--\r\nAna\r\n"

func failed() Recipient {
	return Recipient{
		Path: mail.Path{Local: "bo", Domain: "example.net"}, ORcpt: "rfc822;info@example.org", Action: Failed, Status: mail.StatusNoSuchMailbox,
		RemoteMTA: "mx.example.net", Diagnostic: "550-5.1.1 <bo@example.net>: user unknown\r\n550 5.1.1 see https://example.net/help", LastAttempt: now,
	}
}

func report(change func(*Report)) Report {
	r := Report{
		Hostname: "mail.example.org", To: mail.Path{Local: "ana", Domain: "example.org"}, Date: now, Rand: new(counter),
		EnvID: "QQ314159", Arrival: arrival, QueueID: "0k2v9n4b7d3c5f1a", Recipients: []Recipient{failed()},
		Original: strings.NewReader(originalMessage), OriginalSize: int64(len(originalMessage)),
	}
	if change != nil {
		change(&r)
	}
	return r
}

var reports = []struct {
	name   string
	change func(*Report)
}{
	{"failed", nil},
	{"failed-full", func(r *Report) { r.Ret = mail.RetFull }},
	{"delayed", func(r *Report) {
		r.Ret = mail.RetFull // which is for failures alone
		r.Recipients[0].Action, r.Recipients[0].Status = Delayed, mail.Status{Class: 4, Subject: 4, Detail: 1}
		r.Recipients[0].RemoteMTA, r.Recipients[0].Diagnostic = "", "connection to mx.example.net timed out"
		r.Recipients[0].WillRetryUntil = now.Add(24 * time.Hour)
	}},
	{"several", func(r *Report) {
		r.Original, r.EnvID, r.QueueID = nil, "", ""
		for _, a := range []Action{Delivered, Relayed, Expanded} {
			r.Recipients = append(r.Recipients, Recipient{Path: mail.Path{Local: string(a), Domain: "xn--exmple-cua.org"}, Action: a, Status: mail.StatusOK})
		}
		r.Recipients = append(r.Recipients, Recipient{Path: mail.Path{Local: "big", Domain: "example.com"}, Action: Failed,
			Status: mail.StatusTooLarge, Diagnostic: "message is larger than the server takes"})
	}},
	{"utf8", func(r *Report) {
		r.UTF8, r.Ret = true, mail.RetFull
		r.To.Local = "añá"
		r.Recipients[0].Path.Local, r.Recipients[0].ORcpt = "bø", "utf-8;ïnfo@example.org"
		r.Recipients[0].Diagnostic = "550 5.1.1 bø? Nie gehört."
		r.Original = strings.NewReader("From: añá@example.org\r\nSubject: Grüße\r\n\r\nüber\r\n")
	}},
	{"utf8-in-ascii", func(r *Report) {
		r.Recipients[0].Path.Local, r.Recipients[0].ORcpt = "bø", "utf-8;ïnfo@example.org"
		r.Original = strings.NewReader("From: añá@example.org\r\nSubject: Grüße\r\n\r\nüber\r\n")
	}},
}

func build(t testing.TB, r Report) []byte {
	t.Helper()
	b, err := Build(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuild(t *testing.T) {
	for _, tt := range reports {
		t.Run(tt.name, func(t *testing.T) {
			got := build(t, report(tt.change))
			golden := filepath.Join("testdata", tt.name+".golden")
			if *update {
				if err := os.WriteFile(golden, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			checkReport(t, got)
		})
	}
}

// checkReport reads a report as a stranger would, and returns the parts.
func checkReport(t testing.TB, b []byte) []*message.Part {
	t.Helper()
	ix, err := message.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if bad := ix.Traits & (message.HasNUL | message.HasBareCR | message.HasBareLF | message.HasLongLine | message.BoundHit); bad != 0 {
		t.Fatalf("the report has traits %b:\n%q", bad, b)
	}
	root := &ix.Root
	if root.Subtype != "report" || root.Param("report-type") != "delivery-status" || len(root.Children) < 2 || len(root.Children) > 3 {
		t.Fatalf("the report is %s/%s %q with %d parts:\n%s", root.Type, root.Subtype, root.Params, len(root.Children), b)
	}
	if p := root.Children[0]; p.Type != "text" || p.Subtype != "plain" {
		t.Fatalf("first part is %s/%s", p.Type, p.Subtype)
	}
	if p := root.Children[1]; p.Type != "message" || !strings.HasSuffix(p.Subtype, "delivery-status") {
		t.Fatalf("second part is %s/%s", p.Type, p.Subtype)
	}
	if message.IsAnswerable(b) {
		t.Fatal("the report could be answered automatically")
	}
	return root.Children
}

func TestParseOwn(t *testing.T) {
	for _, tt := range reports {
		t.Run(tt.name, func(t *testing.T) {
			r := report(tt.change)
			b := build(t, r)
			want := &Received{EnvID: r.EnvID, ReportingMTA: "mail.example.org", Arrival: arrival}
			if strings.HasPrefix(tt.name, "failed") || tt.name == "delayed" {
				want.MessageID = "1@example.org"
			}
			for _, rcpt := range r.Recipients {
				_, orcpt, _ := strings.Cut(rcpt.ORcpt, ";")
				diagnostic := strings.ReplaceAll(rcpt.Diagnostic, "\r\n", " ")
				want.Recipients = append(want.Recipients, ReceivedRecipient{Final: rcpt.Path.String(), Original: orcpt, Action: rcpt.Action,
					Status: rcpt.Status, RemoteMTA: rcpt.RemoteMTA, Diagnostic: diagnostic, LastAttempt: rcpt.LastAttempt, WillRetryUntil: rcpt.WillRetryUntil})
			}
			got, err := Parse(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReturned checks what of the message comes back.
func TestReturned(t *testing.T) {
	big := originalMessage + strings.Repeat("0123456789\r\n", MaxReturn/12+1)
	for _, tt := range []struct {
		name, original string
		size           int64
		ret            mail.Ret
		utf8           bool
		want, encoding string
	}{
		{"header by default", originalMessage, -1, mail.RetUnset, false, "text/rfc822-headers", "7bit"},
		{"header", originalMessage, -1, mail.RetHeaders, false, "text/rfc822-headers", "7bit"},
		{"whole", originalMessage, -1, mail.RetFull, false, "message/rfc822", "7bit"},
		{"8 bit", originalMessage + "\xfc\r\n", -1, mail.RetFull, false, "message/rfc822", "8bit"},
		{"too large by its size", originalMessage, MaxReturn + 1, mail.RetFull, false, "text/rfc822-headers", "7bit"},
		{"too large", big, -1, mail.RetFull, false, "text/rfc822-headers", "7bit"},
		{"as large as may be", big[:MaxReturn-2] + "\r\n", MaxReturn, mail.RetFull, false, "message/rfc822", "7bit"},
		{"NUL", originalMessage + "\x00\r\n", -1, mail.RetFull, false, "text/rfc822-headers", "7bit"},
		{"bare LF", originalMessage + "\n", -1, mail.RetFull, false, "text/rfc822-headers", "7bit"},
		{"long line", originalMessage + strings.Repeat("x", 999) + "\r\n", -1, mail.RetFull, false, "text/rfc822-headers", "7bit"},
		{"8-bit header", "Subject: ü\r\n\r\n", -1, mail.RetHeaders, false, "text/rfc822-headers", "quoted-printable"},
		{"long line in the header", "Subject: " + strings.Repeat("x", 999) + "\r\n\r\n", -1, mail.RetHeaders, false, "text/rfc822-headers", "quoted-printable"},
		{"global header", "Subject: ü\r\n\r\n", -1, mail.RetHeaders, true, "message/global-headers", "8bit"},
		{"global message", "Subject: ü\r\n\r\n", -1, mail.RetFull, true, "message/global", "8bit"},
		{"no header", "just text\r\n", -1, mail.RetHeaders, false, "text/rfc822-headers", "7bit"},
		{"nothing", "", -1, mail.RetFull, false, "text/rfc822-headers", "7bit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parts := checkReport(t, build(t, report(func(r *Report) {
				r.Original, r.OriginalSize, r.Ret, r.UTF8 = strings.NewReader(tt.original), tt.size, tt.ret, tt.utf8
			})))
			if p := parts[2]; p.Type+"/"+p.Subtype != tt.want || p.Encoding != tt.encoding {
				t.Errorf("returned %s/%s in %s, want %s in %s", p.Type, p.Subtype, p.Encoding, tt.want, tt.encoding)
			}
		})
	}
}

// TestReturnedWhole checks that a returned message is the same, octet by octet.
func TestReturnedWhole(t *testing.T) {
	b := build(t, report(func(r *Report) { r.Ret = mail.RetFull }))
	p := checkReport(t, b)[2]
	if got := string(b[p.BodyStart:p.BodyEnd]); got != originalMessage {
		t.Errorf("returned %q, want %q", got, originalMessage)
	}
}

func TestBuildErrors(t *testing.T) {
	want := errors.New("disk")
	if _, err := Build(report(func(r *Report) { r.Original = io.MultiReader(strings.NewReader("A: b\r\n"), failing{want}) })); !errors.Is(err, want) {
		t.Errorf("error of the message: %v", err)
	}
	if _, err := Build(report(func(r *Report) { r.Rand = failing{want} })); !errors.Is(err, want) {
		t.Errorf("error of randomness: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestParse(t *testing.T) {
	wrap := func(status string) string {
		return "From: MAILER-DAEMON@example.net\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n" +
			"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + status + "\r\n--b--\r\n"
	}
	for _, tt := range []struct {
		name, in string
		want     *Received
		err      error
	}{
		{"sloppy", wrap("\r\nreporting-mta: mx.example.net\r\n\r\n\r\nnot a field\r\nFinal-Recipient: <bo@example.net>\r\nACTION: Failed (sorry)\r\n" +
			"Status: 5.1.1 (no such user)\r\nDiagnostic-Code: smtp;550\r\n 5.1.1 unknown\r\n"),
			&Received{ReportingMTA: "mx.example.net", Recipients: []ReceivedRecipient{{Final: "bo@example.net", Action: Failed,
				Status: mail.StatusNoSuchMailbox, Diagnostic: "550 5.1.1 unknown"}}}, nil},
		{"one block", wrap("Reporting-MTA: dns; mx\r\nFinal-Recipient: rfc822; bo@example.net\r\nAction: failed\r\n"),
			&Received{ReportingMTA: "mx", Recipients: []ReceivedRecipient{{Final: "bo@example.net", Action: Failed}}}, nil},
		{"address in code", wrap("Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: utf-8; b\\x{F8}\\x{zz}\\x{D}@example.net\r\n"),
			&Received{ReportingMTA: "mx", Recipients: []ReceivedRecipient{{Final: `bø\x{zz}@example.net`}}}, nil},
		{"no recipients", wrap("Reporting-MTA: dns; mx\r\n"), nil, ErrNoReport},
		{"no report", originalMessage, nil, ErrNoReport},
		{"nothing", "", nil, ErrNoReport},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(tt.in), int64(len(tt.in)))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzBuild checks that no text of a stranger leaves its place.
func FuzzBuild(f *testing.F) {
	f.Add("550 no\r\nAction: delivered", "mx\r\n", "rfc822;a\r\n\r\nFinal-Recipient: rfc822;x", "id\n", "bo\r\n", originalMessage, true, false)
	f.Add("550 \xff ü", "", "utf-8;ü@x", "", "bø", "Subject: ü\n\nx", false, true)
	f.Fuzz(func(t *testing.T, diagnostic, remote, orcpt, envID, local, original string, full, utf8 bool) {
		b := build(t, report(func(r *Report) {
			r.Recipients[0].Diagnostic, r.Recipients[0].RemoteMTA, r.Recipients[0].ORcpt = diagnostic, remote, orcpt
			r.EnvID, r.Recipients[0].Path.Local = envID, "x"+local
			r.Original, r.UTF8 = strings.NewReader(original), utf8
			r.OriginalSize = int64(len(original))
			if full {
				r.Ret = mail.RetFull
			}
		}))
		if parts := checkReport(t, b); len(parts) != 3 {
			t.Fatalf("%d parts:\n%s", len(parts), b)
		}
		got, err := Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil || len(got.Recipients) != 1 || got.Recipients[0].Action != Failed || got.Recipients[0].Status != mail.StatusNoSuchMailbox {
			t.Fatalf("Parse = %+v, %v:\n%s", got, err, b)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, tt := range reports {
		f.Add(build(f, report(tt.change)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if n := len(got.Recipients); n == 0 || n > maxRecipients {
			t.Fatalf("%d recipients", n)
		}
		for _, rcpt := range got.Recipients {
			for _, s := range []string{rcpt.Final, rcpt.Original, rcpt.RemoteMTA, rcpt.Diagnostic, string(rcpt.Action), got.MessageID, got.EnvID} {
				if strings.ContainsAny(s, "\r\n\x00") {
					t.Fatalf("%q is no line", s)
				}
			}
		}
	})
}
