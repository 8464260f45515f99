package inbound

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/dnsbl"
)

// BenchmarkDoor is what the door costs a message: all its rules, with six lists
// and answers that are in the resolver's cache.
func BenchmarkDoor(b *testing.B) {
	const zone = `
$TTL 3600
mx.example.org. A 192.0.2.1
sender.test. MX 10 mail.sender.test.
mail.sender.test. A 203.0.113.25
2.0.0.127.a.test. A 127.0.0.2
2.0.0.127.b.test. A 127.0.0.2
2.0.0.127.c.test. A 127.0.0.2
2.0.0.127.w.test. A 127.0.0.2
test.d.test. A 127.0.1.2
test.e.test. A 127.0.1.2
test. SOA ns.test. x.test. 1 3600 3600 3600 3600
`
	resolver := dns.NewClient(dns.Options{Dial: dnstest.New(zone).Dial})
	memory, err := OpenMemory(filepath.Join(b.TempDir(), "inbound.db"), MemoryOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer memory.Close()
	lists := dnsbl.New(dnsbl.Options{Resolver: resolver, Settings: func() dnsbl.Settings {
		return dnsbl.Settings{Addresses: "a.test 127.0.0.2=4; b.test 127.0.0.2=4; c.test 127.0.0.2=2", Allow: "w.test 127.0.0.2=-1", Domains: "d.test 127.0.1.2=4; e.test 127.0.1.2=3"}
	}})
	defer lists.Close()
	settings := DoorSettings{RefuseListed: RefuseMarked, UnknownRecipients: 20, ConnectionsPerAddress: 1e9, MessagesPerAddress: 1e9, MessagesPerNet: 1e9,
		Greylist: true, GreylistDelay: 5 * time.Minute, GreylistScore: 2.5}
	door := NewDoor(DoorOptions{Hostname: "mx.example.org", Resolver: resolver, Memory: memory, Lists: lists, Settings: func() DoorSettings { return settings }})
	m := newMail(b, "203.0.113.25", "ana@sender.test", "From: ana@sender.test|To: bo@example.org|Subject: x|Date: y|Message-ID: <x@y>")
	m.Client.Hello = "mail.sender.test"
	visitOnce := func(ctx context.Context) {
		v := &visit{door: door, addr: netip.MustParseAddr("203.0.113.25")}
		env := m.Envelope
		env.Recipients = nil
		rulings := v.mail(ctx, m.Client.Hello, &env)
		to := mail.Path{Local: "bo", Domain: "example.org"}
		if v.asked(ctx, nil) != nil || v.recipient(ctx, &env, to) != nil || len(rulings) > 0 {
			b.Fatal("refused")
		}
		fresh := Mail{ID: m.ID, Client: m.Client, Envelope: m.Envelope, Header: m.Header, Index: m.Index, visit: v}
		for _, c := range door.checks() {
			fresh.Findings = append(fresh.Findings, c.Run(ctx, &fresh))
		}
		if door.checkGreylist(ctx, &fresh).Action != Accept {
			b.Fatal("greylisted")
		}
		v.took()
		v.close()
	}
	visitOnce(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		visitOnce(b.Context())
	}
}
