package imapwire

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-imap/v2"
)

// decoderOf reads a text, as a client that does not wait for "+" sends it.
func decoderOf(text string, change ...func(*Options)) *Decoder {
	opt := Options{Continue: func() error { return nil }, Buffers: &Buffers{}}
	for _, c := range change {
		c(&opt)
	}
	return NewDecoder(strings.NewReader(text), opt)
}

func TestTokens(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		take     func(*Decoder) any
		want     any // nil: a syntax error
	}{
		{"tag", "a.1]\r\n", func(d *Decoder) any { return d.Tag() }, "a.1]"},
		{"plus is no tag", "+\r\n", func(d *Decoder) any { return d.Tag() }, nil},
		{"name", "body.peek\r\n", func(d *Decoder) any { return d.Name() }, "BODY.PEEK"},
		{"atom", "$Label\r\n", func(d *Decoder) any { return d.Atom() }, "$Label"},
		{"no atom", "(\r\n", func(d *Decoder) any { return d.Atom() }, nil},
		{"8-bit atom", "\xe4\r\n", func(d *Decoder) any { return d.Atom() }, nil},
		{"quoted", `"a\"\\ b"` + "\r\n", func(d *Decoder) any { return d.String() }, `a"\ b`},
		{"quoted UTF-8", "\"ä\"\r\n", func(d *Decoder) any { return d.String() }, "ä"},
		{"quoted, not UTF-8", "\"\xe4\"\r\n", func(d *Decoder) any { return d.String() }, nil},
		{"quoted without end", "\"a\r\n", func(d *Decoder) any { return d.String() }, nil},
		{"quoted with a wrong escape", "\"\\a\"\r\n", func(d *Decoder) any { return d.String() }, nil},
		{"quoted with NUL", "\"\x00\"\r\n", func(d *Decoder) any { return d.String() }, nil},
		{"lone LF", "abc\n", func(d *Decoder) any { return d.Atom() }, "abc"},
		{"literal", "{5}\r\na\r\nb!\r\n", func(d *Decoder) any { return d.String() }, "a\r\nb!"},
		{"literal+", "{2+}\r\nab\r\n", func(d *Decoder) any { return d.AString() }, "ab"},
		{"empty literal", "{0+}\r\n\r\n", func(d *Decoder) any { return d.AString() }, ""},
		{"literal8", "~{2+}\r\na\x00\r\n", func(d *Decoder) any { return d.String() }, "a\x00"},
		{"text after a literal", "{1+}\r\na b\r\n", func(d *Decoder) any { return d.AString() + d.SP().Atom() }, "ab"},
		{"nil", "nil\r\n", func(d *Decoder) any { s, ok := d.NString(); return fmt.Sprint(s, ok) }, "false"},
		{"no nil", "nix\r\n", func(d *Decoder) any { s, _ := d.NString(); return s }, nil},
		{"number", "4294967295\r\n", func(d *Decoder) any { return d.Number() }, uint32(1<<32 - 1)},
		{"large number", "4294967296\r\n", func(d *Decoder) any { return d.Number() }, nil},
		{"number64", "9223372036854775807\r\n", func(d *Decoder) any { return d.Number64() }, uint64(9223372036854775807)},
		{"larger", "9223372036854775808\r\n", func(d *Decoder) any { return d.Number64() }, nil},
		{"flags", "(\\Seen $x)\r\n", func(d *Decoder) any { return d.Flags() }, []imap.Flag{`\Seen`, "$x"}},
		{"flags, bare", "\\Seen x\r\n", func(d *Decoder) any { return d.Flags() }, []imap.Flag{`\Seen`, "x"}},
		{"no flags", "()\r\n", func(d *Decoder) any { return d.Flags() }, []imap.Flag(nil)},
		{"seq set", "1,3:*,*:2\r\n", func(d *Decoder) any { return d.SeqSet() }, imap.SeqSet{{Start: 1, Stop: 1}, {Start: 3}, {Start: 2}}},
		{"zero in a set", "0\r\n", func(d *Decoder) any { return d.SeqSet() }, nil},
		{"comma at the end", "1,\r\n", func(d *Decoder) any { return d.UIDSet() }, nil},
		{"mailbox", "\"Entw&APw-rfe\"\r\n", func(d *Decoder) any { return d.Mailbox(false) }, "Entwürfe"},
		{"mailbox in UTF-8", "\"Entw&APw-rfe ü\"\r\n", func(d *Decoder) any { return d.Mailbox(true) }, "Entw&APw-rfe ü"},
		{"pattern", "a%/*\r\n", func(d *Decoder) any { return pattern(d) }, "a%/* true"},
		{"pattern in a wrong encoding", "a&%\r\n", func(d *Decoder) any { return pattern(d) }, " false"},
		{"date", "1-feb-2026\r\n", func(d *Decoder) any { return d.Date().Format("2006-01-02") }, "2026-02-01"},
		{"quoted date", "\"28-Feb-2026\"\r\n", func(d *Decoder) any { return d.Date().Format("2006-01-02") }, "2026-02-28"},
		{"no date", "30-Feb-2026\r\n", func(d *Decoder) any { return d.Date().Year() }, nil},
		{"date-time", "\" 1-Feb-2026 10:00:00 +0100\"\r\n", func(d *Decoder) any { return d.DateTime().UTC().Hour() }, 9},
		{"base64", "YQ==\r\n", func(d *Decoder) any { return string(d.Base64()) }, "a"},
		{"empty base64", "=\r\n", func(d *Decoder) any { return string(d.Base64()) }, ""},
		{"no base64", "?\r\n", func(d *Decoder) any { return string(d.Base64()) }, nil},
		{"nothing left", "a\r\n", func(d *Decoder) any { d.Atom(); return d.SP().Atom() }, nil},
		{"too much", "a b\r\n", func(d *Decoder) any { return d.Atom() }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(iotest.OneByteReader(strings.NewReader(tt.in)), Options{Continue: func() error { return nil }})
			if err := d.Next(); err != nil {
				t.Fatal(err)
			}
			got := tt.take(d)
			err := d.End()
			var syntax *SyntaxError
			switch {
			case tt.want == nil && !errors.As(err, &syntax):
				t.Errorf("got %v, %v; want a syntax error", got, err)
			case tt.want != nil && (err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", tt.want)):
				t.Errorf("got %#v, %v; want %#v", got, err, tt.want)
			}
		})
	}
}

