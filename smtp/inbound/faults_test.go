package inbound_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"

	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// guarded is a domain that wants everything refused that is not its own, and
// whose mail comes from 192.0.2.1.
const guarded = `
$ORIGIN guarded.test.
@        TXT "v=spf1 a:mail.guarded.test -all"
mail     A   192.0.2.1
mail     TXT "v=spf1 a -all"
_dmarc   TXT "v=DMARC1; p=reject"
1.2.0.192.in-addr.arpa. PTR mail.guarded.test.
s._domainkey TXT "v=DKIM1; k=ed25519; p=spXLnC+6QhuhcssH3s98RLFdLUxwKzi7tTR4KSAQl0o="
`

// broken is a name server that answers some questions as it should, and spoils
// its answers to others.
type broken struct {
	zones *dnstest.Zones
	good  func(name string) bool
	spoil func(answer *mdns.Msg, wire []byte) []byte // nil is no answer
}

// serve answers over UDP until the test is over; nobody listens on TCP.
func (b *broken) serve(t *testing.T) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := b.answer(buf[:n]); answer != nil {
				pc.WriteTo(answer, from)
			}
		}
	}()
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

func (b *broken) answer(query []byte) []byte {
	q := new(mdns.Msg)
	if q.Unpack(query) != nil || len(q.Question) != 1 {
		return nil
	}
	good := b.zones.Answer(q)
	wire, err := good.Pack()
	if err != nil || b.good(strings.ToLower(q.Question[0].Name)) {
		return wire
	}
	return b.spoil(good, wire)
}

// spoils are the ways in which a resolver or the way to it can be broken.
var spoils = map[string]func(answer *mdns.Msg, wire []byte) []byte{
	"timeout":   func(*mdns.Msg, []byte) []byte { return nil },
	"SERVFAIL":  rcode(mdns.RcodeServerFailure),
	"REFUSED":   rcode(mdns.RcodeRefused),
	"FORMERR":   rcode(mdns.RcodeFormatError),
	"wrong id":  func(_ *mdns.Msg, wire []byte) []byte { wire[0] ^= 0x55; return wire },
	"cut off":   func(_ *mdns.Msg, wire []byte) []byte { return wire[:len(wire)/2] },
	"no header": func(*mdns.Msg, []byte) []byte { return []byte("x") },
	"another question": func(answer *mdns.Msg, _ []byte) []byte {
		answer.Question[0].Name = "evil.test."
		return pack(answer)
	},
	"truncated, without TCP": func(answer *mdns.Msg, _ []byte) []byte {
		answer.Truncated, answer.Answer = true, nil
		return pack(answer)
	},
}

func rcode(code int) func(*mdns.Msg, []byte) []byte {
	return func(answer *mdns.Msg, _ []byte) []byte {
		answer.Rcode, answer.Answer, answer.Ns = code, nil, nil
		return pack(answer)
	}
}

func pack(m *mdns.Msg) []byte {
	wire, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return wire
}

// TestResolverFaultsLoseNoMail breaks the DNS in every way for all names, and
// then for all but the policy that asks to refuse: mail is delivered with
// temperror in its header, whether it is genuine or not.
func TestResolverFaultsLoseNoMail(t *testing.T) {
	signed := "DKIM-Signature: v=1; a=ed25519-sha256; d=guarded.test; s=s; h=from; bh=AA==; b=AA==\r\n" +
		"ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=guarded.test; s=s; b=AA==\r\n" +
		"ARC-Message-Signature: i=1; a=ed25519-sha256; d=guarded.test; s=s; h=from; bh=Ba3gj8+xBPQLJTahTfzW6RbWQ/XPgESxkCi2B66PSQg=; b=AA==\r\n" +
		"ARC-Authentication-Results: i=1; mx.guarded.test; none\r\nFrom: ana@guarded.test\r\n\r\nHello\r\n"
	for name, spoil := range spoils {
		for scope, good := range map[string]func(string) bool{
			"everything":     func(string) bool { return false },
			"all but policy": func(name string) bool { return strings.HasPrefix(name, "_dmarc.") },
		} {
			t.Run(name+", "+scope, func(t *testing.T) {
				t.Parallel()
				server := &broken{zones: dnstest.New(guarded), good: good, spoil: spoil}
				client := dns.NewClient(dns.Options{Servers: []netip.AddrPort{server.serve(t)}, Timeout: dnsTimeout / 3})
				port := newPort25(t, dnstest.New(""), func(o *inbound.Options) { o.Resolver = client })
				for _, from := range []string{"192.0.2.1", "198.51.100.66"} { // genuine, and not
					c := port.dial(t, from)
					c.command("EHLO mail.guarded.test", "250")
					header := c.transfer("ana@guarded.test", signed)
					for _, r := range authResults(t, header) {
						if r.Result != "temperror" {
							t.Errorf("%s=%s (%s)", r.Method, r.Result, r.Comment)
						}
					}
					if verdict := port.mda.verdict(); !strings.Contains(verdict, "Verdict: inbox") {
						t.Errorf("from %s: %s", from, verdict)
					}
				}
			})
		}
	}
}

// TestNoNamesLoseNoMail has a resolver that knows nothing at all (NXDOMAIN):
// that is an answer, and none by which anything is refused.
func TestNoNamesLoseNoMail(t *testing.T) {
	port := newPort25(t, dnstest.New(""))
	c := port.dial(t, "198.51.100.66")
	c.command("EHLO mail.guarded.test", "250")
	header := c.transfer("ana@guarded.test", "From: ana@guarded.test\r\n\r\nHello\r\n")
	want := map[string]string{"iprev": "fail", "spf": "none", "dkim": "none", "dmarc": "none"}
	for _, r := range authResults(t, header) {
		if r.Result != want[r.Method] {
			t.Errorf("%s=%s (%s), want %s", r.Method, r.Result, r.Comment, want[r.Method])
		}
	}
}

// TestDNSThatWorksRefusesForgeries shows that the rows above would be refused
// if the DNS worked.
func TestDNSThatWorksRefusesForgeries(t *testing.T) {
	port := newPort25(t, dnstest.New(guarded))
	for from, want := range map[string]string{"192.0.2.1": "250 ", "198.51.100.66": "550 5.7.1 "} {
		c := port.dial(t, from)
		c.command("EHLO mail.guarded.test", "250")
		if got := c.offer("ana@guarded.test", "From: ana@guarded.test\r\n\r\nHello\r\n"); !strings.HasPrefix(got, want) {
			t.Errorf("from %s: %q, want %s", from, got, want)
		}
	}
}
