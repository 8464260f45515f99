package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// badOctets: NUL and what is not UTF-8, wherever a client can put it. Each
// answer is NO or BAD, or OK where the octets are only data.
func badOctets(t *testing.T, p *probed) {
	octets := []string{"\x00", "a\x00b", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xe2\x82", "\x7f", "\x1b[2J", "\r", "\u202e\u0000"}
	before := []string{"LOGIN %s pw", "LOGIN me %s", "AUTHENTICATE %s", "AUTHENTICATE PLAIN %s", "ID (%s %[1]s)", "ENABLE %s", "%s"}
	after := []string{"SELECT %s", "CREATE %s", "DELETE %s", "RENAME %s x", "RENAME INBOX %s", "SUBSCRIBE %s", "LIST %s *", `LIST "" %s`, `LSUB "" %s`,
		"STATUS %s (MESSAGES)", "APPEND %s {1+}\r\nx", "APPEND INBOX (%s) {1+}\r\nx", "COPY 1 %s", "STORE 1 +FLAGS (%s)", "SEARCH TEXT %s",
		"SEARCH HEADER %s %[1]s", "SEARCH KEYWORD %s", "SEARCH CHARSET %s ALL", "FETCH 1 BODY.PEEK[HEADER.FIELDS (%s)]", "GETQUOTA %s", "GETQUOTAROOT %s", "SEARCH EMAILID %s"}
	forms := []func(string) string{func(s string) string { return s }, func(s string) string { return `"` + s + `"` }, nonSync, func(s string) string { return "~" + nonSync(s) }}
	tried := 0
	try := func(commands []string, most int, fresh func() *rawIMAP) {
		c, bad := fresh(), 0
		for _, command := range commands {
			for _, s := range octets {
				for _, form := range forms {
					a, err := c.do(command, form(s))
					if a.tag == "*" && a.kind == "BAD" {
						err = nil // the tag may be what was wrong
					}
					if err != nil {
						t.Fatalf("%s with %q: %v", command, form(s), err)
					}
					if strings.Contains(a.text, "Internal error") {
						t.Errorf("%s with %q: %s %s", command, form(s), a.kind, a.text)
					}
					if err := c.inStep(); err != nil {
						t.Errorf("%s with %q: %v", command, form(s), err)
					}
					tried++
					if a.kind == "BAD" {
						bad++
					}
					if bad == most { // more are not taken from one
						c.conn.Close()
						c, bad = fresh(), 0
					}
				}
			}
		}
		c.conn.Close()
	}
	try(before, 4, func() *rawIMAP { return p.rawBefore(t) })
	c := p.raw(t, p.Accounts[1])
	if err := c.fill("octets", 1); err != nil {
		t.Fatal(err)
	}
	try(after, 40, func() *rawIMAP {
		c := p.raw(t, p.Accounts[1])
		if err := c.ok("SELECT octets"); err != nil {
			t.Fatal(err)
		}
		return c
	})
	readNames(t, p)
	p.tell(tried, "BAD, NO; OK where they are only data")
}

// readNames lists all mailboxes and flags: their names can be written.
func readNames(t *testing.T, p *probed) {
	t.Helper()
	for _, enable := range []string{"NOOP", "ENABLE IMAP4rev2 UTF8=ACCEPT"} {
		c := p.raw(t, p.Accounts[1])
		c.utf8 = enable != "NOOP"
		if err := c.ok("%s", enable); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{`LIST "" *`, `LIST "" * RETURN (STATUS (MESSAGES UIDNEXT SIZE))`, `LIST (SUBSCRIBED) "" *`, `LSUB "" *`, "SELECT INBOX"} {
			if err := c.ok("%s", command); err != nil {
				t.Errorf("%s: %v", command, err)
			}
		}
	}
}

// badUTF7: a name has one form, and others are not names.
func badUTF7(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	names := []struct{ name, kind string }{
		{"&", "NO"}, {"&-&", "NO"}, {"&AOQ", "NO"}, {"&AGE-", "NO"}, {"&AAA-", "NO"}, {"&2D0-", "NO"}, {"&3AA-", "NO"}, {"&2D3eAA-&2D3eAA-", "NO"},
		{"&AOR-", "NO"}, {"&AOQ=-", "NO"}, {"&AOQ/-", "NO"}, {"&AO-", "NO"}, {"&A-", "NO"}, {"&AC8-", "NO"}, {"&AA0ACg-", "NO"},
		{"&//8-", "NO"}, {"&" + strings.Repeat("AOQA", 10_000) + "-", "NO"}, {strings.Repeat("&AOQ-", 400), "NO"}, {strings.Repeat("&-", 2000), "NO"},
		{strings.Repeat("a", 256), "NO"}, {strings.Repeat("a/", 33) + "a", "NO"}, {strings.Repeat("abcdefgh/", 32) + "a", "NO"}, {"a//b", "NO"}, {"/a", "NO"},
		{"../../etc/passwd", "OK"}, {"a/../b", "OK"}, {"&AOQ-&AOQ-", "NO"}, {"&AOQ-/&APY-", "OK"}, {"&-", "OK"}, {"&2D3eAA-", "OK"}, {"&AGEDCA-", "NO"},
	}
	for _, tt := range names {
		a, err := c.do("CREATE \"%s\"", tt.name)
		if err != nil {
			t.Fatalf("%.40s: %v", tt.name, err)
		}
		if a.kind != tt.kind {
			t.Errorf("CREATE %.40s: %s %s; want %s", tt.name, a.kind, a.text, tt.kind)
		}
		if a, err := c.do("LIST \"\" \"%s\"", tt.name); err != nil || a.kind != "OK" {
			t.Errorf("LIST %.40s: %s %s, %v", tt.name, a.kind, a.text, err)
		}
	}
	if err := c.inStep(); err != nil {
		t.Error(err)
	}
	readNames(t, p)
	p.tell(len(names), "NO [CANNOT], but for the one right form")
}

// badSTARTTLS: what came in plain text behind STARTTLS is never run, and what
// came before it does not count afterwards.
func badSTARTTLS(t *testing.T, p *probed) {
	for range times(20, 200) {
		for _, injected := range []string{"x2 NOOP\r\n", "x2 CREATE owned\r\n", "x2 LOGIN {100}\r\n", "\r\n", "x2 LOGOUT\r\n" + strings.Repeat("x NOOP\r\n", 1000)} {
			c := p.rawBefore(t)
			if err := c.send("x1 STARTTLS\r\n" + injected); err != nil {
				t.Fatal(err)
			}
			a, err := c.next()
			if err != nil || a.tag != "x1" || a.kind != "OK" {
				t.Fatalf("STARTTLS with %.20q behind: %+v, %v", injected, a, err)
			}
			secure := tls.Client(&buffered{c.conn, c.r}, &tls.Config{InsecureSkipVerify: true})
			if err := secure.Handshake(); err != nil {
				c.conn.Close() // some of it came after the answer: that is not TLS
				continue
			}
			after := &rawIMAP{conn: secure, r: bufio.NewReader(secure)}
			if err := after.inStep(); err != nil { // the answer is the first thing that comes
				t.Errorf("behind STARTTLS with %.20q: %v", injected, err)
			}
			if a, err := after.do("STARTTLS"); err != nil || a.kind != "BAD" {
				t.Errorf("STARTTLS twice: %+v, %v", a, err)
			}
			secure.Close()
		}
	}
	p.tell(5*times(20, 200), "never run: dropped, or the handshake fails")
	c := p.rawBefore(t)
	if a, err := c.do("LOGIN %s %s", p.Accounts[1].Address, p.Accounts[1].Password); err != nil || a.kind != "NO" || !strings.Contains(a.text, "PRIVACYREQUIRED") {
		t.Errorf("login in plain text: %s %s, %v", a.kind, a.text, err)
	}
	if a, err := c.do("STARTTLS now"); err != nil || a.kind != "BAD" {
		t.Errorf("STARTTLS with an argument: %+v, %v", a, err)
	}
	if err := c.ok("STARTTLS"); err != nil {
		t.Fatal(err)
	}
	if err := c.send("x LOGIN a b\r\nx LOGOUT\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c.r); strings.Contains(string(b), "x OK") || strings.Contains(string(b), "x NO") || strings.Contains(string(b), "x BAD") {
		t.Errorf("plain text in place of TLS: %q, %v", b, err)
	}
}

// buffered is a connection of which something was read already.
type buffered struct {
	net.Conn
	r io.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// badAuthenticate: exchanges that go wrong in each place.
func badAuthenticate(t *testing.T, p *probed) {
	plain := encode64
	for _, tt := range []struct {
		name, first string
		then        []string // after "+"
		kind        string
	}{
		{"an unknown mechanism", "AUTHENTICATE NTLM", nil, "NO"},
		{"a mechanism of 8 KB", "AUTHENTICATE " + strings.Repeat("X", 8000), nil, "NO"},
		{"bad base64 at once", "AUTHENTICATE PLAIN !!!!", nil, "BAD"},
		{"bad base64", "AUTHENTICATE PLAIN", []string{"!!!!"}, "BAD"},
		{"base64 without its end", "AUTHENTICATE PLAIN", []string{"AGE"}, "BAD"},
		{"huge at once", "AUTHENTICATE PLAIN " + strings.Repeat("QUJD", 100_000), nil, "BAD"},
		{"huge", "AUTHENTICATE PLAIN", []string{strings.Repeat("QUJD", 100_000)}, "BAD"},
		{"cancelled", "AUTHENTICATE PLAIN", []string{"*"}, "BAD"},
		{"cancelled in base64", "AUTHENTICATE PLAIN", []string{"Kg=="}, "BAD"},
		{"empty", "AUTHENTICATE PLAIN", []string{""}, "BAD"},
		{"empty at once", "AUTHENTICATE PLAIN =", nil, "BAD"},
		{"a command", "AUTHENTICATE PLAIN", []string{"x NOOP"}, "BAD"},
		{"a literal", "AUTHENTICATE PLAIN", []string{"{10+}"}, "BAD"},
		{"no NUL", "AUTHENTICATE PLAIN", []string{plain([]byte("abc"))}, "BAD"},
		{"too many NUL", "AUTHENTICATE PLAIN", []string{plain([]byte("\x00a\x00b\x00c"))}, "BAD"},
		{"not UTF-8", "AUTHENTICATE PLAIN", []string{plain([]byte("\x00\xff\x00\xfe"))}, ""},
		{"as somebody else", "AUTHENTICATE PLAIN", []string{plain([]byte("root\x00" + p.Accounts[1].Address + "\x00" + p.Accounts[1].Password))}, ""},
		{"nobody", "AUTHENTICATE PLAIN", []string{plain([]byte("\x00\x00"))}, ""},
		{"SCRAM with garbage", "AUTHENTICATE SCRAM-SHA-256", []string{plain([]byte("garbage"))}, "BAD"},
		{"SCRAM with a huge name", "AUTHENTICATE SCRAM-SHA-256", []string{plain([]byte("n,,n=" + strings.Repeat("a", 5000) + ",r=abc"))}, ""},
		{"SCRAM without a proof", "AUTHENTICATE SCRAM-SHA-256", []string{plain([]byte("n,,n=" + p.Accounts[1].Address + ",r=abc")), plain([]byte("c=biws,r=abc,p=AAAA"))}, ""},
		{"SCRAM cancelled", "AUTHENTICATE SCRAM-SHA-256", []string{plain([]byte("n,,n=" + p.Accounts[1].Address + ",r=abc")), "*"}, "BAD"},
	} {
		c, err := p.rawTLS(nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := c.exchange(tt.first, tt.then); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if a.kind != tt.kind && (tt.kind != "" || a.kind == "OK") {
			t.Errorf("%s: %s %s; want %s", tt.name, a.kind, a.text, tt.kind)
		} else if err := c.inStep(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		c.conn.Close()
	}
	p.tell(22, "BAD, NO; in step")
}

// exchange sends a command, and a line after each "+".
func (c *rawIMAP) exchange(command string, lines []string) (answer, error) {
	if err := c.send("x " + command + "\r\n"); err != nil {
		return answer{}, err
	}
	for _, line := range lines {
		r, err := c.response()
		if err != nil || r.tag != "+" {
			return answer{response: r}, err
		}
		if err := c.send(line + "\r\n"); err != nil {
			return answer{}, err
		}
	}
	return c.next()
}

// badIdle: anything but DONE ends IDLE with BAD, and ten thousand of them in
// one packet are one after the other.
func badIdle(t *testing.T, p *probed) {
	for _, line := range []string{"x NOOP", "", "DONE x", " DONE", "DONE{5+}", "\x00", "{5+}", strings.Repeat("a", 200_000), "y IDLE"} {
		c := p.raw(t, p.Accounts[1])
		if a, err := c.exchange("IDLE", []string{line}); err != nil || a.kind != "BAD" {
			t.Errorf("IDLE ended by %.20q: %s %s, %v", line, a.kind, a.text, err)
		}
		if err := c.inStep(); err != nil {
			t.Errorf("after IDLE ended by %.20q: %v", line, err)
		}
	}
	c := p.raw(t, p.Accounts[1])
	n := times(2000, 20_000)
	sent := c.sendSoon(strings.Repeat("x IDLE\r\nDONE\r\n", n))
	for range n {
		if r, err := c.response(); err != nil || r.tag != "+" {
			t.Fatalf("IDLE: %+v, %v", r, err)
		}
		if a, err := c.next(); err != nil || a.kind != "OK" {
			t.Fatalf("DONE: %+v, %v", a, err)
		}
	}
	if err := errors.Join(<-sent, c.inStep()); err != nil {
		t.Error(err)
	}
	p.tell(n, "OK one after the other; BAD for anything but DONE")
}

// badPipelines: thousands of commands in one packet.
func badPipelines(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	if err := c.fill("pipelines", 200); err != nil {
		t.Fatal(err)
	}
	n := times(1000, 20_000)
	for _, command := range []string{"SELECT pipelines", "EXAMINE pipelines", "NOOP", "CAPABILITY", "FETCH 1:* FLAGS", "LIST \"\" *", "STATUS pipelines (MESSAGES SIZE)",
		"SEARCH ALL", "CLOSE\r\nx SELECT pipelines", "STORE 1 FLAGS (\\Seen)\r\nx STORE 1 FLAGS ()", "COPY 1 nowhere", "CREATE pipelines", "FETCH 1:5 BODY[]", "GETQUOTAROOT INBOX", "ID NIL"} {
		per := strings.Count(command, "\r\n") + 1
		k := n / per
		if strings.HasPrefix(command, "STORE") {
			k /= 10 // each is on stable storage
		}
		sent := c.sendSoon(strings.Repeat("x "+command+"\r\n", k))
		for i := range k * per {
			if a, err := c.next(); err != nil || a.tag != "x" || a.kind == "BAD" || strings.Contains(a.text, "Internal") {
				t.Fatalf("%s, answer %d: %s %s %s, %v", command, i, a.tag, a.kind, a.text, err)
			}
		}
		if err := errors.Join(<-sent, c.inStep()); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	p.tell(15*n, "each is answered, in order")
}

// badMailboxes: more mailboxes, subscriptions and keywords than anybody needs.
func badMailboxes(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	var counts []string
	bounded := func(what string, n int, each func(i int) string, limit int) {
		made := 0
		for at := 0; at < n; {
			k := min(n-at, 500)
			var b strings.Builder
			for i := range k {
				b.WriteString("x " + each(at+i) + "\r\n")
			}
			sent := c.sendSoon(b.String())
			for range k {
				a, err := c.next()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				switch {
				case a.kind == "OK":
					made++
				case a.kind != "NO" || !strings.Contains(a.text, "LIMIT"):
					t.Fatalf("%s %d: %s %s", what, made, a.kind, a.text)
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			at += k
		}
		if made < min(n, limit/2) || made > limit {
			t.Errorf("%s: %d of %d were made, the limit is %d", what, made, n, limit)
		}
		counts = append(counts, fmt.Sprintf("%d of %d %s", made, n, what))
	}
	bounded("mailboxes", times(500, 12_000), func(i int) string { return fmt.Sprintf("CREATE box%d", i) }, 10_000)
	bounded("subscriptions", times(500, 9000), func(i int) string { return fmt.Sprintf("SUBSCRIBE box%d", i) }, 10_000)
	if err := c.ok("APPEND INBOX {1+}\r\nx"); err != nil {
		t.Fatal(err)
	}
	if err := c.ok("SELECT INBOX"); err != nil {
		t.Fatal(err)
	}
	bounded("keywords", times(1000, 10_000), func(i int) string { return fmt.Sprintf("STORE 1 +FLAGS.SILENT (key%d)", i) }, 64)
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprintf("other%d", i)
	}
	for _, command := range []string{"STORE 1 FLAGS (%s)", "APPEND INBOX (%s) {1+}\r\nx"} {
		if a, err := c.do(command, strings.Join(many, " ")); err != nil || a.kind != "NO" || !strings.Contains(a.text, "LIMIT") {
			t.Errorf("5,000 keywords in %.10s: %s %s, %v", command, a.kind, a.text, err)
		}
	}
	if a, err := c.do("STORE 1 FLAGS (%s)", strings.Repeat("a", 10_000)); err != nil || a.kind != "NO" {
		t.Errorf("a keyword of 10,000 octets: %s %s, %v", a.kind, a.text, err)
	}
	for _, command := range []string{`LIST "" *`, `LIST "" * RETURN (STATUS (MESSAGES UNSEEN SIZE HIGHESTMODSEQ))`, `LSUB "" *`, "SELECT INBOX", "FETCH 1 FLAGS"} {
		if err := c.ok("%s", command); err != nil {
			t.Error(err)
		}
	}
	p.tell(times(500, 12_000), "%s; NO [LIMIT] above", strings.Join(counts, ", "))
}
