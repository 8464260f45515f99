package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// hostileMail is a message made to confuse whoever reads it.
type hostileMail struct{ name, text string }

// hostileMails are messages that have been found in the wild, or in the bug
// lists of mail programs, and then some.
func hostileMails() []hostileMail {
	lines := func(n int, line string) string { return strings.Repeat(line+"\r\n", n) }
	plain := "\r\n\r\ntext\r\n"
	mixed := func(boundary, body string) string {
		return "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n" + body
	}
	var deep, encoded, continued strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%[1]d\r\n", i)
		fmt.Fprintf(&encoded, " =?utf-8?q?a=%02x?=\r\n", i%256)
		fmt.Fprintf(&continued, ";\r\n name*%d*=%%%02x", i, i%256)
	}
	return []hostileMail{
		{"multiparts, 10,000 deep", deep.String() + "\r\ntext\r\n"},
		{"messages, 10,000 deep", lines(10_000, "Content-Type: message/rfc822\r\n") + "Subject: x" + plain},
		{"10,000 parts", mixed("b", lines(10_000, "--b\r\n\r\nx")+"--b--\r\n")},
		{"no parts", mixed("b", "no boundary here\r\n")},
		{"no parts but an end", mixed("b", "--b--\r\n")},
		{"no body", "Content-Type: multipart/mixed; boundary=b\r\n"},
		{"empty parts", mixed("b", "--b\r\n--b\r\n--b--\r\n")},
		{"no boundary", "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx\r\n"},
		{"empty boundary", mixed(`""`, "--\r\n\r\nx\r\n--\r\n\r\ny\r\n----\r\n")},
		{"a long boundary", mixed(strings.Repeat("b", 50_000), "--"+strings.Repeat("b", 50_000)+"\r\n\r\nx\r\n")},
		{"the same boundary inside", mixed("b", "--b\r\n"+mixed("b", "--b\r\n"+mixed("b", "--b\r\n\r\nx\r\n--b--\r\n--b--\r\n")))},
		{"boundaries that begin alike", mixed("b", "--b\r\n"+mixed("b-", "--b-\r\n"+mixed("b--", "--b--\r\n\r\nx\r\n--b----\r\n--b---\r\n--b--\r\n")))},
		{"a boundary of octets", mixed("\"\xff\x00\xfe\"", "--\xff\x00\xfe\r\n\r\nx\r\n")},
		{"a message of its own multipart", mixed("b", "--b\r\nContent-Type: message/rfc822\r\n\r\n"+mixed("b", "--b\r\n\r\nx\r\n--b--\r\n"))},
		{"an envelope in the end of header", "Content-Type: message/rfc822\r\n\r\n"},
		{"1 MB of header lines", lines(80_000, "X-Filler: aa") + plain},
		{"a header line of 1 MB", "Subject: " + strings.Repeat("a", 1<<20) + plain},
		{"10,000 folded lines", "Subject:" + lines(10_000, "") + " x" + plain},
		{"10,000 recipients", "To: " + strings.Repeat("a <a@b.test>,\r\n ", 10_000) + "z@b.test" + plain},
		{"10,000 groups", "To: " + strings.Repeat("g: a@b.test;, ", 10_000) + plain},
		{"10,000 encoded words", "Subject:\r\n" + encoded.String() + plain},
		{"10,000 continuations", "Content-Type: text/plain" + continued.String() + plain},
		{"10,000 references", "References: " + strings.Repeat("<a@b.test>\r\n ", 10_000) + plain},
		{"10,000 languages", "Content-Language: " + strings.Repeat("en, ", 10_000) + plain},
		{"comments, 10,000 deep", "From: " + strings.Repeat("(", 10_000) + " a@b.test" + plain},
		{"a quote without an end", "From: \"a <a@b.test>" + plain + "\"\r\n"},
		{"quotes and literals", "Subject: \\\"{5}\r\nFrom: \"\\\"\\\\{3+}\" <\"a\\\"b\"@[1.2.3.4]>\r\nMessage-ID: <\"{4}>" + plain},
		{"responses in the header", "Subject: x\r\n * 1 FETCH (UID 1)\r\n t1 OK done\r\nIn-Reply-To: )\r\n (\r\nFrom: )) OK (NIL" + plain},
		{"a bare CR", "Subject: a\rb\rX: y\r\r\nFrom: a\r<a@b.test>" + plain},
		{"bare LF", "Subject: a\nFrom: a@b.test\nContent-Type: text/plain; name=\"a\nb\"\n\ntext\n"},
		{"NUL in the header", "Subject: a\x00b\r\nFrom: \x00 <a\x00@b.test>\r\nContent-Type: text/plain; name=\"\x00\"\r\nContent-Disposition: \x00; filename=\x00" + plain},
		{"NUL in the body", "Subject: x\r\n\r\n" + strings.Repeat("\x00", 10_000) + "\r\n"},
		{"not UTF-8", "Subject: \xff\xfe\xc0\x80\r\nFrom: \xed\xa0\x80 <\xff@\xfe.test>\r\nContent-Type: text/\xff; name=\xfe\r\nContent-ID: \xff\r\nContent-Description: \xff\r\n\r\n\xff\xfe\r\n"},
		{"control characters", "Subject: \x01\x02\x1b[31m\x7f\r\nFrom: \x07@\x08" + plain},
		{"types of one's own", "Content-Type: (\r\nContent-Transfer-Encoding: )\r\nContent-Disposition: \"" + plain},
		{"a type without subtype", "Content-Type: text\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n"},
		{"base64 cut off", "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\nQ"},
		{"quoted-printable cut off", "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=\r\n=4\r\n=ZZ=="},
		{"an unknown encoding", "Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin\r\n"},
		{"an unknown charset", "Content-Type: text/plain; charset=\"x-\xff{1}\"\r\nSubject: =?x-none?q?a?=" + plain},
		{"an encoded multipart", "Content-Transfer-Encoding: base64\r\n" + mixed("b", "--b\r\n\r\nx\r\n--b--\r\n")},
		{"two of each field", "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\nSubject: a\r\nSubject: b\r\n\r\n--b\r\n\r\nx\r\n"},
		{"a bad date", "Date: Foo, 99 Xyz 99999 99:99:99 +9999\r\nSubject: x" + plain},
		{"no header", "\r\ntext\r\n"}, {"no colon", "this is no header\r\nnor this\r\n\r\ntext\r\n"}, {"only NUL", strings.Repeat("\x00", 1000)},
		{"one octet", "x"}, {"only CR", "\r"}, {"only CRLF", "\r\n"}, {"only a header", "Subject: x"}, {"a colon", ":\r\n:\r\n\r\n:"},
		{"a line of 1 MB", "Subject: x\r\n\r\n" + strings.Repeat("a", 1<<20)},
	}
}

