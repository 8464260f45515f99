package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestBadSMTP: peers that break the grammar and the order of SMTP.
func TestBadSMTP(t *testing.T) {
	t.Parallel()
	runBadPeers(t, []badPeer{
		{"binary", attackBinary},
		{"ClientHello where TLS comes later", attackClientHello},
		{"HTTP", attackHTTP},
		{"line of 1 MB", attackLongLine},
		{"NUL, bare CR and bare LF in commands", attackControls},
		{"bad addresses and parameters", attackSyntax},
		{"addresses in UTF-8 without SMTPUTF8", attackUTF8},
		{"lengths of BDAT that are none", attackChunkLengths},
		{"malformed AUTH", attackExchanges},
		{"unknown commands", flood("BOGUS\r\n", "500 5.5.2", 20, "421 4.7.0")},
		{"empty lines", flood("\r\n", "500 5.5.2", 20, "421 4.7.0")},
		{"NOOP", flood("NOOP\r\n", "250", 100, "421 4.7.0")},
		{"RSET", flood("RSET\r\n", "250", 100, "421 4.7.0")},
		{"VRFY", flood("VRFY x\r\n", "252", 100, "421 4.7.0")},
		{"HELP", flood("HELP\r\n", "214", 100, "421 4.7.0")},
		{"EHLO", flood("EHLO x\r\n", "250", 100, "421 4.7.0")},
		{"transactions given up", flood("MAIL FROM:<>\r\nRSET\r\n", "", 200, "421 4.7.0")},
		{"MAIL without RSET", flood("MAIL FROM:<>\r\n", "", 21, "421 4.7.0")},
		{"RCPT, unknown", flood("RCPT TO:<nobody@example.test>\r\n", "", 20, "421 4.7.0")},
		{"RCPT, valid", attackRecipients},
		{"commands behind STARTTLS", attackInjection},
	})
}

