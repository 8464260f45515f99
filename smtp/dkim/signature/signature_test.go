package signature

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestCanonicalFields(t *testing.T) {
	for _, tt := range []struct{ name, in, simple, relaxed string }{
		// RFC 6376 section 3.4.5
		{"upper case", "A: X\r\n", "A: X\r\n", "a:X\r\n"},
		{"folded", "B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
		{"empty", "C:\r\n", "C:\r\n", "c:\r\n"},
		{"only space", "C: \t \r\n \r\n", "C: \t \r\n \r\n", "c:\r\n"},
		{"lone LF", "D: x\n y\n", "D: x\r\n y\r\n", "d:x y\r\n"},
		{"no line end", "E: x", "E: x\r\n", "e:x\r\n"},
		{"no colon", "F", "F\r\n", "f:\r\n"},
		{"other letters", "É: Ä  ö\r\n", "É: Ä  ö\r\n", "É:Ä ö\r\n"},
	} {
		if got := string(Simple.AppendField(nil, Field(tt.in))); got != tt.simple {
			t.Errorf("%s: simple %q, want %q", tt.name, got, tt.simple)
		}
		if got := string(Relaxed.AppendField(nil, Field(tt.in))); got != tt.relaxed {
			t.Errorf("%s: relaxed %q, want %q", tt.name, got, tt.relaxed)
		}
	}
}

func TestUnsigned(t *testing.T) {
	for _, tt := range []struct{ in, simple, relaxed string }{
		{"S: a=x; b=AAAA\r\n BBBB\r\n", "S: a=x; b=", "s:a=x; b="},
		{"S: b=AAAA; bh=CCCC\r\n", "S: b=; bh=CCCC", "s:b=; bh=CCCC"},
		{"S: bh=CCCC;\r\n\tb = AA\r\n AA ;\r\n", "S: bh=CCCC;\r\n\tb =;", "s:bh=CCCC; b =;"},
		{"S:b=\r\n", "S:b=", "s:b="},
		{"S: a=b\r\n", "S: a=b", "s:a=b"},
	} {
		if got := string(Simple.AppendUnsigned(nil, Field(tt.in))); got != tt.simple {
			t.Errorf("%q: simple %q, want %q", tt.in, got, tt.simple)
		}
		if got := string(Relaxed.AppendUnsigned(nil, Field(tt.in))); got != tt.relaxed {
			t.Errorf("%q: relaxed %q, want %q", tt.in, got, tt.relaxed)
		}
	}
}

func TestBodies(t *testing.T) {
	long := strings.Repeat("0123456789", maxPending)
	for _, tt := range []struct{ name, in, simple, relaxed string }{
		{"RFC 6376 section 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
		{"empty", "", "\r\n", ""},
		{"only line ends", "\r\n\r\n", "\r\n", ""},
		{"only space", " \t \r\n\r\n", " \t \r\n", ""},
		{"no line end", "a b", "a b\r\n", "a b\r\n"},
		{"space at the end", "a  ", "a  \r\n", "a\r\n"},
		{"lone LF", "a\n\nb\n\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
		{"lone CR", "a\rb\r", "a\rb\r\r\n", "a\rb\r\r\n"},
		{"CR before a line end", "a\r\r\n", "a\r\r\n", "a\r\r\n"},
		{"empty lines between", "a\r\n \r\n\r\nb", "a\r\n \r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
		{"long", long + "\r\n", long + "\r\n", long + "\r\n"},
		{"many line ends", "a" + strings.Repeat("\r\n", 10_000) + "b", "a" + strings.Repeat("\r\n", 10_000) + "b\r\n", "a" + strings.Repeat("\r\n", 10_000) + "b\r\n"},
	} {
		for c, want := range []string{tt.simple, tt.relaxed} {
			for i, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in)), iotest.HalfReader(strings.NewReader(tt.in))} {
				m := NewMessage(nil, func() io.Reader { return r })
				m.Want(Canon(c), -1)
				m.Want(Canon(c), 3)
				sum, err := m.Sum(Canon(c), -1)
				if err != nil || sum.Hash != sha256.Sum256([]byte(want)) || sum.Size != int64(len(want)) {
					t.Errorf("%s: form %d, reader %d: %d octets, %v; want the hash of %.80q", tt.name, c, i, sum.Size, err, want)
				}
				if part, err := m.Sum(Canon(c), 3); err != nil || part.Hash != sha256.Sum256([]byte(want[:min(3, len(want))])) {
					t.Errorf("%s: form %d, reader %d: first octets differ, %v", tt.name, c, i, err)
				}
			}
		}
	}
}

func TestBodyIsReadOnce(t *testing.T) {
	opened := 0
	m := NewMessage(nil, func() io.Reader { opened++; return strings.NewReader("x") })
	for range 8 {
		m.Want(Simple, -1)
		m.Want(Relaxed, -1)
	}
	for range 8 {
		if _, err := m.Sum(Relaxed, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Sum(Simple, -1); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 {
		t.Errorf("read %d times", opened)
	}
	failure := errors.New("disk is gone")
	m = NewMessage(nil, func() io.Reader { return iotest.ErrReader(failure) })
	m.Want(Simple, -1)
	for range 2 {
		if _, err := m.Sum(Simple, -1); !errors.Is(err, failure) {
			t.Errorf("err = %v", err)
		}
	}
}

func TestDigestPicksFromTheBottom(t *testing.T) {
	m := NewMessage([]byte("A: 1\r\nB: 2\r\nA: 3\r\n\r\n"), nil)
	got := m.Digest([]string{"a", "absent", "a", "a", "b"}, Field("S: b=x\r\n"), Relaxed)
	if want := sha256.Sum256([]byte("a:3\r\na:1\r\nb:2\r\ns:b=")); got != want {
		t.Error("fields are not taken from the bottom up, or not each once")
	}
	if n := m.Count("a"); n != 2 {
		t.Errorf("Count = %d", n)
	}
}

func TestParseTags(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want string // b= of the result
		ok   bool
	}{
		{"a=1; b=2;", "2", true}, {" b = 2\r\n 3 ; c=", "23", true}, {"b=x=y", "x=y", true}, {"", "", true},
		{"b=1; b=2", "1", false}, {"b", "", false}, {"=1", "", false}, {"1a=1", "", false}, {"b=2; ;", "2", true}, {"a_1=x; b=2", "2", true},
		{"b=" + strings.Repeat("x", MaxTagList), "", false},
	} {
		tags, err := ParseTags(tt.in)
		if (err == nil) != tt.ok || tags["b"] != tt.want {
			t.Errorf("%.40q: %v, %v", tt.in, tags, err)
		}
	}
}

func TestCheckTimes(t *testing.T) {
	now := time.Unix(1_000, 0)
	for tags, want := range map[string]string{
		"t=900; x=1000": "", "x=999": "fail", "t=5": "", "t=2000; x=1500": "permerror", "x=x": "permerror", "t=": "permerror", "x=-1": "permerror",
		"x=99999999999999999999999999": "", "x=" + strings.Repeat("9", 77): "permerror", "t=99999999999": "",
	} {
		parsed, _ := ParseTags(tags)
		got := ""
		if err := parsed.CheckTimes(now); err != nil {
			got = err.Result
		}
		if got != want {
			t.Errorf("%s: %q, want %q", tags, got, want)
		}
	}
}

// FuzzBody: in whatever pieces a body comes, its hashes are the same.
func FuzzBody(f *testing.F) {
	f.Add([]byte(" C \r\nD \t E\r\n\r\n\r\n"), uint8(3))
	f.Add([]byte("\r\r\n\n \r x"), uint8(1))
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		for _, c := range []Canon{Simple, Relaxed} {
			whole, pieces := newBodyHash(c), newBodyHash(c)
			whole.Write(body)
			for rest := body; len(rest) > 0; {
				n := min(int(size)+1, len(rest))
				pieces.Write(rest[:n])
				rest = rest[n:]
			}
			whole.finish()
			pieces.finish()
			if whole.sum(-1) != pieces.sum(-1) {
				t.Errorf("form %d of %q in pieces of %d", c, body, int(size)+1)
			}
		}
	})
}

// FuzzParseKey feeds key records of strangers.
func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"v=DKIM1; k=rsa; t=y:s; h=sha256; s=email; p=AA==", "k=ed25519; p=spXLnC+6QhuhcssH3s98RLFdLUxwKzi7tTR4KSAQl0o=", "p=", "v=spf1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if key, err := ParseKey(s); err == nil {
			if key.algorithm == "rsa" && key.Bits < minBits {
				t.Errorf("took a key of %d bits", key.Bits)
			}
			key.Verify(key.algorithm+"-sha256", make([]byte, sha256.Size), []byte("x"))
		}
	})
}
