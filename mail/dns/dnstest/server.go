package dnstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// negativeTTL is how long clients keep that something does not exist; zones
// in tests change.
const negativeTTL = 1

// Serve answers questions that come to pc over UDP and to l over TCP until
// ctx is done; either may be nil. It closes both.
func (z *Zones) Serve(ctx context.Context, pc net.PacketConn, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var udp, tcp error
	if pc != nil {
		wg.Go(func() {
			defer cancel()
			udp = serve(ctx, &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(z.answer)})
		})
	}
	if l != nil {
		wg.Go(func() {
			defer cancel()
			tcp = serve(ctx, &dns.Server{Listener: l, Handler: dns.HandlerFunc(z.answer)})
		})
	}
	wg.Wait()
	return errors.Join(udp, tcp)
}

func serve(ctx context.Context, s *dns.Server) error {
	started, ended := make(chan struct{}), make(chan error, 1)
	s.NotifyStartedFunc = func() { close(started) }
	go func() { ended <- s.ActivateAndServe() }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve zones: %w", err)
	case <-started:
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serve zones: %w", err)
	case <-ctx.Done():
		s.Shutdown()
		return <-ended
	}
}

// answer handles one query.
func (z *Zones) answer(w dns.ResponseWriter, query *dns.Msg) {
	if len(query.Question) != 1 {
		reply := new(dns.Msg)
		w.WriteMsg(reply.SetRcode(query, dns.RcodeFormatError))
		return
	}
	q := query.Question[0]
	r := z.lookup(q.Name, q.Qtype)
	if r.fault == Timeout {
		return
	}
	msg := new(dns.Msg).SetReply(query)
	msg.RecursionAvailable = true
	switch {
	case r.fault == ServFail:
		msg.Rcode = dns.RcodeServerFailure
	default:
		msg.Authoritative = true
		msg.Answer = r.rrs
		if len(r.rrs) == 0 || r.rrs[len(r.rrs)-1].Header().Rrtype != q.Qtype {
			msg.Ns = []dns.RR{z.soa(q.Name)}
			if !r.exists {
				msg.Rcode = dns.RcodeNameError
			}
		}
	}
	size := dns.MinMsgSize
	if opt := query.IsEdns0(); opt != nil {
		msg.SetEdns0(opt.UDPSize(), opt.Do())
		size = max(size, int(opt.UDPSize()))
		msg.AuthenticatedData = r.authentic && (opt.Do() || query.AuthenticatedData)
	} else {
		msg.AuthenticatedData = r.authentic && query.AuthenticatedData
	}
	if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
		msg.Truncate(size)
	}
	w.WriteMsg(msg)
}

// soa returns the SOA record that goes with a negative answer: that of the
// zone around the name or, if the text has none, one made up for its last
// label.
func (z *Zones) soa(name string) dns.RR {
	z.mu.RLock()
	defer z.mu.RUnlock()
	name = canonical(name)
	apex := name
	for rest := name; rest != ""; _, rest, _ = strings.Cut(rest, ".") {
		for _, rr := range z.records[rest] {
			if soa, ok := rr.(*dns.SOA); ok {
				return soa
			}
		}
		apex = rest
	}
	return &dns.SOA{
		Hdr:     dns.RR_Header{Name: apex, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: negativeTTL},
		Ns:      "ns." + strings.TrimPrefix(apex, "."),
		Mbox:    "hostmaster." + strings.TrimPrefix(apex, "."),
		Serial:  1,
		Refresh: ttl, Retry: ttl, Expire: ttl, Minttl: negativeTTL,
	}
}
