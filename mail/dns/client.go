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
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Defaults and bounds of a [Client].
const (
	defaultTimeout    = 2 * time.Second // of the first attempt at a server; doubled in the second round
	rounds            = 2               // times the list of servers is gone through
	defaultCacheBytes = 16 << 20
	maxChain          = 10 // CNAMEs followed
)

// Options of a [Client]. The zero value works on a host whose resolver
// listens on the loopback interface.
type Options struct {
	// Servers are recursive resolvers, in order of preference. None means
	// port 53 of 127.0.0.1 and ::1, as in resolv.conf(5).
	Servers []netip.AddrPort
	// TrustAD says that the way to every server is safe, so that the AD bit
	// counts. It always counts from servers on the loopback interface.
	TrustAD bool
	// RandomCase mixes the case of names in queries, which a forger has to
	// guess as well ("0x20"). Some rare servers answer in another case.
	RandomCase bool
	Timeout    time.Duration // for one attempt; 0 is two seconds
	CacheBytes int           // 0 is 16 MiB; negative means no cache

	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
	Now    func() time.Time
	Rand   io.Reader // nil: crypto/rand
	Logger *slog.Logger
}

// Client is a caching stub resolver. It is safe for concurrent use.
type Client struct {
	opts    Options
	direct  bool // servers are authoritative, and are not asked to ask others
	cache   *cache
	first   atomic.Uint32 // index of the server that answered last
	mu      sync.Mutex
	flights map[question]*flight
}

var _ Resolver = (*Client)(nil)

// NewClient returns a client. It does no I/O until it is asked something.
func NewClient(opts Options) *Client {
	if len(opts.Servers) == 0 {
		opts.Servers = defaultServers()
	}
	if opts.Dial == nil {
		opts.Dial = new(net.Dialer).DialContext
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Rand == nil {
		opts.Rand = rand.Reader
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Timeout = cmp.Or(opts.Timeout, defaultTimeout)
	opts.CacheBytes = cmp.Or(opts.CacheBytes, defaultCacheBytes)
	return &Client{
		opts:    opts,
		cache:   newCache(opts.CacheBytes),
		flights: make(map[question]*flight),
	}
}

func defaultServers() []netip.AddrPort {
	return []netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53),
		netip.AddrPortFrom(netip.IPv6Loopback(), 53),
	}
}

// question is what is asked, and the key of the cache. The name is in lower
// case, with its final dot.
type question struct {
	name  string
	qtype uint16
}

func (q question) String() string { return q.name + " " + dns.TypeToString[q.qtype] }

// newQuestion checks and normalises a name. What cannot be a name in the DNS
// does not exist there.
func newQuestion(name string, qtype uint16) (question, error) {
	name = dns.Fqdn(strings.ToLower(name))
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7f || c == '\\' {
			return question{}, fmt.Errorf("%w: %q is not a domain name", ErrNotFound, name)
		}
	}
	if strings.Contains(name, " ") { // SPF has macros for it; the library wants it marked
		name = strings.ReplaceAll(name, " ", `\ `)
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return question{}, fmt.Errorf("%w: %q is not a domain name", ErrNotFound, name)
	}
	return question{name, qtype}, nil
}

// A looks up IPv6 and IPv4 addresses. Where one family cannot be looked up,
// the addresses of the other one will do: name servers that fail on AAAA
// alone are common, and their hosts are reachable.
func (c *Client) A(ctx context.Context, name string) ([]netip.Addr, bool, error) {
	var v4, v6 lookup
	q4, err := newQuestion(name, dns.TypeA)
	if err != nil {
		return nil, false, err
	}
	q6 := question{q4.name, dns.TypeAAAA}
	if a, ok := c.cache.get(q6, c.opts.Now()); ok && a.final {
		v6 = c.follow(ctx, q6)
		v4 = c.follow(ctx, q4)
	} else {
		done := make(chan struct{})
		go func() { defer close(done); v6 = c.follow(ctx, q6) }()
		v4 = c.follow(ctx, q4)
		<-done
	}
	addrs := append(addresses(v6.records), addresses(v4.records)...)
	switch {
	case len(addrs) > 0:
		return addrs, (v4.authentic || len(v4.records) == 0) && (v6.authentic || len(v6.records) == 0), nil
	case errors.Is(v6.err, ErrTemporary):
		return nil, false, v6.err
	case errors.Is(v4.err, ErrTemporary):
		return nil, false, v4.err
	}
	return nil, v4.authentic && v6.authentic, v4.err
}

// IPv4 looks up IPv4 addresses alone.
func (c *Client) IPv4(ctx context.Context, name string) ([]netip.Addr, error) {
	q, err := newQuestion(name, dns.TypeA)
	if err != nil {
		return nil, err
	}
	l := c.follow(ctx, q)
	return addresses(l.records), l.err
}

