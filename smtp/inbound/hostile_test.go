package inbound_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// TestHostileHeaders sends headers that are made to cost much. What is counted
// is work, not time: names that are looked up, and octets that are allocated.
func TestHostileHeaders(t *testing.T) {
	const author = "From: ana@sender.test\r\n"
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i+1)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, header string
		results      string // of dkim and arc
		asked        int    // names of keys
	}{
		{"5,000 signatures", many(5_000, "DKIM-Signature: v=1; a=rsa-sha256; d=s%d.test; s=s; h=from; bh=AA==; b=AA==\r\n"),
			strings.Repeat("dkim=permerror ", 8) + "dkim=policy", 8},
		{"5,000 signatures without anything", many(5_000, "DKIM-Signature: %d\r\n"), strings.Repeat("dkim=permerror ", 8) + "dkim=policy", 0},
		{"10 MB of fields", many(200_000, "X-Padding: %050d\r\n") + "DKIM-Signature: v=1; a=rsa-sha256; d=s0.test; s=s; h=from; bh=AA==; b=AA==\r\n",
			"dkim=none", 0},
		{"10 MB of fields after a signature", "DKIM-Signature: v=1; a=rsa-sha256; d=s0.test; s=s; h=from; bh=AA==; b=AA==\r\n" + many(200_000, "X-Padding: %050d\r\n"),
			"dkim=permerror", 0},
		{"a field of 10 MB", "X-Padding: " + strings.Repeat("x", 10<<20) + "\r\n", "dkim=none", 0},
		{"signature of 200,000 names", "DKIM-Signature: v=1; a=rsa-sha256; d=s0.test; s=s; bh=AA==; b=AA==; h=from" + strings.Repeat(":from", 200_000) + "\r\n", "dkim=permerror", 0},
		{"1,000 ARC sets", many(1_000, "ARC-Seal: i=%[1]d; a=rsa-sha256; cv=pass; d=s%[1]d.test; s=s; b=AA==\r\n"), "dkim=none arc=fail", 0},
		{"50 ARC sets with 500 KB", strings.Replace(many(50, "ARC-Authentication-Results: i=%[1]d; none; x\r\nARC-Message-Signature: i=%[1]d; a=rsa-sha256; d=s%[1]d.test; s=s; h=from; bh=AA==; b=AA==; x="+
			strings.Repeat("y", 10_000)+"\r\nARC-Seal: i=%[1]d; a=rsa-sha256; cv=pass; d=s%[1]d.test; s=s; b=AA==\r\n"), "cv=pass", "cv=none", 1), "dkim=none arc=fail", 1},
		{"100,000 authors", "To: " + strings.Repeat("a@s0.test, ", 80_000) + "x@y.test\r\nFrom: " + many(10_000, "a@s%d.test, ") + "x@y.test\r\n", "dkim=none", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			z := dnstest.New("")
			port := newPort25(t, z)
			c := port.dial(t, "192.0.2.1")
			c.command("EHLO mail.sender.test", "250")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			header := c.transfer("ana@sender.test", author+tt.header+"\r\nHello\r\n")
			runtime.ReadMemStats(&after)
			var got []string
			for _, r := range authResults(t, header[:min(len(header), 64<<10)]) {
				if r.Method == "dkim" || r.Method == "arc" {
					got = append(got, r.Method+"="+r.Result)
				}
			}
			if strings.Join(got, " ") != tt.results {
				t.Errorf("got %v, want %s", got, tt.results)
			}
			asked := 0
			for i := range 1_000 {
				asked += z.Lookups(fmt.Sprintf("s._domainkey.s%d.test", i), "TXT")
			}
			if asked != tt.asked {
				t.Errorf("%d lookups of keys, want %d", asked, tt.asked)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > hostileAlloc+16*uint64(len(tt.header)) {
				t.Errorf("%d octets allocated for a header of %d", n, len(tt.header))
			}
		})
	}
}

// hostileAlloc is what a message may cost besides its size.
const hostileAlloc = 64 << 20