func pattern(d *Decoder) string {
	name, ok := d.ListMailbox(false)
	return fmt.Sprint(name, " ", ok)
}

// TestSkip plays commands that are refused at their first argument. What
// follows must be read as a command of its own, and literals never.
func TestSkip(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		next     string // the first word of the next command
		err      error
	}{
		{"plain", "bad rest of it\r\nnext\r\n", "next", nil},
		{"non-synchronising literal", "bad {6+}\r\nevil\r\n\r\nnext\r\n", "next", nil},
		{"two of them", "bad {6+}\r\nevil\r\n {6+}\r\nevil\r\n x\r\nnext\r\n", "next", nil},
		{"empty one", "bad {0+}\r\n {6+}\r\nevil\r\n\r\nnext\r\n", "next", nil},
		{"literal8", "bad ~{6+}\r\nevil\r\n\r\nnext\r\n", "next", nil},
		{"behind an open quote", "bad \"{6+}\r\nevil\r\n\r\nnext\r\n", "next", nil},
		{"synchronising: the client does not send it", "bad {6}\r\nnext\r\n", "next", nil},
		{"after a line that is too long", "bad " + strings.Repeat("x", 200) + " {6+}\r\nevil\r\n\r\nnext\r\n", "next", nil},
		{"line too long by its header", "bad " + strings.Repeat("x", 92) + " {6+}\r\nevil\r\n\r\nnext\r\n", "next", nil},
		{"larger than all that is passed over", "bad {1001+}\r\nevil\r\n", "", ErrFlood},
		{"larger than any number", "bad {99999999999999999999999999+}\r\nevil\r\n", "", ErrFlood},
		{"leading zeros", "bad {" + strings.Repeat("0", 50) + "6+}\r\nevil\r\n\r\nnext\r\n", "", ErrFlood},
		{"empty literals without end", "bad " + strings.Repeat("{0+}\r\n", 2000), "", ErrFlood},
		{"endless line", "bad " + strings.Repeat("x", 2000), "", ErrFlood},
		{"cut off in a literal", "bad {6+}\r\nevi", "", io.ErrUnexpectedEOF},
		{"cut off after a literal", "bad {6+}\r\nevil\r\n", "", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, whole := range []bool{true, false} {
				var r io.Reader = strings.NewReader(tt.in)
				if !whole {
					r = iotest.OneByteReader(r)
				}
				d := NewDecoder(r, Options{Bounds: Bounds{MaxLine: 100, MaxSkip: 1000}})
				err := d.Next()
				if err == nil {
					d.Atom()
					d.Fail("refused")
					err = d.Skip()
				}
				if err == nil {
					err = d.Next()
				}
				if got := d.Atom(); !errors.Is(err, tt.err) || got != tt.next {
					t.Errorf("next = %q, %v; want %q, %v (whole: %v)", got, err, tt.next, tt.err, whole)
				}
			}
		})
	}
}