// badMail: whatever a message holds, answers about it can be read.
func badMail(t *testing.T, p *probed) {
	who := p.Accounts[1]
	mails := hostileMails()
	c := p.raw(t, who)
	if err := c.ok("CREATE hostile"); err != nil {
		t.Fatal(err)
	}
	for _, m := range mails {
		mark := ""
		if strings.Contains(m.text, "\x00") {
			mark = "~"
		}
		if err := c.ok("APPEND hostile %s", mark+nonSync(m.text)); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
	}
	if err := c.ok("SELECT hostile"); err != nil {
		t.Fatal(err)
	}
	readHostile(t, c, mails)
	searchHostile(t, c)
	sent := 0
	for _, m := range mails { // what SMTP refuses has no place here
		err := sendFrom(t.Context(), &net.Dialer{}, p.SMTP, "x@slow.test", who.Address, m.text)
		if err == nil {
			sent++
		}
	}
	if sent < len(mails)/2 {
		t.Errorf("SMTP took only %d of %d messages", sent, len(mails))
	}
	boxes := map[string]int{"hostile": len(mails)}
	for _, box := range []string{"INBOX", "Junk"} {
		n, err := c.exists(box)
		if err != nil {
			t.Fatal(err)
		}
		boxes[box] = n
		readHostile(t, c, make([]hostileMail, n))
	}
	if boxes["INBOX"]+boxes["Junk"] != sent {
		t.Errorf("%d messages of %d have come", boxes["INBOX"]+boxes["Junk"], sent)
	}
	for box, n := range boxes {
		if err := readWithClient(t.Context(), p, who, box, n); err != nil {
			t.Errorf("go-imap reads %s: %v", box, err)
		}
	}
	p.tell(len(mails)+sent, "read whole by a strict reader and by go-imap; structures well formed")
}

