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
		m.Findings, m.Recipients = nil, nil
		s.judge(b.Context(), m)
		s.traceHeader(m, time.Time{})
	}
}
