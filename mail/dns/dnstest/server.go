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
			udp = serve(ctx, &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(z.answer), TsigSecret: z.secrets(), MsgAcceptFunc: acceptUpdates})
		})
	}
	if l != nil {
		wg.Go(func() {
			defer cancel()
			tcp = serve(ctx, &dns.Server{Listener: l, Handler: dns.HandlerFunc(z.answer), TsigSecret: z.secrets(), MsgAcceptFunc: acceptUpdates})
		})
	}
	wg.Wait()
	return errors.Join(udp, tcp)
}

// acceptUpdates takes updates, which the package dns refuses by default.
func acceptUpdates(h dns.Header) dns.MsgAcceptAction {
	if opcode := int(h.Bits>>11) & 0xF; opcode == dns.OpcodeUpdate {
		return dns.MsgAccept
	}
	return dns.DefaultMsgAcceptFunc(h)
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

// rcodes are the answers of servers that have none.
var rcodes = map[Fault]int{ServFail: dns.RcodeServerFailure, Refused: dns.RcodeRefused}

// answer handles one query.
func (z *Zones) answer(w dns.ResponseWriter, query *dns.Msg) {
	if z.change(w, query) {
		return
	}
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	if msg := z.respond(query, udp); msg != nil {
		w.WriteMsg(msg)
	}
}

// respond makes the answer to a query; nil is none.
func (z *Zones) respond(query *dns.Msg, udp bool) *dns.Msg {
	if len(query.Question) != 1 {
		return new(dns.Msg).SetRcode(query, dns.RcodeFormatError)
	}
	q := query.Question[0]
	r := z.lookup(q.Name, q.Qtype)
	if r.fault == Timeout {
		return nil
	}
	msg := new(dns.Msg).SetReply(query)
	msg.RecursionAvailable = true
	switch {
	case r.fault != NoFault:
		msg.Rcode = rcodes[r.fault]
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
	if udp {
		msg.Truncate(size)
	}
	return msg
}

// Answer makes the answer to a query that came over UDP, nil for none: for name
// servers that spoil it.
func (z *Zones) Answer(query *dns.Msg) *dns.Msg { return z.respond(query, true) }

// Dial connects to a name server with these zones, in memory, whatever its
// address: for dns.AuthorityOptions.
func (z *Zones) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	go func() {
		defer ours.Close()
		if network == "udp" {
			z.serveDatagrams(ours)
			return
		}
		conn := &dns.Conn{Conn: ours}
		for query, err := conn.ReadMsg(); err == nil; query, err = conn.ReadMsg() {
			if msg := z.respond(query, false); msg != nil && conn.WriteMsg(msg) != nil {
				return
			}
		}
	}()
	return theirs, nil
}

// serveDatagrams takes each write to the pipe for a datagram.
func (z *Zones) serveDatagrams(conn net.Conn) {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		query := new(dns.Msg)
		if query.Unpack(buf[:n]) != nil {
			continue
		}
		msg := z.respond(query, true)
		if msg == nil {
			continue
		}
		wire, err := msg.Pack()
		if err != nil {
			return
		}
		if _, err := conn.Write(wire); err != nil {
			return
		}
	}
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
