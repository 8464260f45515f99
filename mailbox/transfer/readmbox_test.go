package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// read is a message that a reader gave.
type read struct {
	text     string
	flags    mailbox.Flags
	keywords []string
	date     string
}

// collect reads all messages to their ends, and lists what went wrong.
func collect(t *testing.T, messages iter.Seq2[Found, error]) (list []read, wrong []string) {
	t.Helper()
	for m, err := range messages {
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		text, err := io.ReadAll(m.Body)
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		r := read{text: string(text), flags: m.Flags, keywords: m.Keywords}
		if !m.Date.IsZero() {
			r.date = m.Date.UTC().Format(time.DateTime)
		}
		list = append(list, r)
	}
	return list, wrong
}

func readMboxText(t *testing.T, text string) ([]read, []string) {
	t.Helper()
	return collect(t, NewMbox("in", strings.NewReader(text), int64(len(text))).Messages())
}

func TestReadMbox(t *testing.T) {
	const from = "From ana@example.org Sat Jan  3 01:05:34 1998\n"
	const at = "1998-01-03 01:05:34"
	for _, tt := range []struct {
		name, in string
		want     []read
	}{
		{"empty file", "", nil},
		{"two", from + "Subject: 1\n\nbody\n\n" + from + "Subject: 2\n\n", []read{{text: "Subject: 1\r\n\r\nbody\r\n", date: at}, {text: "Subject: 2\r\n", date: at}}},
		{"CRLF", strings.ReplaceAll(from+"Subject: 1\n\nbody\n\n"+from+"Subject: 2\n\nx\n", "\n", "\r\n"), []read{{text: "Subject: 1\r\n\r\nbody\r\n", date: at}, {text: "Subject: 2\r\n\r\nx\r\n", date: at}}},
		{"last line without end", from + "A: b\n\nend", []read{{text: "A: b\r\n\r\nend\r\n", date: at}}},
		{"no empty line before a separator", from + "A: b\n\nx\n" + from + "C: d\n\n", []read{{text: "A: b\r\n\r\nx\r\n", date: at}, {text: "C: d\r\n", date: at}}},
		{"separator in a header", from + "A: b\n" + from + "C: d\n\nx\n", []read{{text: "A: b\r\n", date: at}, {text: "C: d\r\n\r\nx\r\n", date: at}}},
		{"separator without a date", from + "A: b\n\nx\n\nFrom bo@example.org\nC: d\n\n", []read{{text: "A: b\r\n\r\nx\r\n", date: at}, {text: "C: d\r\n"}}},
		{"From in text", from + "A: b\n\n\nFrom here on it is text\nof a letter\n", []read{{text: "A: b\r\n\r\n\r\nFrom here on it is text\r\nof a letter\r\n", date: at}}},
		{"quoted", from + "A: b\n\n>From x\n>>From y\n> From z\n>no\n", []read{{text: "A: b\r\n\r\nFrom x\r\n>From y\r\n> From z\r\n>no\r\n", date: at}}},
		{"flags", from + "Status: RO\nX-Status: AF\nX-Keywords: work, home\nX-UID: 5\nA: b\n\n", []read{{text: "A: b\r\n", flags: mailbox.Seen | mailbox.Answered | mailbox.Flagged, keywords: []string{"work", "home"}, date: at}}},
		{"folded field of the mbox", from + "X-Keywords: work\n home\nA: b\n c\n\n", []read{{text: "A: b\r\n c\r\n", keywords: []string{"work"}, date: at}}},
		{"length", from + fmt.Sprintf("Content-Length: %d\nA: b\n\n%s>From q\n\n", len(from)+8, from) + from + "C: d\n\n", []read{{text: "A: b\r\n\r\n" + strings.TrimSuffix(from, "\n") + "\r\n>From q\r\n", date: at}, {text: "C: d\r\n", date: at}}},
		{"wrong length", from + "Content-Length: 3\nA: b\n\nbody\n\n" + from + "C: d\n\n", []read{{text: "A: b\r\n\r\nbody\r\n", date: at}, {text: "C: d\r\n", date: at}}},
		{"internal data", from + "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n\n" + from + "A: b\n\n", []read{{text: "A: b\r\n", date: at}}},
		{"no header", from + "\njust text\n\n" + from + "A: b\n\n", []read{{text: "\r\njust text\r\n", date: at}, {text: "A: b\r\n", date: at}}},
		{"octets", from + "A: \xff\x00\n\n\x00\xfe\r\rx\n", []read{{text: "A: \xff\x00\r\n\r\n\x00\xfe\r\rx\r\n", date: at}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, wrong := readMboxText(t, tt.in)
			if len(wrong) > 0 || !slices.EqualFunc(got, tt.want, equalRead) {
				t.Errorf("got\n%+v\nwant\n%+v\nwrong: %q", got, tt.want, wrong)
			}
		})
	}
}

func equalRead(a, b read) bool {
	return a.text == b.text && a.flags == b.flags && slices.Equal(a.keywords, b.keywords) && a.date == b.date
}

