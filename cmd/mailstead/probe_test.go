package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// What a server costs while peers misbehave is read from outside: memory and
// descriptors from the kernel, goroutines from its profile.

// patience is how long a normal client may wait for one message. Long forms hold the server to what it promises on an idle machine; short forms
// run beside other tests.
func patience() time.Duration {
	if os.Getenv("MAILSTEAD_LONG") != "" {
		return time.Second
	}
	return 10 * time.Second
}

// startProbed is startTry with the profiles switched on.
func startProbed(t *testing.T, args ...string) *probed {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	return &probed{instance: startTry(t, append(args, "--pprof", addr)...), pprof: addr}
}

// probed is a running server that can be looked into.
type probed struct {
	*instance
	pprof  string
	told   told  // by the attack under way
	atRest int64 // memory in use before it
}

// cost is what a process holds at one moment.
type cost struct {
	RSS, Peak               int64 // octets; Peak is since the last resetPeak
	Descriptors, Goroutines int
	CPU                     time.Duration
}

// cost reads what the server holds now.
func (p *probed) cost(t *testing.T) cost {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d", p.cmd.Process.Pid)
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return cost{
		RSS: kilobytes(t, status, "VmRSS"), Peak: kilobytes(t, status, "VmHWM"),
		Descriptors: len(fds), Goroutines: p.goroutines(t), CPU: cpuTime(t, proc),
	}
}

// resetPeak lets the next Peak count from now on.
func (p *probed) resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

func kilobytes(t *testing.T, status []byte, field string) int64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no %s in the status of the process", field)
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n << 10
}

// cpuTime is user and system time (proc(5): fields 14 and 15 of stat, in
// hundredths of a second).
func cpuTime(t *testing.T, proc string) time.Duration {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// profile fetches one of the server's profiles as text.
func (p *probed) profile(t *testing.T, name string) string {
	t.Helper()
	return p.debug(t, "pprof/"+name)
}

// free lets the server give back what it does not use, so that the next Peak
// is not that of what was before.
func (p *probed) free(t *testing.T) {
	t.Helper()
	p.debug(t, "free")
	p.resetPeak(t)
}

func (p *probed) debug(t *testing.T, name string) string {
	t.Helper()
	resp, err := http.Get("http://" + p.pprof + "/debug/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (p *probed) goroutines(t *testing.T) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscanf(p.profile(t, "goroutine?debug=1"), "goroutine profile: total %d", &n); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections() // ours would count as its goroutines
	return n
}

// settled waits until the server holds no more goroutines and descriptors
// than before, but for a few that come and go by themselves.
func (p *probed) settled(t *testing.T, before cost) {
	t.Helper()
	const slack = 8
	var now cost
	until := time.Now().Add(deadline)
	for {
		now = p.cost(t)
		if now.Goroutines <= before.Goroutines+slack && now.Descriptors <= before.Descriptors+slack {
			return
		}
		if time.Now().After(until) {
			t.Errorf("a leak: %d goroutines and %d descriptors before, %d and %d after\n%s", before.Goroutines, before.Descriptors,
				now.Goroutines, now.Descriptors, tail(p.profile(t, "goroutine?debug=1"), 8000))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// bystander is a normal client with an address of its own: over and over it
// sends a message and reads it.
type bystander struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	times []time.Duration // of each message from MAIL until it was read
	err   error
}

// beside starts a normal client. It sends to and reads of the account who,
// which nobody else should use meanwhile.
func beside(t *testing.T, i *instance, who tryAccount) *bystander {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &bystander{stop: cancel}
	t.Cleanup(func() { cancel(); b.done.Wait() })
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 77, 7, 7)}, Timeout: deadline}
	b.done.Go(func() {
		if err := b.run(ctx, i, who, from); err != nil && ctx.Err() == nil {
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
		}
	})
	eventually(t, "the client beside gets through", func() bool { n, err := b.rounds(); return n > 0 || err != nil })
	return b
}

func (b *bystander) rounds() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.times), b.err
}

// since returns the times of messages after the first n, the shortest first.
func (b *bystander) since(n int) []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(slices.Values(b.times[n:]))
}

