package message

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var headerTexts = []struct{ name, in, want string }{
	{"plain", "hello world", "hello world"},
	{"q", "=?iso-8859-1?Q?Gr=FC=DFe_aus?= Berlin", "Grüße aus Berlin"},
	{"b", "=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"},
	{"adjacent words", "=?utf-8?q?a?= =?utf-8?q?b?=\r\n =?utf-8?q?c?= d", "abc d"},
	{"character divided between words", "=?utf-8?q?Gr=C3?= =?utf-8?q?=BC=C3=9Fe?=", "Grüße"},
	{"divided base64", "=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"},
	{"adjacent words of two charsets", "=?utf-8?q?=C3=BC?= =?iso-8859-1?q?=FC?=", "üü"},
	{"language of RFC 2231", "=?utf-8*de?q?=C3=BC?=", "ü"},
	{"spaces inside", "=?utf-8?Q?two words?=", "two words"},
	{"no padding", "=?utf-8?b?R3LDvMOfZQ?=", "Grüße"},
	{"text around without spaces", "(=?utf-8?q?=C3=BC?=)x=?utf-8?q?y?=z", "(ü)xyz"},
	{"begins with a code", "=?utf-8?Q?=C3=BC?=", "ü"},
	{"no end", "=?utf-8?Q?never", "=?utf-8?Q?never"},
	{"no end, then a whole one", "=?utf-8?Q?never =?utf-8?Q?=C3=BC?=", "=?utf-8?Q?never ü"},
	{"unknown encoding", "=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
	{"unknown charset", "=?no-such-thing?q?caf=E9?=", "café"},
	{"charset says more than ASCII", "=?us-ascii?q?caf=C3=A9?=", "café"},
	{"bad codes stay", "=?utf-8?q?a=zz=4?=", "a=zz=4"},
	{"invalid UTF-8", "=?utf-8?q?a=FFb?=", "a\uFFFDb"},
	{"raw UTF-8", "Grüße", "Grüße"},
	{"raw latin1", "Gr\xfc\xdfe", "Grüße"},
	{"japanese", "=?ISO-2022-JP?B?GyRCRnxLXDhsGyhC?=", "日本語"},
	{"korean by an odd name", "=?ks_c_5601-1987?B?x9GxuQ==?=", "한국"},
	{"utf-7", "=?utf-7?Q?Hi_+Jjo-!_a+-b?=", "Hi ☺! a+b"},
	{"line ends cannot get out", "=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x"},
	{"trailing blank", "=?utf-8?q?a?= ", "a "},
	{"empty word", "=?utf-8?q??=", ""},
}

func TestDecodeHeaderText(t *testing.T) {
	for _, tt := range headerTexts {
		t.Run(tt.name, func(t *testing.T) {
			if got := DecodeHeaderText(tt.in); got != tt.want {
				t.Errorf("DecodeHeaderText(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestEncodeText(t *testing.T) {
	long := strings.Repeat("Grüße aus Köln, ", 20)
	for _, tt := range []struct{ name, in, want string }{
		{"ascii", "hello", "hello"},
		{"mostly ascii", "Grüße aus Berlin", "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_Berlin?="},
		{"mostly not", "日本語", "=?utf-8?b?5pel5pys6Kqe?="},
		{"looks encoded", "=?x?", "=?utf-8?b?PT94Pw==?="},
		{"line end", "a\r\nb", "a  b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := EncodeText(tt.in); got != tt.want {
				t.Errorf("EncodeText(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
	for w := range strings.FieldsSeq(EncodeText(long)) {
		if len(w) > 75 {
			t.Errorf("encoded word %q has %d octets", w, len(w))
		}
	}
	if got := DecodeHeaderText(EncodeText(long)); got != long {
		t.Errorf("decoded %q, want %q", got, long)
	}
}

var addressLists = []struct {
	name, in string
	want     []Address
}{
	{"bare", "ana@example.org", []Address{{"", "ana", "example.org"}}},
	{"name", "Ana Example <ana@example.org>", []Address{{"Ana Example", "ana", "example.org"}}},
	{"quoted name", `"Example, \"Ana\"" <ana@example.org>, b@c.example`, []Address{{`Example, "Ana"`, "ana", "example.org"}, {"", "b", "c.example"}}},
	{"comment as name", "ana@example.org (Ana (the first) \\) E.)", []Address{{"Ana (the first) ) E.", "ana", "example.org"}}},
	{"encoded words stay", "=?utf-8?q?R=C3=A9?= Mi <re@example.org>", []Address{{"=?utf-8?q?R=C3=A9?= Mi", "re", "example.org"}}},
	{"quoted local-part", `"a b@c"@example.org`, []Address{{"", "a b@c", "example.org"}}},
	{"quoted local-part in brackets", `x <"a >b"@example.org>`, []Address{{"x", "a >b", "example.org"}}},
	{"source route", "<@a.example,@b.example:ana@example.org>", []Address{{"", "ana", "example.org"}}},
	{"spaces in brackets", "< ana @ example.org (c) >", []Address{{"", "ana", "example.org"}}},
	{"obsolete spaces", "ana . b @ example . org", []Address{{"", "ana.b", "example.org"}}},
	{"literal", "ana@[192.0.2.1], b@[IPv6:2001:db8::1]", []Address{{"", "ana", "[192.0.2.1]"}, {"", "b", "[IPv6:2001:db8::1]"}}},
	{"group", "Friends: a@b.example, C <c@d.example>; e@f.example", []Address{{"", "Friends", ""}, {"", "a", "b.example"},
		{"C", "c", "d.example"}, {}, {"", "e", "f.example"}}},
	{"empty group", "undisclosed-recipients:;", []Address{{"", "undisclosed-recipients", ""}, {}}},
	{"group without end", "Friends of mine: a@b.example", []Address{{"", "Friends of mine", ""}, {"", "a", "b.example"}, {}}},
	{"semicolons", "a@b.example; c@d.example", []Address{{"", "a", "b.example"}, {"", "c", "d.example"}}},
	{"empty elements", " , a@b.example,, ", []Address{{"", "a", "b.example"}}},
	{"address as name", "a@b.example <c@d.example>", []Address{{"a@b.example", "c", "d.example"}}},
	{"no bracket at the end", "Ana <ana@example.org", []Address{{"Ana", "ana", "example.org"}}},
	{"brackets twice", "Ana <<ana@example.org>>", []Address{{"Ana", "ana", "example.org"}}},
	{"name after", "<ana@example.org> Ana", []Address{{"Ana", "ana", "example.org"}}},
	{"name without brackets", "Ana ana@example.org", []Address{{"Ana", "ana", "example.org"}}},
	{"only a local-part", "root", []Address{{"", "root", MissingHost}}},
	{"only a name", "Ana Example", []Address{{"Ana Example", MissingMailbox, MissingHost}}},
	{"empty brackets", "Ana <>, <>", []Address{{"Ana", MissingMailbox, MissingHost}}},
	{"two at signs", "a@b@c.example", []Address{{"", "a@b", "c.example"}}},
	{"8 bit", "Ren\xe9 <rené@exämple.org>", []Address{{"Ren\xe9", "rené", "exämple.org"}}},
	{"dots in a name", "J. R. Doe <jrd@example.org>", []Address{{"J. R. Doe", "jrd", "example.org"}}},
	{"quote without end", `"Ana <ana@example.org>, b@c.example`, []Address{{"", "Ana <ana@example.org>, b@c.example", MissingHost}}},
	{"comment without end", "a@b.example (Ana", []Address{{"Ana", "a", "b.example"}}},
	{"nothing", "", nil},
}

func TestParseAddressList(t *testing.T) {
	for _, tt := range addressLists {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, ParseAddressList(tt.in)); diff != "" {
				t.Errorf("ParseAddressList(%q) (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

func TestFormatAddressList(t *testing.T) {
	for _, tt := range []struct {
		in   []Address
		want string
	}{
		{[]Address{{"", "ana", "example.org"}}, "ana@example.org"},
		{[]Address{{"Ana E", "ana", "example.org"}, {"J. Doe", "a b", "c.example"}}, `Ana E <ana@example.org>, "J. Doe" <"a b"@c.example>`},
		{[]Address{{"Grüße", "g", "example.org"}}, "=?utf-8?b?R3LDvMOfZQ==?= <g@example.org>"},
		{[]Address{{"", "F", ""}, {"", "a", "b.example"}, {"", "c", "d.example"}, {}, {"", "e", "f.example"}}, "F: a@b.example, c@d.example;, e@f.example"},
		{[]Address{{"x\r\nBcc: y", "a\r\nb", "c\r\nd"}}, `"x  Bcc: y" <"a  b"@cd>`},
	} {
		if got := FormatAddressList(tt.in); got != tt.want {
			t.Errorf("FormatAddressList(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

var dates = []struct {
	name, in, want string // want in RFC 3339; empty: no date
}{
	{"RFC 5322", "Mon, 2 Feb 2026 10:00:01 +0100", "2026-02-02T10:00:01+01:00"},
	{"no weekday, no seconds", "2 Feb 2026 10:00 -0330", "2026-02-02T10:00:00-03:30"},
	{"comment", "Mon, 2 Feb 2026 (day (of)) 10:00:01 +0000 (GMT)", "2026-02-02T10:00:01Z"},
	{"obsolete zone", "Mon, 02 Feb 2026 10:00:01 PST", "2026-02-02T10:00:01-08:00"},
	{"named zone with offset", "Mon, 2 Feb 2026 10:00:01 GMT+0200", "2026-02-02T10:00:01+02:00"},
	{"zone with colon", "Mon, 2 Feb 2026 10:00:01 +05:30", "2026-02-02T10:00:01+05:30"},
	{"unknown zone", "Mon, 2 Feb 2026 10:00:01 XYZ", "2026-02-02T10:00:01Z"},
	{"no zone", "Mon, 2 Feb 2026 10:00:01", "2026-02-02T10:00:01Z"},
	{"two-digit year", "2 Feb 99 10:00:01 GMT", "1999-02-02T10:00:01Z"},
	{"two-digit year of this century", "2 Feb 26 10:00:01 GMT", "2026-02-02T10:00:01Z"},
	{"three-digit year", "2 Feb 126 10:00:01 GMT", "2026-02-02T10:00:01Z"},
	{"folded", "Mon,\r\n 2 Feb 2026\r\n\t10:00:01 +0100", "2026-02-02T10:00:01+01:00"},
	{"asctime", "Mon Feb  2 10:00:01 2026", "2026-02-02T10:00:01Z"},
	{"RFC 850", "Monday, 02-Feb-26 10:00:01 GMT", "2026-02-02T10:00:01Z"},
	{"ISO 8601", "2026-02-02T10:00:01Z", "2026-02-02T10:00:01Z"},
	{"ISO 8601 with offset", "2026-02-02 10:00:01+01:00", "2026-02-02T10:00:01+01:00"},
	{"long month", "2 February 2026 10:00:01 +0000", "2026-02-02T10:00:01Z"},
	{"am and pm", "2 Feb 2026 10:00:01 PM", "2026-02-02T22:00:01Z"},
	{"leap second", "31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59Z"},
	{"date only", "2 Feb 2026", "2026-02-02T00:00:00Z"},
	{"absurd zone", "2 Feb 2026 10:00:01 +9999", "2026-02-02T10:00:01Z"},
	{"bad hour", "2 Feb 2026 25:00:01 +0000", ""},
	{"no month", "2 2026 10:00:01 +0000", ""},
	{"words", "yesterday", ""},
	{"nothing", "", ""},
	{"only signs", "+ - :", ""},
}

func TestParseDate(t *testing.T) {
	for _, tt := range dates {
		t.Run(tt.name, func(t *testing.T) {
			d, ok := ParseDate(tt.in)
			got := ""
			if ok {
				got = d.Format(time.RFC3339)
			}
			if got != tt.want {
				t.Errorf("ParseDate(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestParseMsgIDs(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"<a@b>", []string{"a@b"}},
		{"<a@b> <c@d>\r\n\t<e@f>", []string{"a@b", "c@d", "e@f"}},
		{"Your message of today <a@b>", []string{"a@b"}},
		{"<a@\r\n b>", []string{"a@b"}},
		{"a@b c@d", []string{"a@b", "c@d"}},
		{"<a@b <c@d>", []string{"c@d"}},
		{"<>", nil},
		{"no id", nil},
	} {
		if diff := cmp.Diff(tt.want, ParseMsgIDs(tt.in)); diff != "" {
			t.Errorf("ParseMsgIDs(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestSubjectBase(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		reply    bool
	}{
		{"hello", "hello", false},
		{"Re: hello", "hello", true},
		{"RE: re[2]: Fwd: hello (fwd)", "hello", true},
		{"[list] hello", "hello", false},
		{"[list] Re: [list] hello", "hello", true},
		{"[fwd: hello]", "hello", true},
		{"[only a blob]", "[only a blob]", false},
		{"Re : \t hello\r\n world", "hello world", true},
		{"Reply to this", "Reply to this", false},
		{"", "", false},
	} {
		if got, reply := SubjectBase(tt.in); got != tt.want || reply != tt.reply {
			t.Errorf("SubjectBase(%q) = %q, %t; want %q, %t", tt.in, got, reply, tt.want, tt.reply)
		}
	}
}

func TestDecodeTransfer(t *testing.T) {
	for _, tt := range []struct{ name, encoding, in, want string }{
		{"base64", "base64", "R3LD\r\nvMOfZQ==\r\n", "Grüße"},
		{"base64 without padding", "BASE64", "R3LDvMOfZQ", "Grüße"},
		{"base64 with garbage", "base64", "R3*L D!v\x00MOf-ZQ==\r\n.\r\n", "Grüße"},
		{"base64, joined pieces", "base64", "YQ==\r\nYmM=\r\nZA", "abcd"},
		{"one digit says nothing", "base64", "YWJjZ", "abc"},
		{"quoted-printable", "quoted-printable", "Gr=C3=BC=c3=9fe =\r\naus  \r\nBerlin=20\t\r\n", "Grüße aus\r\nBerlin \r\n"},
		{"soft break with blanks", "quoted-printable", "a= \t\r\nb=\nc", "abc"},
		{"bad codes stay", "quoted-printable", "1=2 =G0 =4\r\n==3D", "1=2 =G0 =4\r\n=="},
		{"soft break at the end", "quoted-printable", "a=", "a="},
		{"unknown", "x-unknown", "a=3D", "a=3D"},
		{"8bit", "8bit", "a=3D", "a=3D"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := io.ReadAll(DecodeTransfer(tt.encoding, strings.NewReader(tt.in)))
			if string(got) != tt.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestDecodeText(t *testing.T) {
	for _, tt := range []struct{ name, charset, in, want string }{
		{"utf-8", "UTF-8", "Grüße \xff", "Grüße \uFFFD"},
		{"latin1", "iso-8859-1", "Gr\xfc\xdfe", "Grüße"},
		{"windows-1252 behind latin1", "latin1", "\x80", "€"},
		{"missing, UTF-8", "", "Grüße", "Grüße"},
		{"missing, 8 bit", "", "ascii first, then Gr\xfc\xdfe", "ascii first, then Grüße"},
		{"unknown", "x-foo", "Grüße", "Grüße"},
		{"japanese", "iso-2022-jp", "\x1b$BF|K\\8l\x1b(B", "日本語"},
		{"chinese", "gb2312", "\xc4\xe3\xba\xc3", "你好"},
		{"utf-7", "utf-7", "+ZeVnLIqe-", "日本語"},
		{"dos", "cp850", "Gr\x81\xe1e", "Grüße"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &Part{Encoding: "8bit", Params: []Param{{"charset", tt.charset}}}
			got, err := io.ReadAll(DecodeText(p, &stepReader{[]byte(tt.in), 1}))
			if string(got) != tt.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// TestUTF7Run checks a run that is longer than one step of the decoder.
func TestUTF7Run(t *testing.T) {
	in := "+" + strings.Repeat("ZeVnLIqe", 1000) + "-."
	want := strings.Repeat("日本語", 1000) + "."
	if got := decodeCharset("utf-7", []byte(in)); got != want {
		t.Errorf("got %d octets %.40q, want %d %.40q", len(got), got, len(want), want)
	}
	for n := maxRun - 8; n <= maxRun+8; n += 8 {
		in := "+" + strings.Repeat("ZeVnLIqe", n/8) + "."
		if got, want := decodeCharset("utf-7", []byte(in)), strings.Repeat("日本語", n/8)+"."; got != want {
			t.Errorf("run of %d digits: got %q at the end", n, got[len(got)-8:])
		}
	}
}

func TestFormatField(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"short", "hello", "Subject: hello\r\n"},
		{"empty", "", "Subject:\r\n"},
		{"folded at 78", strings.Repeat("abcdefghi ", 8) + "end", "Subject: abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi\r\n abcdefghi end\r\n"},
		{"folds are kept", "a;\r\n\tb;\r\n c", "Subject: a;\r\n\tb;\r\n c\r\n"},
		{"injection", "a\r\nBcc: b\nc\r", "Subject: a  Bcc: b c \r\n"},
		{"line of blanks", "a\r\n \r\n b", "Subject: a   \r\n b\r\n"},
		{"long word", strings.Repeat("x", 100), "Subject: " + strings.Repeat("x", 100) + "\r\n"},
		{"longer than a line", strings.Repeat("x", 2000), "Subject: " + strings.Repeat("x", 985) + "\r\n " + strings.Repeat("x", 993) + "\r\n " + strings.Repeat("x", 22) + "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(FormatField("Subject", tt.value)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestIsAnswerable(t *testing.T) {
	for header, want := range map[string]bool{
		"From: a@b\r\n":                                     true,
		"Auto-Submitted: no\r\n":                            true,
		"Auto-Submitted: auto-replied (vacation)\r\n":       false,
		"AUTO-SUBMITTED: auto-generated; owner=x\r\n":       false,
		"Precedence: bulk\r\n":                              false,
		"List-Id: <list.example.org>\r\n":                   false,
		"From: a@b\r\n\r\nAuto-Submitted: auto-replied\r\n": true,
	} {
		if got := IsAnswerable([]byte(header)); got != want {
			t.Errorf("IsAnswerable(%q) = %t, want %t", header, got, want)
		}
	}
}

func TestHeaderEdits(t *testing.T) {
	header := "Received: a\r\n by b\r\nbroken line\r\nSubject: s\r\nBCC: x,\r\n y\r\nreceived: c\r\n\r\n"
	got := string(RemoveFields([]byte(header), "bcc", "Received"))
	if want := "broken line\r\nSubject: s\r\n\r\n"; got != want {
		t.Errorf("RemoveFields = %q, want %q", got, want)
	}
	var names []string
	for f := range Fields([]byte(header)) {
		names = append(names, f.Name+"="+f.Value())
	}
	if diff := cmp.Diff([]string{"Received=a by b", "Subject=s", "BCC=x, y", "received=c"}, names); diff != "" {
		t.Errorf("Fields (-want +got):\n%s", diff)
	}
}

func TestSplitHeader(t *testing.T) {
	field := "X-Long: " + strings.Repeat("a ", 30) + "\r\n"
	for _, fields := range []int{0, 1, 200, 5000} {
		header := "A: b\r\n" + strings.Repeat(field, fields) + "\r\n"
		body := strings.Repeat("body\r\n", 5000)
		got, rest, err := SplitHeader(strings.NewReader(header + body))
		if err != nil || string(got) != header {
			t.Fatalf("%d fields: %d octets of header, %v; want %d", fields, len(got), err, len(header))
		}
		if b, err := io.ReadAll(rest); string(b) != body || err != nil {
			t.Fatalf("%d fields: %d octets of rest, %v; want %d", fields, len(b), err, len(body))
		}
	}
	huge := bytes.Repeat([]byte(field), MaxHeader/len(field)+10)
	got, rest, err := SplitHeader(bytes.NewReader(huge))
	if err != nil || len(got) != MaxHeader {
		t.Fatalf("header of %d octets was cut at %d, %v; want %d", len(huge), len(got), err, MaxHeader)
	}
	if b, err := io.ReadAll(rest); len(b) != len(huge)-MaxHeader || err != nil {
		t.Errorf("rest of %d octets, %v; want %d", len(b), err, len(huge)-MaxHeader)
	}
	want := io.ErrClosedPipe
	if _, _, err := SplitHeader(io.MultiReader(strings.NewReader("A: b\r\n"), failingReader{want})); err != want {
		t.Errorf("error %v, want %v", err, want)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
