package inbound

import (
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

func BenchmarkJudge(b *testing.B) {
	s := New(Options{Hostname: hostname, Deliverer: reach{"bo@example.org": 1}, Resolver: dnstest.New(zone)})
	m := newMail(b, "192.0.2.1", "ana@sender.test", "From: ana@sender.test|To: bo@example.org|Subject: x|Date: y|Message-ID: <x@y>")
	b.ReportAllocs()
	for b.Loop() {
		fresh := Mail{ID: m.ID, Client: m.Client, Envelope: m.Envelope, Header: m.Header, Body: m.Body, Kept: m.Kept, Index: m.Index}
		s.judge(b.Context(), &fresh)
		s.traceHeader(&fresh, time.Time{})
	}
}
