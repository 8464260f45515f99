package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
)

// line is a client of SMTP or IMAP that speaks line by line.
type lineConn struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dialLine(t *testing.T, addr string) *lineConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(deadline))
	return &lineConn{t, c, bufio.NewReader(c)}
}

// say sends a line and returns the first answer that begins with one of want.
func (c *lineConn) say(line, want string) string {
	c.t.Helper()
	if line != "" {
		if _, err := fmt.Fprintf(c, "%s\r\n", line); err != nil {
			c.t.Fatalf("%s: %v", line, err)
		}
	}
	for {
		got, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v, waiting for %q", line, err, want)
		}
		if strings.HasPrefix(got, want) {
			return got
		}
	}
}

// edit changes the configuration file, and has it read again.
func (s *site) edit(pairs ...string) admin.Reloaded {
	s.t.Helper()
	s.rewrite(pairs...)
	var res admin.Reloaded
	if err := json.Unmarshal([]byte(s.must("reload", "-o", "json")), &res); err != nil {
		s.t.Fatal(err)
	}
	return res
}

func (s *site) rewrite(pairs ...string) {
	s.t.Helper()
	b, err := os.ReadFile(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	if next := strings.NewReplacer(pairs...).Replace(string(b)); next != string(b) {
		s.write(s.config, 0o600, next)
		return
	}
	s.t.Fatalf("%q is not in %s", pairs[0], b)
}

func (s *site) log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func issuerAt(t *testing.T, addr string) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr)
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", n), &tls.Config{InsecureSkipVerify: true, ServerName: "mail." + fixtureDomain})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// TestReload: certificates, ports, proxies and the level of the log change under
// sessions that go on; what needs a restart is named, and a broken file changes
// nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	imapc := (&instance{tryInfo: s.tryInfo}).dialIMAP(t, s.ana, nil)
	defer imapc.Close()
	smtp := dialLine(t, s.SMTP)
	smtp.say("", "220")
	smtp.say("EHLO client.test", "250 ")
	alive := func(after string) {
		t.Helper()
		if err := imapc.Noop().Wait(); err != nil {
			t.Fatalf("after %s the IMAP session has ended: %v", after, err)
		}
		smtp.say("NOOP", "250")
	}

	cert, key := certificateFiles(t)
	before := issuerAt(t, s.IMAPS)
	res := s.edit("[dns]", fmt.Sprintf("[tls]\nmode = \"files\"\ncert_file = %q\nkey_file = %q\n[dns]", cert, key))
	if want := []string{"tls.mode", "tls.cert_file", "tls.key_file"}; !slices.Equal(res.Changed, want) || len(res.Restart) > 0 {
		t.Errorf("certificates: %+v", res)
	}
	if issuerAt(t, s.IMAPS) == before {
		t.Error("IMAP shows the certificate from before")
	}
	alive("new certificates")

	old, moved := s.SMTP, s.addr()
	if res = s.edit(fmt.Sprintf("smtp = [%q]", old), fmt.Sprintf("smtp = [%q]", moved)); !slices.Equal(res.Changed, []string{"listen.smtp"}) {
		t.Errorf("ports: %+v", res)
	}
	dialLine(t, moved).say("", "220")
	if c, err := net.Dial("tcp", old); err == nil {
		c.Close()
		t.Error("the port from before is still open")
	}
	alive("another port")
	if res = s.edit(moved, old); !slices.Equal(res.Changed, []string{"listen.smtp"}) {
		t.Errorf("ports: %+v", res)
	}
	dialLine(t, old).say("", "220")

	s.edit("[listen]", "[listen]\nproxies = [\"127.0.0.0/8\"]")
	proxied := dialLine(t, s.SMTP)
	proxied.say("PROXY TCP4 192.0.2.77 127.0.0.1 1234 25", "220")
	proxied.say("EHLO client.test", "250 ")
	alive("proxies")
	s.edit("proxies = [\"127.0.0.0/8\"]\n", "")

	debug := func() int { return strings.Count(s.log(), "level=DEBUG") }
	if debug() > 0 {
		t.Error("there is a line of level debug from the start")
	}
	s.must("settings", "set", "log.level", "debug")
	alive("another level")
	eventually(t, "lines of level debug", func() bool { dialLine(t, s.SMTP).say("", "220"); return debug() > 0 })
	s.must("settings", "reset", "log.level")

	if res = s.edit("hostname = \"mail.", "hostname = \"mx."); !slices.Equal(res.Restart, []string{"hostname"}) || len(res.Changed) > 0 {
		t.Errorf("host name: %+v", res)
	}
	s.rewrite("mode = \"files\"", "mode = \"fils\"")
	if out, err := s.command("reload", "--data", s.Data).CombinedOutput(); err == nil || !strings.Contains(string(out), "nothing was changed") || !strings.Contains(string(out), "tls.mode") {
		t.Errorf("a broken file: %v %s", err, out)
	}
	alive("a broken file")

	s.rewrite("mode = \"fils\"", "mode = \"files\"")
	pid, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	times := strings.Count(s.log(), "configuration read again")
	if err := syscall.Kill(n, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "SIGHUP reads the file", func() bool { return strings.Count(s.log(), "configuration read again") > times })
	alive("SIGHUP")
}

// stopLimit is how long a server may take to end.
const stopLimit = 10 * time.Second

// TestStopUnderLoad: a server that is told to end does so within ten seconds,
// whatever clients do. It says so to those that wait, and has all that it has
// acknowledged.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir, "--no-limits", "--plain-auth")
	who := i.Accounts[0]

	idle := dialLine(t, i.IMAP)
	idle.say("", "* OK")
	idle.say(fmt.Sprintf("a LOGIN %q %q", who.Address, who.Password), "a OK")
	idle.say("b SELECT INBOX", "b OK")
	idle.say("c IDLE", "+")
	waiting := dialLine(t, i.SMTP)
	waiting.say("", "220")
	waiting.say("EHLO client.test", "250 ")
	stuck := dialLine(t, i.SMTP) // in the middle of a message
	stuck.say("", "220")
	stuck.say("EHLO client.test", "250 ")
	stuck.say("MAIL FROM:<x@slow.test>", "250")
	stuck.say("RCPT TO:<"+who.Address+">", "250")
	stuck.say("DATA", "354")
	fmt.Fprintf(stuck, "Subject: half a message\r\n\r\n")
	deaf := dialLine(t, i.IMAP) // never reads what it has asked for
	fmt.Fprintf(deaf, "a LOGIN %q %q\r\nb SELECT INBOX\r\n%s", who.Address, who.Password, strings.Repeat("c FETCH 1:* (BODY[])\r\n", 2000))

	var mu sync.Mutex
	accepted := map[string]bool{}
	var g sync.WaitGroup
	for k := range 4 {
		g.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), deadline)
			defer cancel()
			c, err := dialSMTP(ctx, i.SMTP)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for n := 0; ; n++ {
				words := fmt.Sprintf("message %d of %d", n, k)
				if sendText(ctx, c, "x@slow.test", []string{who.Address}, []byte("From: x@slow.test\r\nSubject: "+words+"\r\n\r\n"+strings.Repeat("text\r\n", 500))) != nil {
					return // the server has ended
				}
				mu.Lock()
				accepted[words] = true
				mu.Unlock()
			}
		})
	}
	eventually(t, "mail flows", func() bool { mu.Lock(); defer mu.Unlock(); return len(accepted) > 40 })
	began := time.Now()
	i.cmd.Process.Signal(os.Interrupt)
	idle.say("", "* BYE")
	waiting.say("", "421 ")
	stuck.say("", "421 ")
	select {
	case err := <-i.exited:
		i.exited <- err
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	case <-time.After(deadline):
		t.Fatal("the server does not end")
	}
	if d := time.Since(began); d > stopLimit {
		t.Errorf("the server took %v to end", d)
	}
	g.Wait()
	again := startTry(t, "--dir", dir)
	have := map[string]int{}
	for _, box := range []string{"INBOX", "Junk"} {
		for _, text := range messages(t, again.dialIMAP(t, who, nil), box) {
			_, text, _ = strings.Cut(text, "Subject: ")
			text, _, _ = strings.Cut(text, "\r\n")
			have[text]++
		}
	}
	for words := range accepted {
		if have[words] != 1 {
			t.Errorf("%q was acknowledged and is there %d times", words, have[words])
		}
	}
	if have["half a message"] > 0 {
		t.Error("half a message was taken")
	}
}
