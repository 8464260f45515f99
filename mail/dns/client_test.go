package dns_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

const world = `
$ORIGIN example.test.
@        MX    20 backup
@        MX    10 Mail
@        TXT   "v=spf1 " "mx -all"
@        TXT   "quote \" backslash \\ octet \200"
mail     A     192.0.2.1
mail     AAAA  2001:db8::1
v4only   A     192.0.2.2
alias    CNAME mail
far      CNAME www.elsewhere.test.
dangling CNAME nothing.elsewhere.test.
loop     CNAME loop2
loop2    CNAME loop
nomail   MX    0 .
_25._tcp.mail TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
*.wild   A     192.0.2.9
large    TXT   ` + "\"" + `0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789` + "\"" + `
1.2.0.192.in-addr.arpa. PTR Mail.Example.Test.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.example.test.
www.elsewhere.test. A 192.0.2.80
`

// serve starts a server for zones on the loopback interface.
func serve(t *testing.T, zones *dnstest.Zones) netip.AddrPort {
	t.Helper()
	pc, l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- zones.Serve(ctx, pc, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

// listen finds a port that is free for UDP and TCP.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if pc, err := net.ListenPacket("udp", l.Addr().String()); err == nil {
			return pc, l
		}
		l.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// dialer counts connections by network.
type dialer struct{ udp, tcp atomic.Int32 }

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "udp" {
		d.udp.Add(1)
	} else {
		d.tcp.Add(1)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// resolvers returns the client over a real server, and the zones themselves:
// both have to say the same.
func resolvers(t *testing.T, zones *dnstest.Zones) map[string]dns.Resolver {
	return map[string]dns.Resolver{
		"client":      dns.NewClient(dns.Options{Servers: []netip.AddrPort{serve(t, zones)}}),
		"random case": dns.NewClient(dns.Options{Servers: []netip.AddrPort{serve(t, zones)}, RandomCase: true}),
		"zones":       zones,
	}
}

func TestLookups(t *testing.T) {
	zones := dnstest.New(world)
	zones.SetAuthentic("example.test", true)
	for name, r := range resolvers(t, zones) {
		for _, tt := range []struct {
			what      string
			look      func(context.Context) (any, bool, error)
			want      any
			authentic bool
			err       error
		}{
			{"MX by preference", mx(r, "Example.test."), []dns.MX{{10, "mail.example.test"}, {20, "backup.example.test"}}, true, nil},
			{"null MX", mx(r, "nomail.example.test"), []dns.MX{{0, "."}}, true, nil},
			{"addresses, v6 first", a(r, "mail.example.test"), addrs("2001:db8::1", "192.0.2.1"), true, nil},
			{"one family", a(r, "v4only.example.test"), addrs("192.0.2.2"), true, nil},
			{"alias", a(r, "alias.example.test"), addrs("2001:db8::1", "192.0.2.1"), true, nil},
			{"alias into an unsigned zone", a(r, "far.example.test"), addrs("192.0.2.80"), false, nil},
			{"wildcard", a(r, "any.thing.wild.example.test"), addrs("192.0.2.9"), true, nil},
			{"loop of aliases", a(r, "loop.example.test"), []netip.Addr(nil), false, dns.ErrTemporary},
			{"PTR", ptr(r, "192.0.2.1"), []string{"mail.example.test"}, false, nil},
			{"PTR of IPv6", ptr(r, "2001:db8::1"), []string{"mail.example.test"}, false, nil},
			{"PTR of a mapped address", ptr(r, "::ffff:192.0.2.1"), []string{"mail.example.test"}, false, nil},
			{"no name", mx(r, "nothing.example.test"), []dns.MX(nil), true, dns.ErrNoSuchName},
			{"no record", mx(r, "mail.example.test"), []dns.MX(nil), true, dns.ErrNotFound},
			{"not a name", mx(r, "exa mple.test"), []dns.MX(nil), false, dns.ErrNotFound},
			{"label too long", mx(r, strings.Repeat("a", 64)+".test"), []dns.MX(nil), false, dns.ErrNotFound},
		} {
			t.Run(name+"/"+tt.what, func(t *testing.T) {
				got, authentic, err := tt.look(t.Context())
				if !equal(got, tt.want) || authentic != tt.authentic || !errors.Is(err, tt.err) {
					t.Errorf("got %v, %v, %v; want %v, %v, %v", got, authentic, err, tt.want, tt.authentic, tt.err)
				}
			})
		}
	}
}

func equal(got, want any) bool {
	switch want := want.(type) {
	case []dns.MX:
		return slices.Equal(got.([]dns.MX), want)
	case []netip.Addr:
		return slices.Equal(got.([]netip.Addr), want)
	case []string:
		return slices.Equal(got.([]string), want)
	}
	return false
}

func mx(r dns.Resolver, name string) func(context.Context) (any, bool, error) {
	return func(ctx context.Context) (any, bool, error) { return untyped(r.MX(ctx, name)) }
}

func a(r dns.Resolver, name string) func(context.Context) (any, bool, error) {
	return func(ctx context.Context) (any, bool, error) { return untyped(r.A(ctx, name)) }
}

func ptr(r dns.Resolver, addr string) func(context.Context) (any, bool, error) {
	return func(ctx context.Context) (any, bool, error) { return untyped(r.PTR(ctx, netip.MustParseAddr(addr))) }
}

func untyped[T any](values T, authentic bool, err error) (any, bool, error) {
	return values, authentic, err
}

func addrs(s ...string) (addrs []netip.Addr) {
	for _, s := range s {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs
}

func TestNoSuchNameIsAboutTheNameAsked(t *testing.T) {
	for name, r := range resolvers(t, dnstest.New(world)) {
		if _, _, err := r.A(t.Context(), "dangling.example.test"); !errors.Is(err, dns.ErrNotFound) || errors.Is(err, dns.ErrNoSuchName) {
			t.Errorf("%s: dangling alias: %v; want ErrNotFound, but not ErrNoSuchName: the alias exists", name, err)
		}
		if _, _, err := r.A(t.Context(), "gone.example.test"); !errors.Is(err, dns.ErrNoSuchName) {
			t.Errorf("%s: absent name: %v; want ErrNoSuchName", name, err)
		}
	}
}

func TestTextsAndCertificates(t *testing.T) {
	c := dns.NewClient(dns.Options{Servers: []netip.AddrPort{serve(t, dnstest.New(world))}})
	texts, _, err := c.TXT(t.Context(), "example.test")
	slices.Sort(texts)
	want := []string{"quote \" backslash \\ octet \xc8", "v=spf1 mx -all"}
	if err != nil || !slices.Equal(texts, want) {
		t.Errorf("TXT = %q, %v; want %q", texts, err, want)
	}
	records, _, err := c.TLSA(t.Context(), "_25._tcp.mail.example.test")
	if err != nil || len(records) != 1 || records[0].Usage != 3 || len(records[0].Data) != 32 || records[0].Data[1] != 0x23 {
		t.Errorf("TLSA = %+v, %v", records, err)
	}
	target, _, err := c.CNAME(t.Context(), "far.example.test")
	if err != nil || target != "www.elsewhere.test" {
		t.Errorf("CNAME = %q, %v", target, err)
	}
}

func TestAuthenticOnlyFromTrustedServers(t *testing.T) {
	zones := dnstest.New(world)
	zones.SetAuthentic("example.test", true)
	loopback := serve(t, zones)
	elsewhere := netip.MustParseAddrPort("192.0.2.53:53") // led to the loopback server
	for _, tt := range []struct {
		name   string
		server netip.AddrPort
		trust  bool
		want   bool
	}{
		{"loopback", loopback, false, true},
		{"elsewhere", elsewhere, false, false},
		{"elsewhere, declared trusted", elsewhere, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dns.NewClient(dns.Options{
				Servers: []netip.AddrPort{tt.server},
				TrustAD: tt.trust,
				Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, loopback.String())
				},
			})
			_, authentic, err := c.MX(t.Context(), "example.test")
			if err != nil || authentic != tt.want {
				t.Errorf("authentic = %v, %v; want %v", authentic, err, tt.want)
			}
		})
	}
}

