package queue

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/mailbox/store/memstore"
)

var update = flag.Bool("update", false, "write testdata of the newest row version, if there is none")

func sampleItem() *item {
	return &item{
		ref: store.Ref{1, 2, 3}, size: 4711, created: time.Unix(1e9, 5).UTC(), scanned: true, traits: message.Has8Bit | message.HasLongLine,
		open: 3, reports: 2, failed: true, double: true,
		envelope: mail.Envelope{ReversePath: ana, Body: mail.Body8BitMIME, UTF8: true, RequireTLS: true, Size: 4000, Ret: mail.RetFull, EnvID: "env"},
	}
}

func sampleRecipients() []recipient {
	return []recipient{
		{Recipient: mail.Recipient{Path: bo, Notify: mail.NotifyDelay, ORcpt: "rfc822;x@example.net"}, status: errLater.Status, reply: "451 4.7.1 no", mx: "mx.example.net"},
		{Recipient: mail.Recipient{Path: mail.Path{Local: "ré \"x", Domain: "[192.0.2.1]"}}},
	}
}

func sampleJob() *job {
	return &job{domain: "example.net", attempts: 7, last: time.Unix(2e9, 0).UTC(), next: time.Unix(2e9, 9).UTC(), held: true, noticed: true, recipients: sampleRecipients()}
}

// relayedJob is one that an older version cannot read.
func relayedJob() *job {
	j := sampleJob()
	j.relay = "relay.example.net:587"
	return j
}

func sampleReport() *report {
	return &report{id: "0123456789abcdef", to: ana, action: "delayed", double: true, date: time.Unix(1e9, 0).UTC(), retryUntil: time.Unix(2e9, 0).UTC(), recipients: sampleRecipients()}
}

func sampleEntry() *entry {
	e := &entry{id: "0123456789abcdef", created: time.Unix(1e9, 0).UTC(), double: true, reports: "x\x00\x00\x00\x00\x01", envelope: sampleItem().envelope}
	e.envelope.Recipients = []mail.Recipient{sampleRecipients()[0].Recipient, sampleRecipients()[1].Recipient}
	return e
}

// codec is a kind of row.
type codec struct {
	name   string
	oldest int // version that is read
	newest int // version that is written
	sample any
	encode func(any) []byte
	decode func([]byte) (any, error)
}

var codecs = []codec{
	{"item", 1, 1, sampleItem(), func(v any) []byte { return v.(*item).encode() }, func(b []byte) (any, error) { return decodeItem(b) }},
	{"job", 1, 1, sampleJob(), func(v any) []byte { return v.(*job).encode() }, func(b []byte) (any, error) { return decodeJob(b) }},
	{"job-relayed", 2, 2, relayedJob(), func(v any) []byte { return v.(*job).encode() }, func(b []byte) (any, error) { return decodeJob(b) }},
	{"report", 1, 1, sampleReport(), func(v any) []byte { return v.(*report).encode() }, func(b []byte) (any, error) { return decodeReport(b) }},
	{"entry", 1, 1, sampleEntry(), func(v any) []byte { return v.(*entry).encode() }, func(b []byte) (any, error) { return decodeEntry(b) }},
}

// Rows of every version that was ever shipped stay readable: their files are
// never written again.
func TestRowVersions(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join("testdata", fmt.Sprintf("%s-v%d.hex", c.name, c.newest))
			if _, err := os.Stat(file); err != nil && *update {
				if err := os.WriteFile(file, []byte(hex.EncodeToString(c.encode(c.sample))+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			files, err := filepath.Glob(filepath.Join("testdata", c.name+"-v*.hex"))
			if err != nil || len(files) != c.newest-c.oldest+1 {
				t.Fatalf("%d files for versions %d to %d: %v", len(files), c.oldest, c.newest, err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				b, err := hex.DecodeString(strings.TrimSpace(string(text)))
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.decode(b)
				if err != nil || !reflect.DeepEqual(got, c.sample) {
					t.Errorf("%s is\n%+v, %v, want\n%+v", file, got, err, c.sample)
				}
			}
		})
	}
}

func TestRowsCutShort(t *testing.T) {
	for _, c := range codecs {
		b := c.encode(c.sample)
		for i := range b {
			if _, err := c.decode(b[:i]); err == nil {
				t.Errorf("%s: %d of %d octets are enough", c.name, i, len(b))
			}
		}
		if _, err := c.decode(append(bytes.Clone(b), 0)); err == nil {
			t.Errorf("%s: an octet more is not noticed", c.name)
		}
		b[0] = byte(c.newest + 1)
		if _, err := c.decode(b); err == nil {
			t.Errorf("%s: a newer version is read", c.name)
		}
	}
}

func FuzzRows(f *testing.F) {
	for i, c := range codecs {
		f.Add(byte(i), c.encode(c.sample))
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		c := codecs[int(kind)%len(codecs)]
		v, err := c.decode(b)
		if err != nil {
			return
		}
		again, err := c.decode(c.encode(v))
		if err != nil {
			t.Fatalf("%s: %+v cannot be read again: %v", c.name, v, err)
		}
		if third, err := c.decode(c.encode(again)); err != nil || !reflect.DeepEqual(third, again) {
			t.Fatalf("%s: %+v becomes %+v", c.name, again, third)
		}
	})
}

