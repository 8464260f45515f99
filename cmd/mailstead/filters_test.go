package main

import (
	"bufio"
	"bytes"
	octets "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/mailstead/mailstead/admin"
)

// localFilter is a filter of a test that listens on loopback.
type localFilter struct {
	addr string
	l    net.Listener
	all  sync.WaitGroup
}

// startFilter serves connections until stop, or the end of the test.
func startFilter(t *testing.T, serve func(net.Conn)) *localFilter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &localFilter{addr: l.Addr().String(), l: l}
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *localFilter) stop() {
	p.l.Close()
	p.all.Wait()
}

// serveClamd is what clamd does: it finds MALWARE.
func serveClamd(c net.Conn) {
	r := bufio.NewReader(c)
	cmd, err := r.ReadString(0)
	if err != nil || cmd == "zPING\x00" {
		io.WriteString(c, "PONG\x00")
		return
	}
	var text bytes.Buffer
	for {
		var n uint32
		if octets.Read(r, octets.BigEndian, &n) != nil {
			return
		}
		if n == 0 {
			break
		}
		if _, err := io.CopyN(&text, r, int64(n)); err != nil {
			return
		}
	}
	if strings.Contains(text.String(), "MALWARE") {
		io.WriteString(c, "stream: Test.Malware FOUND\x00")
		return
	}
	io.WriteString(c, "stream: OK\x00")
}

// serveMilter is a milter that wants subjects with "odd" in quarantine, and
// writes a field into all others.
func serveMilter(c net.Conn) {
	r, odd := bufio.NewReader(c), false
	reply := func(data string) { c.Write(append(octets.BigEndian.AppendUint32(nil, uint32(len(data))), data...)) }
	for {
		var n uint32
		if octets.Read(r, octets.BigEndian, &n) != nil || n == 0 || n > 1<<20 {
			return
		}
		p := make([]byte, n)
		if _, err := io.ReadFull(r, p); err != nil {
			return
		}
		switch p[0] {
		case 'O': // options: all steps, with a reply to each
			reply("O\x00\x00\x00\x06\x00\x00\x00\x31\x00\x00\x00\x00")
		case 'D':
		case 'Q':
			return
		case 'L':
			odd = odd || bytes.Contains(p, []byte("odd"))
			reply("c")
		case 'E':
			if odd {
				reply("qlooks odd\x00")
			}
			reply("hX-Seen-By\x00a milter\x00")
			reply("m\x00\x00\x00\x01X-Remove\x00\x00")
			reply("a")
		default:
			reply("c")
		}
	}
}

// serveRspamd is what rspamd does: it finds "cheap" in subjects.
func serveRspamd(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" {
		io.WriteString(w, "pong\r\n")
		return
	}
	b, _ := io.ReadAll(r.Body)
	if strings.Contains(string(b), "Subject: cheap") {
		io.WriteString(w, `{"action":"add header","score":6.5,"required_score":15,"symbols":{"CHEAP":{"score":6.5}}}`)
		return
	}
	io.WriteString(w, `{"action":"no action","score":0,"required_score":15,"symbols":{}}`)
}

// set changes settings of a running server.
func (i *instance) set(t *testing.T, pairs ...string) {
	t.Helper()
	for n := 0; n < len(pairs); n += 2 {
		i.command(t, "settings", "set", pairs[n], pairs[n+1])
	}
}

// command runs the command line on the server's data.
func (i *instance) command(t *testing.T, args ...string) string {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return output(t, "", file, append(args, "--data", i.Data)...)
}

// receive sends a message from outside and returns how it was refused, or "".
func (i *instance) receive(t *testing.T, from, to, text string) string {
	t.Helper()
	err := sendFrom(t.Context(), &net.Dialer{}, i.SMTP, from, to, strings.ReplaceAll(text, "\n", "\r\n"))
	if err != nil {
		return err.Error()
	}
	return ""
}

// story returns the one trace of mail from an address, as the command line
// shows it, and its summary.
func (i *instance) story(t *testing.T, from string) (sum admin.TraceSummary, story string) {
	t.Helper()
	var list []admin.TraceSummary
	eventually(t, "the trace of "+from, func() bool {
		list = nil
		out := i.command(t, "trace", "find", from, "-o", "json")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		return len(list) > 0 && list[0].RemoteIP != "" // the session has ended
	})
	if len(list) != 1 {
		t.Fatalf("%d traces of %s", len(list), from)
	}
	return list[0], i.command(t, "trace", "show", list[0].ID)
}

// checked returns what the check of the filters says.
func (i *instance) checked(t *testing.T) (state, saw string) {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, _ := tryOutput(t, "", file, "doctor", "filters", "--data", i.Data, "-o", "json") // fails when a check does
	var report struct {
		Items []struct{ ID, State, Saw string }
	}
	if i := strings.IndexByte(out, '{'); i < 0 || json.NewDecoder(strings.NewReader(out[i:])).Decode(&report) != nil || len(report.Items) != 1 {
		t.Fatalf("doctor: %s", out)
	}
	return report.Items[0].State, report.Items[0].Saw
}

// letter is a message; each is of somebody else.
func letter(from, subject, body string) string {
	return fmt.Sprintf("From: %s\nTo: bob@example.test\nSubject: %s\nDate: Sat, 28 Nov 2026 12:00:00 +0000\nMessage-ID: <%s>\nX-Remove: me\n\n%s\n", from, subject, from, body)
}

