package message

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// messages reads the mails of testdata; line ends stand there as LF where a
// file says so by its name.
func messages(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no messages in testdata: %v", err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(name), ".eml")] = b
	}
	return all
}

func parse(t testing.TB, msg []byte) *Index {
	t.Helper()
	ix, err := Parse(bytes.NewReader(msg))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return ix
}

// TestIndex compares what is learned of each message in testdata with what a
// person has found right.
func TestIndex(t *testing.T) {
	for name, msg := range messages(t) {
		t.Run(name, func(t *testing.T) {
			got := dump(parse(t, msg), msg)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("index of %s (-want +got):\n%s", name, diff)
			}
		})
	}
}

// diffIndex compares everything in two indexes. It compares texts because cmp
// takes exponential time for values that are nested deeply.
func diffIndex(want, got *Index) string {
	a, b := dump(want, nil), dump(got, nil)
	if a == b {
		return ""
	}
	return cmp.Diff(a, b)
}

// dump writes an Index for people, with the beginnings of bodies if msg is
// given.
func dump(ix *Index, msg []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "size %d, hops %d, traits %s\n", ix.Size, ix.Hops, traitNames(ix.Traits))
	fmt.Fprintf(&b, "preview %q\nmessage-id %q\nreferences %q\ndate %s\n", ix.Preview, ix.MessageID, ix.References, ix.Date)
	dumpEnvelope(&b, "", &ix.Envelope)
	dumpPart(&b, "", "", &ix.Root, msg)
	return b.String()
}

func dumpEnvelope(b *strings.Builder, indent string, e *Envelope) {
	fmt.Fprintf(b, "%senvelope date %t %q, subject %t %q %q, in-reply-to %t %q, message-id %t %q\n", indent, e.HasDate, e.Date,
		e.HasSubject, e.Subject, DecodeHeaderText(e.Subject), e.HasInReplyTo, e.InReplyTo, e.HasMessageID, e.MessageID)
	for _, list := range []struct {
		name string
		of   []Address
	}{{"from", e.From}, {"sender", e.Sender}, {"reply-to", e.ReplyTo}, {"to", e.To}, {"cc", e.Cc}, {"bcc", e.Bcc}} {
		for _, a := range list.of {
			fmt.Fprintf(b, "%s%s %q <%s@%s>\n", indent, list.name, DecodeHeaderText(a.Name), a.Mailbox, a.Host)
		}
	}
}

func dumpPart(b *strings.Builder, indent, number string, p *Part, msg []byte) {
	fmt.Fprintf(b, "%spart %q %s/%s %q %s", indent, number, p.Type, p.Subtype, p.Params, p.Encoding)
	if p.Disposition != "" {
		fmt.Fprintf(b, ", disposition %s %q", p.Disposition, p.DispositionParams)
	}
	for _, s := range []string{p.ID, p.Description, p.MD5, p.Location, strings.Join(p.Language, "+")} {
		if s != "" {
			fmt.Fprintf(b, ", %q", s)
		}
	}
	fmt.Fprintf(b, "\n%s  header %d, body %d to %d, %d lines", indent, p.HeaderStart, p.BodyStart, p.BodyEnd, p.Lines)
	if len(p.Children) == 0 && msg != nil {
		body := msg[p.BodyStart:p.BodyEnd]
		fmt.Fprintf(b, ", %q", body[:min(len(body), 60)])
	}
	b.WriteByte('\n')
	if p.Envelope != nil {
		dumpEnvelope(b, indent+"  ", p.Envelope)
	}
	for i, c := range p.Children {
		n := fmt.Sprintf("%s.%d", number, i+1)
		if p.IsMessage() {
			n = number + ".message"
		}
		dumpPart(b, indent+"  ", strings.TrimPrefix(n, "."), c, msg)
	}
}

func traitNames(t Traits) string {
	var names []string
	for i, name := range []string{"attachment", "8bit", "utf8-header", "nul", "bare-cr", "bare-lf", "long-line", "bound", "no-header"} {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return "[" + strings.Join(names, " ") + "]"
}

// TestIndexerWrites checks that it makes no difference how a message is cut
// into writes, and that its record says the same again.
func TestIndexerWrites(t *testing.T) {
	for name, msg := range messages(t) {
		t.Run(name, func(t *testing.T) {
			want := parse(t, msg)
			for _, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(msg)), iotest.HalfReader(bytes.NewReader(msg))} {
				x := NewIndexer()
				if _, err := io.Copy(struct{ io.Writer }{x}, r); err != nil {
					t.Fatal(err)
				}
				if diff := diffIndex(want, x.Close()); diff != "" {
					t.Errorf("written in pieces (-whole +pieces):\n%s", diff)
				}
			}
			b, err := want.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := diffIndex(want, got); diff != "" {
				t.Errorf("after AppendBinary and Decode (-want +got):\n%s", diff)
			}
			e, err := DecodeEnvelope(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&want.Envelope, e); diff != "" {
				t.Errorf("DecodeEnvelope (-want +got):\n%s", diff)
			}
		})
	}
}
