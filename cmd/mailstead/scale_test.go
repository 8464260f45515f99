package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The scale tests fill a real server as a firm does in ten years and measure,
// from outside, what each step then costs. They are small by default, so that
// every commit runs them; MAILSTEAD_LONG gives them their real size.

// scaled returns the size of a test: small by default, long if asked for.
func scaled(small, long int) int {
	if os.Getenv("MAILSTEAD_LONG") != "" {
		return long
	}
	return small
}

// maxAnonymous is the memory that the server may have of its own in any step,
// beside file pages that the system takes back when it needs room: the
// smallest computers one can rent have 1 GB.
const maxAnonymous = 200 << 20

// ledger writes down what each step costs.
type ledger struct {
	t    *testing.T
	p    *probed
	rows []string
}

// measured is what one step has cost.
type measured struct {
	cost
	Took      time.Duration
	Anonymous int64 // the most memory beside file pages
}

// step runs fn, which handles n messages, and writes a row.
func (l *ledger) step(name string, n int, fn func()) measured {
	l.t.Helper()
	before, disk := l.p.cost(l.t), diskUse(l.t, l.p.Data)
	l.p.resetPeak(l.t)
	anon := watchAnonymous(l.p)
	start := time.Now()
	fn()
	m := measured{Took: time.Since(start)}
	m.Anonymous = anon()
	m.cost = l.p.cost(l.t)
	m.CPU -= before.CPU
	l.add(name, n, &m, diskUse(l.t, l.p.Data)-disk)
	if m.Anonymous > maxAnonymous {
		l.t.Errorf("%s: the server had %d MB of its own, more than %d", name, m.Anonymous>>20, maxAnonymous>>20)
	}
	return m
}

func (l *ledger) add(name string, n int, m *measured, grown int64) {
	const mb = 1 << 20
	rate := "–"
	if n > 0 {
		rate = fmt.Sprintf("%.0f", float64(n)/m.Took.Seconds())
	}
	l.rows = append(l.rows, fmt.Sprintf("| %s | %d | %v | %s | %v | %d | %d | %d | %+.1f |",
		name, n, rounded(m.Took), rate, rounded(m.CPU), m.Anonymous/mb, m.RSS/mb, m.Peak/mb, float64(grown)/mb))
}

// rounded keeps three digits.
func rounded(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d.Round(time.Duration(math.Pow10(max(0, int(math.Log10(float64(d)))-2))))
}

// print logs the rows as a Markdown table.
func (l *ledger) print() {
	l.t.Logf("\n| step | messages | time | messages/s | server CPU | own memory, peak MB | RSS MB | RSS peak MB | disk MB |\n|---|---|---|---|---|---|---|---|---|\n%s",
		strings.Join(l.rows, "\n"))
}

// watchAnonymous looks at the server's memory beside file pages over and over;
// what it returns ends that and tells the most there was. The kernel keeps no
// such peak.
func watchAnonymous(p *probed) func() int64 { return watchAnonymousOf(p.cmd.Process.Pid) }

// watchAnonymousOf is that of any process.
func watchAnonymousOf(pid int) func() int64 {
	file := fmt.Sprintf("/proc/%d/status", pid)
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		var peak int64
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if status, err := os.ReadFile(file); err == nil {
				if _, rest, ok := strings.Cut(string(status), "RssAnon:"); ok {
					var kb int64
					fmt.Sscan(rest, &kb)
					peak = max(peak, kb<<10)
				}
			}
			select {
			case <-tick.C:
			case <-stop:
				most <- peak
				return
			}
		}
	}()
	return func() int64 { close(stop); return <-most }
}

// diskUse is the room that a folder takes on the disk.
func diskUse(t *testing.T, dir string) int64 {
	t.Helper()
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil // removed meanwhile
		}
		if st, ok := info.Sys().(*syscall.Stat_t); err == nil && ok {
			sum += st.Blocks * 512
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// imapConn is an IMAP client that costs next to nothing: it hands out lines
// and understands none. Answers with literals are not for it.
type imapConn struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	tag  int
	long []byte
	said string // the tagged OK of the last command
}