// The largest job that Apply makes fits a row, also with replies.
func TestRowsStaySmall(t *testing.T) {
	long := mail.Path{Local: strings.Repeat("l", mail.MaxLocalpart), Domain: mail.Domain(strings.Repeat("d", 180))}
	for _, r := range []mail.Recipient{{Path: bo}, {Path: long, ORcpt: strings.Repeat("o", maxORcpt)}} {
		var all []mail.Recipient
		for range 250 {
			all = append(all, r)
		}
		n := 0
		for _, j := range split(all) {
			n += len(j.recipients)
			for i := range j.recipients {
				j.recipients[i].reply, j.recipients[i].mx = strings.Repeat("é", 1000), strings.Repeat("m", 253)
				j.recipients[i].status = mail.Status{Class: 5, Subject: 999, Detail: 999}
			}
			rep := &report{id: "0123456789abcdef", to: long, recipients: j.recipients}
			if len(j.encode()) > store.MaxValue || len(rep.encode()) > store.MaxValue {
				t.Errorf("job of %d recipients: %d octets, report %d", len(j.recipients), len(j.encode()), len(rep.encode()))
			}
			if len(j.recipients) > maxJobRecipients {
				t.Errorf("job of %d recipients", len(j.recipients))
			}
		}
		if n != 250 {
			t.Errorf("%d recipients", n)
		}
	}
}

func TestSplit(t *testing.T) {
	var got []string
	for _, j := range split([]mail.Recipient{{Path: bo}, {Path: di}, {Path: cy}, {Path: bo}}) {
		s := string(j.domain)
		for _, r := range j.recipients {
			s += " " + r.Path.Local
		}
		got = append(got, s)
	}
	if want := "example.net bo cy bo, example.com di"; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Two messages with one ID are two items.
func TestSameID(t *testing.T) {
	f := newFixture(t, Options{})
	q := New(f.eng, f.remote, f.opts)
	for range 3 {
		if err := q.Enqueue(t.Context(), "0123456789abcdef", mail.Envelope{Recipients: []mail.Recipient{{Path: bo}}}, nil, strings.NewReader("x"), 1); err != nil {
			t.Fatal(err)
		}
	}
	items, err := q.List(t.Context(), Filter{})
	if err != nil || len(items) != 3 || items[0].ID != "0123456789abcdef" || items[1].ID != "0123456789abcdef.2" || items[2].ID != "0123456789abcdef.3" {
		t.Errorf("%+v, %v", items, err)
	}
	if traceID(string(items[2].ID)) != "0123456789abcdef" {
		t.Errorf("trace ID %s", traceID(string(items[2].ID)))
	}
}

// An entry that nobody can read stays in the log.
func TestApplyNewerVersion(t *testing.T) {
	eng := memstore.New(Apply)
	_, err := eng.Accept(t.Context(), &store.Message{To: []store.Recipient{{Extra: []byte{rowVersion + 1}}}, Body: strings.NewReader("x"), Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := eng.View(t.Context(), store.Queue, func(store.Tx) error { return nil }); err == nil {
		t.Error("it was applied")
	}
}

// plainTraits is scanTraits with the whole message in hand.
func plainTraits(s string) message.Traits {
	var m message.Traits
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	header := true
	for _, l := range lines {
		if l == "" {
			header = false
		}
		for i := range len(l) {
			switch {
			case l[i] == 0:
				m |= message.HasNUL
			case l[i] >= 0x80 && header:
				m |= message.HasUTF8Header
			case l[i] >= 0x80:
				m |= message.Has8Bit
			}
		}
		if len(l) > maxLine {
			m |= message.HasLongLine
		}
	}
	rest := strings.ReplaceAll(s, "\r\n", "")
	if strings.Contains(rest, "\r") {
		m |= message.HasBareCR
	}
	if strings.Contains(rest, "\n") {
		m |= message.HasBareLF
	}
	return m
}

func FuzzTraits(f *testing.F) {
	for _, s := range []string{"", "a: b\r\n\r\nc\r\n", "é: b\r\n\r\nc", "a: b\n\né", "\r\r\n\x00", strings.Repeat("x", 998) + "\r\n", strings.Repeat("x", 999) + "\r\n", "a\r"} {
		f.Add(s, 1)
		f.Add(s, 1000)
	}
	f.Fuzz(func(t *testing.T, s string, step int) {
		got, err := scanTraits(stepReader{strings.NewReader(s), max(step, 1)}, int64(len(s)))
		if err != nil || got != plainTraits(s) {
			t.Fatalf("%q: traits %b, %v, want %b", s, got, err, plainTraits(s))
		}
	})
}

// stepReader gives few octets at a time.
type stepReader struct {
	r    *strings.Reader
	step int
}

func (r stepReader) ReadAt(p []byte, off int64) (int, error) {
	return r.r.ReadAt(p[:min(len(p), r.step)], off)
}

func TestCause(t *testing.T) {
	later := mail.Status{Class: 4, Subject: 7, Detail: 650}
	for _, tt := range []struct {
		r    recipient
		want string
	}{
		{recipient{}, NotTried},
		{recipient{status: later, mx: "example-net.mail.protection.outlook.com", reply: "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited (S775) https://postmaster.live.com"},
			"outlook.com: 451 4.7.650 the mail server # has been temporarily rate limited # URL"},
		{recipient{status: mail.Status{Class: 4, Subject: 4, Detail: 1}, reply: "no connection to mx.example.net"}, "example.net: 4.4.1 no connection to mx.example.net"},
		{recipient{status: later, mx: "mx1.example.co.uk", reply: "451"}, "example.co.uk: 4.7.650 451"},
	} {
		if got := causeOf("example.net", &tt.r); got != tt.want {
			t.Errorf("%+v:\n%q, want\n%q", tt.r, got, tt.want)
		}
	}
}
