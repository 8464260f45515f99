package imapwire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestEncodeString(t *testing.T) {
	long := strings.Repeat("x", 1001)
	for _, tt := range []struct {
		name, in string
		utf8     bool
		want     string
	}{
		{"empty", "", false, `""`},
		{"plain", "a b", false, `"a b"`},
		{"quotes", `a"\`, false, `"a\"\\"`},
		{"line end", "a\r\nb", false, "{4}\r\na\r\nb"},
		{"tab", "a\tb", false, "{3}\r\na\tb"},
		{"8-bit", "ä", false, "{2}\r\nä"},
		{"UTF-8 enabled", "ä", true, `"ä"`},
		{"not UTF-8", "\xe4", true, "{1}\r\n\xe4"},
		{"NUL", "a\x00b", false, `"a b"`},
		{"long", long, false, "{1001}\r\n" + long},
	} {
		e := NewEncoder(nil, nil)
		e.UTF8 = tt.utf8
		if got := string(e.String(tt.in).Take()); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestEncoder(t *testing.T) {
	var out bytes.Buffer
	e := NewEncoder(&out, &Buffers{})
	e.Raw("* ").Number(7).SP().NString("", false).SP().Mailbox("INBOX").SP().Mailbox("Müll & Co").CRLF()
	e.Line("a\r\n* OK injected")
	e.DateTime(time.Date(2026, 2, 1, 3, 4, 5, 0, time.FixedZone("", 3600))).CRLF()
	if out.Len() != 0 {
		t.Error("written before Flush")
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "* 7 NIL INBOX \"M&APw-ll &- Co\"\r\na  * OK injected\r\n\" 1-Feb-2026 03:04:05 +0100\"\r\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if e.buf != nil {
		t.Error("buffer was kept after Flush")
	}
}

func TestUTF7(t *testing.T) {
	for _, tt := range []struct {
		wire, name string
		err        error
	}{
		{"INBOX", "INBOX", nil},
		{"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語", nil}, // RFC 3501 section 5.1.3
		{"&-", "&", nil},
		{"a&-b", "a&b", nil},
		{"&2D3eAA-", "😀", nil},
		{"&", "", ErrName},
		{"&AOQ", "", ErrName},         // no end
		{"&AGE-", "", ErrName},        // "a" needs no encoding
		{"&AOQ-&APw-", "", ErrName},   // two shifts in a row
		{"&2D0-", "", ErrName},        // half a surrogate pair
		{"&AOR-", "", ErrName},        // bits left over
		{"&AO-", "", ErrName},         // half a character
		{"&/wA-", "", ErrName},        // not the modified alphabet
		{"a\x7fb", "", ErrName},       // control
		{"&U,BTF2XlZyyKng-", "", nil}, // joined shifts are one
	} {
		name, err := DecodeUTF7(tt.wire)
		if !errors.Is(err, tt.err) || tt.name != "" && name != tt.name {
			t.Errorf("DecodeUTF7(%q) = %q, %v; want %q, %v", tt.wire, name, err, tt.name, tt.err)
		}
		if err != nil {
			continue
		}
		if back := string(AppendUTF7(nil, name)); back != tt.wire {
			t.Errorf("AppendUTF7(%q) = %q, want %q", name, back, tt.wire)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	f.Add("~peter/mail/&U,BTFw-/&ZeVnLIqe-")
	f.Add("Entwürfe & 😀")
	f.Fuzz(func(t *testing.T, s string) {
		if name, err := DecodeUTF7(s); err == nil {
			if back := string(AppendUTF7(nil, name)); back != s {
				t.Errorf("DecodeUTF7(%q) = %q, which encodes to %q", s, name, back)
			}
		}
		if !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError) {
			return
		}
		wire := string(AppendUTF7(nil, s))
		if name, err := DecodeUTF7(wire); err != nil || name != s {
			t.Errorf("AppendUTF7(%q) = %q, which decodes to %q, %v", s, wire, name, err)
		}
	})
}
