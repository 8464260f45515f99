package inbound

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// BenchmarkJudge is what the checks of a usual message cost when all that they
// ask the DNS is in the cache.
func BenchmarkJudge(b *testing.B) {
	header := "From: ana@sender.test\r\nTo: bo@example.org\r\nSubject: x\r\nDate: y\r\nMessage-ID: <x@y>\r\n"
	judgeAgain(b, dnstest.New(zone), header, "Hello\r\n")
}

// BenchmarkJudgeSigned is the same for 4 KiB with a signature of RSA with 2,048
// bits.
func BenchmarkJudgeSigned(b *testing.B) {
	z := dnstest.New(zone)
	signer, err := dkim.GenerateKey(dkim.RSA)
	if err != nil {
		b.Fatal(err)
	}
	key := dkim.Key{Domain: "sender.test", Selector: "s", Signer: signer}
	record := dkim.Record(key)
	if err := z.Add(dkim.RecordName(key) + `. TXT "` + record[:200] + `" "` + record[200:] + `"`); err != nil {
		b.Fatal(err)
	}
	header := "From: ana@sender.test\r\nTo: bo@example.org\r\nSubject: x\r\nDate: y\r\nMessage-ID: <x@y>\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" + strings.Repeat("Received: from a.sender.test by b.sender.test; y\r\n", 3)
	body := strings.Repeat("Some usual words make a line of usual length in this body.\r\n", 60)
	signature, err := dkim.Sign(strings.NewReader(header+"\r\n"+body), []dkim.Key{key})
	if err != nil {
		b.Fatal(err)
	}
	judgeAgain(b, z, string(signature)+header, body)
}

func judgeAgain(b *testing.B, z *dnstest.Zones, header, body string) {
	resolver := dns.NewClient(dns.Options{Dial: z.Dial})
	s := New(Options{Hostname: hostname, Deliverer: reach{"bo@example.org": 1}, Resolver: resolver})
	m := newMail(b, "192.0.2.1", "ana@sender.test", "From: ana@sender.test")
	m.Header = []byte(header + "\r\n")
	m.Kept, m.Body = m.Header, reads(body)
	index, err := message.Parse(bytes.NewReader([]byte(header + "\r\n" + body)))
	if err != nil {
		b.Fatal(err)
	}
	m.Index = index
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		fresh := Mail{ID: m.ID, Client: m.Client, Envelope: m.Envelope, Header: m.Header, Body: m.Body, Kept: m.Kept, Index: m.Index}
		if v := s.judge(b.Context(), &fresh); v.Action != Accept {
			b.Fatal(v)
		}
		s.traceHeader(&fresh, time.Time{})
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what the process has used so far, with everything in it.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