// TestTruncated cuts a command at every octet: only between commands is the
// end a clean one.
func TestTruncated(t *testing.T) {
	const whole = "a APPEND x {4+}\r\nbody {3}\r\nabc\r\n"
	for n := range len(whole) + 1 {
		d := decoderOf(whole[:n])
		err := d.Next()
		if err == nil {
			d.Tag()
			d.SP().Name()
			d.SP().AString()
			_, _ = io.ReadAll(d.SP().Literal())
			_ = d.SP().String()
			err = d.End()
		}
		switch {
		case n == len(whole) && err != nil:
			t.Errorf("whole command: %v", err)
		case n == 0 && err != io.EOF:
			t.Errorf("nothing: %v, want EOF", err)
		case n > 0 && n < len(whole) && err != io.ErrUnexpectedEOF:
			t.Errorf("%d octets: %v, want an unexpected EOF", n, err)
		}
	}
}

func TestLimits(t *testing.T) {
	line := "a " + strings.Repeat("1234567,", 7900) + "1"
	d := decoderOf(line + "\r\nnext\r\n")
	if err := d.Next(); err != nil {
		t.Fatal(err)
	}
	d.Tag()
	set, _ := d.SP().UIDSet().(imap.UIDSet)
	if err := d.End(); err != nil || len(set) != 7901 {
		t.Errorf("UID set of %d octets = %d ranges, %v; want 7901", len(line), len(set), err)
	}
	for _, tt := range []struct {
		name, in string
	}{
		{"line", strings.Repeat("x", 64<<10+1)},
		{"line and literals", "{1+}\r\na" + strings.Repeat("x", 64<<10)},
		{"literal", fmt.Sprintf("{%d+}\r\n%s", 128<<10+1, strings.Repeat("x", 128<<10+1))},
		{"two literals", fmt.Sprintf("{%d+}\r\n%s {1+}\r\na", 128<<10, strings.Repeat("x", 128<<10))},
	} {
		d := decoderOf(tt.in + "\r\nnext\r\n")
		if err := d.Next(); err != nil {
			t.Fatal(err)
		}
		for !d.AtEnd() && d.Err() == nil {
			d.AString()
			d.TrySP()
		}
		var syntax *SyntaxError
		if err := d.End(); !errors.As(err, &syntax) || !syntax.TooBig {
			t.Errorf("%s: %v, want TooBig", tt.name, err)
		}
		if err := d.Skip(); err != nil {
			t.Fatal(err)
		}
		if err := d.Next(); err != nil || d.Atom() != "next" {
			t.Errorf("%s: next command was not found: %v", tt.name, err)
		}
	}
}

// TestLiteralIsAskedFor checks the order of events: the client is asked for a
// literal only when it is wanted.
func TestLiteralIsAskedFor(t *testing.T) {
	asked := 0
	d := decoderOf("a {3}\r\nabc\r\nb {3}\r\nc\r\n", func(o *Options) { o.Continue = func() error { asked++; return nil } })
	if err := d.Next(); err != nil {
		t.Fatal(err)
	}
	d.Tag()
	d.SP()
	l, ok := d.PeekLiteral()
	if !ok || l.Size != 3 || !l.Sync || asked != 0 {
		t.Errorf("PeekLiteral = %+v, %v; asked %d times", l, ok, asked)
	}
	if got := d.String(); got != "abc" || asked != 1 || d.End() != nil {
		t.Errorf("literal = %q, asked %d times, %v", got, asked, d.End())
	}
	if err := d.Next(); err != nil {
		t.Fatal(err)
	}
	d.Tag()
	d.SP()
	d.Fail("not wanted")
	if err := d.Skip(); err != nil || asked != 1 {
		t.Errorf("Skip = %v, asked %d times", err, asked)
	}
	if err := d.Next(); err != nil || d.Tag() != "c" {
		t.Errorf("next command was not found: %v", err)
	}
}

