package message

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzIndexer checks that cutting a message into writes makes no difference,
// that the index keeps what the package promises, and that its record does.
func FuzzIndexer(f *testing.F) {
	for _, msg := range messages(f) {
		f.Add(msg, uint16(7))
		f.Add(bytes.ReplaceAll(msg, []byte("\r\n"), []byte("\n")), uint16(1))
	}
	f.Fuzz(func(t *testing.T, msg []byte, step uint16) {
		ix := parse(t, msg)
		x := NewIndexer()
		n := int(step)%257 + 1
		for rest := msg; len(rest) > 0; rest = rest[min(n, len(rest)):] {
			x.Write(rest[:min(n, len(rest))])
		}
		if diff := diffIndex(ix, x.Close()); diff != "" {
			t.Fatalf("written %d octets at a time (-whole +pieces):\n%s", n, diff)
		}
		if err := ix.check(); err != nil {
			t.Fatal(err)
		}
		if ix.Size != int64(len(msg)) {
			t.Fatalf("size %d of %d octets", ix.Size, len(msg))
		}
		checkParts(t, ix, msg)
		checkRecord(t, ix)
		checkPrepend(t, ix, msg)
	})
}

func checkParts(t *testing.T, ix *Index, msg []byte) {
	for p := range ix.Parts() {
		body := msg[p.BodyStart:p.BodyEnd]
		if want := int64(bytes.Count(body, []byte("\n"))); p.Lines != want {
			t.Fatalf("part at %d has %d lines, want %d", p.HeaderStart, p.Lines, want)
		}
		text, err := io.ReadAll(DecodeText(p, p.Reader(bytes.NewReader(msg))))
		if err != nil || !utf8.Valid(text) {
			t.Fatalf("text of part at %d: %q, %v", p.HeaderStart, text, err)
		}
		if !utf8.ValidString(p.Filename()) {
			t.Fatalf("file name %q is not UTF-8", p.Filename())
		}
	}
	if end := HeaderEnd(msg); ix.Root.BodyStart != int64(end) {
		t.Fatalf("HeaderEnd = %d, body of the index starts at %d", end, ix.Root.BodyStart)
	}
	if !utf8.ValidString(ix.Preview) || utf8.RuneCountInString(ix.Preview) > previewRunes {
		t.Fatalf("preview %q", ix.Preview)
	}
}

func checkRecord(t *testing.T, ix *Index) {
	b, err := ix.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > maxEncoded {
		t.Fatalf("record of %d octets", len(b))
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if start, err := DecodeBodyStart(b); err != nil || start != ix.Root.BodyStart {
		t.Fatalf("the body starts at %d, DecodeBodyStart says %d, %v", ix.Root.BodyStart, start, err)
	}
	if diff := diffIndex(ix, got); diff != "" {
		t.Fatalf("after AppendBinary and Decode (-want +got):\n%s", diff)
	}
}

// checkPrepend compares Prepend with a pass over the longer message.
func checkPrepend(t *testing.T, ix *Index, msg []byte) {
	for _, front := range []string{
		"Return-Path: <a@example.org>\r\nReceived: from x\r\n by y; Mon, 2 Feb 2026 10:00:00 +0000\r\n",
		"Return-Path: <a@example.org>\r\nDelivered-To: b@example.org\r\n",
	} {
		checkPrependOf(t, ix.clone(), front, msg)
	}
}

func checkPrependOf(t *testing.T, ix *Index, front string, msg []byte) {
	if ix.NeedsEmptyLine() {
		front += "\r\n"
	}
	want := parse(t, append([]byte(front), msg...))
	ix.Prepend([]byte(front))
	// A header that comes near a bound may pass it now.
	if (want.Traits^ix.Traits)&BoundHit != 0 {
		return
	}
	if diff := diffIndex(want, ix); diff != "" {
		t.Fatalf("Prepend (-parsed anew +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	for _, msg := range messages(f) {
		b, err := parse(f, msg).AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, eerr := DecodeEnvelope(b)
		start, serr := DecodeBodyStart(b)
		ix, err := Decode(b)
		if err != nil {
			return
		}
		if eerr != nil {
			t.Fatalf("Decode succeeds and DecodeEnvelope says %v", eerr)
		}
		if serr != nil || start != ix.Root.BodyStart {
			t.Fatalf("the body starts at %d, DecodeBodyStart says %d, %v", ix.Root.BodyStart, start, serr)
		}
		if diff := cmp.Diff(&ix.Envelope, e); diff != "" {
			t.Fatalf("DecodeEnvelope (-Decode +got):\n%s", diff)
		}
		if err := ix.check(); err != nil {
			t.Fatal(err)
		}
		if len(b) > maxEncoded {
			return
		}
		again, err := ix.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > maxEncoded {
			t.Fatalf("record of %d octets", len(again))
		}
	})
}

func FuzzDecodeHeaderText(f *testing.F) {
	for _, tt := range headerTexts {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := DecodeHeaderText(s)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") {
			t.Fatalf("DecodeHeaderText(%q) = %q", s, got)
		}
		if len(got) > 8*len(s)+8 {
			t.Fatalf("%d octets became %d", len(s), len(got))
		}
		text := printable(s)
		encoded := EncodeText(text)
		if !isASCII(encoded) {
			t.Fatalf("EncodeText(%q) = %q", text, encoded)
		}
		if got := DecodeHeaderText(encoded); got != text {
			t.Fatalf("EncodeText and DecodeHeaderText make %q of %q (as %q)", got, text, encoded)
		}
	})
}

