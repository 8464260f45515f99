package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// times is how often something is done: in the short form, and with
// MAILSTEAD_LONG set.
func times(short, long int) int {
	if os.Getenv("MAILSTEAD_LONG") != "" {
		return long
	}
	return short
}

// evil returns n octets that are commands if they are taken for some.
func evil(n int) string {
	const commands = "\r\nz1 CREATE owned\r\nz2 LOGOUT\r\n"
	return strings.Repeat(commands, n/len(commands)+1)[:n]
}

// nonSync announces and sends a literal at once (RFC 7888).
func nonSync(text string) string { return fmt.Sprintf("{%d+}\r\n%s", len(text), text) }

// wrongIMAP is something a client sends, and what is answered.
type wrongIMAP struct {
	name, send string
	kind, word string // "BYE" ends the connection
}

// check sends it and sees that both sides are in step afterwards.
func (w wrongIMAP) check(t *testing.T, c *rawIMAP) {
	t.Helper()
	sent := c.sendSoon(w.send)
	a, err := c.next()
	if err != nil {
		t.Errorf("%s: %v", w.name, err)
		return
	}
	if a.kind != w.kind || !strings.Contains(a.text, w.word) {
		t.Errorf("%s: %s %s; want %s with %q", w.name, a.kind, a.text, w.kind, w.word)
	}
	if a.kind == "BYE" {
		if more, err := c.toEnd(); len(more) > 0 || err != nil {
			t.Errorf("%s: after BYE came %+v, %v", w.name, more, err)
		}
		return
	}
	if err := <-sent; err != nil {
		t.Errorf("%s: %v", w.name, err)
	}
	if err := c.inStep(); err != nil {
		t.Errorf("%s: %v", w.name, err)
	}
}

// badLiteralsBeforeLogin: what a literal holds is never run.
func badLiteralsBeforeLogin(t *testing.T, p *probed) {
	for _, w := range []wrongIMAP{
		{"a login that is too long", "x LOGIN " + nonSync(evil(5000)) + " pw\r\n", "BAD", "TOOBIG"},
		{"a password that is too long", "x LOGIN me " + nonSync(evil(200_000)) + "\r\n", "BAD", "TOOBIG"},
		{"more than is passed over", "x LOGIN {99999999999999999999+}\r\n" + evil(100_000), "BYE", "TOOBIG"},
		{"2^32, asked for", "x LOGIN {4294967296}\r\n", "BAD", "TOOBIG"},
		{"2^64, asked for", "x LOGIN {18446744073709551616}\r\n", "BAD", "TOOBIG"},
		{"20 digits, asked for", "x LOGIN {99999999999999999999}\r\n", "BAD", "TOOBIG"},
		{"100 zeros", "x LOGIN {" + strings.Repeat("0", 100) + "5+}\r\n", "BYE", "TOOBIG"},
		{"a negative size", "x LOGIN {-1}\r\n", "BAD", ""},
		{"a negative size at once", "x LOGIN {-1+}\r\n", "BAD", ""},
		{"no size", "x LOGIN {}\r\n", "BAD", ""},
		{"only a plus", "x LOGIN {+}\r\n", "BAD", ""},
		{"no end", "x LOGIN {10\r\n", "BAD", ""},
		{"hexadecimal", "x LOGIN {0x10}\r\n", "BAD", ""},
		{"a space in it", "x LOGIN {1 0}\r\n", "BAD", ""},
		{"a space behind it", "x LOGIN {5+} \r\n", "BAD", ""},
		{"two pluses", "x LOGIN {5++}\r\n", "BAD", ""},
		{"where none may be", "x NOOP " + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"without a space", "x NOOP" + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"in place of the tag", nonSync(evil(300)) + " NOOP\r\n", "BAD", ""},
		{"in place of the command", "x " + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"of a command that is not allowed yet", "x CREATE " + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"of APPEND before the login", "x APPEND INBOX " + nonSync(evil(300_000)) + "\r\n", "BAD", ""},
		{"of an unknown command", "x STEAL " + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"one after the other", "x LOGIN " + strings.Repeat(nonSync("a")+" ", 10_000) + "\r\n", "BAD", ""},
		{"empty ones without end", "x LOGIN " + strings.Repeat("{0+}\r\n", 100_000) + "\r\n", "BAD", ""},
		{"after a line that is too long", "x LOGIN " + strings.Repeat("a", 300_000) + " " + nonSync(evil(3000)) + "\r\n", "BAD", "TOOBIG"},
	} {
		w.check(t, p.rawBefore(t))
	}
	p.tell(26, "BAD, or BYE [TOOBIG]; nothing in them was run")
}

