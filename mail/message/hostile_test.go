package message

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// hostile are messages made to cost time or memory.
var hostile = []struct {
	name  string
	make  func(n int) string
	bound bool // n = 10,000 passes a bound
}{
	{"nested multiparts", func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		return b.String()
	}, true},
	{"nested multiparts with one boundary", func(n int) string {
		return strings.Repeat("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", n)
	}, true},
	{"nested messages", func(n int) string { return strings.Repeat("Content-Type: message/rfc822\r\n\r\n", n) }, true},
	{"nested digests", func(n int) string {
		return strings.Repeat("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n", n)
	}, true},
	{"parts", func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", n) + "--b--\r\n"
	}, true},
	{"message parts", func(n int) string {
		return "Content-Type: multipart/digest; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nTo: a@b\r\n\r\nx\r\n", n) + "--b--\r\n"
	}, true},
	{"parts with large headers", func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
			strings.Repeat("--b\r\nContent-Type: text/plain; name="+strings.Repeat("x", 3000)+"\r\n\r\n", n/10) + "--b--\r\n"
	}, true},
	{"delimiters that begin alike", func(n int) string {
		var b strings.Builder
		prefix := strings.Repeat("x", 900)
		for i := range 90 {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"%s%03d\"\r\n\r\n--%s%03d\r\n", prefix, i, prefix, i)
		}
		return b.String() + "\r\n" + strings.Repeat("--"+prefix+"zzz\r\n", n/10)
	}, true},
	{"lines of two dashes", func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Repeat("--\r\n", n*10)
	}, false},
	{"one header line", func(n int) string { return "Subject: " + strings.Repeat("x", n*200) }, true},
	{"one folded field", func(n int) string { return "To: a" + strings.Repeat("\r\n b,", n*10) }, true},
	{"a long header", func(n int) string { return strings.Repeat("X: y\r\n", n*30) + "Subject: too late\r\n\r\n" }, true},
	{"many To fields", func(n int) string { return strings.Repeat("To: a\r\n", n) + "\r\n" }, true},
	{"many addresses", func(n int) string { return "To: " + strings.Repeat("a@b,", n) + "\r\n\r\n" }, true},
	{"nested comments", func(n int) string { return "To: " + strings.Repeat("(", n) + "\r\n\r\n" }, false},
	{"many references", func(n int) string { return "References: " + strings.Repeat("<a@b>", n) + "\r\n\r\n" }, true},
	{"many parameters", func(n int) string { return "Content-Type: text/plain" + strings.Repeat(";a*0=b", n) + "\r\n\r\n" }, true},
	{"encoded words without an end", func(n int) string { return "Subject: " + strings.Repeat("=?a?q?", n) + "\r\n\r\n" }, true},
	{"one body line", func(n int) string { return "A: b\r\n\r\n" + strings.Repeat("x", n*100) }, false},
	{"open tags", func(n int) string { return "Content-Type: text/html\r\n\r\n" + strings.Repeat("<style></", n) }, false},
}

// TestHostile checks that messages beyond the bounds still give an index that
// keeps its promises and fits its record, and how much memory that holds.
func TestHostile(t *testing.T) {
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			msg := tt.make(10_000)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			ix := parse(t, []byte(msg))
			runtime.GC()
			runtime.ReadMemStats(&after)
			if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 8<<20 {
				t.Errorf("the index holds %d octets", held)
			}
			if err := ix.check(); err != nil {
				t.Error(err)
			}
			if got := ix.Traits&BoundHit != 0; got != tt.bound {
				t.Errorf("BoundHit %t, want %t", got, tt.bound)
			}
			checkRecord(t, ix)
			DecodeHeaderText(msg)
			ParseAddressList(msg)
			ParseDate(msg)
			HTMLText(msg)
		})
	}
}

