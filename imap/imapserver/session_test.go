package imapserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/wire"
	"github.com/mailstead/mailstead/mailbox"
)

// TestStop stops the server while clients wait in every way: they are told.
func TestStop(t *testing.T) {
	f := newFixture(t)
	fresh, idle, literal, between := f.dial(), f.login("INBOX"), f.login("INBOX"), f.login("INBOX")
	fresh.mustExpect("* OK <*>")
	idle.mustSend("a IDLE\r\n")
	idle.mustExpect("+ idling")
	literal.mustSend("a APPEND INBOX {100}\r\n")
	literal.mustExpect("+ Ready for literal data")
	literal.mustSend("half of it")
	between.mustSend("a NOOP\r\n")
	between.mustExpect("a OK <*>")
	f.stop()
	for name, c := range map[string]*testClient{"fresh": fresh, "idle": idle, "literal": literal, "between": between} {
		if err := c.expect("* BYE Server is shutting down"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.expectEOF(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := f.exists("INBOX"); n != 0 {
		t.Errorf("%d messages were stored of half a one", n)
	}
}

func (f *fixture) exists(box string) uint32 {
	f.t.Helper()
	var n uint32
	err := f.account.View(context.Background(), func(v *mailbox.View) error {
		m, err := v.MailboxByName(box)
		n = m.Exists
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// TestCutOffAppend ends the connection in the middle of a message, and right
// after it: the command is not complete, so nothing is stored.
func TestCutOffAppend(t *testing.T) {
	f := newFixture(t)
	for _, sent := range []string{"a APPEND INBOX {5+}\r\nab", "a APPEND INBOX {5+}\r\nabcde", "a APPEND INBOX {5+}\r\nabcde {3+}\r\na"} {
		c := f.login("INBOX")
		c.mustSend(sent)
		c.conn.(*net.TCPConn).CloseWrite()
		if err := c.expectEOF(); err != nil {
			t.Errorf("%q: %v", sent, err)
		}
	}
	if n := f.exists("INBOX"); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

// TestClientThatDoesNotRead asks for more than the connection holds and reads
// nothing. Others must be able to write to the account meanwhile: no snapshot
// and no lock is held for the one that waits.
func TestClientThatDoesNotRead(t *testing.T) {
	f := newFixture(t, func(s *Server) { s.Limits = wire.Limits{Write: time.Second, Grace: time.Millisecond} })
	big := append(readMail(t, "plain.eml"), bytes.Repeat([]byte("0123456789abcdef0123456789abcdef\r\n"), 30_000)...)
	for range 20 {
		f.put("INBOX", big, 0)
	}
	stuck := f.login("INBOX")
	stuck.mustSend("a FETCH 1:* BODY.PEEK[]\r\n")
	stuck.mustExpect("* 1 FETCH <*>")
	other := f.login("INBOX")
	for i := range 20 {
		lines := other.run(fmt.Sprintf("s%d STORE 1:* +FLAGS (\\Flagged k%d)", i, i%3))
		if !strings.Contains(lines[len(lines)-1], " OK ") {
			t.Fatal(lines)
		}
	}
	f.put("INBOX", readMail(t, "plain.eml"), 0)
	if got := other.run("n NOOP"); got[0] != "* 21 EXISTS" {
		t.Errorf("NOOP = %q", got)
	}
}

// TestPushReachesOthers sees what one client does in all clients that idle.
func TestPushReachesOthers(t *testing.T) {
	f := newFixture(t)
	f.put("INBOX", readMail(t, "plain.eml"), 0)
	var idle []*testClient
	for range 3 {
		c := f.login("INBOX")
		c.mustSend("i IDLE\r\n")
		c.mustExpect("+ idling")
		idle = append(idle, c)
	}
	actor := f.login("INBOX")
	steps := []struct{ command, pushed string }{
		{"a STORE 1 +FLAGS.SILENT (\\Deleted)", "* 1 FETCH (UID 1 FLAGS (\\Deleted))"},
		{"b COPY 1 INBOX", "* 2 EXISTS"},
		{"c UID EXPUNGE 1", "* 1 EXPUNGE"},
	}
	for _, s := range steps {
		start := time.Now()
		actor.run(s.command)
		for _, c := range idle {
			c.mustExpect(s.pushed)
		}
		t.Logf("%s: told after %v", s.command, time.Since(start)) // the goal is 100 ms
	}
}

// TestMailboxGone deletes the mailbox that another client has open.
func TestMailboxGone(t *testing.T) {
	f := newFixture(t)
	if _, err := f.account.CreateMailbox(t.Context(), "Old", mailbox.NoRole); err != nil {
		t.Fatal(err)
	}
	idle, asking := f.login("Old"), f.login("Old")
	idle.mustSend("i IDLE\r\n")
	idle.mustExpect("+ idling")
	if err := f.account.DeleteMailbox(t.Context(), "Old"); err != nil {
		t.Fatal(err)
	}
	idle.mustExpect("* BYE The selected mailbox was deleted")
	asking.mustSend("a NOOP\r\n")
	asking.mustExpect("* BYE The selected mailbox was deleted")
}

// TestLongUIDSet sends what large clients send: a set of 50 KB.
func TestLongUIDSet(t *testing.T) {
	f := newFixture(t)
	var all [][]byte
	for i := range 300 {
		all = append(all, fmt.Appendf(nil, "Subject: %d\r\n\r\nx\r\n", i))
	}
	f.putAll("INBOX", all, 0)
	c := f.login("INBOX")
	var set strings.Builder
	for i := 0; set.Len() < 50_000; i += 2 {
		fmt.Fprintf(&set, "%d,", 1+i)
	}
	lines := c.run("a UID FETCH " + set.String() + "1 (FLAGS)")
	if len(lines) != 151 || lines[150] != "a OK UID FETCH done" {
		t.Errorf("%d lines, the last %q; want 151", len(lines), lines[len(lines)-1])
	}
}

// TestPages fetches and searches more than one page holds.
func TestPages(t *testing.T) {
	f := newFixture(t)
	var all [][]byte
	for i := range pageMessages + 200 {
		all = append(all, fmt.Appendf(nil, "Subject: number %d\r\n\r\nbody of %d\r\n", i+1, i+1))
	}
	f.putAll("INBOX", all, 0)
	c := f.login("INBOX")
	lines := c.run("a FETCH 1:* (ENVELOPE FLAGS)")
	if len(lines) != len(all)+1 {
		t.Fatalf("%d lines, want %d", len(lines), len(all)+1)
	}
	for i, line := range lines[:len(all)] {
		if !strings.HasPrefix(line, fmt.Sprintf("* %d FETCH (FLAGS () ENVELOPE (NIL \"number %d\"", i+1, i+1)) {
			t.Fatalf("line %d: %s", i, line)
		}
	}
	lines = c.run("b FETCH 1:* (BODY[TEXT])")
	if want := 3*len(all) + 1; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for i := range all {
		if got, want := lines[3*i+1], fmt.Sprintf("body of %d", i+1); got != want {
			t.Fatalf("body %d = %q", i+1, got)
		}
	}
	if got := c.run("c SEARCH RETURN (COUNT) BODY \"OF 1\""); got[0] != `* ESEARCH (TAG "c") COUNT 312` {
		t.Errorf("search = %q", got)
	}
	if got := c.run("d SEARCH RETURN (COUNT) SEEN"); got[0] != fmt.Sprintf(`* ESEARCH (TAG "d") COUNT %d`, len(all)) {
		t.Errorf("search = %q", got)
	}
}

// TestIdleMemory looks at what a connection in IDLE costs: at most 25 KB
// without TLS's own.
func TestIdleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("opens many connections")
	}
	f := newFixture(t)
	f.put("INBOX", readMail(t, "mixed.eml"), 0)
	const n = 200
	warm := f.login("INBOX")
	warm.run("a FETCH 1 (ENVELOPE BODY[])")
	measure := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := measure()
	for i := range n {
		c := f.login("INBOX")
		c.run("a FETCH 1 (ENVELOPE BODY[])")
		c.mustSend("i IDLE\r\n")
		c.mustExpect("+ idling")
		if i == 0 {
			before = measure() // what the first one brings is shared
		}
	}
	perConn := (measure() - before) / (n - 1)
	t.Logf("%d octets a connection, with the client's", perConn)
	// The test client has a reader of 4 KB and a connection of its own.
	if perConn > 25<<10+5<<10 {
		t.Errorf("%d octets a connection", perConn)
	}
}

// FuzzSession sends octets to a session that is logged in: it ends, without
// panic, whatever they were.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"a FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY[1.2.MIME]<0.5> BINARY[1])\r\n",
		"a APPEND INBOX (\\Seen) {3+}\r\nabc\r\nb SEARCH OR BODY x NOT (TEXT \"y\" SENTON 1-Jan-2026)\r\n",
		"a LIST (SUBSCRIBED) \"\" (% *) RETURN (STATUS (MESSAGES))\r\nb LSUB \"\" \"*\"\r\n",
		"a STORE 1 (UNCHANGEDSINCE 5) +FLAGS (\\Deleted x)\r\nb EXPUNGE\r\nc IDLE\r\nDONE\r\n",
		"a UID COPY $ Trash\r\nb UID MOVE 1:* Archive\r\nc CLOSE\r\nd ENABLE IMAP4rev2\r\ne SELECT INBOX (CONDSTORE)\r\n",
		"a CREATE {500000+}\r\nb RENAME INBOX x/y\r\nc STATUS INBOX (SIZE)\r\nd GETQUOTAROOT INBOX\r\n",
	} {
		f.Add([]byte(s))
	}
	mixed := readMail(f, "mixed.eml")
	f.Fuzz(func(t *testing.T, in []byte) {
		fix := newOffline(t)
		fix.put("INBOX", mixed, 0)
		script := "l LOGIN " + testLogin + " " + testPassword + "\r\ns SELECT INBOX\r\n" + string(in)
		c := wire.NewConn(&scriptConn{in: strings.NewReader(script)}, wire.NoLimits())
		run := fix.srv.withDefaults()
		newSession(&run, c, &imapwire.Buffers{}).serve(t.Context())
		if problems, err := fix.boxes.Check(t.Context(), testAccount); err != nil || len(problems) > 0 {
			t.Errorf("Check = %q, %v", problems, err)
		}
	})
}

// scriptConn is a client that has said all it will say.
type scriptConn struct {
	net.Conn
	in  *strings.Reader
	out bytes.Buffer
}

func (c *scriptConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *scriptConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *scriptConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }
