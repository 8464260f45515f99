package inbound_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// faulty is a name server that goes wrong in one way. fault changes an answer,
// or returns nil for none.
type faulty struct {
	zones *dnstest.Zones
	fault func(answer *miekg.Msg, network string) *miekg.Msg
	wg    sync.WaitGroup
}

// dial connects to it. A query over TCP has its length before it.
func (f *faulty) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	good, err := f.zones.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	f.wg.Go(func() {
		defer server.Close()
		defer good.Close()
		for {
			query, err := readDNS(server, network)
			if err != nil {
				return
			}
			if writeDNS(good, network, query) != nil {
				return
			}
			answer, err := readDNS(good, network)
			if err != nil {
				return
			}
			if answer = f.fault(answer, network); answer != nil && writeDNS(server, network, answer) != nil {
				return
			}
		}
	})
	return client, nil
}

func readDNS(r io.Reader, network string) (*miekg.Msg, error) {
	buf := make([]byte, miekg.MaxMsgSize)
	n := 0
	var err error
	if network == "udp" {
		n, err = r.Read(buf)
	} else {
		var length [2]byte
		if _, err = io.ReadFull(r, length[:]); err == nil {
			n, err = io.ReadFull(r, buf[:binary.BigEndian.Uint16(length[:])])
		}
	}
	if err != nil {
		return nil, err
	}
	m := new(miekg.Msg)
	return m, m.Unpack(buf[:n])
}

func writeDNS(w io.Writer, network string, m *miekg.Msg) error {
	b, err := m.Pack()
	if err != nil {
		return err
	}
	if network != "udp" {
		b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
	}
	_, err = w.Write(b)
	return err
}

// TestDoorWithFaults: whatever the resolver does, mail comes in: at once, or at
// the second try where nobody can know that its sender is good.
func TestDoorWithFaults(t *testing.T) {
	everywhere := func(answer *miekg.Msg, rr string) *miekg.Msg {
		m := new(miekg.Msg).SetReply(answer)
		if answer.Question[0].Qtype == miekg.TypeA && strings.Contains(answer.Question[0].Name, "l.test.") {
			r, err := miekg.NewRR(answer.Question[0].Name + " 60 IN A " + rr)
			if err != nil {
				panic(err)
			}
			m.Answer = []miekg.RR{r}
			return m
		}
		return answer
	}
	for _, tt := range []struct {
		name  string
		fault func(answer *miekg.Msg, network string) *miekg.Msg
	}{
		{"none", func(a *miekg.Msg, _ string) *miekg.Msg { return a }},
		{"no answer", func(*miekg.Msg, string) *miekg.Msg { return nil }},
		{"SERVFAIL", func(a *miekg.Msg, _ string) *miekg.Msg { a.Answer, a.Rcode = nil, miekg.RcodeServerFailure; return a }},
		{"REFUSED", func(a *miekg.Msg, _ string) *miekg.Msg { a.Answer, a.Rcode = nil, miekg.RcodeRefused; return a }},
		{"nothing exists", func(a *miekg.Msg, _ string) *miekg.Msg { a.Answer, a.Rcode = nil, miekg.RcodeNameError; return a }},
		{"wrong id", func(a *miekg.Msg, _ string) *miekg.Msg { a.Id++; return a }},
		{"another question", func(a *miekg.Msg, _ string) *miekg.Msg { a.Question[0].Name = "evil.test."; return a }},
		{"truncated", func(a *miekg.Msg, network string) *miekg.Msg {
			if a.Truncated, a.Answer = true, nil; network != "udp" {
				return nil
			}
			return a
		}},
		{"lists refuse", func(a *miekg.Msg, _ string) *miekg.Msg { return everywhere(a, "127.255.255.254") }},
		{"lists have everything", func(a *miekg.Msg, _ string) *miekg.Msg { return everywhere(a, "127.0.0.9") }},
		{"answers are made up", func(a *miekg.Msg, _ string) *miekg.Msg { return everywhere(a, "203.0.113.80") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &faulty{zones: dnstest.New(street), fault: tt.fault}
				t.Cleanup(f.wg.Wait)
				h := openHouse(t, dns.NewClient(dns.Options{Dial: f.dial}))
				h.settings.RefuseListed, h.settings.RefuseUnknownSender = inbound.RefuseAll, true
				h.settings.Greylist, h.settings.GreylistDelay, h.settings.GreylistScore = true, 5*time.Minute, 2.5
				for _, from := range []string{"203.0.113.25", "198.51.100.24"} {
					got := h.send(from, "ana@sender.net", "hello")
					if strings.HasPrefix(got, "451 4.7.1 mail like this") {
						h.ahead += 5 * time.Minute
						got = h.send(from, "ana@sender.net", "hello")
					}
					if !strings.HasPrefix(got, "250") {
						t.Errorf("from %s: %q", from, got)
					}
				}
				if strings.Contains(h.delivered(), "dnsbl") {
					t.Errorf("somebody is listed:\n%s", h.delivered())
				}
			})
		})
	}
}
