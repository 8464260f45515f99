package filter

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// readStream reads INSTREAM and its chunks, at most limit octets of them.
func readStream(t testing.TB, r *bufio.Reader, limit int) string {
	t.Helper()
	if cmd, err := r.ReadString(0); err != nil || cmd != "zINSTREAM\x00" {
		t.Errorf("command %q, %v", cmd, err)
	}
	var got strings.Builder
	for got.Len() < limit {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			t.Errorf("length of a chunk: %v", err)
			return ""
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 {
			break
		}
		if _, err := io.CopyN(&got, r, int64(n)); err != nil {
			t.Errorf("chunk: %v", err)
		}
	}
	return got.String()
}

func TestClamd(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		action      Action
		text        string // of the refusal or the reason
		err         string
	}{
		{"clean", "stream: OK\x00", Accept, "ClamAV found nothing", ""},
		{"malware", "stream: Win.Test.EICAR_HDB-1 FOUND\x00", Refuse, "the message carries malware (Win.Test.EICAR_HDB-1)", ""},
		{"a name that is no name", "stream: a\r\nb\u00e4\x01 FOUND\x00", Refuse, "the message carries malware (a b)", ""},
		{"a name without end", "stream: " + strings.Repeat("x", 300) + " FOUND\x00", Refuse, "the message carries malware (" + strings.Repeat("x", 100) + ")", ""},
		{"error", "stream: Can't allocate memory ERROR\x00", 0, "", "Can't allocate memory ERROR"},
		{"too large for it", "INSTREAM size limit exceeded. ERROR\x00", 0, "", "size limit exceeded"},
		{"closes", "", 0, "", "EOF"},
		{"closes in the reply", "stream: OK", 0, "", "EOF"},
		{"garbage", "\xff\xfe\x00", 0, "", "clamd answers"},
		{"a long reply", strings.Repeat("x", 1<<20), 0, "", "reply of clamd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &Clamd{Dial: fake(t, func(c net.Conn) {
				if got := readStream(t, bufio.NewReader(c), 1<<20); got != testHeader+testBody {
					t.Errorf("clamd got %q", got)
				}
				io.WriteString(c, tt.reply)
			})}
			r, err := f.Run(t.Context(), testMessage(t))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || r.Action != tt.action || r.Text+reasons(r) != tt.text {
				t.Errorf("got %+v, %v", r, err)
			}
			if tt.action == Refuse && (r.Status.String() != "5.7.1" || r.Code != 550) {
				t.Errorf("refused with %d %v", r.Code, r.Status)
			}
		})
	}
}

// TestClamdHangsUp: what clamd says before it has read all is its reply.
func TestClamdHangsUp(t *testing.T) {
	f := &Clamd{Dial: fake(t, func(c net.Conn) {
		readStream(t, bufio.NewReaderSize(c, 16), 1<<16)
		io.WriteString(c, "INSTREAM size limit exceeded. ERROR\x00")
	})}
	// net.Pipe has no buffer: the reply is only read after a write has failed.
	f.Dial = buffered(f.Dial)
	if _, err := f.Run(t.Context(), large(testMessage(t), 8<<20)); err == nil || !strings.Contains(err.Error(), "size limit exceeded") {
		t.Errorf("error %v", err)
	}
}

// buffered lets the other side of a connection write without a reader.
func buffered(dial Dial) Dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		pr, pw := io.Pipe()
		lines := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(c)
			lines <- b
		}()
		go func() {
			pw.Write(<-lines)
			pw.Close()
		}()
		return &bufferedConn{c, pr}, nil
	}
}

type bufferedConn struct {
	net.Conn
	r io.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// TestClamdSize: of a message that is too large the beginning is looked at.
func TestClamdSize(t *testing.T) {
	const limit = 1 << 20
	for _, tt := range []struct {
		size int64
		shown,
		want string
	}{
		{limit, "all", "ClamAV found nothing"},
		{limit + 1, "cut", "ClamAV found nothing in the first 1 MiB of the message, which is larger"},
	} {
		f := &Clamd{MaxSize: limit, Dial: fake(t, func(c net.Conn) {
			if got := readStream(t, bufio.NewReader(c), limit+2); len(got) != limit {
				t.Errorf("%s: clamd got %d octets", tt.shown, len(got))
			}
			io.WriteString(c, "stream: OK\x00")
		})}
		r, err := f.Run(t.Context(), large(testMessage(t), tt.size))
		if err != nil || reasons(r) != tt.want {
			t.Errorf("%s: %q, %v", tt.shown, reasons(r), err)
		}
	}
}

// TestUnreadable: trouble with the message is trouble, not its end.
func TestUnreadable(t *testing.T) {
	broken := errors.New("disk")
	m := testMessage(t)
	m.Body = func() io.Reader { return iotest.ErrReader(broken) }
	for _, f := range []Filter{
		&Clamd{Dial: fake(t, func(c net.Conn) { io.Copy(io.Discard, c) })},
		&Milter{Dial: fake(t, (&fakeMilter{}).serve)},
	} {
		if _, err := f.Run(t.Context(), m); !errors.Is(err, broken) {
			t.Errorf("%s: error %v", f.Name(), err)
		}
	}
}

func TestClamdPing(t *testing.T) {
	for reply, ok := range map[string]bool{"PONG\x00": true, "UNKNOWN COMMAND\x00": false, "": false} {
		f := &Clamd{Dial: fake(t, func(c net.Conn) {
			bufio.NewReader(c).ReadString(0)
			io.WriteString(c, reply)
		})}
		if err := f.Ping(t.Context()); (err == nil) != ok {
			t.Errorf("%q: %v", reply, err)
		}
	}
}
