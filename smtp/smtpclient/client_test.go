package smtpclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// serve runs a server over a pipe and returns the client of it. The server
// says the greeting and answers EHLO with keywords by itself.
func serve(t *testing.T, keywords string, server func(r *bufio.Reader, conn net.Conn)) *Client {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer there.Close()
		r := bufio.NewReader(there)
		io.WriteString(there, "220 mx.example.net\r\n")
		r.ReadString('\n')
		io.WriteString(there, "250-mx.example.net\r\n250 "+keywords+"\r\n")
		server(r, there)
	}()
	c, err := New(t.Context(), here, Options{Hostname: "me.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c
}

func testMessage(body string, recipients int) *Message {
	m := &Message{Size: int64(len(body)), Body: strings.NewReader(body), Traits: traitsOf(body)}
	m.Envelope.ReversePath = mail.Path{Local: "ana", Domain: "example.org"}
	for i := range recipients {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Path: mail.Path{Local: fmt.Sprintf("user%d", i), Domain: "example.net"}})
	}
	return m
}

// A server that answers each command before it reads the next must not make
// both sides wait for each other.
func TestPipeliningReadsWhileWriting(t *testing.T) {
	const recipients = 500 // far more than any buffer here takes
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, "PIPELINING", func(r *bufio.Reader, conn net.Conn) {
			for i := range recipients + 2 {
				r.ReadString('\n')
				code := "250 ok"
				if i == recipients+1 {
					code = "354 go"
				} else if i%2 == 0 && i > 0 {
					code = "452 4.5.3 too many"
				}
				io.WriteString(conn, code+"\r\n")
			}
			for line := ""; line != ".\r\n"; line, _ = r.ReadString('\n') {
			}
			io.WriteString(conn, "250 done\r\n")
		})
		for i, r := range c.Send(t.Context(), testMessage("x\r\n", recipients)) {
			if ok := i%2 == 0; (r.Err == nil) != ok {
				t.Fatalf("recipient %d: %v", i, r.Err)
			}
		}
	})
}

// The server says why it does not want the message, and reads no further.
func TestServerStopsReading(t *testing.T) {
	for _, keywords := range []string{"CHUNKING", "SIZE"} {
		t.Run(keywords, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, keywords, func(r *bufio.Reader, conn net.Conn) {
					answers := []string{"250 ok", "250 ok", "354 go"}
					if keywords == "CHUNKING" {
						answers = answers[:2]
					}
					for _, a := range answers {
						r.ReadString('\n')
						io.WriteString(conn, a+"\r\n")
					}
					io.ReadFull(conn, make([]byte, 10))
					io.WriteString(conn, "552 5.3.4 too big\r\n")
				})
				r := c.Send(t.Context(), testMessage(strings.Repeat("0123456789\r\n", 100_000), 1))[0]
				if mail.StatusOf(r.Err) != mail.StatusTooLarge || r.Reply != "552 5.3.4 too big" || r.Lost || c.Alive() {
					t.Errorf("%v %q lost %v alive %v", r.Err, r.Reply, r.Lost, c.Alive())
				}
			})
		})
	}
}

// A message that we cannot read whole must not look whole to the server.
func TestBrokenBody(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, tt := range []struct {
		name, keywords string
		size           int64
		body           io.Reader
	}{
		{"DATA", "SIZE", -1, io.MultiReader(strings.NewReader("a\r\n"), iotest.ErrReader(broken))},
		{"BDAT", "CHUNKING", 10, io.MultiReader(strings.NewReader("a\r\n"), iotest.ErrReader(broken))},
		{"BDAT too short", "CHUNKING", 10, strings.NewReader("a\r\n")},
		{"BDAT too long", "CHUNKING", 10, strings.NewReader("0123456789\r\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []byte
				c := serve(t, tt.keywords, func(r *bufio.Reader, conn net.Conn) {
					answers := []string{"250 ok", "250 ok", "354 go"}
					if tt.keywords == "CHUNKING" {
						answers = answers[:2]
					}
					for _, a := range answers {
						r.ReadString('\n')
						io.WriteString(conn, a+"\r\n")
					}
					got, _ = io.ReadAll(r)
				})
				m := testMessage("", 1)
				m.Size, m.Body = tt.size, tt.body
				r := c.Send(t.Context(), m)[0]
				synctest.Wait()
				if !mail.StatusOf(r.Err).Temporary() || r.Lost || c.Alive() {
					t.Errorf("%v lost %v alive %v", r.Err, r.Lost, c.Alive())
				}
				if bytes.HasSuffix(got, []byte(".\r\n")) || len(got) > len("BDAT 10 LAST\r\n")+9 {
					t.Errorf("server got %q", got)
				}
			})
		})
	}
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, "PIPELINING", func(r *bufio.Reader, conn net.Conn) { io.Copy(io.Discard, r) })
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		r := c.Send(ctx, testMessage("x\r\n", 1))[0]
		if !errors.Is(r.Err, context.Canceled) || !r.Lost || time.Since(start) != time.Second {
			t.Errorf("%v lost %v after %v", r.Err, r.Lost, time.Since(start))
		}
		if r := c.Send(t.Context(), testMessage("x\r\n", 1))[0]; r.Err == nil || !r.Lost {
			t.Errorf("dead client: %v lost %v", r.Err, r.Lost)
		}
	})
}