// exists selects a mailbox and returns how many messages it has.
func (c *rawIMAP) exists(box string) (int, error) {
	a, err := c.do("SELECT %s", box)
	if err != nil {
		return 0, err
	}
	for _, r := range a.data {
		if r.kind == "EXISTS" {
			return strconv.Atoi(r.num)
		}
	}
	return 0, fmt.Errorf("SELECT %s: %s %s", box, a.kind, a.text)
}

// hostileItems are all there is to read of a message.
const hostileItems = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME] " +
	"BODY.PEEK[1.1.1] BODY.PEEK[HEADER.FIELDS (From Subject Content-Type X-None)] BODY.PEEK[HEADER.FIELDS.NOT (From)] BINARY.PEEK[1] BINARY.SIZE[1] BODY.PEEK[]<1.5> EMAILID THREADID"

// readHostile fetches all of the selected mailbox in one command, and each
// message in one. mails without a text were changed on the way.
func readHostile(t *testing.T, c *rawIMAP, mails []hostileMail) {
	t.Helper()
	if len(mails) == 0 {
		return
	}
	read := func(set string, first int, n int) {
		a, err := c.do("FETCH %s (%s)", set, hostileItems)
		if err != nil {
			t.Fatalf("FETCH %s: %v", set, err)
		}
		if a.kind == "BAD" || a.kind == "NO" && !strings.Contains(a.text, "UNKNOWN-CTE") || len(a.data) != n {
			t.Fatalf("FETCH %s: %d responses, want %d; %s %s", set, len(a.data), n, a.kind, a.text)
		}
		for i, r := range a.data {
			if err := checkHostile(r, mails[first+i]); err != nil {
				t.Errorf("%s (message %d): %v", mails[first+i].name, first+i+1, err)
			}
		}
	}
	read("1:*", 0, len(mails))
	for i := range mails {
		read(fmt.Sprint(i+1), i, 1)
	}
	if err := c.inStep(); err != nil {
		t.Error(err)
	}
}