// refusedOnPlain sends octets on ports 25 and 587 and checks that the answers
// end with want, and with the connection.
func refusedOnPlain(t *testing.T, p *probed, octets []byte, want string) {
	t.Helper()
	for _, addr := range []string{p.SMTP, p.Submission} {
		c, err := open(addr, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		c.Write(octets) // may fail half way: that is the point
		lines := strings.Split(strings.TrimSpace(c.rest()), "\r\n")
		if got := lines[len(lines)-1]; !strings.HasPrefix(got, want) {
			t.Errorf("%s, %.40q: the last reply is %q, want %q", addr, octets, got, want)
		}
		c.Close()
	}
}

// attackBinary: noise is cut off, at the first line that is none.
func attackBinary(t *testing.T, p *probed) {
	rounds := scaled(20, 500)
	for seed := range rounds {
		noise := make([]byte, 64<<10)
		rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(noise)
		refusedOnPlain(t, p, noise, "500 5.5.2")
	}
	p.tell(2*rounds, "500 5.5.2, closed")
}

// attackClientHello: a client that takes a port for one with TLS learns from
// the greeting that it is not, and its hello is not a command.
func attackClientHello(t *testing.T, p *probed) {
	for _, addr := range []string{p.SMTP, p.Submission} {
		c, err := dialPeer(addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		var wrong tls.RecordHeaderError
		if err := c.handshake(); !errors.As(err, &wrong) || string(wrong.RecordHeader[:4]) != "220 " {
			t.Errorf("%s: handshake: %v", addr, err)
		}
		c.Close()
	}
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\n", 500)
	refusedOnPlain(t, p, []byte(hello), "500 5.5.2")
	p.tell(4, "the greeting; 500 5.5.2, closed")
}

// attackHTTP: a browser that was made to talk to us gets one answer, and what
// it posts is not run as commands.
func attackHTTP(t *testing.T, p *probed) {
	for _, first := range []string{"POST / HTTP/1.1", "GET /x HTTP/1.0", "PRI * HTTP/2.0", "CONNECT a:25 HTTP/1.1", "EHLO x HTTP/1.1"} {
		post := first + "\r\nHost: mail\r\n\r\nEHLO a\r\nMAIL FROM:<a@slow.test>\r\n"
		want := "421 4.7.0"
		if strings.HasPrefix(first, "EHLO") {
			post, want = first+"\r\nQUIT\r\n", "221" // odd, but a greeting
		}
		refusedOnPlain(t, p, []byte(post), want)
	}
	p.tell(10, "421 4.7.0, closed")
}

func attackLongLine(t *testing.T, p *probed) {
	for _, line := range []string{
		strings.Repeat("A", 1<<20), "MAIL FROM:<" + strings.Repeat("a", 1<<20), "NOOP " + strings.Repeat("x", 1<<20) + "\r\n",
		strings.Repeat(" ", 1<<20) + "\r\n", "EHLO a\r\nRCPT TO:<\"" + strings.Repeat("\\\"", 1<<19),
	} {
		refusedOnPlain(t, p, []byte(line), "500 5.5.2")
	}
	for _, a := range p.ports()[1:] { // the exchange of AUTH has a limit of its own
		c, err := open(a.addr, nil, map[string]string{"587": "STARTTLS", "465": "TLS"}[a.name], "EHLO client.test", "250", "AUTH PLAIN", "334")
		if err != nil {
			t.Fatal(err)
		}
		c.Write(bytes.Repeat([]byte("QUFB"), 1<<18))
		if err := c.expect("500 5.5.2"); err != nil || c.rest() != "" {
			t.Errorf("port %s: a response of 1 MB: %v", a.name, err)
		}
		c.Close()
	}
	p.tell(12, "500 5.5.2, closed")
}

// attackControls: lines that others may end elsewhere end the session.
func attackControls(t *testing.T, p *probed) {
	n := 0
	for _, c := range []string{"\x00", "\r", "\n", "\r\r", "\n\r"} {
		for _, line := range []string{"EHLO a%sb\r\n", "EHLO a\r\nMAIL FROM:<a%s@slow.test>\r\n", "EHLO a\r\nMAIL FROM:<a@slow.test>%s\r\n", "%sNOOP\r\n", "NO%sOP\r\n", "NOOP%s", "EHLO a\r\nMAIL FROM:<>%sRCPT TO:<bob@example.test>\r\n"} {
			if line == "NOOP%s" {
				line += "\r\n"
			}
			refusedOnPlain(t, p, fmt.Appendf(nil, line+"QUIT\r\n", c), "500 5.5.2")
			n += 2
		}
	}
	p.tell(n, "500 5.5.2, closed")
}

// attackSyntax: each is refused by name, and the session goes on.
func attackSyntax(t *testing.T, p *probed) {
	bad := []string{
		"MAIL", "501", "MAIL FROM", "501", "MAIL FROM:", "501", "MAIL FROM:a@b.test", "501", "MAIL FROM:<a@b.test", "501", "MAIL FROM:<<a@b.test>>", "501",
		"MAIL FROM:<a@b.test>>", "501", "MAIL FROM:<@>", "501", "MAIL FROM:<a@b@c.test>", "501", "MAIL FROM:<\x01@b.test>", "501", "MAIL FROM:<a b@c.test>", "501",
		"MAIL FROM:<\"" + strings.Repeat("\\", 1001) + "\"@b.test>", "501", "MAIL FROM:<" + strings.Repeat("a", 1000) + "@b.test>", "501",
		"MAIL FROM:<a@" + strings.Repeat("b.", 400) + "test>", "501",
	}
	parameters := []string{
		"MAIL FROM:<a@b.test> SIZE=", "501", "MAIL FROM:<a@b.test> SIZE=-1", "501", "MAIL FROM:<a@b.test> SIZE=1 SIZE=1", "501", "MAIL FROM:<a@b.test> SIZE=0x10", "501",
		"MAIL FROM:<a@b.test> SIZE=99999999999999999999", "552 5.3.4", "MAIL FROM:<a@b.test> SIZE=9223372036854775807", "552 5.3.4", "MAIL FROM:<a@b.test> SIZE=100000000", "552 5.3.4",
		"MAIL FROM:<a@b.test> SIZE=999999999999999999999", "501", "MAIL FROM:<a@b.test> BODY=9BIT", "501", "MAIL FROM:<a@b.test> X=" + strings.Repeat("y", 3000), "555",
		"MAIL FROM:<a@b.test> " + strings.Repeat("SIZE=1 ", 500), "501", "MAIL FROM:<a@b.test> AUTH=+zz", "501", "MAIL FROM:<a@b.test> ENVID=\x80", "501",
	}
	recipients := []string{
		"MAIL FROM:<a@slow.test>", "250", "RCPT TO:<>", "501", "RCPT TO:<a@>", "501", "RCPT TO:<bob@example.test> NOTIFY=NEVER,DELAY", "501",
		"RCPT TO:<bob@example.test> ORCPT=x", "501", "RCPT TO:<bob@elsewhere.test>", "550 5.7.1", "RCPT TO:<bob%elsewhere.test@example.test>", "550 5.1.1",
		"RCPT TO:<@example.test:bob@elsewhere.test>", "550 5.7.1", "RCPT TO:<nobody@example.test>", "550 5.1.1", "RCPT TO:<\"bob@elsewhere.test\"@example.test>", "550 5.1.1", "DATA", "503 5.5.1",
	}
	for _, dialogue := range [][]string{bad, parameters, recipients} {
		c := p.ports()[0].start(t)
		if err := c.ask(append(dialogue, "QUIT", "221")...); err != nil {
			t.Error(err)
		}
	}
	p.tell((len(bad)+len(parameters)+len(recipients))/2, "501, 503, 550, 552 or 555; the session goes on")
}

// attackUTF8: octets beyond ASCII need the parameter (RFC 6531 section 3.5),
// and must be UTF-8 then.
func attackUTF8(t *testing.T, p *probed) {
	c := p.ports()[0].start(t)
	err := c.ask(
		"MAIL FROM:<jos\u00e9@slow.test>", "553 5.6.7", "MAIL FROM:<a@b\u00fccher.test>", "553 5.6.7", "MAIL FROM:<a@slow.test> ENVID=\u00e9", "501",
		"MAIL FROM:<\xff@slow.test>", "501 5.1.7", "MAIL FROM:<\xff@slow.test> SMTPUTF8", "501 5.1.7", "MAIL FROM:<\xed\xa0\x80@slow.test> SMTPUTF8", "501 5.1.7",
		"MAIL FROM:<a@slow.test>", "250", "RCPT TO:<b\u00f6b@example.test>", "553 5.6.7", "RCPT TO:<\xc3\x28@example.test>", "501 5.1.3", "RSET", "250",
		"MAIL FROM:<jos\u00e9@slow.test> SMTPUTF8", "250", "RCPT TO:<\xc0\xaf@example.test>", "501 5.1.3", "RCPT TO:<b\u00f6b@example.test>", "550 5.1.1", "RSET", "250",
		"VRFY \xff", "252", "\xff\xfe", "500 5.5.2", "EHLO \xff", "501", "QUIT", "221")
	if err != nil {
		t.Error(err)
	}
	p.tell(17, "553 5.6.7; 501 if it is not UTF-8")
}

// attackChunkLengths: after a chunk of which nobody knows the end the session
// cannot go on (RFC 3030 section 2).
func attackChunkLengths(t *testing.T, p *probed) {
	n := 0
	for _, a := range p.ports() {
		for _, args := range []string{
			"", " ", " -1", " -1 LAST", " +5", " 0x10", " 5.0", " 1e3", " 5 FIRST", " 5 LAST LAST", " LAST", " 5,LAST", " 4294967296000", " 2147483648",
			" 9223372036854775807", " 9223372036854775808", " 18446744073709551615", " 18446744073709551616 LAST", " 99999999999999999999999999 LAST", " \x80",
		} {
			c := a.start(t)
			io.WriteString(c, "MAIL FROM:<"+a.from+">\r\nRCPT TO:<"+p.Accounts[1].Address+">\r\nBDAT"+args+"\r\nRSET\r\nQUIT\r\n")
			want := "501 5.5.4"
			if n := strings.TrimRight(strings.TrimSuffix(args, " LAST"), "0123456789"); n == " " && len(args) > 10 {
				want = "552 5.3.4"
			}
			if err := c.expect("250", "250", want); err != nil || c.rest() != "" {
				t.Errorf("port %s, BDAT%s: %v; the session goes on, or has not ended", a.name, args, err)
			}
			c.Close()
			n++
		}
	}
	p.tell(n, "501 5.5.4 or 552 5.3.4, closed")
}

// attackExchanges: what is no login is refused, never a way in.
func attackExchanges(t *testing.T, p *probed) {
	n := 0
	for _, a := range p.ports()[1:] {
		for _, exchange := range [][]string{
			{"AUTH", "501"}, {"AUTH NONE", "504"}, {"AUTH PLAIN !!!!", "501"}, {"AUTH PLAIN =", ""}, {"AUTH PLAIN AAAA", "5"}, {"AUTH PLAIN AAA=", "5"}, {"AUTH PLAIN /////w==", "5"},
			{"AUTH PLAIN", "334", "*", "501"}, {"AUTH PLAIN", "334", "\xff\xfe", "501"}, {"AUTH LOGIN", "334", "AAAA", "334", "AAAA", "5"}, {"AUTH LOGIN", "334", "", "", "*", "5"},
			{"AUTH SCRAM-SHA-256", "334", "", "5"}, {"AUTH SCRAM-SHA-256", "334", "biwsbj0scj0=", "5"},
		} {
			c, err := open(a.addr, spread(900+n), map[string]string{"587": "STARTTLS", "465": "TLS"}[a.name], "EHLO client.test", "250")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.ask(append(exchange, "MAIL FROM:<"+a.from+">", "530 5.7.0")...); err != nil {
				t.Errorf("port %s: %v", a.name, err)
			}
			c.Close()
			n++
		}
	}
	p.tell(n, "501, 504 or 535; MAIL 530 5.7.0")
}

// flood sends one line over and over, without waiting, and checks that after
// so many answers of one kind there is a last one, and an end.
func flood(line, want string, most int, last string) func(*testing.T, *probed) {
	return func(t *testing.T, p *probed) {
		n := scaled(20_000, 100_000)
		lines := []byte("EHLO flood\r\n" + strings.Repeat(line, n))
		for _, addr := range []string{p.SMTP, p.Submission} {
			c, err := open(addr, nil, "")
			if err != nil {
				t.Fatal(err)
			}
			sent := make(chan struct{})
			go func() {
				c.Write(lines)
				close(sent)
			}()
			if err := c.expect("250"); err != nil {
				t.Fatal(err)
			}
			answers, err := 0, error(nil)
			got := ""
			for got, err = c.reply(); err == nil && !strings.HasPrefix(got, last); got, err = c.reply() {
				if answers++; !strings.HasPrefix(got, want) {
					t.Fatalf("answer %d is %q, want %q", answers, got, want)
				}
				if answers > most {
					t.Fatalf("more than %d answers", most)
				}
			}
			if err != nil || c.rest() != "" {
				t.Errorf("%s: after %d answers: %q, %v; want %s and the end", addr, answers, got, err, last)
			}
			c.Close()
			<-sent
			p.tell(n, "%d answers, then %s, closed", answers, last)
		}
	}
}

// attackRecipients: the server takes as many as it says and refuses the rest
// without forgetting those (RFC 5321 section 4.5.3.1.10), but not for ever.
func attackRecipients(t *testing.T, p *probed) {
	box, bob := p.dialIMAP(t, p.Accounts[1], nil), p.Accounts[1].Address
	before := p.count(t, box)
	a := p.ports()[0]
	c := a.start(t)
	const taken, more = 100, 2900
	io.WriteString(c, "MAIL FROM:<"+a.from+">\r\n"+strings.Repeat("RCPT TO:<"+bob+">\r\n", taken+more)+"DATA\r\n")
	want := append([]string{"250"}, repeat("250", taken)...)
	want = append(append(want, repeat("452 4.5.3", more)...), "354")
	if err := c.expect(want...); err != nil {
		t.Fatal(err)
	}
	if err := c.ask("From: <"+a.from+">\r\n\r\nto many\r\n.", "250", "QUIT", "221"); err != nil {
		t.Fatal(err)
	}
	if n := p.count(t, box) - before; n != 1 {
		t.Errorf("%d messages came in, want one", n)
	}
	n := scaled(20_000, 100_000)
	flood("RCPT TO:<"+bob+">\r\n", "", 20, "421")(t, p) // without MAIL
	c = a.start(t)
	if err := c.ask("MAIL FROM:<"+a.from+">", "250"); err != nil {
		t.Fatal(err)
	}
	if answers, last := c.askOften("RCPT TO:<"+bob+">\r\n", n); answers > 11_000 || last != "421 4.7.0 too many errors\r\n" {
		t.Errorf("%d recipients got %d answers, the last %q", n, answers, last)
	}
	p.tell(n, "250 × 100, 452 4.5.3 × 10,000, 421 4.7.0, closed")
}

// askOften sends a line n times, a hundred ahead of the answers: of more the
// last could be lost when the server ends the connection. It returns how many
// answers came, and the last.
func (c *peer) askOften(line string, n int) (answers int, last string) {
	for sent := 0; sent < n; sent += 100 {
		io.WriteString(c, strings.Repeat(line, 100))
		for range 100 {
			got, err := c.reply()
			if err != nil {
				return answers, last
			}
			answers, last = answers+1, got
		}
	}
	return answers, last
}

func repeat(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

// attackInjection: what was sent in plain text behind STARTTLS is not answered
// under TLS (RFC 3207 section 4.2, CVE-2011-0411), on 25, 587 and 143.
func attackInjection(t *testing.T, p *probed) {
	for _, tt := range []struct {
		addr, hello, start, injected, probe, want string
	}{
		{p.SMTP, "EHLO a\r\n", "STARTTLS\r\n", "EHLO b\r\nMAIL FROM:<friend@slow.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n", "RCPT TO:<bob@example.test>\r\n", "503 5.5.1 "},
		{p.Submission, "EHLO a\r\n", "STARTTLS\r\n", "EHLO b\r\nAUTH PLAIN " + plainLogin(p.Accounts[1]) + "\r\n", "AUTH PLAIN AAAA\r\n", "503 5.5.1 EHLO"},
		{p.IMAP, "", "a STARTTLS\r\n", "b LOGIN " + p.Accounts[1].Address + " " + p.Accounts[1].Password + "\r\nc SELECT INBOX\r\n", "d SELECT INBOX\r\n", "d BAD "},
	} {
		c, err := dialPeer(tt.addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, tt.hello+tt.start+tt.injected)
		for line := ""; !strings.HasPrefix(line, "220 2.0.0 ") && !strings.HasPrefix(line, "a OK"); {
			if line, err = c.r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if c.r.Buffered() > 0 {
			t.Errorf("%s: something was answered behind STARTTLS", tt.addr)
		}
		if err := c.handshake(); err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, tt.probe)
		if err := c.expect(tt.want); err != nil {
			t.Errorf("%s: the first answer under TLS: %v", tt.addr, err)
		}
	}
	for _, tt := range []struct{ addr, start, injected string }{{p.SMTP, "EHLO a\r\nSTARTTLS\r\n", "MAIL FROM:<>\r\n"}, {p.IMAP, "a STARTTLS\r\n", "b NOOP\r\n"}} {
		c, err := dialPeer(tt.addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, tt.start)
		for line := ""; !strings.HasPrefix(line, "220 2.0.0 ") && !strings.HasPrefix(line, "a OK"); {
			if line, err = c.r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		io.WriteString(c, tt.injected) // the server waits for a handshake
		if err := c.handshake(); err == nil {
			t.Errorf("%s: a handshake with a command before it", tt.addr)
		}
	}
	p.tell(5, "dropped, never answered under TLS")
}
