package message

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestSection checks part numbers as RFC 9051 section 6.4.5.1 has them.
func TestSection(t *testing.T) {
	const none = "no such section"
	for _, tt := range []struct {
		file string
		path []int
		s    Section
		want string
	}{
		{"header-only", nil, SectionBody, "From: ana@example.org\r\nSubject: no body"},
		{"header-only", nil, SectionHeader, "From: ana@example.org\r\nSubject: no body"},
		{"header-only", nil, SectionText, ""},
		{"header-only", nil, SectionMIME, none},
		{"latin1", []int{1}, SectionBody, "d\xe9j\xe0 vu\r\n"},
		{"latin1", []int{1}, SectionMIME, "From: Ren\xe9 <rene@example.org>\r\nSubject: caf\xe9\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n"},
		{"latin1", []int{1}, SectionHeader, none},
		{"latin1", []int{2}, SectionBody, none},
		{"latin1", []int{0}, SectionBody, none},
		{"latin1", []int{1, 1}, SectionBody, none},
		{"alternative", []int{1, 1}, SectionBody, "Sch=C3=B6ne Gr=C3=BC=\r\n=C3=9Fe   =\r\n"},
		{"alternative", []int{2}, SectionBody, "JVBERi0="},
		{"alternative", []int{1, 3}, SectionBody, none},
		{"alternative", []int{1, 1, 1}, SectionBody, none},
		{"alternative", []int{3}, SectionBody, none},
		{"alternative", []int{-1}, SectionBody, none},
		{"forwarded", []int{1}, SectionBody, "See below."},
		{"forwarded", []int{1}, SectionMIME, "\r\n"},
		{"forwarded", []int{2}, SectionMIME, "Content-Type: message/rfc822\r\n\r\n"},
		{"forwarded", []int{2}, SectionHeader, "From: bo@example.net\r\nTo: ana@example.org\r\nSubject: hello\r\nDate: Mon, 2 Feb 2026 10:00:00 +0000\r\n" +
			"Message-ID: <h@example.net>\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"},
		{"forwarded", []int{2}, SectionText, "--c\r\nContent-Type: text/plain\r\n\r\ninner text\r\n--c\r\nContent-Type: text/html\r\n\r\n<b>inner</b> html\r\n--c--\r\n"},
		{"forwarded", []int{2, 1}, SectionBody, "inner text"},
		{"forwarded", []int{2, 2}, SectionMIME, "Content-Type: text/html\r\n\r\n"},
		{"forwarded", []int{2, 3}, SectionBody, none},
		{"forwarded", []int{3}, SectionHeader, none},
		{"digest", []int{1, 1}, SectionBody, "first"},
		{"digest", []int{2}, SectionBody, "From: two@example.org\r\nSubject: two\r\n\r\nsecond"},
		{"digest", []int{2, 1}, SectionMIME, "From: two@example.org\r\nSubject: two\r\n\r\n"},
		{"digest", []int{2, 1, 1}, SectionBody, none},
		{"nested-single", []int{1}, SectionText, "Subject: innermost\r\n\r\ntext\r\n"},
		{"nested-single", []int{1, 1}, SectionBody, "Subject: innermost\r\n\r\ntext\r\n"},
		{"nested-single", []int{1, 1, 1}, SectionBody, "text\r\n"},
		{"nested-single", []int{1, 1, 1, 1}, SectionBody, none},
	} {
		msg, err := os.ReadFile("testdata/" + tt.file + ".eml")
		if err != nil {
			t.Fatal(err)
		}
		got := none
		if start, end, ok := parse(t, msg).Section(tt.path, tt.s); ok {
			got = string(msg[start:end])
		}
		if got != tt.want {
			t.Errorf("%s: section %d of %v is %q, want %q", tt.file, tt.s, tt.path, got, tt.want)
		}
	}
}

// TestPrepend compares with a pass over the longer message; FuzzIndexer does
// it for all messages of testdata.
func TestPrepend(t *testing.T) {
	for name, front := range map[string]string{
		"trace":      "Return-Path: <>\r\nDelivered-To: bo@example.net\r\nReceived: a\r\n\tby b\r\nReceived: c\r\n",
		"submission": "Received: x\r\nMessage-ID: <new@example.org>\r\nDate: Tue, 3 Feb 2026 10:00:00 +0000\r\nTo: more@example.org\r\n",
		"delivery":   "Return-Path: <>\r\nDelivered-To: bo@example.net\r\n",
		"long line":  "X-Long: " + strings.Repeat("x", 1200) + "\r\n",
		"subject":    "Subject: ***SPAM***\r\n",
		"8 bit":      "X-Spam: ü\r\n",
		"nothing":    "",
	} {
		for file, msg := range messages(t) {
			header := []byte(front)
			ix := parse(t, msg)
			if ix.NeedsEmptyLine() && front != "" {
				header = append(header, "\r\n"...)
			}
			ix.Prepend(header)
			if diff := diffIndex(parse(t, append(header, msg...)), ix); diff != "" {
				t.Errorf("%s before %s (-parsed anew +got):\n%s", name, file, diff)
			}
		}
	}
}

// TestDecodeDamaged checks that no beginning of a record is taken for one.
func TestDecodeDamaged(t *testing.T) {
	b, err := parse(t, benchMessage(4<<10)).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 900 {
		t.Errorf("the record of a usual message has %d octets", len(b))
	}
	for n := range b {
		if _, err := Decode(b[:n]); err == nil {
			t.Errorf("Decode takes the first %d of %d octets", n, len(b))
		}
	}
	if _, err := Decode(append([]byte{recordVersion + 1}, b[1:]...)); err == nil {
		t.Error("Decode takes a version it does not know")
	}
	for n := range 200 { // the envelope alone has more
		if _, err := DecodeBodyStart(b[:n]); err == nil {
			t.Errorf("DecodeBodyStart takes the first %d octets", n)
		}
	}
	if _, err := DecodeBodyStart(bytes.Repeat([]byte{0xff}, 100)); err == nil {
		t.Error("DecodeBodyStart takes anything")
	}
	if _, err := DecodeEnvelope(bytes.Repeat([]byte{0xff}, 100)); err == nil {
		t.Error("DecodeEnvelope takes anything")
	}
}