func FuzzParseAddressList(f *testing.F) {
	for _, tt := range addressLists {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		group := false
		total := 0
		for _, a := range ParseAddressList(s) {
			total += len(a.Name)
			switch {
			case a.IsGroupStart() && !group:
				group = true
			case a.IsGroupEnd() && group:
				group = false
			case a.Mailbox == "" || a.Host == "":
				t.Fatalf("ParseAddressList(%q) has %q inside: %v", s, a, group)
			default:
				total += len(a.Mailbox) + len(a.Host)
			}
		}
		if group {
			t.Fatalf("ParseAddressList(%q) leaves a group open", s)
		}
		if limit := len(s) * (len(MissingHost) + len(MissingMailbox) + 2); total > limit {
			t.Fatalf("%d octets became %d", len(s), total)
		}
		ParseMsgIDs(s)
		SubjectBase(s)
	})
}

func FuzzParseDate(f *testing.F) {
	for _, tt := range dates {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := ParseDate(s)
		if !ok {
			return
		}
		again, ok := ParseDate(d.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
		if !ok || !again.Equal(d) {
			t.Fatalf("ParseDate(%q) = %v, and again %v, %v", s, d, again, ok)
		}
	})
}

func FuzzFields(f *testing.F) {
	for _, msg := range messages(f) {
		f.Add(msg, "Subject")
	}
	f.Fuzz(func(t *testing.T, msg []byte, name string) {
		header := msg[:HeaderEnd(msg)]
		end := 0
		for field := range Fields(msg) {
			if field.Offset < end || !bytes.HasPrefix(header[field.Offset:], field.Raw) {
				t.Fatalf("field %q at %d, header ends at %d", field.Raw, field.Offset, len(header))
			}
			end = field.Offset + len(field.Raw)
			if strings.Contains(field.Value(), "\n") {
				t.Fatalf("value %q has a line end", field.Value())
			}
		}
		var with, without []byte
		for field := range Fields(header) {
			line := field.Raw
			if !bytes.HasSuffix(line, []byte("\n")) {
				line = append(bytes.Clone(line), "\r\n"...)
			}
			if strings.EqualFold(field.Name, name) {
				with = append(with, line...)
			} else {
				without = append(without, line...)
			}
		}
		if got := AppendFields(nil, header, []string{"", name}, true); !bytes.Equal(got, with) {
			t.Fatalf("AppendFields of %q = %q, want %q", name, got, with)
		}
		if got := AppendFields(nil, header, []string{name}, false); !bytes.Equal(got, without) {
			t.Fatalf("AppendFields without %q = %q, want %q", name, got, without)
		}
		for value := range FieldValues(with, name) {
			if strings.Contains(value, "\n") {
				t.Fatalf("value %q has a line end", value)
			}
		}
		for field := range Fields(RemoveFields(header, name)) {
			if strings.EqualFold(field.Name, name) {
				t.Fatalf("%q is still there", field.Raw)
			}
		}
		if got := RemoveFieldsFunc(header, func(Field) bool { return false }); !bytes.Equal(got, header) {
			t.Fatalf("header %q became %q", header, got)
		}
		if got, err := ReadHeader(bytes.NewReader(msg)); err != nil || !bytes.Equal(got, header) {
			t.Fatalf("ReadHeader = %q, %v; want %q", got, err, header)
		}
	})
}

func FuzzFormatField(f *testing.F) {
	f.Add("plain text")
	f.Add(strings.Repeat("word ", 50) + strings.Repeat("x", 3000))
	f.Add("folded\r\n already\r\n\tand\nagain\r")
	f.Fuzz(func(t *testing.T, value string) {
		field := FormatField("X-Name", value)
		if !bytes.HasSuffix(field, []byte("\r\n")) {
			t.Fatalf("no line end: %q", field)
		}
		n := 0
		for got := range Fields(field) {
			if n++; n > 1 || got.Name != "X-Name" || len(got.Raw) != len(field) {
				t.Fatalf("FormatField(%q) = %q is not one field", value, field)
			}
		}
		for line := range bytes.Lines(field) {
			text := bytes.TrimSuffix(line, []byte("\r\n"))
			if len(text) > maxLine || bytes.ContainsAny(text, "\r\n\x00") || len(text)+2 != len(line) {
				t.Fatalf("FormatField(%q) has the line %q", value, line)
			}
		}
	})
}

func FuzzDecodeTransfer(f *testing.F) {
	for _, s := range []string{"R3LDvMOfZQ==", "a=3D=\r\nb =\r\nc=", "=E4=zz=\n", "\n \t\r\n"} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		for _, encoding := range []string{"base64", "quoted-printable"} {
			got, err := io.ReadAll(DecodeTransfer(encoding, &stepReader{b, int(step) + 1}))
			if err != nil {
				t.Fatal(err)
			}
			want, err := io.ReadAll(DecodeTransfer(encoding, bytes.NewReader(b)))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s in steps of %d: %q, want %q (%v)", encoding, step, got, want, err)
			}
			if len(want) > len(b) {
				t.Fatalf("%s: %d octets became %d", encoding, len(b), len(want))
			}
		}
		HTMLText(string(b))
		for _, charset := range []string{"utf-7", "utf-8", "", "iso-2022-jp", "utf-16"} {
			p := &Part{Params: []Param{{"charset", charset}}}
			text, err := io.ReadAll(DecodeText(p, &stepReader{b, int(step) + 1}))
			if err != nil || !utf8.Valid(text) {
				t.Fatalf("%s: %q, %v", charset, text, err)
			}
		}
	})
}

// stepReader gives n octets at a time.
type stepReader struct {
	b []byte
	n int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.n)], r.b)
	r.b = r.b[n:]
	return n, nil
}