// badLiterals: the same with a login.
func badLiterals(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	for _, w := range []wrongIMAP{
		{"a mailbox name that is too long", "x SELECT " + nonSync(evil(200_000)) + "\r\n", "BAD", "TOOBIG"},
		{"the same, less long", "x CREATE " + nonSync(evil(5000)) + "\r\n", "NO", "CANNOT"},
		{"a pattern that is too long", "x LIST \"\" " + nonSync(evil(200_000)) + "\r\n", "BAD", "TOOBIG"},
		{"too much in all", "x LIST " + nonSync(evil(100_000)) + " " + nonSync(evil(100_000)) + "\r\n", "BAD", "TOOBIG"},
		{"20 digits in APPEND", "x APPEND INBOX {99999999999999999999}\r\n", "NO", "TOOBIG"},
		{"in flags", "x APPEND INBOX (" + nonSync(evil(300)) + ") " + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"in a date", "x APPEND INBOX () \"" + nonSync(evil(300)) + "\" " + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"after the message", "x APPEND INBOX " + nonSync("Subject: x\r\n\r\n") + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"in place of a set", "x UID FETCH " + nonSync(evil(300)) + " FLAGS\r\n", "BAD", ""},
		{"in IDLE", "x IDLE " + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"in ENABLE", "x ENABLE " + nonSync(evil(300)) + "\r\n", "BAD", ""},
		{"in ID", "x ID (" + strings.Repeat(nonSync("a")+" "+nonSync("b")+" ", 1000) + ")\r\n", "BAD", ""},
		{"a second login", "x LOGIN " + nonSync(evil(5000)) + " pw\r\n", "BAD", ""},
	} {
		w.check(t, c)
	}
	a, err := c.do(`LIST "" *`)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a.data {
		if strings.Contains(fmt.Sprint(r.args), "owned") {
			t.Error("what a literal held was run")
		}
	}
	p.tell(13, "BAD, BAD [TOOBIG], NO [TOOBIG], NO [CANNOT]; nothing in them was run")
}

// badAppends: messages over the limit, to nowhere, and too many of them.
func badAppends(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	const limit = 50 << 20
	mail := func(n int) string { return "Subject: big\r\n\r\n" + evil(n-16) }
	small := strings.Repeat(nonSync("Subject: x\r\n\r\n")+" ", times(2000, 5000))
	for _, w := range []wrongIMAP{
		{"over the limit, asked for", fmt.Sprintf("x APPEND INBOX {%d}\r\n", limit+1), "NO", "TOOBIG"},
		{"over the limit, at once", "x APPEND INBOX " + nonSync(mail(limit+1)) + "\r\n", "NO", "TOOBIG"},
		{"to no mailbox, asked for", "x APPEND nowhere {10000000}\r\n", "NO", "TRYCREATE"},
		{"to no mailbox, at once", "x APPEND nowhere " + nonSync(mail(10_000_000)) + "\r\n", "NO", "TRYCREATE"},
		{"to a bad name, at once", "x APPEND &bad " + nonSync(mail(10_000_000)) + "\r\n", "NO", "CANNOT"},
		{"the second is over the limit", "x APPEND INBOX " + nonSync("Subject: x\r\n\r\n") + " " + nonSync(mail(limit+1)) + "\r\n", "NO", "TOOBIG"},
		{"thousands of messages", "x APPEND INBOX " + strings.TrimSuffix(small, " ") + "\r\n", "NO", "TOOBIG"},
		{"empty", "x APPEND INBOX {0+}\r\n\r\n", "NO", ""},
		{"cancelled after some", "x APPEND INBOX " + nonSync("Subject: x\r\n\r\n") + " {0+}\r\n\r\n", "NO", ""},
		{"without end of the line", "x APPEND INBOX " + nonSync("Subject: x\r\n\r\n") + "z1 LOGOUT\r\n", "BAD", ""},
		{"far over what is passed over", "x APPEND INBOX {1000000000+}\r\n" + evil(1<<20), "BYE", "TOOBIG"},
	} {
		w.check(t, c)
	}
	c = p.raw(t, p.Accounts[1])
	a, err := c.do("STATUS INBOX (MESSAGES)")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(a.data); strings.Contains(got, "owned") || !strings.Contains(got, "MESSAGES") || !strings.Contains(got, " 0 ") {
		t.Errorf("after messages that were refused: %v", got)
	}
	p.tell(11, "NO [TOOBIG], NO [TRYCREATE], NO [CANNOT], BAD, BYE [TOOBIG]; in step")
}