func TestTruncatedAnswerIsFetchedOverTCP(t *testing.T) {
	zones := dnstest.New(world)
	for range 20 {
		if err := zones.Add(`large.example.test. TXT "` + strings.Repeat("x", 200) + `"`); err != nil {
			t.Fatal(err)
		}
	}
	var d dialer
	c := dns.NewClient(dns.Options{Servers: []netip.AddrPort{serve(t, zones)}, Dial: d.dial})
	texts, _, err := c.TXT(t.Context(), "large.example.test")
	if err != nil || len(texts) != 21 || d.tcp.Load() != 1 {
		t.Errorf("%d texts, %d TCP connections, %v; want 21 texts over one", len(texts), d.tcp.Load(), err)
	}
}

func TestCacheKeepsForTheTimeToLive(t *testing.T) {
	zones := dnstest.New(`
example.test. 30 TXT "first"
example.test. 100 SOA ns hostmaster 1 1 1 1 20
short.example.test. 0 TXT "never kept"
`)
	now := time.Unix(1_800_000_000, 0)
	var d dialer
	c := dns.NewClient(dns.Options{
		Servers: []netip.AddrPort{serve(t, zones)}, Dial: d.dial,
		Now: func() time.Time { return now },
	})
	for _, tt := range []struct {
		name    string
		advance time.Duration
		ask     string
		queries int32
	}{
		{"unknown", 0, "example.test", 1},
		{"kept", 29 * time.Second, "EXAMPLE.test.", 0},
		{"expired", time.Second, "example.test", 1},
		{"negative", 0, "absent.example.test", 1},
		{"negative kept by SOA minimum", 19 * time.Second, "absent.example.test", 0},
		{"negative expired", time.Second, "absent.example.test", 1},
		{"TTL 0", 0, "short.example.test", 1},
		{"TTL 0 again", 0, "short.example.test", 1},
	} {
		now = now.Add(tt.advance)
		before := d.udp.Load()
		c.TXT(t.Context(), tt.ask)
		if got := d.udp.Load() - before; got != tt.queries {
			t.Errorf("%s: %d queries, want %d", tt.name, got, tt.queries)
		}
	}
}

