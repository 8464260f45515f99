package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestBadSmuggling: what some server takes for the end of a message must not
// let a second one in. SMTP Smuggling (SEC Consult, December 2023) and what
// was found since.
func TestBadSmuggling(t *testing.T) {
	t.Parallel()
	var rows []badPeer
	for _, w := range []smuggling{
		{"DATA", "8BITMIME", byDATA},
		{"DATA, an octet a packet", "8BITMIME", byDATASlowly},
		{"DATA, the end an octet a packet", "8BITMIME", byDATACut},
		{"BDAT", "8BITMIME", byBDAT},
		{"BDAT, the end an octet a chunk", "8BITMIME", byChunks},
		{"BDAT, the same as BINARYMIME", "BINARYMIME", byChunks},
	} {
		rows = append(rows, badPeer{"smuggling by " + w.name, w.attack})
	}
	runBadPeers(t, rows)
}

// smugglingEnds are what is put where the smuggled message begins.
var smugglingEnds = []string{
	"\n.\n", "\n.\r\n", "\n.\r", "\r.\r", "\r.\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n", "\r\r\n.\r\r\n", "\n\n.\n\n", "\n\r\n.\n\r\n",
	"\r\n\r.\r\n", "\r\n\r.\r\n\r", "\n\r.\n\r", "\r\n.\n\r\n", "\r\n.\r\rX", "\r\n .\r\n.\rX",
	"\x00\n.\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\x00\n.\r\x00\n", "\r\n.\r\x00\n", "\n\x00.\n",
	"\r\n..\r\n", "\r\n. \r\n", "\r\n .\r\n", "\r\n\t.\r\n", "\r\n.\t\r\n", "\r\n.\\r\\n", "\r\n.x\r\n", "\r\n..", "\r\n.=0D=0A", "%0D%0A.%0D%0A",
	"\x0b.\x0b", "\x0c.\x0c", "\x85.\x85", "\u0085.\u0085", "\u2028.\u2028", "\u2029.\u2029", "\r\n\xef\xbb\xbf.\r\n", "\r\n\x8a.\x8d\x8a", "\r\n\uff0e\r\n",
}

// smuggling is a way to send a message.
type smuggling struct {
	name string
	body string // the BODY parameter
	// send sends a message, of which the octets up to end are the interesting
	// ones, and returns what is answered before it is complete.
	send func(c io.Writer, text string, end int) []string
}

// attack plays all endings on ports 25 and 587: each is one message, or
// refused by name, and nothing in it is a command.
func (s smuggling) attack(t *testing.T, p *probed) {
	box, bob := p.dialIMAP(t, p.Accounts[1], nil), p.Accounts[1].Address
	ports := p.ports()[:2]
	for _, a := range ports {
		before, taken := p.count(t, box), 0
		for _, end := range smugglingEnds {
			text := fmt.Sprintf("From: <%s>\r\nSubject: one\r\n\r\ntext", a.from)
			at := len(text) + len(end)
			text += fmt.Sprintf("%sMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\nFrom: <%[2]s>\r\nSubject: two\r\n\r\nsmuggled\r\n", end, a.from, bob)
			final := "250 2.0.0 "
			if s.body != "BINARYMIME" && strings.ContainsAny(strings.ReplaceAll(text, "\r\n", ""), "\r\n") {
				final = "554 5.6.0 "
			} else {
				taken++
			}
			c := a.start(t)
			if err := c.ask("MAIL FROM:<"+a.from+"> BODY="+s.body, "250", "RCPT TO:<"+bob+">", "250"); err != nil {
				t.Fatal(err)
			}
			want := s.send(c, text, at)
			io.WriteString(c, "QUIT\r\n")
			if err := c.expectMessage(want, final); err != nil {
				t.Errorf("port %s, %q: %v", a.name, end, err)
			}
			c.Close()
		}
		if got := p.count(t, box) - before; got != taken {
			t.Errorf("port %s: %d messages came in, want %d", a.name, got, taken)
		}
	}
	p.tell(len(ports)*len(smugglingEnds), "250 for one message, or 554 5.6.0; never two")
}

// expectMessage reads the replies to a message. Chunks before the last may be
// refused, if the message is to be: that is told as soon as it is known.
func (c *peer) expectMessage(want []string, final string) error {
	for i, w := range want {
		got, err := c.reply()
		if err != nil {
			return err
		}
		if strings.HasPrefix(got, final) && final[0] == '5' { // what follows has no message any more
			return c.expectRefused(len(want) - i)
		}
		if !strings.HasPrefix(got, w) {
			return fmt.Errorf("reply %d is %q, want %q", i+1, got, w)
		}
	}
	if err := c.expect(final, "221 "); err != nil {
		return err
	}
	if rest := c.rest(); rest != "" {
		return fmt.Errorf("more is answered: %q", rest)
	}
	return nil
}

// expectRefused reads that no chunk is taken any more, up to the end of the
// session: by QUIT, or after too many of them.
func (c *peer) expectRefused(chunks int) error {
	for range chunks {
		got, err := c.reply()
		if err != nil {
			return err
		}
		if strings.HasPrefix(got, "421 4.7.0") {
			return nil
		}
		if !strings.HasPrefix(got, "503 5.5.1") {
			return fmt.Errorf("%q after the message was refused", got)
		}
	}
	return c.expect("221 ")
}

func byDATA(c io.Writer, body string, _ int) []string {
	io.WriteString(c, "DATA\r\n"+body+".\r\n")
	return []string{"354"}
}

// byDATASlowly gives each octet a packet of its own.
func byDATASlowly(c io.Writer, body string, _ int) []string {
	for _, b := range []byte("DATA\r\n" + body + ".\r\n") {
		c.Write([]byte{b})
	}
	return []string{"354"}
}

// byDATACut sends all before the end at once, then an octet at a time, then
// the rest at once.
func byDATACut(c io.Writer, body string, end int) []string {
	from := max(0, end-8)
	io.WriteString(c, "DATA\r\n"+body[:from])
	for _, b := range []byte(body[from : end+2]) {
		c.Write([]byte{b})
	}
	io.WriteString(c, body[end+2:]+".\r\n")
	return []string{"354"}
}

func byBDAT(c io.Writer, body string, _ int) []string {
	body += ".\r\n"
	fmt.Fprintf(c, "BDAT %d LAST\r\n%s", len(body), body)
	return nil
}

// byChunks makes a chunk of each octet around the end, all in one packet.
func byChunks(c io.Writer, body string, end int) (replies []string) {
	body += ".\r\n"
	from := max(0, end-8)
	var b strings.Builder
	fmt.Fprintf(&b, "BDAT %d\r\n%s", from, body[:from])
	for i := from; i < end+2; i++ {
		b.WriteString("BDAT 1\r\n" + body[i:i+1])
		replies = append(replies, "250 ")
	}
	fmt.Fprintf(&b, "BDAT %d LAST\r\n%s", len(body)-end-2, body[end+2:])
	io.WriteString(c, b.String())
	return append(replies, "250 ")
}