// TestLiteralGivenUp leaves a literal half read.
func TestLiteralGivenUp(t *testing.T) {
	d := decoderOf("a {8+}\r\nab\r\ncd\r\n x {2+}\r\n\r\n\r\nb\r\n")
	if err := d.Next(); err != nil {
		t.Fatal(err)
	}
	d.Tag()
	var two [2]byte
	if _, err := io.ReadFull(d.SP().Literal(), two[:]); err != nil || string(two[:]) != "ab" {
		t.Fatal(err)
	}
	if err := d.Skip(); err != nil {
		t.Fatal(err)
	}
	if err := d.Next(); err != nil || d.Tag() != "b" {
		t.Errorf("next command was not found: %v", err)
	}
}

// TestIdleDecoderIsSmall checks that a decoder gives its buffers back.
func TestIdleDecoderIsSmall(t *testing.T) {
	d := decoderOf(strings.Repeat("x", 50_000) + "\r\nb\r\n")
	if err := d.Next(); err != nil {
		t.Fatal(err)
	}
	if len(d.buf) < 50_000 {
		t.Fatalf("buffer has %d octets", len(d.buf))
	}
	if err := d.Next(); err != nil {
		t.Fatal(err)
	}
	if len(d.buf) != idleBuffer || d.Tag() != "b" {
		t.Errorf("buffer has %d octets, want %d", len(d.buf), idleBuffer)
	}
}

func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		"a LOGIN {3+}\r\nbob \"x\\\"\"\r\n", "b FETCH 1:*,$ (FLAGS BODY[1.2]<0.1>)\r\nc {5}\r\nabcde\r\n", "d \"open {3+}\r\nabc\r\n",
		"e {99999999999999999999+}\r\n", "f ~{2}\r\n\x00\x00 \" 1-Feb-2026 10:00:00 +0000\" (\\Seen) &APw-\r\n", "\n\n{0+}\r\n{0}\r\n\r\n",
	} {
		f.Add([]byte(s), uint64(0x123456789abcdef))
	}
	f.Fuzz(func(t *testing.T, in []byte, choice uint64) {
		d := decoderOf(string(in), func(o *Options) { o.MaxLine, o.MaxString, o.MaxSkip = 200, 300, 500 })
		for d.Next() == nil {
			for range 100 {
				if d.AtEnd() {
					break
				}
				takeAny(d, int(choice%16))
				choice = choice>>4 | choice<<60
			}
			_ = d.End()
			if d.Skip() != nil {
				break
			}
		}
		if d.Fatal() == nil {
			t.Fatal("the end was not seen")
		}
	})
}

// takeAny takes one of the tokens.
func takeAny(d *Decoder, kind int) {
	for i, take := range []func(){
		func() { d.Tag() }, func() { d.Name() }, func() { d.Atom() }, func() { d.AString() }, func() { d.NString() },
		func() { d.Number64() }, func() { d.Mailbox(false) }, func() { d.ListMailbox(true) }, func() { d.Flags() },
		func() { d.List(func() { d.AString() }) }, func() { d.SeqSet() }, func() { d.Date() }, func() { d.DateTime() },
		func() { d.Base64() }, func() { _, _ = io.ReadAll(d.Literal()) }, func() { d.SP() },
	} {
		if i == kind {
			take()
		}
	}
}

func FuzzNumSet(f *testing.F) {
	f.Add("1,2:4,*:5")
	f.Add("$")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\r\n") {
			return
		}
		d := decoderOf(s + "\r\n")
		if d.Next() != nil {
			return
		}
		set, ok := d.UIDSet().(imap.UIDSet)
		if d.End() != nil || !ok || imap.IsSearchRes(set) {
			return
		}
		// What was understood is written and understood again.
		again := decoderOf(set.String() + "\r\n")
		if err := again.Next(); err != nil {
			t.Fatal(err)
		}
		back, _ := again.UIDSet().(imap.UIDSet)
		if again.End() != nil || !slices.Equal(back, set) {
			t.Errorf("%q = %v, again %v", s, set, back)
		}
	})
}
