package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	udpSize     = 1232 // avoids fragments (RFC 9715 section 3.2: 1,400 at most)
	maxMessage  = 64 << 10
	maxMismatch = 64 // datagrams that are not our answer, before we give the query up
)

var (
	errMismatch  = errors.New("not the answer to our query")
	errMalformed = errors.New("malformed answer")
	errNoEDNS    = errors.New("server does not know EDNS0")
)

// flight is a query under way that others wait for.
type flight struct {
	done   chan struct{}
	answer *answer
	err    error // the leader's own context ended: the next one tries
}

// ask answers q from the cache, from a query already under way, or by a query
// of its own. Its error is an ErrTemporary.
func (c *Client) ask(ctx context.Context, q question) (*answer, error) {
	for {
		if a, ok := c.cache.get(q, c.opts.Now()); ok {
			return a, a.err
		}
		c.mu.Lock()
		f, waiting := c.flights[q]
		if !waiting {
			f = &flight{done: make(chan struct{})}
			c.flights[q] = f
		}
		c.mu.Unlock()
		Waiting(ctx)
		if !waiting {
			c.lead(ctx, q, f)
			if f.err != nil {
				return nil, f.err
			}
			return f.answer, f.answer.err
		}
		select {
		case <-f.done:
			if f.err == nil {
				return f.answer, f.answer.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %v: %w", ErrTemporary, q, ctx.Err())
		}
	}
}

// lead makes the query for everybody who waits on f.
func (c *Client) lead(ctx context.Context, q question, f *flight) {
	defer func() {
		c.mu.Lock()
		delete(c.flights, q)
		c.mu.Unlock()
		close(f.done)
	}()
	a, err := c.query(ctx, q)
	if err != nil {
		err = fmt.Errorf("%w: %v: %w", ErrTemporary, q, err)
		if ctx.Err() != nil { // says nothing about the servers
			f.err = err
			return
		}
		a = &answer{err: err, ttl: failureTTL, final: true}
	}
	c.cache.put(q, a, c.opts.Now())
	f.answer = a
}

// query goes through the servers, the one that answered last at first.
func (c *Client) query(ctx context.Context, q question) (*answer, error) {
	first := int(c.first.Load())
	var last error
	for round := range rounds {
		for i := range c.opts.Servers {
			n := (first + i) % len(c.opts.Servers)
			a, err := c.queryServer(ctx, c.opts.Servers[n], q, c.opts.Timeout<<round)
			if err == nil {
				c.first.Store(uint32(n))
				return a, nil
			}
			c.opts.Logger.DebugContext(ctx, "dns query failed", "question", loggedName(ctx, q), "server", c.opts.Servers[n], "err", err)
			last = fmt.Errorf("%v: %w", c.opts.Servers[n], err)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	return nil, last
}

// queryServer asks one server: over UDP, over TCP if the answer did not fit,
// and without EDNS0 if the server stumbles over it.
func (c *Client) queryServer(ctx context.Context, server netip.AddrPort, q question, timeout time.Duration) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	trusted := c.opts.TrustAD || server.Addr().Unmap().IsLoopback()
	a, err := c.exchange(ctx, server, q, trusted, true)
	if errors.Is(err, errNoEDNS) {
		a, err = c.exchange(ctx, server, q, false, false)
	}
	if err != nil {
		return nil, err
	}
	a.authentic = a.authentic && trusted
	return a, nil
}

func (c *Client) exchange(ctx context.Context, server netip.AddrPort, q question, dnssec, edns bool) (*answer, error) {
	msg, err := c.converse(ctx, server, q, dnssec, edns)
	if err != nil {
		return nil, err
	}
	return interpret(q, msg, edns)
}

// converse asks over UDP, and over TCP if the answer did not fit.
func (c *Client) converse(ctx context.Context, server netip.AddrPort, q question, dnssec, edns bool) (*dns.Msg, error) {
	query, err := c.newQuery(q, dnssec, edns)
	if err != nil {
		return nil, err
	}
	wire, err := query.Pack()
	if err != nil {
		return nil, err
	}
	for _, network := range []string{"udp", "tcp"} {
		msg, err := c.roundTrip(ctx, network, server, query, wire)
		switch {
		case err != nil:
			return nil, err
		case msg.Truncated && network == "udp":
			continue
		}
		return msg, nil
	}
	return nil, errMalformed
}

// newQuery makes the message. The DO bit is set only where the validation it
// asks for may be believed: signatures make answers large.
func (c *Client) newQuery(q question, dnssec, edns bool) (*dns.Msg, error) {
	var random [2 + 256]byte
	if _, err := io.ReadFull(c.opts.Rand, random[:]); err != nil {
		return nil, err
	}
	name := q.name
	if c.opts.RandomCase {
		name = mixCase(name, random[2:])
	}
	msg := new(dns.Msg)
	msg.SetQuestion(name, q.qtype)
	msg.Id = binary.BigEndian.Uint16(random[:])
	msg.RecursionDesired = !c.direct
	msg.AuthenticatedData = dnssec // RFC 6840 section 5.7
	if edns {
		msg.SetEdns0(udpSize, dnssec)
	}
	return msg, nil
}

func mixCase(name string, random []byte) string {
	b := []byte(name)
	for i := range b {
		if 'a' <= b[i] && b[i] <= 'z' && random[i%len(random)]&1 != 0 {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// roundTrip sends the query on a new connection and reads its answer.
func (c *Client) roundTrip(ctx context.Context, network string, server netip.AddrPort, query *dns.Msg, wire []byte) (*dns.Msg, error) {
	conn, err := c.opts.Dial(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	read, send := readDatagram, wire
	if network == "tcp" {
		read = readFramed
		send = append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
	}
	if _, err := conn.Write(send); err != nil {
		return nil, err
	}
	buf := make([]byte, 0, udpSize)
	for range maxMismatch {
		if buf, err = read(conn, buf); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, err
		}
		msg, err := match(query, buf)
		if err == nil {
			return msg, nil
		}
		if network == "tcp" { // nobody else can speak here
			return nil, err
		}
	}
	return nil, errMismatch
}

func readDatagram(conn net.Conn, buf []byte) ([]byte, error) {
	n, err := conn.Read(buf[:cap(buf)])
	return buf[:n], err
}

// readFramed reads a message with its length before it (RFC 1035 section
// 4.2.2).
func readFramed(conn net.Conn, buf []byte) ([]byte, error) {
	var prefix [2]byte
	if _, err := io.ReadFull(conn, prefix[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(prefix[:]))
	if n > cap(buf) {
		buf = make([]byte, n)
	}
	_, err := io.ReadFull(conn, buf[:n])
	return buf[:n], err
}

// match unpacks a message and checks that it answers the query (RFC 5452
// section 9.1). A server may answer an error without the question.
func match(query *dns.Msg, wire []byte) (*dns.Msg, error) {
	if len(wire) < 12 || binary.BigEndian.Uint16(wire) != query.Id {
		return nil, errMismatch
	}
	msg := new(dns.Msg)
	if err := msg.Unpack(wire); err != nil && !msg.Truncated {
		return nil, errMalformed
	}
	if !msg.Response || msg.Opcode != dns.OpcodeQuery {
		return nil, errMismatch
	}
	if len(msg.Question) == 0 && msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError {
		return msg, nil
	}
	if len(msg.Question) != 1 || msg.Question[0] != query.Question[0] {
		return nil, errMismatch
	}
	return msg, nil
}

// interpret turns a message into an answer, or into an error if another
// server may do better.
func interpret(q question, msg *dns.Msg, edns bool) (*answer, error) {
	switch msg.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	case dns.RcodeFormatError, dns.RcodeNotImplemented:
		if edns {
			return nil, errNoEDNS
		}
		fallthrough
	default:
		return nil, fmt.Errorf("server says %s", dns.RcodeToString[msg.Rcode])
	}
	a := &answer{authentic: msg.AuthenticatedData, ttl: maxTTL}
	name := a.chase(q, msg.Answer)
	switch {
	case len(a.records) > 0:
		a.final = true
	case name != q.name && msg.Rcode == dns.RcodeSuccess && !hasSOA(msg):
		a.alias = name // the resolver left the target to us
	default:
		a.final = true
		a.noName = msg.Rcode == dns.RcodeNameError && name == q.name
		a.ttl = min(a.ttl, negativeTTL(msg))
	}
	return a, nil
}

// chase follows the aliases within one message, in whatever order they stand,
// and collects the records at their end.
func (a *answer) chase(q question, rrs []dns.RR) (name string) {
	name = q.name
	for range maxChain {
		target := ""
		for _, rr := range rrs {
			h := rr.Header()
			if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, name) {
				continue
			}
			if h.Rrtype == q.qtype {
				a.take(rr)
			} else if cname, ok := rr.(*dns.CNAME); ok && target == "" {
				target = strings.ToLower(cname.Target)
				a.lower(h.Ttl)
			}
		}
		if len(a.records) > 0 || target == "" {
			return name
		}
		name = target
	}
	return name
}

func (a *answer) take(rr dns.RR) {
	a.records = append(a.records, rr)
	a.size += dns.Len(rr)
	a.lower(rr.Header().Ttl)
}

// lower applies one record's TTL; beyond 31 bits it counts as zero
// (RFC 2181 section 8).
func (a *answer) lower(ttl uint32) {
	if ttl > 1<<31-1 {
		ttl = 0
	}
	a.ttl = min(a.ttl, time.Duration(ttl)*time.Second)
}

func hasSOA(msg *dns.Msg) bool {
	for _, rr := range msg.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return true
		}
	}
	return false
}

// negativeTTL returns how long a negative answer holds (RFC 2308 section 5):
// without a SOA record, not beyond the moment.
func negativeTTL(msg *dns.Msg) time.Duration {
	for _, rr := range msg.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			ttl := time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
			return min(ttl, maxNegativeTTL)
		}
	}
	return failureTTL
}