// badGarbage: what is no IMAP at all is told so a few times, and then ends.
func badGarbage(t *testing.T, p *probed) {
	binary := make([]byte, 100_000)
	for i := range binary {
		binary[i] = byte(i * 7919 >> 3)
	}
	const hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	for _, tt := range []struct{ name, send, word string }{
		{"binary", string(binary), "Too many bad commands"},
		{"HTTP", "POST / HTTP/1.1\r\nHost: mail.example.test\r\nContent-Type: text/plain\r\nAccept: */*\r\nX: y\r\nZ: z\r\n\r\nx1 LOGOUT\r\n", "Too many bad commands"},
		{"TLS on the plain port", hello + strings.Repeat("\x00\n", 20), "Too many bad commands"},
		{"unknown commands", strings.Repeat("x FROBNICATE\r\n", 100_000), "Too many bad commands"},
		{"empty lines", strings.Repeat("\r\n", 100_000), "Too many bad commands"},
		{"commands for later", strings.Repeat("x SELECT INBOX\r\n", 100_000), "Too many bad commands"},
		{"a line without an end", strings.Repeat("a", times(2<<20, 200<<20)), "Too much data"},
	} {
		c := p.rawBefore(t)
		sent := c.sendSoon(tt.send)
		if err := c.ends(tt.word); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		c.conn.Close()
		<-sent
	}
	for _, w := range []wrongIMAP{
		{"a line of 1 MB", "x NOOP " + strings.Repeat("a", 1<<20) + "\r\n", "BYE", "TOOBIG"},
		{"a line of 1 MB of NUL", strings.Repeat("\x00", 1<<20) + "\r\n", "BYE", "TOOBIG"},
		{"a line of 500 KB", "x NOOP " + strings.Repeat("a", 500<<10) + "\r\n", "BAD", "TOOBIG"},
		{"a line that ends with LF", "x NOOP\n", "OK", ""},
	} {
		w.check(t, p.rawBefore(t))
	}
	c := p.raw(t, p.Accounts[1])
	wrongIMAP{"a line of 1 MB after the login", "x NOOP " + strings.Repeat("a", 1<<20) + "\r\n", "BAD", "TOOBIG"}.check(t, c)
	sent := c.sendSoon(strings.Repeat("x FROBNICATE\r\n", 100_000))
	if err := c.ends("Too many bad commands"); err != nil {
		t.Errorf("after the login: %v", err)
	}
	c.conn.Close()
	<-sent
	p.tell(200_000, "6 × BAD and BYE before the login, 51 after it")
}

// badTags: a tag is an atom, and comes back as it is or not at all.
func badTags(t *testing.T, p *probed) {
	for _, w := range []wrongIMAP{
		{"*", "* NOOP\r\n", "BAD", ""},
		{"+", "+ NOOP\r\n", "BAD", ""},
		{"with a plus", "a+b NOOP\r\n", "BAD", ""},
		{"quoted", "\"x\" NOOP\r\n", "BAD", ""},
		{"none", " NOOP\r\n", "BAD", ""},
		{"a list", "(x) NOOP\r\n", "BAD", ""},
		{"with a NUL", "x\x00y NOOP\r\n", "BAD", ""},
		{"with CR", "x\ry NOOP\r\n", "BAD", ""},
		{"UTF-8", "\u00e4\u00f6 NOOP\r\n", "BAD", ""},
		{"not UTF-8", "\xff\xfe NOOP\r\n", "BAD", ""},
		{"a wildcard", "% NOOP\r\n", "BAD", ""},
		{"a literal", "{1}\r\n", "BAD", ""},
		{"of 6 KB", strings.Repeat("T", 6000) + " NOOP\r\n", "OK", ""},
		{"alone", "x\r\n", "BAD", ""},
		{"with a space", "x \r\n", "BAD", ""},
		{"with UID", "x UID\r\n", "BAD", ""},
		{"with UID UID", "x UID UID FETCH 1 FLAGS\r\n", "BAD", ""},
	} {
		w.check(t, p.rawBefore(t))
	}
	p.tell(17, "BAD")
}

// badNesting: lists in lists.
func badNesting(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	if err := c.fill("nesting", 1); err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat("(", 10_000)
	commands := []string{
		"FETCH 1 " + deep, "FETCH 1 (BODY[HEADER.FIELDS " + deep, "FETCH 1 BODY[" + strings.Repeat("1.", 10_000) + "1]",
		"FETCH 1 BINARY[" + strings.Repeat("1.", 10_000) + "1]", "FETCH 1 (FLAGS) " + deep,
		"SEARCH " + deep, "SEARCH " + strings.Repeat("NOT ", 10_000) + "ALL", "SEARCH " + strings.Repeat("OR ", 10_000) + "ALL ALL",
		"SEARCH " + strings.Repeat("(", 10_000) + "ALL" + strings.Repeat(")", 10_000), "SEARCH RETURN " + deep,
		"SEARCH " + strings.Repeat("OR ALL (NOT ", 5000) + "ALL",
		"LIST " + deep, "LIST () \"\" " + deep, "LIST \"\" * RETURN " + deep, "LIST \"\" * RETURN (STATUS " + deep,
		"STATUS INBOX " + deep, "STORE 1 FLAGS " + deep, "STORE 1 " + deep, "ID " + deep, "CREATE x " + deep,
		"APPEND INBOX " + deep, "SELECT INBOX " + deep, "ENABLE " + deep, "SETQUOTA \"\" " + deep, "NOOP " + deep,
		"UID EXPUNGE " + deep, "UID FETCH 1 " + deep + strings.Repeat(")", 10_000),
	}
	for _, command := range commands {
		a, err := c.do("%s", command)
		if err != nil {
			t.Fatalf("%.40s: %v", command, err)
		}
		if a.kind != "BAD" {
			t.Errorf("%.40s: %s %s; want BAD", command, a.kind, a.text)
		}
	}
	p.tell(len(commands), "BAD")
	if err := c.inStep(); err != nil {
		t.Error(err)
	}
}