// Two transactions, RSET and QUIT on one connection.
func TestReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		c := serve(t, "SIZE", func(r *bufio.Reader, conn net.Conn) {
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				said = append(said, strings.TrimSpace(line))
				switch {
				case line == "DATA\r\n":
					io.WriteString(conn, "354 go\r\n")
				case line == ".\r\n" || strings.Contains("MRQ", line[:1]):
					io.WriteString(conn, "250 ok\r\n")
				}
			}
		})
		for range 2 {
			if r := c.Send(t.Context(), testMessage("", 1))[0]; r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		if err := c.Reset(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Quit(t.Context()); err != nil || c.Alive() {
			t.Error(err, c.Alive())
		}
		one := "MAIL FROM:<ana@example.org> SIZE=0 RCPT TO:<user0@example.net> DATA . "
		if got := strings.Join(said, " "); got != one+one+"RSET QUIT" {
			t.Errorf("server heard %q", got)
		}
		if d := c.Dialogue(); len(d) != 2+4+4+2 {
			t.Errorf("%d events: %v", len(d), d)
		}
		if d := c.Dialogue(); len(d) != 0 {
			t.Errorf("events twice: %v", d)
		}
	})
}

func TestRecipientLimit(t *testing.T) {
	for limits, want := range map[string]int{"": 0, "RCPTMAX=50": 50, "MAILMAX=3 rcptmax=7": 7, "RCPTMAX=x": 0, "RCPTMAX=-1": 0} {
		c := &Client{ext: map[string]string{"LIMITS": limits}}
		if got := c.RecipientLimit(); got != want {
			t.Errorf("LIMITS %s: %d, want %d", limits, got, want)
		}
	}
}

func TestReadReply(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		bad            bool
	}{
		{"plain", "250 ok\r\n", "250 ok", false},
		{"no text", "250\r\n", "250", false},
		{"bare LF", "250-a\n250 b\n", "250 a b", false},
		{"enhanced status on each line", "550-5.1.1 no\r\n550 5.1.1 user\r\n", "550 5.1.1 no user", false},
		{"enhanced status of another class", "550 4.1.1 no\r\n", "550 4.1.1 no", false},
		{"control characters", "550 a\tb\x00c\x1b[31m\u0085\r\n", "550 a b c [31m", false},
		{"not UTF-8", "550 \xff\r\n", "550 ?", false},
		{"longest line", "250 " + strings.Repeat("a", maxReplyLine-6) + "\r\n", "250 " + strings.Repeat("a", maxReplyText), false},
		{"line too long", "250 " + strings.Repeat("a", maxReplyLine-5) + "\r\n", "", true},
		{"most lines", strings.Repeat("250-a\r\n", maxReplyLines-1) + "250 b\r\n", "250 " + strings.Repeat("a ", maxReplyLines-1) + "b", false},
		{"too many lines", strings.Repeat("250-a\r\n", maxReplyLines) + "250 b\r\n", "", true},
		{"code too small", "199 x\r\n", "", true},
		{"code too large", "600 x\r\n", "", true},
		{"no code", "hello\r\n", "", true},
		{"no separator", "2500 x\r\n", "", true},
		{"short", "25\r\n", "", true},
		{"two codes", "250-a\r\n251 b\r\n", "", true},
		{"cut off", "250 a", "", true},
		{"cut off between lines", "250-a\r\n", "", true},
		{"nothing", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := readReply(bufio.NewReaderSize(strings.NewReader(tt.in), maxReplyLine))
			if (err != nil) != tt.bad {
				t.Fatalf("error %v", err)
			}
			if err == nil && p.String() != tt.want {
				t.Errorf("%q, want %q", p, tt.want)
			}
		})
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 no\r\n", "354\n", "421-4.3.2 \x00\r\n421 x\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(in), maxReplyLine)
		p, err := readReply(r)
		if err != nil {
			return
		}
		if p.code < 200 || p.code > 599 || len(p.lines) == 0 || len(p.lines) > maxReplyLines {
			t.Fatalf("%+v", p)
		}
		if s := p.String(); strings.ContainsAny(s, "\r\n\x00\x1b") || len(s) > maxReplyText+20 {
			t.Fatalf("%q", s)
		}
		if e := p.err(); e.Status.Class != 4 && e.Status.Class != 5 {
			t.Fatalf("%+v gives %v", p, e)
		}
		again, err := readReply(bufio.NewReaderSize(strings.NewReader(p.String()+"\r\n"), maxReplyLine))
		if err != nil || again.code != p.code {
			t.Fatalf("%q read again: %v", p, err)
		}
	})
}

// undot is what a server does with message data (RFC 5321 section 4.5.2).
func undot(data string) (body string, rest string, ok bool) {
	var b strings.Builder
	for {
		line, after, found := strings.Cut(data, "\r\n")
		if !found {
			return "", "", false
		}
		if line == "." {
			return b.String(), after, true
		}
		b.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
		data = after
	}
}

func FuzzDotWriter(f *testing.F) {
	for _, s := range []string{"", ".", "a\r\n.\r\nb", "\n.\n", "\r.\r", "\r\n.\n", "\r\r\n.\r\n", "..\r\n"} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, in string, step int) {
		var out bytes.Buffer
		w := &dotWriter{w: &out, atStart: true}
		step = max(step, 1)
		for s := in; s != ""; {
			n := min(step, len(s))
			if k, err := w.Write([]byte(s[:n])); k != n || err != nil {
				t.Fatal(k, err)
			}
			s = s[n:]
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n")
		if want != "" && !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		body, rest, ok := undot(out.String())
		if !ok || rest != "" || body != want {
			t.Fatalf("%q is sent as %q, which is %q and then %q", in, out.String(), body, rest)
		}
		bare := strings.ReplaceAll(out.String(), "\r\n", "")
		if strings.ContainsAny(bare, "\r\n") {
			t.Fatalf("%q is sent as %q", in, out.String())
		}
	})
}
