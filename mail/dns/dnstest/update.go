package dnstest

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// key is what updates of a zone are signed with.
type key struct{ name, secret string }

// AllowUpdates lets clients of [Zones.Serve] change the records of a zone
// (RFC 2136), and transfer it (RFC 5936), when they sign with a TSIG key; the
// secret is base64. It is called before Serve.
func (z *Zones) AllowUpdates(zone, keyName, secret string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.keys == nil {
		z.keys = map[string]key{}
	}
	z.keys[canonical(zone)] = key{canonical(keyName), secret}
}

// RefuseTransfers has zones transferred to nobody, as careful servers do.
func (z *Zones) RefuseTransfers(refuse bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.closed = refuse
}

// secrets are all keys, as dns.Server wants them.
func (z *Zones) secrets() map[string]string {
	z.mu.RLock()
	defer z.mu.RUnlock()
	all := map[string]string{}
	for _, k := range z.keys {
		all[k.name] = k.secret
	}
	return all
}

// signed reports whether a message is signed with the key of a zone.
func (z *Zones) signed(w dns.ResponseWriter, msg *dns.Msg, zone string) bool {
	t := msg.IsTsig()
	z.mu.RLock()
	defer z.mu.RUnlock()
	k, ok := z.keys[canonical(zone)]
	return ok && t != nil && w.TsigStatus() == nil && canonical(t.Hdr.Name) == k.name
}

// change handles an update or a zone transfer; false is that it is neither.
func (z *Zones) change(w dns.ResponseWriter, msg *dns.Msg) bool {
	transfer := len(msg.Question) == 1 && msg.Question[0].Qtype == dns.TypeAXFR
	if msg.Opcode != dns.OpcodeUpdate && !transfer {
		return false
	}
	reply := new(dns.Msg).SetReply(msg)
	switch {
	case len(msg.Question) != 1:
		reply.Rcode = dns.RcodeFormatError
	case msg.IsTsig() != nil && w.TsigStatus() != nil:
		reply.Rcode = dns.RcodeNotAuth // RFC 8945 section 5.3
	case !z.signed(w, msg, msg.Question[0].Name):
		reply.Rcode = dns.RcodeRefused
	case transfer && z.isClosed():
		reply.Rcode = dns.RcodeRefused
	case transfer:
		reply.Answer = z.transfer(msg.Question[0].Name)
	default:
		z.update(msg.Ns)
	}
	if t := msg.IsTsig(); t != nil && w.TsigStatus() == nil {
		reply.SetTsig(t.Hdr.Name, t.Algorithm, t.Fudge, int64(t.TimeSigned))
	}
	w.WriteMsg(reply)
	return true
}

func (z *Zones) isClosed() bool {
	z.mu.RLock()
	defer z.mu.RUnlock()
	return z.closed
}

// transfer is a zone between two copies of its SOA record.
func (z *Zones) transfer(zone string) []dns.RR {
	soa := z.soa(zone)
	soa.Header().Name = canonical(zone)
	z.mu.RLock()
	defer z.mu.RUnlock()
	all := []dns.RR{soa}
	for name, rrs := range z.records {
		if name == canonical(zone) || strings.HasSuffix(name, "."+canonical(zone)) {
			for _, rr := range rrs {
				if rr.Header().Rrtype != dns.TypeSOA {
					all = append(all, rr)
				}
			}
		}
	}
	return append(all, soa)
}

// update does what stands in the update section (RFC 2136 section 2.5).
func (z *Zones) update(changes []dns.RR) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, rr := range changes {
		h, name := rr.Header(), canonical(rr.Header().Name)
		switch h.Class {
		case dns.ClassANY:
			z.records[name] = slices.DeleteFunc(z.records[name], func(old dns.RR) bool { return h.Rrtype == dns.TypeANY || old.Header().Rrtype == h.Rrtype })
		case dns.ClassNONE:
			gone := dns.Copy(rr)
			gone.Header().Class = dns.ClassINET
			z.records[name] = slices.DeleteFunc(z.records[name], func(old dns.RR) bool { return dns.IsDuplicate(old, gone) })
		case dns.ClassINET:
			if !slices.ContainsFunc(z.records[name], func(old dns.RR) bool { return dns.IsDuplicate(old, rr) }) {
				z.records[name] = append(z.records[name], rr)
			}
		}
		if len(z.records[name]) == 0 {
			delete(z.records, name)
		}
	}
}

// Start answers on a free port of loopback until stop is called, which waits
// for the end.
func (z *Zones) Start() (addr string, stop func(), err error) {
	pc, l, err := listen()
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- z.Serve(ctx, pc, l) }()
	return l.Addr().String(), func() {
		cancel()
		<-ended
	}, nil
}

// listen opens the same free port of loopback for UDP and TCP.
func listen() (net.PacketConn, net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	return pc, l, nil
}