// dialFast logs in without TLS: the server was started with --plain-auth.
func (i *instance) dialFast(t *testing.T, who tryAccount) *imapConn {
	t.Helper()
	c, err := i.connectFast(who)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

func (i *instance) connectFast(who tryAccount) (*imapConn, error) {
	return i.connectFastFrom(nil, who, 256<<10)
}

// connectFastFrom is connectFast from an address of loopback, with buffers of a
// size.
func (i *instance) connectFastFrom(from net.IP, who tryAccount, buffer int) (*imapConn, error) {
	conn, err := dialRaw(i.IMAP, from)
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, err
	}
	c := &imapConn{conn: conn, r: bufio.NewReaderSize(conn, buffer), w: bufio.NewWriterSize(conn, buffer)}
	greeting, err := c.line()
	switch {
	case err == nil && bytes.HasPrefix(greeting, []byte("* OK")):
		err = c.run("LOGIN "+who.Address+" "+who.Password, nil)
	case err == nil:
		err = fmt.Errorf("greeted with %s", greeting)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// line reads one line, without its end; it is valid until the next.
func (c *imapConn) line() ([]byte, error) {
	b, more, err := c.r.ReadLine()
	if !more || err != nil {
		return b, err
	}
	c.long = append(c.long[:0], b...)
	for more && err == nil {
		b, more, err = c.r.ReadLine()
		c.long = append(c.long, b...)
	}
	return c.long, err
}

// run sends a command and gives each untagged line to each, until the tagged
// OK.
func (c *imapConn) run(command string, each func(line []byte)) error {
	c.tag++
	fmt.Fprintf(c.w, "a%d %s\r\n", c.tag, command)
	return c.finish(command, each)
}

// finish sends what was written and reads up to the tagged answer.
func (c *imapConn) finish(command string, each func(line []byte)) error {
	if err := c.w.Flush(); err != nil {
		return err
	}
	tag := fmt.Appendf(nil, "a%d ", c.tag)
	for {
		line, err := c.line()
		if err != nil {
			return fmt.Errorf("%.80s: %w", command, err)
		}
		if answer, ok := bytes.CutPrefix(line, tag); ok {
			if !bytes.HasPrefix(answer, []byte("OK")) {
				return fmt.Errorf("%.80s: %.200s", command, answer)
			}
			c.said = string(answer)
			return nil
		}
		if each != nil {
			each(line)
		}
	}
}

// must runs a command and returns how many untagged lines of a kind came.
func (c *imapConn) must(t *testing.T, command, kind string) int {
	t.Helper()
	n, want := 0, []byte(kind)
	if err := c.run(command, func(line []byte) {
		if bytes.Contains(line, want) {
			n++
		}
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// number runs a command and returns the number after a word in its answer.
func (c *imapConn) number(t *testing.T, command, word string) int {
	t.Helper()
	n := -1
	if err := c.run(command, func(line []byte) {
		if _, rest, ok := bytes.Cut(line, []byte(word+" ")); ok {
			fmt.Sscan(string(rest[:min(len(rest), 20)]), &n)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// exists selects a mailbox and returns how many messages it has.
func (c *imapConn) exists(t *testing.T, box string) int {
	t.Helper()
	n := 0
	if err := c.run("SELECT "+box, func(line []byte) {
		if bytes.HasSuffix(line, []byte(" EXISTS")) {
			fmt.Sscanf(string(line), "* %d EXISTS", &n)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// appends begins an APPEND of several messages (RFC 3502).
func (c *imapConn) appends(box string) {
	c.tag++
	fmt.Fprintf(c.w, "a%d APPEND %s", c.tag, box)
}

// add adds a message to the APPEND; with is its flags and date.
func (c *imapConn) add(with string, text []byte) {
	fmt.Fprintf(c.w, " %s{%d+}\r\n", with, len(text))
	c.w.Write(text)
}

// commit ends the APPEND.
func (c *imapConn) commit(box string) error {
	c.w.WriteString("\r\n")
	return c.finish("APPEND "+box, nil)
}

// filling describes how a mailbox is filled.
type filling struct {
	box          string
	n            int // messages
	clients, per int // messages a command
	size         func(i int) int
}

// Of the messages of a filling every second is \Seen, every tenth \Flagged.
func fillFlags(i int) string {
	switch {
	case i%10 == 0:
		return `(\Flagged)`
	case i%2 == 1:
		return `(\Seen)`
	}
	return "()"
}

// fillDate is the INTERNALDATE of a message: from 2001 on, one a minute.
func fillDate(i int) string {
	return time.Unix(1_000_000_000+int64(i)*60, 0).UTC().Format("_2-Jan-2006 15:04:05 -0700")
}

// fillBox appends messages, by several clients at once.
func (i *instance) fillBox(t *testing.T, who tryAccount, f filling) {
	t.Helper()
	errs := make(chan error, f.clients)
	var wg sync.WaitGroup
	for k := range f.clients {
		wg.Go(func() { errs <- i.fillPart(who, f, k*f.n/f.clients, (k+1)*f.n/f.clients) })
	}
	wg.Wait()
	for range f.clients {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

func (i *instance) fillPart(who tryAccount, f filling, from, to int) error {
	c, err := i.connectFast(who)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	var text []byte
	for from < to {
		c.appends(f.box)
		for range min(f.per, to-from) {
			text = scaleMessage(text[:0], from, f.size(from))
			c.add(fillFlags(from)+` "`+fillDate(from)+`" `, text)
			from++
		}
		if err := c.commit(f.box); err != nil {
			return err
		}
	}
	return nil
}

// scaleMessage appends message i of about size octets: a conversation has
// three of them.
func scaleMessage(b []byte, i, size int) []byte {
	start := len(b)
	b = fmt.Appendf(b, "Received: from client%d.test (client%d.test [192.0.2.%d]) by mail.example.test with ESMTPS id %x; Mon, 1 Sep 2025 10:%02d:00 +0000\r\n"+
		"From: Person %d <person%d@firm%d.test>\r\nTo: alice@example.test\r\nSubject: Offer %d for part %d\r\nDate: Mon, 1 Sep 2025 10:%02d:00 +0000\r\n"+
		"Message-ID: <%d.%d@firm%d.test>\r\n", i%50, i%50, i%250, i, i%60, i%900, i%900, i%70, i/3, i%3, i%60, i/3, i%3, i%70)
	if i%3 > 0 {
		b = fmt.Appendf(b, "In-Reply-To: <%d.%d@firm%d.test>\r\nReferences: <%[1]d.%d@firm%[3]d.test>\r\n", i/3, i%3-1, (i-1)%70)
	}
	b = append(b, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"...)
	for n := 0; len(b)-start < size; n++ {
		b = fmt.Appendf(b, "Line %d of message %d, as people write them when they have to fill a page.\r\n", n, i)
	}
	return b
}
