package imapserver

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// benchMessages is how many messages the mailbox of the benchmarks has.
const benchMessages = 10_000

// BenchmarkFetch fetches one thing of all messages, over loopback.
func BenchmarkFetch(b *testing.B) {
	f := newFixture(b)
	f.fill(benchMessages)
	for _, items := range []string{
		"FLAGS", "(UID FLAGS RFC822.SIZE INTERNALDATE)", "ENVELOPE", "BODYSTRUCTURE",
		"BODY.PEEK[HEADER.FIELDS (DATE SUBJECT FROM TO)]", "BODY.PEEK[]",
	} {
		b.Run(strings.NewReplacer(" ", "+", "(", "", ")", "").Replace(items), func(b *testing.B) {
			c := f.login("INBOX")
			b.ReportAllocs()
			for b.Loop() {
				c.drain(b, "a FETCH 1:* "+items)
			}
			b.ReportMetric(float64(benchMessages)*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

func BenchmarkSearch(b *testing.B) {
	f := newFixture(b)
	f.fill(benchMessages)
	for _, key := range []string{"UNSEEN", "LARGER 100", "SUBJECT nowhere", "BODY nowhere"} {
		b.Run(strings.ReplaceAll(key, " ", "+"), func(b *testing.B) {
			c := f.login("INBOX")
			b.ReportAllocs()
			for b.Loop() {
				c.drain(b, "a SEARCH RETURN (COUNT) "+key)
			}
			b.ReportMetric(float64(benchMessages)*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

func (f *fixture) fill(n int) {
	body := strings.Repeat("All work and no play makes Jack a dull boy.\r\n", 40)
	for i := 0; i < n; i += 1000 {
		var all [][]byte
		for k := range 1000 {
			all = append(all, fmt.Appendf(nil, "From: Bob <bob@example.net>\r\nTo: ana@example.org\r\nSubject: number %d\r\nDate: Mon, 2 Nov 2026 09:00:00 +0100\r\nMessage-ID: <%[1]d@example.net>\r\n\r\n%s", i+k, body))
		}
		f.putAll("INBOX", all, 0)
	}
}

// drain runs a command and throws its answer away.
func (c *testClient) drain(b *testing.B, command string) {
	if err := c.send(command + "\r\n"); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := c.r.Read(buf)
		if err != nil && err != io.EOF {
			b.Fatal(err)
		}
		if bytes.HasSuffix(buf[:n], []byte("done\r\n")) {
			return
		}
	}
}
