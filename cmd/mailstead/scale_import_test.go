package main

import (
	"fmt"
	"strings"
	"testing"
)

// maxImport bounds all memory of the server, with file pages, while mail is
// brought in from another server.
const maxImport = 200 << 20

// TestScaleImport brings in the mail of ten years over one connection, as
// programs that move mailboxes do: with flags and dates, several messages a
// command.
func TestScaleImport(t *testing.T) {
	n := scaled(6000, 200_000)
	p := startProbed(t, "--plain-auth", "--no-limits")
	l := &ledger{t: t, p: p}
	defer l.print()
	alice := p.Accounts[0]
	size := func(i int) int { return 1000 + i*7919%6000 } // 4 KB on average
	m := l.step("import, 1 client", n, func() {
		p.fillBox(t, alice, filling{box: "INBOX", n: n, clients: 1, per: 200, size: size})
	})
	if m.Peak > maxImport {
		t.Errorf("the server had %d MB, more than %d", m.Peak>>20, maxImport>>20)
	}
	c := p.dialFast(t, alice)
	wantCount(t, "EXISTS", c.exists(t, "INBOX"), n)
	wantCount(t, "SEEN", c.number(t, "SEARCH RETURN (COUNT) SEEN", "COUNT"), n/2)
	wantCount(t, "FLAGGED", c.number(t, "SEARCH RETURN (COUNT) FLAGGED", "COUNT"), n/10)
	octets := 0
	for i := range n {
		octets += len(scaleMessage(nil, i, size(i)))
	}
	wantCount(t, "SIZE", c.number(t, "STATUS INBOX (SIZE)", "SIZE"), octets)
	for _, i := range []int{0, n / 2, n - 1} {
		checkImported(t, c, i, size(i))
	}
}

// checkImported looks at one message: its date, its size, and what follows its
// header.
func checkImported(t *testing.T, c *imapConn, i, size int) {
	t.Helper()
	text := string(scaleMessage(nil, i, size))
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	var got strings.Builder
	if err := c.run(fmt.Sprintf("FETCH %d (INTERNALDATE RFC822.SIZE BODY.PEEK[TEXT])", i+1), func(line []byte) {
		fmt.Fprintf(&got, "%s\r\n", line)
	}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("* %d FETCH (INTERNALDATE %q RFC822.SIZE %d BODY[TEXT] {%d}\r\n%s)\r\n", i+1, fillDate(i), len(text), len(body), body)
	if got.String() != want {
		t.Errorf("message %d is\n%s\nwant\n%s", i+1, tail(got.String(), 1000), tail(want, 1000))
	}
}