// checkHostile checks that one response has all items, and in their forms.
func checkHostile(r response, m hostileMail) error {
	items, err := r.items()
	if err != nil {
		return err
	}
	if want := 20; len(items) != want {
		return fmt.Errorf("%d data items, want %d", len(items), want)
	}
	if got := items["BODY[]"]; m.text != "" && got.text != m.text {
		return fmt.Errorf("body has %d octets, want %d", len(got.text), len(m.text))
	}
	if size := items["RFC822.SIZE"].text; size != fmt.Sprint(len(items["BODY[]"].text)) {
		return fmt.Errorf("size %s of %d octets", size, len(items["BODY[]"].text))
	}
	if err := checkEnvelope(items["ENVELOPE"]); err != nil {
		return fmt.Errorf("envelope: %w", err)
	}
	for _, name := range []string{"BODY", "BODYSTRUCTURE"} {
		if err := checkBody(items[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (t imapToken) isNil() bool    { return t.kind == atom && strings.EqualFold(t.text, "NIL") }
func (t imapToken) isString() bool { return t.kind == quoted || t.kind == literal }

// nstrings checks that all are strings or NIL.
func nstrings(list ...imapToken) error {
	for _, t := range list {
		if !t.isString() && !t.isNil() {
			return notIMAP("%s %.40q in place of a string", t.kind, t.text)
		}
	}
	return nil
}

// checkEnvelope is envelope of RFC 9051 section 9.
func checkEnvelope(env imapToken) error {
	if env.kind != list || len(env.list) != 10 {
		return notIMAP("%d fields", len(env.list))
	}
	for _, addresses := range env.list[2:8] {
		if addresses.isNil() {
			continue
		}
		if addresses.kind != list || len(addresses.list) == 0 {
			return notIMAP("empty addresses")
		}
		for _, a := range addresses.list {
			if a.kind != list || len(a.list) != 4 {
				return notIMAP("address of %d words", len(a.list))
			}
			if err := nstrings(a.list...); err != nil {
				return err
			}
		}
	}
	return nstrings(env.list[0], env.list[1], env.list[8], env.list[9])
}

// checkBody is body of RFC 9051 section 9, without the tail of extensions.
func checkBody(b imapToken) error {
	if b.kind != list || len(b.list) < 2 {
		return notIMAP("body of %d words", len(b.list))
	}
	if b.list[0].kind == list { // multipart
		rest := b.list
		for ; len(rest) > 0 && rest[0].kind == list; rest = rest[1:] {
			if err := checkBody(rest[0]); err != nil {
				return err
			}
		}
		if len(rest) == 0 || !rest[0].isString() {
			return notIMAP("multipart without subtype")
		}
		return nil
	}
	if len(b.list) < 7 || !b.list[0].isString() || !b.list[1].isString() || !b.list[5].isString() || b.list[6].kind != atom {
		return notIMAP("part of %d words", len(b.list))
	}
	if p := b.list[2]; !p.isNil() && (p.kind != list || len(p.list) == 0 || len(p.list)%2 != 0) {
		return notIMAP("%d words of parameters", len(p.list))
	}
	if b.list[0].text == "MESSAGE" && len(b.list) > 8 && b.list[7].kind == list {
		if err := checkEnvelope(b.list[7]); err != nil {
			return err
		}
		if err := checkBody(b.list[8]); err != nil {
			return err
		}
	}
	return nstrings(b.list[3], b.list[4])
}

// searchHostile looks for all sorts of things in the selected mailbox.
func searchHostile(t *testing.T, c *rawIMAP) {
	t.Helper()
	for _, what := range []string{`"text"`, `""`, `"\\"`, `"{5}"`, nonSync("\r\n"), nonSync("\xff"), nonSync("a\x00b"), strings.Repeat("a", 20_000), `"=?utf-8?q?a?="`} {
		for _, key := range []string{"TEXT", "BODY", "SUBJECT", "FROM", "HEADER Content-Type", "HEADER X-Filler", "HEADER \"\""} {
			a, err := c.do("SEARCH %s %s", key, what)
			if err != nil {
				t.Fatalf("SEARCH %s %.20q: %v", key, what, err)
			}
			if a.kind != "OK" {
				t.Errorf("SEARCH %s %.20q: %s %s", key, what, a.kind, a.text)
			}
		}
	}
	for _, key := range []string{"SENTSINCE 1-Jan-1970", "SENTBEFORE 1-Jan-2100", "LARGER 10", "NOT SENTON 1-Jan-2000"} {
		if err := c.ok("SEARCH %s", key); err != nil {
			t.Error(err)
		}
	}
}

// readWithClient reads a mailbox with a client that is not ours.
func readWithClient(ctx context.Context, p *probed, who tryAccount, box string, n int) error {
	c, err := imapclient.DialTLS(p.IMAPS, &imapclient.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login(who.Address, who.Password).Wait(); err != nil {
		return err
	}
	if _, err := c.Select(box, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		return err
	}
	var all imap.SeqSet
	all.AddRange(1, 0)
	list, err := c.Fetch(all, &imap.FetchOptions{
		Envelope: true, Flags: true, UID: true, InternalDate: true, RFC822Size: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
		BodySection: []*imap.FetchItemBodySection{{Peek: true}, {Peek: true, Specifier: imap.PartSpecifierHeader}, {Peek: true, Part: []int{1}},
			{Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"From", "Subject"}}},
	}).Collect()
	if err != nil {
		return err
	}
	if len(list) != n {
		return fmt.Errorf("%d messages, want %d", len(list), n)
	}
	return c.Noop().Wait()
}
