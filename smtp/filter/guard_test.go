package filter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// stub is a filter that does what run does.
type stub struct {
	run func(ctx context.Context) (Result, error)
}

func (s stub) Name() string                                        { return NameClamd }
func (s stub) Run(ctx context.Context, _ *Message) (Result, error) { return s.run(ctx) }
func (s stub) Ping(ctx context.Context) error                      { return nil }
func failing(err error) stub {
	return stub{func(context.Context) (Result, error) { return Result{}, err }}
}

func TestGuardFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		text string
	}{
		{"no program", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "ClamAV cannot be reached"},
		{"no socket", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENOENT)}, "ClamAV cannot be reached"},
		{"no name", &net.OpError{Op: "dial", Err: &net.DNSError{Name: "x"}}, "ClamAV cannot be reached"},
		{"too slow", fmt.Errorf("read: %w", os.ErrDeadlineExceeded), "ClamAV did not answer in time"},
		{"broken", errors.New("garbage from 192.0.2.1"), "ClamAV gave no answer that can be used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewGuard(failing(tt.err), Limits{Fail: TempFail}).Run(t.Context(), testMessage(t))
			if r.Action != Refuse || r.Code != 451 || !r.Status.Temporary() || !errors.Is(r.Err, tt.err) || r.Why != tt.text+", and the sender is asked to try again" {
				t.Errorf("with tempfail: %+v", r)
			}
			r = NewGuard(failing(tt.err), Limits{Fail: Skip}).Run(t.Context(), testMessage(t))
			if r.Action != Accept || !errors.Is(r.Err, tt.err) || reasons(r) != tt.text+", and the message went on without it" {
				t.Errorf("with skip: %+v", r)
			}
		})
	}
}

// TestGuardTime: filters that are slow cost the time that was set, wherever
// they stop.
func TestGuardTime(t *testing.T) {
	silent := func(c net.Conn) { io.Copy(io.Discard, c) }
	slow := func(c net.Conn) {
		go io.Copy(io.Discard, c)
		for { // a packet that never ends, or a reply
			if _, err := c.Write([]byte{0}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	busy := &fakeMilter{replies: map[byte][]string{}}
	u, err := url.Parse("http://192.0.2.1:11333")
	if err != nil {
		t.Fatal(err)
	}
	never := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	for _, tt := range []struct {
		name   string
		filter func(Dial) Filter
	}{
		{"clamd", func(d Dial) Filter { return &Clamd{Dial: d} }},
		{"milter", func(d Dial) Filter { return &Milter{Dial: d} }},
		{"rspamd", func(d Dial) Filter { return NewRspamd(RspamdOptions{URL: u, Dial: d}) }},
	} {
		for how, dial := range map[string]func(*testing.T) Dial{
			"says nothing":   func(t *testing.T) Dial { return fake(t, silent) },
			"reads nothing":  func(t *testing.T) Dial { return fake(t, func(c net.Conn) { time.Sleep(time.Hour) }) },
			"says little":    func(t *testing.T) Dial { return fake(t, slow) },
			"cannot connect": func(*testing.T) Dial { return never },
			"always at work": func(t *testing.T) Dial { return fake(t, busy.progress) },
		} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := NewGuard(tt.filter(dial(t)), Limits{Timeout: 7 * time.Second})
					start := time.Now()
					r := g.Run(t.Context(), testMessage(t))
					if r.Action != Refuse || r.Code != 451 {
						t.Errorf("%+v", r)
					}
					if took := time.Since(start); took > 7*time.Second {
						t.Errorf("took %v", took)
					}
					time.Sleep(dialTimeout) // nothing stays behind for longer
				})
			})
		}
	}
}

// progress is a milter that says again and again that it works at it.
func (f *fakeMilter) progress(c net.Conn) {
	go io.Copy(io.Discard, c)
	for {
		if _, err := c.Write([]byte("\x00\x00\x00\x01p")); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// TestGuardParallel: one message more than may be looked at at once waits, and
// not for longer than the time that was set.
func TestGuardParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := NewGuard(stub{func(context.Context) (Result, error) { <-release; return Result{}, nil }}, Limits{Parallel: 2, Timeout: time.Minute})
		results := make(chan Result, 3)
		for range 3 {
			go func() { results <- g.Run(t.Context(), testMessage(t)) }()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		if r := <-results; r.Action != Refuse || !errors.Is(r.Err, context.DeadlineExceeded) {
			t.Errorf("the third: %+v", r)
		}
		close(release)
		for range 2 {
			if r := <-results; r.Action != Accept {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestMerge(t *testing.T) {
	first, second := mail.Path{Local: "a", Domain: "b.test"}, mail.Path{Local: "c", Domain: "d.test"}
	r := Merge([]Result{
		{Action: Quarantine, Why: "odd", Reasons: []mail.Reason{{Name: "milter", Text: "1"}}, Add: []byte("A: 1\r\n"), Sender: &first},
		{Action: Refuse, Code: 550, Text: "no", Why: "bad", Edit: []message.FieldEdit{{Name: "B"}}, Sender: &second},
		{Action: Refuse, Code: 451, Text: "later", Err: io.EOF, Add: []byte("C: 1\r\n")},
	})
	if r.Action != Refuse || r.Code != 550 || r.Text != "no" || r.Why != "bad" || reasons(r) != "1" || string(r.Add) != "A: 1\r\nC: 1\r\n" ||
		len(r.Edit) != 1 || *r.Sender != second || !errors.Is(r.Err, io.EOF) {
		t.Errorf("%+v", r)
	}
}

func TestMakeField(t *testing.T) {
	long := strings.Repeat("x", 990)
	for _, tt := range []struct{ name, value, want string }{
		{"X-A", "b", "X-A: b\r\n"},
		{"X-A", " b", "X-A: b\r\n"},
		{"X-A", "a\n\tb\r\n c\rd", "X-A: a\r\n\tb\r\n c\r\n d\r\n"},
		{"X-A", "a\r\n\r\nb", "X-A: a\r\n b\r\n"},
		{"X-A", "\n\na", "X-A: a\r\n"},
		{"X-A", "", "X-A:\r\n"},
		{"X-A", "n\x00ul \x1b bell\x07", "X-A: n ul   bell\r\n"},
		{"X-A", "h\u00f6 \xff", "X-A: h\u00f6 ?\r\n"},
		{"X-A", long, "X-A: " + long + "\r\n"},
		{"X-A", long + "1234", ""},
		{"", "a", ""}, {"X A", "a", ""}, {"X:", "a", ""}, {"X\r\nY", "a", ""}, {"Xä", "a", ""}, {strings.Repeat("X", 77), "a", ""},
		{"RETURN-PATH", "a", ""}, {"Delivered-To", "a", ""}, {"x-mailstead-verdict", "a", ""},
	} {
		got, err := makeField(tt.name, tt.value)
		if string(got) != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("makeField(%q, %q) = %q, %v; want %q", tt.name, tt.value, got, err, tt.want)
		}
	}
}