// TestReadMboxNone: what is no mbox is named.
func TestReadMboxNone(t *testing.T) {
	for _, in := range []string{"Subject: a message\n\n", "\x00\x01", "FROM x"} {
		if got, wrong := readMboxText(t, in); len(got) > 0 || len(wrong) != 1 || !strings.Contains(wrong[0], "no mbox") {
			t.Errorf("%q gives %+v, %q", in, got, wrong)
		}
	}
}

// TestReadMboxUnread: a message that nobody reads is passed over.
func TestReadMboxUnread(t *testing.T) {
	one := "From a Sat Jan  3 01:05:34 1998\nContent-Length: 6\n\nlong\n\n\n"
	text := one + one + one
	n := 0
	for range NewMbox("in", strings.NewReader(text), int64(len(text))).Messages() {
		n++
	}
	if n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

// TestReadMboxLongLine: a line of many megabytes costs no more than the buffer.
func TestReadMboxLongLine(t *testing.T) {
	line := strings.Repeat("x", 4<<20)
	got, wrong := readMboxText(t, "From a Sat Jan  3 01:05:34 1998\nA: "+line+"\n\n"+line+"\n\nFrom a Sat Jan  3 01:05:34 1998\nB: c\n\n")
	if len(wrong) > 0 || len(got) != 2 || got[0].text != "A: "+line+"\r\n\r\n"+line+"\r\n" {
		t.Errorf("%d messages, wrong: %q", len(got), wrong)
	}
}

func TestFromDate(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"From a@b Sat Jan  3 01:05:34 1998", "1998-01-03 01:05:34"},
		{"From - Mon Feb 12 10:00:00 2024", "2024-02-12 10:00:00"},
		{"From a b c Mon Feb 12 10:00:00 2024 +0200", "2024-02-12 08:00:00"},
		{"From a@b Mon Feb 12 10:00:00 2024 remote from x", "2024-02-12 10:00:00"},
		{"From a@b Mon Feb 12 10:00 2024", "2024-02-12 10:00:00"},
		{"From a@b 2024-02-12T10:00:00Z", "2024-02-12 10:00:00"},
		{"From here on", ""}, {"From ", ""}, {"From a@b Mon Feb 12", ""},
	} {
		date, ok := fromDate([]byte(tt.in))
		if got := date.UTC().Format(time.DateTime); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("fromDate(%q) = %v, %v; want %q", tt.in, got, ok, tt.want)
		}
	}
}

// FuzzReadMbox: any octets are read to their end, and give no more than there
// is, but for line ends.
func FuzzReadMbox(f *testing.F) {
	for _, seed := range []string{"", "From a Sat Jan  3 01:05:34 1998\nStatus: RO\nContent-Length: 3\n\nab\n\nFrom b\nA: b\n\n>From \n", "\xef\xbb\xbf\r\nFrom a\r\n\r\n", "From \n\n\n\nFrom x\nA:b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got := 0
		for m, err := range NewMbox("in", bytes.NewReader(in), int64(len(in))).Messages() {
			if err != nil {
				continue
			}
			text, err := io.ReadAll(m.Body)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(text), "\n") != strings.Count(string(text), "\r\n") {
				t.Errorf("a line of %q ends in LF", text)
			}
			got += len(strings.ReplaceAll(string(text), "\r\n", "\n"))
		}
		if got > len(in)+1 {
			t.Errorf("%d octets gave %d", len(in), got)
		}
	})
}

// FuzzMboxAgain: what WriteMbox writes is read as it was.
func FuzzMboxAgain(f *testing.F) {
	f.Add([]byte("Subject: x\r\n\r\nFrom a Sat Jan  3 01:05:34 1998\r\n>From x\r\n\r\n"), []byte("\r\n"))
	f.Add([]byte("\x00"), []byte("a\n\nFrom b\nc: d"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		want := []string{normal(one), normal(two)}
		for _, text := range want {
			head := readHead([]byte(text))
			if len(head.header) != len(text) || head.internal || strings.Contains(text, "\r\r\n") {
				t.Skip("it has what an mbox cannot tell from its own")
			}
		}
		date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		var out bytes.Buffer
		err := WriteMbox(context.Background(), &out, func(yield func(Message, error) bool) {
			_ = yield(Message{InternalDate: date, Body: bytes.NewReader(one)}, nil) && yield(Message{InternalDate: date, Body: bytes.NewReader(two)}, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		list, wrong := collect(t, NewMbox("in", bytes.NewReader(out.Bytes()), int64(out.Len())).Messages())
		var got []string
		for _, r := range list {
			got = append(got, r.text)
		}
		if len(wrong) > 0 || !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q\nwrong %q\nfile %q", got, want, wrong, out.Bytes())
		}
	})
}

// normal is a message with all lines ending in CRLF.
func normal(text []byte) string {
	var b bytes.Buffer
	if _, err := io.Copy(&b, newCRLF(bytes.NewReader(text))); err != nil {
		panic(err)
	}
	return b.String()
}
