package filter

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/message"
)

// script is a connection on which the other side says what was written before.
type script struct{ io.Reader }

func (script) Write(p []byte) (int, error)        { return len(p), nil }
func (script) Close() error                       { return nil }
func (script) LocalAddr() net.Addr                { return nil }
func (script) RemoteAddr() net.Addr               { return nil }
func (script) SetDeadline(time.Time) error        { return nil }
func (script) SetReadDeadline(time.Time) error    { return nil }
func (script) SetWriteDeadline(t time.Time) error { return nil }

func saying(b []byte) Dial {
	return func(context.Context, string, string) (net.Conn, error) { return script{bytes.NewReader(b)}, nil }
}

// checkResult checks what holds for every result, whatever a filter says.
func checkResult(t *testing.T, r Result) {
	t.Helper()
	if r.Action == Refuse && (r.Text == "" || r.Status.Class != 4 && r.Status.Class != 5 || r.Code/100 != int(r.Status.Class)) {
		t.Fatalf("refused with %d %v %q", r.Code, r.Status, r.Text)
	}
	for i := range len(r.Text) {
		if r.Text[i] < ' ' || r.Text[i] >= 0x7f {
			t.Fatalf("text %q", r.Text)
		}
	}
	if len(r.Text) > 300 || len(r.Why) > 600 || len(r.Add) > 2*maxChangedSize || len(r.Edit) > maxChanges || len(r.Reasons) > maxChanges+5 {
		t.Fatalf("text %d, why %d, add %d, edit %d, reasons %d", len(r.Text), len(r.Why), len(r.Add), len(r.Edit), len(r.Reasons))
	}
	for _, reason := range r.Reasons {
		if reason.Score < -maxScore || reason.Score > maxScore || strings.ContainsAny(reason.Text, "\r\n\x00") {
			t.Fatalf("reason %+v", reason)
		}
	}
	checkHeader(t, r)
}

// checkHeader checks that changes leave a header a header.
func checkHeader(t *testing.T, r Result) {
	t.Helper()
	if end := message.HeaderEnd(append(bytes.Clone(r.Add), "\r\n"...)); end != len(r.Add)+2 {
		t.Fatalf("added fields end the header: %q", r.Add)
	}
	header := message.EditFields([]byte(testHeader), r.Edit)
	if end := message.HeaderEnd(header); end != len(header) || !bytes.HasSuffix(header, []byte("\r\n\r\n")) && string(header) != "\r\n" {
		t.Fatalf("the edited header ends at %d: %q", end, header)
	}
	for _, fields := range [][]byte{r.Add, header} {
		for f := range message.Fields(fields) {
			if err := checkName(f.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// FuzzMilter: whatever a milter says there is a result or an error.
func FuzzMilter(f *testing.F) {
	index := string(binary.BigEndian.AppendUint32(nil, 1))
	for _, replies := range [][]string{
		{"O\x00\x00\x00\x06\x00\x00\x00\xfd\x00\x1f\xff\xff", "hX-A\x00b\x00", "i" + index + "X-A\x00b\x00", "m" + index + "From\x00\x00", "e<>\x00", "qwhy\x00", "a"},
		{"O\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00", "c", "p", "c", "y550 5.7.1 no\x00"},
		{"O\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x20", "c", "c", "c", "c", "c", "c", "s", "d"},
	} {
		var b []byte
		for _, r := range replies {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(r))), r...)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := (&Milter{Dial: saying(b)}).Run(t.Context(), testMessage(t)); err == nil {
			checkResult(t, r)
		}
	})
}

// FuzzRspamd: whatever rspamd answers there is a result or an error.
func FuzzRspamd(f *testing.F) {
	f.Add([]byte(`{"action":"add header","score":7.5,"required_score":15,"symbols":{"A":{"score":1}},"messages":{"smtp_message":"no"}}`))
	f.Add([]byte(`{"action":"rewrite subject","subject":"\u00e4 b","milter":{"add_headers":{"X":[{"value":"a\n b"}]},"remove_headers":{"From":0,"X-Two":-2}}}`))
	f.Add([]byte(`{"action":"reject","score":-1e300,"messages":[],"milter":{"reject":"discard"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := rspamdResult(b, testMessage(t), 0.85); err == nil {
			checkResult(t, r)
		}
	})
}

// FuzzClamd: whatever clamd answers there is a result or an error.
func FuzzClamd(f *testing.F) {
	for _, s := range []string{"stream: OK\x00", "stream: Eicar FOUND\x00", "INSTREAM size limit exceeded. ERROR\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := (&Clamd{Dial: saying(b)}).Run(t.Context(), testMessage(t)); err == nil {
			checkResult(t, r)
		}
	})
}
