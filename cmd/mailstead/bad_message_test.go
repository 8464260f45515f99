package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestBadMessages: messages made to be hard on those who take them apart. They
// come in over SMTP, are judged, and are read over IMAP as they came.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	const from = "From: friend@slow.test\r\n"
	mixed := func(boundary string) string {
		return "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\n"
	}
	deep := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%[1]d\r\n", i)
		}
		return b.String() + "\r\ntext\r\n"
	}
	const every = "\x00\x01\x07\x08\x0b\x0c\x0e\x1b\x1f\x7f\x80\xc0\xaf\xed\xa0\x80\xf5\xff\xfe"
	long := func(unit string, n int) string { return strings.Repeat(unit, n) }
	var rows []badPeer
	for _, m := range []badMessage{
		{"multipart without parts", from + mixed("x") + "\r\n", "250"},
		{"multipart that only ends", from + mixed("x") + "\r\n--x--\r\n", "250"},
		{"multipart without boundary", from + "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n--\r\n", "250"},
		{"boundaries that contain each other", from + mixed("x") + "\r\n--x\r\n" + mixed("x") + "\r\n--x\r\n" + mixed("xx") + "\r\n--xx\r\n\r\na\r\n--x\r\n--xx--\r\n--x--\r\n--x--\r\n", "250"},
		{"multiparts 10,000 deep", from + deep(10_000), "250"},
		{"messages 10,000 deep", from + long("Content-Type: message/rfc822\r\n\r\n", 10_000) + "x\r\n", "250"},
		{"100,000 parts", from + mixed("x") + "\r\n" + long("--x\r\n\r\na\r\n", 100_000), "250"},
		{"1,000 header lines of 1 MB", from + long("X-Long: "+long("x", 980)+"\r\n", 1000) + "\r\ntext\r\n", "250"},
		{"20 header lines of 1 MB each", from + long("X-Long: "+long("x", 1<<20)+"\r\n", 20) + "\r\ntext\r\n", "250"},
		{"header line of 1 MB", from + "Subject: " + long("x", 1<<20) + "\r\n\r\ntext\r\n", "250"},
		{"header line folded 300,000 times", from + "Subject: x\r\n" + long(" x\r\n", 300_000) + "\r\ntext\r\n", "250"},
		{"100,000 header fields", from + long("X: y\r\n", 100_000) + "\r\ntext\r\n", "250"},
		{"body line of 5 MB", from + "\r\n" + long("x", 5<<20) + "\r\n", "250"},
		{"1,000 Received fields", long("Received: from a by b\r\n", 1000) + from + "\r\nloop\r\n", "554 5.4.6"},
		{"header without body", from + "Subject: x\r\n", "250"},
		{"header that is cut off", from + "Subject", "250"},
		{"body without header", "\r\nno header\r\n", "250"},
		{"nothing", "", "250"},
		{"NUL and bad UTF-8 everywhere", every + "\r\n" + from + every + ": " + every + "\r\nSubject: " + every + "\r\nTo: " + every + "@" + every + "\r\n" +
			"Date: " + every + "\r\nContent-Type: text/" + every + "; x=" + every + "\r\nMessage-ID: <" + every + ">\r\n\r\n" + every + "\r\n", "250"},
		{"100,000 addresses", from + "To: a@b.test" + long(",\r\n \"x\" <a@b.test>", 50_000) + long(", g: a@b.test;", 50_000) + "\r\n\r\nx\r\n", "250"},
		{"100,000 authors", "From: a@b.test" + long(", a@slow.test", 50_000) + "\r\n" + long("From: a@slow.test\r\n", 1000) + "\r\nx\r\n", "250"},
		{"10,000 domains of authors", "From: " + domains(10_000) + "a@slow.test\r\n\r\nx\r\n", "250"},
		{"comments 100,000 deep", from + "To: " + long("(", 100_000) + "\r\nDate: " + long("(", 100_000) + "\r\nContent-Type: " + long("(", 100_000) + "\r\n\r\nx\r\n", "250"},
		{"100,000 encoded words", from + "Subject:" + long(" =?utf-8?q?=41?=", 50_000) + long(" =?x?b?=", 50_000) + "\r\n\r\nx\r\n", "250"},
		{"20,000 parameters", from + "Content-Type: text/plain" + long("; a=b", 10_000) + parameters(10_000) + "\r\n\r\nx\r\n", "250"},
		{"100,000 references", from + "References:" + long(" <a@b>", 50_000) + "\r\nIn-Reply-To:" + long(" <c@d>", 50_000) + "\r\n\r\nx\r\n", "250"},
		{"3,000 DKIM signatures", long("DKIM-Signature: v=1; a=rsa-sha256; d=slow.test; s=x; h=from; bh=AAAA; b=AAAA\r\n", 3000) + from + "\r\nx\r\n", "250"},
		{"10,000 forged results", long("Authentication-Results: mail.example.test; spf=pass\r\nReturn-Path: <a@b>\r\n", 5000) + from + "\r\nx\r\n", "250"},
		{"transfer encodings that are none", from + "Content-Type: text/plain; charset=utf-7\r\nContent-Transfer-Encoding: base64\r\n\r\n" + long("=====!!!!\r\n", 100_000), "250"},
	} {
		rows = append(rows, badPeer{m.name, m.attack})
	}
	runBadPeers(t, rows)
}

// domains makes authors of different domains.
func domains(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a@d%d.test,\r\n ", i)
	}
	return b.String()
}

// parameters makes one long parameter in pieces (RFC 2231 section 3).
func parameters(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ";\r\n name*%d*=%%41", i)
	}
	return b.String()
}

// badMessage is one message, and what is answered at its end.
type badMessage struct {
	name, text, want string
}

// attack sends it by DATA and by BDAT, some at a time, and reads it.
func (m badMessage) attack(t *testing.T, p *probed) {
	box, bob := p.dialIMAP(t, p.Accounts[1], nil), p.Accounts[1].Address
	before := p.count(t, box)
	a := p.ports()[0]
	n := scaled(4, 40)
	together(t, n, 20, func(i int) error {
		c, err := a.begin(spread(i))
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.ask("MAIL FROM:<"+a.from+">", "250", "RCPT TO:<"+bob+">", "250"); err != nil {
			return err
		}
		if i%2 == 0 {
			fmt.Fprintf(c, "BDAT %d LAST\r\n%s", len(m.text), m.text)
			return c.expect(m.want)
		}
		text := strings.ReplaceAll("\r\n"+m.text, "\r\n.", "\r\n..")[2:]
		if !strings.HasSuffix(text, "\r\n") && text != "" {
			text += "\r\n"
		}
		io.WriteString(c, "DATA\r\n"+text+".\r\n")
		return c.expect("354", m.want)
	})
	p.tell(n, "%s", m.want)
	got := p.count(t, box) - before
	if want := map[bool]int{true: n}[m.want == "250"]; got != want {
		t.Fatalf("%d messages came in, want %d", got, want)
	}
	if got == 0 {
		return
	}
	for _, name := range []string{"INBOX", "Junk"} {
		sel, err := box.Select(name, nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		if sel.NumMessages == 0 {
			continue
		}
		section := &imap.FetchItemBodySection{Peek: true}
		list, err := box.Fetch(imap.SeqSetNum(sel.NumMessages), &imap.FetchOptions{Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
			BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		if err != nil || len(list) != 1 {
			t.Fatalf("fetch: %d messages, %v", len(list), err)
		}
		if body := string(list[0].FindBodySection(section)); strings.Contains(body, m.text) {
			return
		}
	}
	if m.name != "10,000 forged results" {
		t.Error("the message is not what was sent")
	}
}