// LimitCache changes how many octets the cache may have; one that was made
// without a cache stays so.
func (c *Client) LimitCache(octets int) { c.cache.limit(octets) }

// CacheOctets is how many the cache has.
func (c *Client) CacheOctets() int { return c.cache.octets() }

// CachedIPv4 is for dns.CachedIPv4. Errors do not name what was asked for: they
// are made for each of many lists.
func (c *Client) CachedIPv4(name string) (addrs []netip.Addr, known bool, err error) {
	q, err := newQuestion(name, dns.TypeA)
	if err != nil {
		return nil, true, err
	}
	a, ok := c.cache.get(q, c.opts.Now())
	switch {
	case !ok || a.err != nil || len(a.records) == 0 && a.alias != "":
		return nil, false, nil
	case len(a.records) > 0:
		return addresses(a.records), true, nil
	case a.noName:
		return nil, true, ErrNoSuchName
	}
	return nil, true, ErrNotFound
}

// MX looks up the mail exchangers.
func (c *Client) MX(ctx context.Context, name string) ([]MX, bool, error) {
	return collect(ctx, c, name, func(rr *dns.MX) (MX, bool) {
		return MX{Preference: rr.Preference, Host: plainName(rr.Mx)}, true
	}, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
}

// TXT looks up texts.
func (c *Client) TXT(ctx context.Context, name string) ([]string, bool, error) {
	return collect(ctx, c, name, func(rr *dns.TXT) (string, bool) { return joinText(rr.Txt), true }, nil)
}

// PTR looks up the names of an address.
func (c *Client) PTR(ctx context.Context, addr netip.Addr) ([]string, bool, error) {
	return collect(ctx, c, ReverseName(addr), func(rr *dns.PTR) (string, bool) { return plainName(rr.Ptr), true }, nil)
}

// TLSA looks up TLSA records; name is the whole name, such as
// _25._tcp.mail.example.org.
func (c *Client) TLSA(ctx context.Context, name string) ([]TLSA, bool, error) {
	return collect(ctx, c, name, tlsaRecord, nil)
}

// CNAME returns what name is an alias of, one step.
func (c *Client) CNAME(ctx context.Context, name string) (string, bool, error) {
	targets, authentic, err := collect(ctx, c, name,
		func(rr *dns.CNAME) (string, bool) { return plainName(rr.Target), true }, nil)
	if err != nil {
		return "", authentic, err
	}
	return targets[0], authentic, nil
}

// NS looks up the name servers of a zone; a name that is not the top of one has
// none.
func (c *Client) NS(ctx context.Context, name string) ([]string, bool, error) {
	return collect(ctx, c, name, func(rr *dns.NS) (string, bool) { return plainName(rr.Ns), true }, nil)
}

// collect looks up the records of type R and makes a T of each. No T at all
// is the same as no record.
func collect[T any, R dns.RR](ctx context.Context, c *Client, name string, value func(R) (T, bool), order func(a, b T) int) ([]T, bool, error) {
	q, err := newQuestion(name, rrType[R]())
	if err != nil {
		return nil, false, err
	}
	l := c.follow(ctx, q)
	if l.err != nil {
		return nil, l.authentic, l.err
	}
	values := make([]T, 0, len(l.records))
	for _, rr := range l.records {
		if r, ok := rr.(R); ok {
			if v, ok := value(r); ok {
				values = append(values, v)
			}
		}
	}
	if len(values) == 0 {
		return nil, l.authentic, notFound(q)
	}
	if order != nil {
		slices.SortStableFunc(values, order)
	}
	return values, l.authentic, nil
}

func notFound(q question) error { return fmt.Errorf("%w: %v", ErrNotFound, q) }

// lookup is the outcome of following a question through its aliases.
type lookup struct {
	records   []dns.RR // of the type asked for
	authentic bool     // every answer on the way was
	err       error
}

// follow asks a question and, where the answer ends in an alias without its target's
// records, asks for the target.
func (c *Client) follow(ctx context.Context, asked question) lookup {
	l, q := lookup{authentic: true}, asked
	for range maxChain {
		a, err := c.ask(ctx, q)
		if err != nil {
			return lookup{err: err}
		}
		l.authentic = l.authentic && a.authentic
		switch {
		case len(a.records) > 0:
			l.records = a.records
			return l
		case a.alias == "" && a.noName && q == asked:
			l.err = fmt.Errorf("%w: %v", ErrNoSuchName, asked)
			return l
		case a.alias == "":
			l.err = notFound(asked)
			return l
		}
		q.name = a.alias
	}
	// A loop is a mistake of the zone, to be mended there.
	return lookup{err: fmt.Errorf("%w: %v: too many aliases", ErrTemporary, asked)}
}