// p99 is what 99 of 100 sorted times do not exceed.
func p99(times []time.Duration) time.Duration { return times[(len(times)-1)*99/100] }

// run sends and reads until ctx is done.
func (b *bystander) run(ctx context.Context, i *instance, who tryAccount, from *net.Dialer) error {
	conn, err := from.DialContext(ctx, "tcp", i.IMAPS)
	if err != nil {
		return err
	}
	c := imapclient.New(tls.Client(conn, &tls.Config{InsecureSkipVerify: true}), nil)
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := c.Login(who.Address, who.Password).Wait(); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	for n := 0; ctx.Err() == nil; n++ {
		start := time.Now()
		if err := b.once(ctx, i, who, from, c, n); err != nil {
			return fmt.Errorf("message %d after %v: %w", n, time.Since(start), err)
		}
		b.mu.Lock()
		b.times = append(b.times, time.Since(start))
		b.mu.Unlock()
		select { // a person's pace
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// once sends one message on a connection of its own and reads it.
func (b *bystander) once(ctx context.Context, i *instance, who tryAccount, from *net.Dialer, c *imapclient.Client, n int) error {
	text := fmt.Sprintf("From: friend@slow.test\r\nTo: %s\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\nSubject: number %d\r\nMessage-ID: <%d@beside.test>\r\n\r\nhello\r\n", who.Address, n, n)
	if err := sendFrom(ctx, from, i.SMTP, "friend@slow.test", who.Address, text); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	box, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		return fmt.Errorf("select: %w", err)
	}
	section := &imap.FetchItemBodySection{Peek: true}
	got, err := c.Fetch(imap.SeqSetNum(box.NumMessages), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	if len(got) != 1 || !strings.HasSuffix(string(got[0].FindBodySection(section)), text) {
		return fmt.Errorf("the newest message is not the one that was sent")
	}
	return nil
}

// sendFrom sends one message over a connection of its own.
func sendFrom(ctx context.Context, d *net.Dialer, server, from, to, text string) error {
	conn, err := d.DialContext(ctx, "tcp", server)
	if err != nil {
		return err
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "client.test"})
	if err != nil {
		conn.Close()
		return err
	}
	defer c.Close()
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return err
	}
	rcpt, err := mail.ParseAddress(to)
	if err != nil {
		return err
	}
	env := mail.Envelope{ReversePath: sender, Recipients: []mail.Recipient{{Path: rcpt}}}
	for _, r := range c.Send(ctx, &smtpclient.Message{Envelope: env, Size: int64(len(text)), Body: strings.NewReader(text)}) {
		if r.Err != nil {
			return r.Err
		}
	}
	return c.Quit(ctx)
}

// end stops the client and says how it was served: nothing failed, and 99 of
// 100 messages were sent and read within limit.
func (b *bystander) end(t *testing.T, limit time.Duration) {
	t.Helper()
	b.stop()
	b.done.Wait()
	if b.err != nil {
		t.Errorf("the client beside was not served: %v", b.err)
	}
	times := b.since(0)
	if len(times) == 0 {
		t.Error("the client beside never got through")
		return
	}
	t.Logf("beside: %d messages sent and read, median %v, p99 %v", len(times), times[len(times)/2].Round(time.Millisecond), p99(times).Round(time.Millisecond))
	if p99(times) > limit {
		t.Errorf("the client beside waited %v for one message in a hundred, more than %v", p99(times), limit)
	}
}

// TestUndisturbed is what the others are compared with: one normal client, and
// nobody else.
func TestUndisturbed(t *testing.T) {
	p := startProbed(t)
	before := p.cost(t)
	p.resetPeak(t)
	b := beside(t, p.instance, p.Accounts[0])
	eventually(t, "a hundred messages", func() bool { n, err := b.rounds(); return n >= 100 || err != nil })
	b.end(t, patience())
	p.settled(t, before)
	after := p.cost(t)
	t.Logf("peak %d MB, %d goroutines, %d descriptors, %v of CPU", after.Peak>>20, after.Goroutines, after.Descriptors, after.CPU-before.CPU)
}