// TestBounds checks the bounds at their edges.
func TestBounds(t *testing.T) {
	depth := func(ix *Index) int {
		n := 0
		for p := &ix.Root; len(p.Children) > 0; p = p.Children[0] {
			n++
		}
		return n
	}
	nested := func(n int) string {
		return strings.Repeat("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", n)
	}
	for _, tt := range []struct {
		name, msg string
		hit       bool
		count     func(*Index) int
		want      int
	}{
		{"depth", nested(MaxDepth), false, depth, MaxDepth},
		{"depth and one", nested(MaxDepth + 1), true, depth, MaxDepth},
		{"header", strings.Repeat("X: 345678\r\n", MaxHeader/11) + "To: a@b\r\n\r\n", false, func(ix *Index) int { return len(ix.Envelope.To) }, 1},
		{"header and one", strings.Repeat("X: 345678\r\n", MaxHeader/11+1) + "To: a@b\r\n\r\n", true, func(ix *Index) int { return len(ix.Envelope.To) }, 0},
		{"references", "References: " + strings.Repeat("<a@b>", maxRefs), false, func(ix *Index) int { return len(ix.References) }, maxRefs},
		{"references and one", "References: " + strings.Repeat("<a@b>", maxRefs+1), true, func(ix *Index) int { return len(ix.References) }, maxRefs},
		{"addresses", "To: " + strings.Repeat("a@b,", maxAddresses), false, func(ix *Index) int { return len(ix.Envelope.To) }, maxAddresses},
		{"addresses and one", "To: " + strings.Repeat("a@b,", maxAddresses+1), true, func(ix *Index) int { return len(ix.Envelope.To) }, maxAddresses},
		{"string", "Subject: " + strings.Repeat("x", maxString), false, func(ix *Index) int { return len(ix.Envelope.Subject) }, maxString},
		{"string and one", "Subject: " + strings.Repeat("x", maxString+1), true, func(ix *Index) int { return len(ix.Envelope.Subject) }, maxString},
		{"boundary", "Content-Type: multipart/mixed; boundary=" + strings.Repeat("x", maxDelimiter-6) + "\r\n\r\n--" + strings.Repeat("x", maxDelimiter-6) + "--\r\n",
			false, func(ix *Index) int { return len(ix.Root.Type) }, len("text")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ix := parse(t, []byte(tt.msg))
			if got := tt.count(ix); got != tt.want || ix.Traits&BoundHit != 0 != tt.hit {
				t.Errorf("got %d, BoundHit %t; want %d, %t", got, ix.Traits&BoundHit != 0, tt.want, tt.hit)
			}
			checkRecord(t, ix)
		})
	}
}

// TestTooManyParts checks which parts stay when the record would be too long:
// the outermost and first ones, as they were.
func TestTooManyParts(t *testing.T) {
	msg := []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\ninner\r\n--i--\r\n" +
		strings.Repeat("--b\r\n\r\nx\r\n", MaxParts) + "--b--\r\n")
	ix := parse(t, msg)
	n := len(ix.Root.Children)
	if n < 1000 || n >= MaxParts {
		t.Fatalf("%d parts stayed", n)
	}
	if p := ix.Root.Children[0]; p.IsMultipart() || string(msg[p.BodyStart:p.BodyEnd]) != "--i\r\n\r\ninner\r\n--i--" {
		t.Errorf("the inner multipart became %+v", p)
	}
	if p := ix.Root.Children[n-1]; string(msg[p.BodyStart:p.BodyEnd]) != "x" {
		t.Errorf("the last part that stayed is %+v", p)
	}
	if ix.Root.BodyEnd != int64(len(msg)) {
		t.Errorf("the whole ends at %d of %d", ix.Root.BodyEnd, len(msg))
	}
}

// TestAppendBinaryLimit checks that an index made larger after the pass is cut
// in its record and stays as it is.
func TestAppendBinaryLimit(t *testing.T) {
	ix := parse(t, []byte("Subject: s\r\n\r\n"))
	for range 2000 {
		ix.Envelope.To = append(ix.Envelope.To, Address{Name: strings.Repeat("x", 100), Mailbox: "a", Host: "b"})
	}
	b, err := ix.AppendBinary([]byte("before"))
	if err != nil || len(b) > maxEncoded+6 || string(b[:6]) != "before" {
		t.Fatalf("%d octets, %v", len(b), err)
	}
	got, err := Decode(b[6:])
	if err != nil || got.Traits&BoundHit == 0 || len(got.Envelope.To) == 0 || len(got.Envelope.To) >= 2000 {
		t.Errorf("%d addresses, traits %s, %v", len(got.Envelope.To), traitNames(got.Traits), err)
	}
	if len(ix.Envelope.To) != 2000 || len(ix.Envelope.To[1999].Name) != 100 || ix.Traits&BoundHit != 0 {
		t.Error("AppendBinary changed the index")
	}
	ix.Root.BodyStart = ix.Size + 1
	if _, err := ix.AppendBinary(nil); err == nil {
		t.Error("AppendBinary takes an index with offsets outside of the message")
	}
}

func BenchmarkHostile(b *testing.B) {
	for _, tt := range hostile {
		for _, n := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", tt.name, n), func(b *testing.B) {
				msg := tt.make(n)
				b.SetBytes(int64(len(msg)))
				for b.Loop() {
					Parse(strings.NewReader(msg))
				}
			})
		}
	}
}
