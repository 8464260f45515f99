package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
)

var noon = time.Date(2026, 11, 2, 13, 5, 9, 0, time.FixedZone("", 3600))

func texts(list ...string) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for _, s := range list {
			if !yield(Message{InternalDate: noon, Body: strings.NewReader(s)}, nil) {
				return
			}
		}
	}
}

func TestWriteMbox(t *testing.T) {
	const from = "From MAILER-DAEMON Mon Nov  2 12:05:09 2026\n"
	for _, tt := range []struct {
		name string
		in   []string
		want string
	}{
		{"no message", nil, ""},
		{"CRLF", []string{"A: b\r\n\r\nc\r\n"}, from + "A: b\n\nc\n\n"},
		{"two", []string{"a\r\n", "b\n"}, from + "a\n\n" + from + "b\n\n"},
		{"empty", []string{""}, from + "\n"},
		{"no line end", []string{"a\r\nb"}, from + "a\nb\n\n"},
		{"From", []string{"a\r\nFrom b\r\n"}, from + "a\n>From b\n\n"},
		{"quoted From", []string{">>From b\r\n"}, from + ">>>From b\n\n"},
		{"not From", []string{"From\r\nFrom: a\r\n From b\r\n> From c\r\n>"}, from + "From\nFrom: a\n From b\n> From c\n>\n\n"},
		{"bare CR", []string{"a\rFrom b\r\r\nc\r"}, from + "a\rFrom b\r\nc\r\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			if err := WriteMbox(t.Context(), &got, texts(tt.in...)); err != nil || got.String() != tt.want {
				t.Errorf("WriteMbox = %q, %v; want %q", got.String(), err, tt.want)
			}
		})
	}
}

func TestSender(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"<ana@example.org>", "ana@example.org"},
		{"<>", "MAILER-DAEMON"},
		{`<"a b"@example.org>`, "MAILER-DAEMON"},
	} {
		p, err := mail.ParsePath(tt.in)
		if got := sender(p); err != nil || got != tt.want {
			t.Errorf("sender(%s) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errBroken }
func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteMboxFails(t *testing.T) {
	one := func(m Message, err error) iter.Seq2[Message, error] {
		return func(yield func(Message, error) bool) { yield(m, err) }
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		w    io.Writer
		in   iter.Seq2[Message, error]
		want error
	}{
		{"message", t.Context(), io.Discard, one(Message{}, errBroken), errBroken},
		{"body", t.Context(), io.Discard, one(Message{Body: io.MultiReader(strings.NewReader("a\n>"), broken{})}, nil), errBroken},
		{"writer", t.Context(), broken{}, texts("a"), errBroken},
		{"ctx", stopped, io.Discard, texts("a"), context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := WriteMbox(tt.ctx, tt.w, tt.in); !errors.Is(err, tt.want) {
				t.Errorf("WriteMbox = %v, want %v", err, tt.want)
			}
		})
	}
}

// endless repeats a text up to a length.
type endless struct{ text string }

func (e endless) Read(b []byte) (int, error) {
	n := 0
	for n+len(e.text) <= len(b) {
		n += copy(b[n:], e.text)
	}
	return n, nil
}

// TestMemory: a message of 64 MiB costs a few buffers, whatever its lines.
func TestMemory(t *testing.T) {
	for _, text := range []string{"x", ">", "From me\n", "\r"} {
		in := func(yield func(Message, error) bool) {
			yield(Message{Body: io.LimitReader(endless{text}, 64<<20)}, nil)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := WriteMbox(t.Context(), io.Discard, in); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%q: %d octets were allocated", text, got)
		}
	}
}

// readMbox is a reader of mboxrd: a From line after an empty one begins a
// message, and the empty line before it is no part of the last.
func readMbox(mbox []byte) (messages []string) {
	var msg strings.Builder
	in, empty := false, true
	end := func() {
		if in {
			messages = append(messages, strings.TrimSuffix(msg.String(), "\n"))
		}
		msg.Reset()
	}
	r := bufio.NewReader(bytes.NewReader(mbox))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			end()
			return messages
		}
		if empty && strings.HasPrefix(line, "From ") {
			end()
			in = true
			empty = false
			continue
		}
		empty = line == "\n"
		if strings.HasPrefix(strings.TrimLeft(line, ">"), "From ") {
			line = strings.TrimPrefix(line, ">")
		}
		msg.WriteString(line)
	}
}

// plain is what becomes of a message.
func plain(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}

func FuzzWriteMbox(f *testing.F) {
	f.Add("Subject: a\r\n\r\nFrom b\r\n", "\n\n>From c\r")
	f.Add("", strings.Repeat(">", bufferSize)+"From x\r\n")
	f.Add(strings.Repeat("x", bufferSize-1)+"\r\nFrom y", "\r\r\n\n\n")
	f.Add(strings.Repeat(">", bufferSize-3)+"From x", strings.Repeat("\r", bufferSize+1)+"\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		var out bytes.Buffer
		if err := WriteMbox(t.Context(), &out, texts(a, b)); err != nil {
			t.Fatal(err)
		}
		got := readMbox(out.Bytes())
		if len(got) != 2 || got[0] != plain(a) || got[1] != plain(b) {
			t.Errorf("%q, %q came back as %q", a, b, got)
		}
	})
}