func TestFailureIsNotAskedAgainAtOnce(t *testing.T) {
	zones := dnstest.New(world)
	zones.SetFault("example.test TXT", dnstest.ServFail)
	now := time.Unix(1_800_000_000, 0)
	var d dialer
	c := dns.NewClient(dns.Options{
		Servers: []netip.AddrPort{serve(t, zones)}, Dial: d.dial,
		Now: func() time.Time { return now },
	})
	for _, want := range []int32{2, 0} { // two rounds, then none
		before := d.udp.Load()
		if _, _, err := c.TXT(t.Context(), "example.test"); !errors.Is(err, dns.ErrTemporary) {
			t.Fatalf("err = %v, want ErrTemporary", err)
		}
		if got := d.udp.Load() - before; got != want {
			t.Errorf("%d queries, want %d", got, want)
		}
	}
	zones.SetFault("example.test TXT", dnstest.NoFault)
	now = now.Add(time.Second)
	if _, _, err := c.TXT(t.Context(), "example.test"); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func TestNextServerIsAskedAndRemembered(t *testing.T) {
	broken, good := dnstest.New(world), dnstest.New(world)
	broken.SetFault("example.test", dnstest.ServFail)
	broken.SetFault("mail.example.test", dnstest.ServFail)
	c := dns.NewClient(dns.Options{Servers: []netip.AddrPort{serve(t, broken), serve(t, good)}})
	if _, _, err := c.MX(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.TXT(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	if n := broken.Lookups("example.test", "TXT"); n != 0 {
		t.Errorf("the server that failed was asked first again")
	}
}

func TestOneFamilyMayFail(t *testing.T) {
	zones := dnstest.New(world)
	zones.SetFault("mail.example.test AAAA", dnstest.ServFail)
	zones.SetFault("v4only.example.test A", dnstest.ServFail)
	c := dns.NewClient(dns.Options{Servers: []netip.AddrPort{serve(t, zones)}})
	got, _, err := c.A(t.Context(), "mail.example.test")
	if want := addrs("192.0.2.1"); err != nil || !slices.Equal(got, want) {
		t.Errorf("A = %v, %v; want %v", got, err, want)
	}
	if _, _, err := c.A(t.Context(), "v4only.example.test"); !errors.Is(err, dns.ErrTemporary) {
		t.Errorf("err = %v, want ErrTemporary", err)
	}
}

func TestSilentServer(t *testing.T) {
	zones := dnstest.New(world)
	zones.SetFault("example.test", dnstest.Timeout)
	c := dns.NewClient(dns.Options{Servers: []netip.AddrPort{serve(t, zones)}, Timeout: 20 * time.Millisecond})
	if _, _, err := c.MX(t.Context(), "example.test"); !errors.Is(err, dns.ErrTemporary) {
		t.Errorf("err = %v, want ErrTemporary", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.TXT(ctx, "example.test"); !errors.Is(err, dns.ErrTemporary) || !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want ErrTemporary by context.Canceled", err)
	}
	// The failure of a caller who gave up must not be kept for others.
	zones.SetFault("example.test", dnstest.NoFault)
	if _, _, err := c.TXT(t.Context(), "example.test"); err != nil {
		t.Errorf("after a caller gave up: %v", err)
	}
}

func TestEqualQuestionsShareAQuery(t *testing.T) {
	zones := dnstest.New(world)
	server := serve(t, zones)
	var dials atomic.Int32
	first, release := make(chan struct{}), make(chan struct{})
	c := dns.NewClient(dns.Options{
		Servers: []netip.AddrPort{server},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				close(first)
			}
			<-release
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	})
	var wg sync.WaitGroup
	ask := func() {
		if _, _, err := c.TXT(context.Background(), "example.test"); err != nil {
			t.Error(err)
		}
	}
	wg.Go(ask)
	<-first
	for range 10 {
		wg.Go(ask)
	}
	close(release)
	wg.Wait()
	if n := dials.Load(); n != 1 {
		t.Errorf("%d queries, want 1", n)
	}
}

func TestForgedAnswersArePassedOver(t *testing.T) {
	client, server := net.Pipe()
	c := dns.NewClient(dns.Options{
		Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")},
		Dial:    func(context.Context, string, string) (net.Conn, error) { return client, nil },
	})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer server.Close()
	wg.Go(func() {
		wire := make([]byte, 512)
		n, err := server.Read(wire)
		query := new(miekg.Msg)
		if err != nil || query.Unpack(wire[:n]) != nil {
			return
		}
		answer := func(target string, forge func(*miekg.Msg)) {
			m := new(miekg.Msg).SetReply(query)
			rr, _ := miekg.NewRR("example.test. 60 IN CNAME " + target)
			m.Answer = []miekg.RR{rr}
			forge(m)
			wire, _ := m.Pack()
			server.Write(wire)
		}
		answer("id.test.", func(m *miekg.Msg) { m.Id ^= 1 })
		answer("name.test.", func(m *miekg.Msg) { m.Question[0].Name = "example.net." })
		answer("type.test.", func(m *miekg.Msg) { m.Question[0].Qtype = miekg.TypeA })
		answer("query.test.", func(m *miekg.Msg) { m.Response = false })
		answer("noquestion.test.", func(m *miekg.Msg) { m.Question = nil })
		server.Write(wire[:5])
		answer("right.test.", func(*miekg.Msg) {})
	})
	target, _, err := c.CNAME(t.Context(), "example.test")
	if err != nil || target != "right.test" {
		t.Errorf("CNAME = %q, %v; want right.test", target, err)
	}
}