// TestFilters has mail from outside looked at by a clamd, an rspamd and a
// milter, which are there, hang, and are gone. No message that was taken is
// lost.
func TestFilters(t *testing.T) {
	t.Parallel()
	i := startTry(t)
	bob := i.Accounts[1]
	clamd, milter := startFilter(t, serveClamd), startFilter(t, serveMilter)
	rspamd := httptest.NewServer(http.HandlerFunc(serveRspamd))
	defer rspamd.Close()
	i.set(t, "filter.clamd", clamd.addr, "filter.milters", milter.addr, "filter.rspamd", rspamd.URL)

	t.Run("nothing is wrong", func(t *testing.T) {
		if got := i.receive(t, "one@slow.test", bob.Address, letter("one@slow.test", "hello", "text")); got != "" {
			t.Fatal(got)
		}
		got := i.waitMessages(t, bob, "INBOX", 1)[0]
		if !strings.Contains(got, "\r\nX-Seen-By: a milter\r\n") || strings.Contains(got, "X-Remove") || !strings.Contains(got, "\r\n\r\ntext\r\n") {
			t.Errorf("delivered:\n%s", got)
		}
		_, story := i.story(t, "one@slow.test")
		for _, want := range []string{"ClamAV found nothing", `spamd gives 0.0 of 15.0 points and says "no action"`, " milter has nothing against the message"} {
			if !strings.Contains(story, want) {
				t.Errorf("the story lacks %q:\n%s", want, story)
			}
		}
		if state, saw := i.checked(t); state != "ok" || !strings.Contains(saw, clamd.addr) || !strings.Contains(saw, rspamd.URL) || !strings.Contains(saw, milter.addr) {
			t.Errorf("check: %s, %s", state, saw)
		}
	})
	t.Run("malware is refused", func(t *testing.T) {
		got := i.receive(t, "two@slow.test", bob.Address, letter("two@slow.test", "hello", "MALWARE"))
		if !strings.Contains(got, "5.7.1") || !strings.Contains(got, "malware (Test.Malware)") || !strings.Contains(got, "postmaster@example.test") {
			t.Errorf("refused with %q", got)
		}
		if sum, story := i.story(t, "two@slow.test"); sum.Outcome != "refused" || !strings.Contains(story, "ClamAV found Test.Malware") {
			t.Errorf("%+v\n%s", sum, story)
		}
	})
	t.Run("a score makes junk", func(t *testing.T) {
		if got := i.receive(t, "three@slow.test", bob.Address, letter("three@slow.test", "cheap", "text")); got != "" {
			t.Fatal(got)
		}
		got := i.waitMessages(t, bob, "Junk", 1)[0]
		if !strings.Contains(got, "X-Mailstead-Verdict: junk") || !strings.Contains(got, "rspamd=+5.5") {
			t.Errorf("delivered:\n%s", got)
		}
	})
	t.Run("a milter wants quarantine", func(t *testing.T) {
		if got := i.receive(t, "four@slow.test", bob.Address, letter("four@slow.test", "odd", "text")); got != "" {
			t.Fatal(got)
		}
		if sum, story := i.story(t, "four@slow.test"); sum.Outcome != "accepted" || !strings.Contains(story, "filed to quarantine") || !strings.Contains(story, "a milter asks for quarantine: looks odd") {
			t.Errorf("%+v\n%s", sum, story)
		}
	})
	t.Run("clamd is gone", func(t *testing.T) {
		clamd.stop()
		got := i.receive(t, "five@slow.test", bob.Address, letter("five@slow.test", "hello", "MALWARE"))
		if !strings.Contains(got, "4.7.0") {
			t.Errorf("with tempfail refused with %q", got)
		}
		if state, saw := i.checked(t); state != "fail" || !strings.Contains(saw, "ClamAV at "+clamd.addr+" does not answer, and mail from outside is put off") {
			t.Errorf("check: %s, %s", state, saw)
		}
		i.set(t, "filter.clamd-fail", "skip")
		if got := i.receive(t, "six@slow.test", bob.Address, letter("six@slow.test", "hello", "text")); got != "" {
			t.Errorf("with skip refused with %q", got)
		}
		i.waitMessages(t, bob, "INBOX", 2)
		if _, story := i.story(t, "six@slow.test"); !strings.Contains(story, "ClamAV cannot be reached, and the message went on without it") {
			t.Errorf("the story:\n%s", story)
		}
		if state, _ := i.checked(t); state != "warn" {
			t.Errorf("check: %s", state)
		}
	})
	t.Run("a milter hangs", func(t *testing.T) {
		hangs := startFilter(t, func(c net.Conn) { io.Copy(io.Discard, c) })
		i.set(t, "filter.milters", hangs.addr, "filter.timeout", "1s")
		got := i.receive(t, "seven@slow.test", bob.Address, letter("seven@slow.test", "hello", "text"))
		if !strings.Contains(got, "4.7.0") {
			t.Errorf("with tempfail refused with %q", got)
		}
		if sum, story := i.story(t, "seven@slow.test"); sum.Outcome != "refused" || !strings.Contains(story, "a milter did not answer in time") {
			t.Errorf("%+v\n%s", sum, story)
		}
		i.set(t, "filter.milters-fail", "skip")
		if got := i.receive(t, "eight@slow.test", bob.Address, letter("eight@slow.test", "hello", "text")); got != "" {
			t.Errorf("with skip refused with %q", got)
		}
		i.waitMessages(t, bob, "INBOX", 3)
	})
	t.Run("none", func(t *testing.T) {
		i.set(t, "filter.milters", "", "filter.clamd", "", "filter.rspamd", "")
		if got := i.receive(t, "nine@slow.test", bob.Address, letter("nine@slow.test", "hello", "MALWARE")); got != "" {
			t.Errorf("refused with %q", got)
		}
		i.waitMessages(t, bob, "INBOX", 4)
	})
}
