package dns

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Bounds of an [Authority].
const (
	maxZoneServers  = 8 // name servers of a zone that are asked
	maxServerAddrs  = 3 // addresses of one that are tried
	maxZoneLabels   = 20
	authorityRounds = 2
)

// errLame is the answer of a server that a zone is delegated to, but that does
// not serve it.
var errLame = errors.New("does not answer for this zone")

// Finder finds out who answers for a zone; *[Client] is one.
type Finder interface {
	NS(ctx context.Context, name string) (names []string, authentic bool, err error)
	A(ctx context.Context, name string) (addrs []netip.Addr, authentic bool, err error)
}

// AuthorityOptions of an [Authority]. Finder is needed, and had best have no
// cache.
type AuthorityOptions struct {
	Finder  Finder
	Timeout time.Duration // for the first attempt at an address; 0 is two seconds

	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
	Rand   io.Reader                                                            // nil: crypto/rand
	Logger *slog.Logger
}

// Authority asks the name servers of a zone themselves, each of them and
// without any cache, so that what has just been changed is seen at once, and
// what was asked for too early is not remembered as missing.
type Authority struct {
	opts   AuthorityOptions
	client *Client // for its exchanges; it has no servers of its own
}

// NewAuthority returns an Authority. It does no I/O until it is asked
// something.
func NewAuthority(opts AuthorityOptions) *Authority {
	opts.Timeout = cmp.Or(opts.Timeout, defaultTimeout)
	if opts.Rand == nil {
		opts.Rand = rand.Reader
	}
	c := NewClient(Options{Dial: opts.Dial, Rand: opts.Rand, Logger: opts.Logger, CacheBytes: -1})
	c.direct = true
	return &Authority{opts: opts, client: c}
}

// Zone is a part of the DNS with its own name servers.
type Zone struct {
	Name    string // of its top, without the final dot
	Servers []Server
}

// Server is one name server of a zone. Without addresses it cannot be asked.
type Server struct {
	Name  string
	Addrs []netip.Addr // v4 first
}

// Answer is what one server of a zone says. Without Err and without Values
// there is no such record.
type Answer struct {
	Server string
	// Values are as in a zone file, but names are in lower case and without
	// the final dot, and the strings of a TXT record are joined and bare.
	Values []string
	Alias  string // what a CNAME at the name leads to, "" if there is none
	Err    error
}

// Zone finds the zone that a name is in. It fails with ErrNotFound when there
// is none below the top level, which means that the name is not registered.
func (a *Authority) Zone(ctx context.Context, name string) (Zone, error) {
	name = plainName(name)
	for range maxZoneLabels {
		if !strings.Contains(name, ".") {
			break
		}
		names, _, err := a.opts.Finder.NS(ctx, name)
		switch {
		case err == nil:
			return a.zone(ctx, name, names), nil
		case !errors.Is(err, ErrNotFound):
			return Zone{}, err
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return Zone{}, fmt.Errorf("%w: no zone", ErrNotFound)
}

// zone looks up the addresses of its servers.
func (a *Authority) zone(ctx context.Context, apex string, names []string) Zone {
	slices.Sort(names)
	names = names[:min(len(names), maxZoneServers)]
	z := Zone{Name: apex, Servers: make([]Server, len(names))}
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			addrs, _, err := a.opts.Finder.A(ctx, name)
			if err != nil {
				a.client.opts.Logger.DebugContext(ctx, "no address of name server", "server", name, "err", err)
			}
			slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) })
			z.Servers[i] = Server{name, addrs[:min(len(addrs), maxServerAddrs)]}
		})
	}
	wg.Wait()
	return z
}

// Ask asks each server of a zone for the records of a name; qtype is a name
// such as "TXT".
func (a *Authority) Ask(ctx context.Context, z Zone, name, qtype string) []Answer {
	answers := make([]Answer, len(z.Servers))
	q, err := newQuestion(name, dns.StringToType[strings.ToUpper(qtype)])
	if err == nil && q.qtype == 0 {
		err = fmt.Errorf("%w: type %q is not known", ErrNotFound, qtype)
	}
	var wg sync.WaitGroup
	for i, s := range z.Servers {
		answers[i] = Answer{Server: s.Name, Err: err}
		if err == nil {
			wg.Go(func() { answers[i] = a.askServer(ctx, s, q) })
		}
	}
	wg.Wait()
	return answers
}

// askServer tries the addresses of a server.
func (a *Authority) askServer(ctx context.Context, s Server, q question) Answer {
	last := errors.New("its name has no address")
	for round := range authorityRounds {
		for _, addr := range s.Addrs {
			msg, err := a.exchange(ctx, netip.AddrPortFrom(addr, 53), q, a.opts.Timeout<<round)
			if err == nil {
				answer := readAnswer(q, msg)
				answer.Server = s.Name
				return answer
			}
			if last = err; errors.Is(err, errRefused) || ctx.Err() != nil {
				break
			}
		}
	}
	return Answer{Server: s.Name, Err: fmt.Errorf("%w: %s: %w", ErrTemporary, s.Name, last)}
}

// errRefused is an answer that asking again does not change.
var errRefused = errors.New("server refuses")

func (a *Authority) exchange(ctx context.Context, server netip.AddrPort, q question, timeout time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	msg, err := a.client.converse(ctx, server, q, false, true)
	if err == nil && (msg.Rcode == dns.RcodeFormatError || msg.Rcode == dns.RcodeNotImplemented) {
		msg, err = a.client.converse(ctx, server, q, false, false)
	}
	switch {
	case err != nil:
		return nil, err
	case msg.Rcode == dns.RcodeRefused || msg.Rcode == dns.RcodeNotAuth:
		return nil, fmt.Errorf("%w: it says %s", errRefused, dns.RcodeToString[msg.Rcode])
	case msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("it says %s", dns.RcodeToString[msg.Rcode])
	case !msg.Authoritative:
		return nil, fmt.Errorf("%w: it %w", errRefused, errLame)
	}
	return msg, nil
}

// readAnswer takes what stands at the name itself. What an alias leads to may
// be in another zone, so that it is not taken from here.
func readAnswer(q question, msg *dns.Msg) (a Answer) {
	for _, rr := range msg.Answer {
		h := rr.Header()
		if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, q.name) {
			continue
		}
		if c, ok := rr.(*dns.CNAME); ok {
			a.Alias = plainName(c.Target)
		}
		if h.Rrtype == q.qtype {
			a.Values = append(a.Values, recordText(rr))
		}
	}
	slices.Sort(a.Values)
	return a
}

// recordText is the right side of a record.
func recordText(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.AAAA:
		return rr.AAAA.String()
	case *dns.TXT:
		return joinText(rr.Txt)
	case *dns.MX:
		return fmt.Sprintf("%d %s", rr.Preference, plainName(rr.Mx))
	case *dns.SRV:
		return fmt.Sprintf("%d %d %d %s", rr.Priority, rr.Weight, rr.Port, plainName(rr.Target))
	case *dns.CNAME:
		return plainName(rr.Target)
	case *dns.NS:
		return plainName(rr.Ns)
	case *dns.PTR:
		return plainName(rr.Ptr)
	case *dns.CAA:
		return fmt.Sprintf("%d %s %q", rr.Flag, rr.Tag, rr.Value)
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}
