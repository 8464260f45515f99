package checks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// goodZone is a world in which every check is ok.
const goodZone = `
mail.example.org. A 192.0.2.1
mail.example.org. AAAA 2001:db8::1
1.2.0.192.in-addr.arpa. PTR mail.example.org.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.example.org.
mx.big.example. A 198.51.100.1
mx.big.example. AAAA 2001:db8:2::1
mx.other.example. A 198.51.100.2
signed.example. TXT "x"
time.example. A 198.51.100.9
2.0.0.127.list.example. A 127.0.0.2
`

// world is the network around a server.
type world struct {
	zones *dnstest.Zones
	// peers say what happens at an address: they get their side of a
	// connection. Others do not answer.
	peers map[string]func(net.Conn)
}

func newWorld(zone string) *world {
	w := &world{zones: dnstest.New(zone), peers: map[string]func(net.Conn){}}
	w.zones.SetAuthentic("signed.example", true)
	for _, addr := range []string{"198.51.100.1:25", "198.51.100.2:25", "[2001:db8:2::1]:25"} {
		w.peers[addr] = says("220 mx ESMTP\r\n")
	}
	return w
}

func says(line string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, line) } }

// hears speaks after the other side did.
func hears(line string) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 4096))
		io.WriteString(c, line)
	}
}

func (w *world) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	peer, ok := w.peers[addr]
	if !ok {
		return nil, errors.New("connection timed out")
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		peer(theirs)
	}()
	return ours, nil
}

func (w *world) server() *Server {
	return &Server{
		Hostname: "mail.example.org", Addrs: func() []netip.Addr {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
		},
		Resolver: w.zones, Dial: w.dial, MXHosts: []string{"mx.big.example", "mx.other.example"}, SignedName: "signed.example",
		Blocklists: []string{"list.example"}, DataDir: "/data", Disk: func(string) (Disk, error) { return Disk{100 << 30, 50 << 30, 1000, 500}, nil },
		Queue: func(context.Context) (int, time.Time, error) { return 0, time.Time{}, nil },
	}
}

// run returns what one check finds.
func run(t *testing.T, s *Server, id string) Finding {
	t.Helper()
	for _, c := range s.Checks() {
		if c.ID == id {
			return c.Run(t.Context())
		}
	}
	t.Fatalf("there is no check %s", id)
	return Finding{}
}

func TestAllIsWell(t *testing.T) {
	s := newWorld(goodZone).server()
	list := must[[]Result](t)(New(Options{Checks: s.Checks}).Run(t.Context()))
	for _, r := range list {
		if r.State != OK || r.Saw == "" || r.Want == "" || r.Why == "" || r.Title == "" || r.Group == "" {
			t.Errorf("%+v", r)
		}
	}
	if len(list) < 11 {
		t.Errorf("only %s", states(list))
	}
}

func TestNetworkChecks(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		change   func(*world, *Server)
		state    State
		says     string
		fix      string
	}{
		{name: "port 25 of one is closed", id: "port25.v4", change: func(w *world, _ *Server) { delete(w.peers, "198.51.100.1:25") }, state: OK, says: "1 of 2"},
		{name: "port 25 is blocked", id: "port25.v4", change: func(w *world, _ *Server) { clear(w.peers) }, state: Fail, says: "blocks port 25", fix: "relay"},
		{name: "port 25 of v6 is blocked", id: "port25.v6", change: func(w *world, _ *Server) { clear(w.peers) }, state: Warn, says: "goes out over IPv4", fix: "IPv6"},
		{name: "port 25 is intercepted", id: "port25.v4", change: func(w *world, _ *Server) {
			for a := range w.peers {
				w.peers[a] = says("HTTP/1.1 400\r\n")
			}
		}, state: Fail, says: "no mail server", fix: "port 25"},
		{name: "provider is known", id: "port25.v4", change: func(w *world, _ *Server) {
			clear(w.peers)
			w.zones.Remove("1.2.0.192.in-addr.arpa")
			w.zones.Add("1.2.0.192.in-addr.arpa. PTR static.1.2.0.192.clients.your-server.de.")
		}, state: Fail, says: "blocks", fix: "Hetzner"},
		{name: "a relay is set", id: "port25.v4", change: func(w *world, s *Server) {
			clear(w.peers)
			s.RelayHost = func() string { return "relay.example:587" }
		}, state: OK, says: "relay.example"},
		{name: "only receives", id: "port25.v4", change: func(w *world, s *Server) {
			clear(w.peers)
			s.ReceiveOnly = func() bool { return true }
		}, state: OK, says: "only receives"},
		{name: "a greeting that does not come", id: "port25.v4", change: func(w *world, _ *Server) {
			for a := range w.peers {
				w.peers[a] = func(net.Conn) {}
			}
		}, state: OK, says: "2 of 2"},

		{name: "no reverse name", id: "ptr.v4", change: func(w *world, _ *Server) { w.zones.Remove("1.2.0.192.in-addr.arpa") }, state: Fail, says: "no reverse name", fix: "where you rent"},
		{name: "no reverse name of v6", id: "ptr.v6", change: func(w *world, _ *Server) {
			w.zones.Remove("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")
		}, state: Warn, says: "no reverse name", fix: "PTR"},
		{name: "reverse name of the provider", id: "ptr.v4", change: func(w *world, _ *Server) {
			w.zones.Remove("1.2.0.192.in-addr.arpa")
			w.zones.Add("1.2.0.192.in-addr.arpa. PTR h1.provider.example.\nh1.provider.example. A 192.0.2.1")
		}, state: Warn, says: "h1.provider.example", fix: "PTR"},
		{name: "reverse name that does not lead back", id: "ptr.v4", change: func(w *world, _ *Server) {
			w.zones.Remove("1.2.0.192.in-addr.arpa")
			w.zones.Add("1.2.0.192.in-addr.arpa. PTR h1.provider.example.\nh1.provider.example. A 192.0.2.99")
		}, state: Fail, says: "does not lead back", fix: "PTR"},

		{name: "short host name", id: "hostname", change: func(_ *world, s *Server) { s.Hostname = "mail" }, state: Fail, says: "not a complete name", fix: "whole name"},
		{name: "host name without address", id: "hostname", change: func(w *world, _ *Server) { w.zones.Remove("mail.example.org") }, state: Fail, says: "no address", fix: "A record"},
		{name: "host name leads elsewhere", id: "hostname", change: func(w *world, _ *Server) {
			w.zones.Remove("mail.example.org")
			w.zones.Add("mail.example.org. A 192.0.2.200")
		}, state: Fail, says: "192.0.2.200", fix: "server.addresses"},
		{name: "host name in /etc/hosts", id: "hostname", change: func(w *world, _ *Server) {
			w.zones.Remove("mail.example.org")
			w.zones.Add("mail.example.org. A 127.0.1.1")
		}, state: Warn, says: "/etc/hosts", fix: "/etc/hosts"},
		{name: "host name is the domain", id: "hostname", change: func(w *world, s *Server) {
			s.Hostname = "example.org"
			w.zones.Add("example.org. A 192.0.2.1")
			s.Domains = func() []Domain { return []Domain{{Name: "example.org"}} }
		}, state: Warn, says: "the domain itself", fix: "mail.example.org"},

		{name: "no DNSSEC", id: "dnssec", change: func(w *world, _ *Server) { w.zones.SetAuthentic("signed.example", false) }, state: Warn, says: "without the mark", fix: "unbound"},
		{name: "dead resolver", id: "resolver", change: func(w *world, _ *Server) {
			for _, n := range []string{"mx.big.example", "mx.other.example", "mail.example.org", "signed.example"} {
				w.zones.SetFault(n, dnstest.ServFail)
			}
		}, state: Fail, says: "none of 4", fix: "resolver"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(goodZone)
			s := w.server()
			tt.change(w, s)
			f := run(t, s, tt.id)
			if f.State != tt.state || !strings.Contains(f.Saw, tt.says) || !strings.Contains(f.Fix, tt.fix) || (f.State != OK && f.Fix == "") {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestBlocklists(t *testing.T) {
	const testPoint = "2.0.0.127.zen.spamhaus.org. A 127.0.0.2\n"
	const v6Point = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.zen.spamhaus.org. A 127.0.0.2\n"
	const us, us6 = "1.2.0.192.zen.spamhaus.org. A ", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org. A "
	for _, tt := range []struct {
		name, zone string
		fault      dnstest.Fault
		state      State
		says       string
	}{
		{"not listed", testPoint, 0, OK, "not on it"},
		{"listed", testPoint + us + "127.0.0.2", 0, Fail, "192.0.2.1 is on it (SBL"},
		{"listed for two reasons", testPoint + us + "127.0.0.10\n" + us + "127.0.0.4", 0, Fail, "PBL"},
		{"listed by policy", testPoint + us + "127.0.0.10", 0, Warn, "provider says"},
		{"IPv6 is listed", testPoint + v6Point + us6 + "127.0.0.3", 0, Fail, "2001:db8::1 is on it (CSS"},
		{"IPv6 of a list that has none", testPoint + us6 + "127.0.0.3", 0, OK, "not on it"},
		{"refused for a public resolver", testPoint + us + "127.255.255.254", 0, Unknown, "refuses to answer"},
		{"refused for the test point too", "*.zen.spamhaus.org. A 127.255.255.254", 0, Unknown, "refuses to answer"},
		{"too many queries", testPoint + us + "127.255.255.255", 0, Unknown, "refuses to answer"},
		{"list is dead", "x.zen.spamhaus.org. A 127.0.0.2", 0, Unknown, "own test entry"},
		{"list lists the world", "*.zen.spamhaus.org. A 127.0.0.2", 0, Unknown, "everything"},
		{"resolver makes addresses up", "*.zen.spamhaus.org. A 203.0.113.80", 0, Unknown, "everything"},
		{"answer without a meaning", testPoint + us + "203.0.113.80", 0, Unknown, "no meaning"},
		{"SERVFAIL", testPoint, dnstest.ServFail, Unknown, "no answer"},
		{"REFUSED", testPoint, dnstest.Refused, Unknown, "no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(goodZone + tt.zone)
			s := w.server()
			s.Blocklists = []string{"zen.spamhaus.org"}
			w.zones.SetFault("1.2.0.192.zen.spamhaus.org", tt.fault)
			f := run(t, s, "blocklist.zen.spamhaus.org")
			if f.State != tt.state || !strings.Contains(f.Saw, tt.says) || (f.State == Fail && f.FixLink == "") {
				t.Errorf("%+v", f)
			}
		})
	}
}

// In no way in which a resolver fails does a check other than that of the
// resolver itself raise an alarm.
func TestResolverFaultsAreNoAlarm(t *testing.T) {
	var names []string
	for line := range strings.SplitSeq(strings.TrimSpace(goodZone), "\n") {
		name := strings.Fields(line)[0]
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	names = append(names, "1.0.0.127.list.example", "1.2.0.192.list.example", "everything")
	for fault, word := range map[dnstest.Fault]string{dnstest.ServFail: "SERVFAIL", dnstest.Refused: "REFUSED", dnstest.Timeout: "timeout"} {
		for _, name := range names {
			t.Run(word+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(goodZone)
					for _, n := range names {
						if n == name || name == "everything" {
							w.zones.SetFault(n, fault)
						}
					}
					s := w.server()
					for _, r := range must[[]Result](t)(New(Options{Checks: s.Checks}).Run(t.Context())) {
						if r.State == Fail || r.State == Warn {
							if r.ID != "resolver" || name != "everything" {
								t.Errorf("%s: %s: %s", r.ID, r.State, r.Saw)
							}
						}
					}
				})
			})
		}
	}
}

func TestDisk(t *testing.T) {
	for _, tt := range []struct {
		disk          Disk
		err           error
		space, inodes State
	}{
		{Disk{100 << 30, 50 << 30, 1000, 500}, nil, OK, OK},
		{Disk{100 << 30, 9 << 30, 1000, 49}, nil, Warn, Warn},
		{Disk{5 << 30, 900 << 20, 0, 0}, nil, Warn, OK},
		{Disk{100 << 30, 1 << 30, 1000, 9}, nil, Fail, Fail},
		{Disk{1 << 30, 300 << 20, 0, 0}, nil, OK, OK}, // a small disk is no trouble by itself
		{Disk{1 << 30, 100 << 20, 0, 0}, nil, Warn, OK},
		{Disk{1 << 30, 50 << 20, 0, 0}, nil, Fail, OK},
		{Disk{}, errors.New("gone"), Unknown, Unknown},
	} {
		s := newWorld(goodZone).server()
		s.Disk = func(string) (Disk, error) { return tt.disk, tt.err }
		if a, b := run(t, s, "disk"), run(t, s, "inodes"); a.State != tt.space || b.State != tt.inodes {
			t.Errorf("%+v: %+v, %+v", tt.disk, a, b)
		}
	}
	if d, err := Statfs(t.TempDir()); err != nil || d.Total <= 0 || d.Free > d.Total {
		t.Errorf("Statfs: %+v, %v", d, err)
	}
}

func TestQueueAndErrors(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	s := newWorld(goodZone).server()
	s.Now = func() time.Time { return now }
	for _, tt := range []struct {
		n     int
		age   time.Duration
		err   error
		state State
	}{
		{0, 0, nil, OK}, {5, time.Hour, nil, OK}, {5, 5 * time.Hour, nil, Warn}, {1, 72 * time.Hour, nil, Fail}, {0, 0, errors.New("x"), Unknown},
	} {
		s.Queue = func(context.Context) (int, time.Time, error) { return tt.n, now.Add(-tt.age), tt.err }
		if f := run(t, s, "queue"); f.State != tt.state {
			t.Errorf("%+v: %+v", tt, f)
		}
	}
	s.LastErrors = func() (int, string, time.Time) { return 0, "", now }
	if f := run(t, s, "errors"); f.State != OK {
		t.Errorf("no error: %+v", f)
	}
	s.LastErrors = func() (int, string, time.Time) { return 3, "certificate", now }
	if f := run(t, s, "errors"); f.State != Warn || !strings.Contains(f.Saw, "3 errors") {
		t.Errorf("errors: %+v", f)
	}
}

func TestFilters(t *testing.T) {
	s := newWorld(goodZone).server()
	var list []Filter
	s.Filters = func() []Filter { return list }
	for _, c := range s.Checks() {
		if c.ID == "filters" {
			t.Error("there is a check without a filter")
		}
	}
	up := func(context.Context) error { return nil }
	down := func(context.Context) error { return errors.New("connection refused") }
	silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, tt := range []struct {
		name  string
		list  []Filter
		state State
		says  string
	}{
		{"all answer", []Filter{{"ClamAV at a:1", true, up}, {"rspamd at b:2", false, up}}, OK, "ClamAV at a:1, rspamd at b:2"},
		{"one that is skipped is down", []Filter{{"ClamAV at a:1", true, up}, {"rspamd at b:2", false, down}}, Warn,
			"rspamd at b:2 does not answer, and mail goes on without it: connection refused"},
		{"one that is needed says nothing", []Filter{{"ClamAV at a:1", true, silent}, {"rspamd at b:2", false, down}}, Fail,
			"ClamAV at a:1 does not answer, and mail from outside is put off: context deadline exceeded; rspamd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list = tt.list
			synctest.Test(t, func(t *testing.T) {
				if f := run(t, s, "filters"); f.State != tt.state || !strings.Contains(f.Saw, tt.says) || (f.Fix == "") != (tt.state == OK) {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}

func TestDomainCheck(t *testing.T) {
	report := func(rec ...dnsadvice.Record) func(context.Context) (dnsadvice.Report, error) {
		return func(context.Context) (dnsadvice.Report, error) {
			r := dnsadvice.Report{Text: "as told", Groups: []dnsadvice.GroupView{{Records: rec}}}
			for _, rec := range rec {
				if rec.State == dnsadvice.OK {
					r.Summary.Right++
				}
			}
			return r, nil
		}
	}
	fine := dnsadvice.Record{ID: "mx", Group: dnsadvice.Receive, State: dnsadvice.OK}
	for name, tt := range map[string]struct {
		check func(context.Context) (dnsadvice.Report, error)
		want  State
	}{
		"right":          {report(fine), OK},
		"MX is missing":  {report(dnsadvice.Record{ID: "mx", Group: dnsadvice.Receive, State: dnsadvice.Missing}), Fail},
		"no DMARC":       {report(fine, dnsadvice.Record{ID: "dmarc", Group: dnsadvice.Send, State: dnsadvice.Missing}), Warn},
		"optional":       {report(fine, dnsadvice.Record{ID: "srv", Group: dnsadvice.Clients, State: dnsadvice.Missing, Optional: true}), OK},
		"optional wrong": {report(fine, dnsadvice.Record{ID: "srv", Group: dnsadvice.Clients, State: dnsadvice.Wrong, Optional: true}), Warn},
		"unknown":        {report(dnsadvice.Record{ID: "mx", State: dnsadvice.Unknown}), Unknown},
		"error":          {func(context.Context) (dnsadvice.Report, error) { return dnsadvice.Report{}, errors.New("x") }, Unknown},
	} {
		if f := domainCheck(Domain{"example.org", tt.check}).Run(t.Context()); f.State != tt.want {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// pair is a certificate for a name with the pool that trusts it.
func pair(t *testing.T, name string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: until.Add(-90 * day), NotAfter: until, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// shakes speaks TLS, and then HTTP with a date if one is given.
func shakes(cert tls.Certificate, date time.Time) func(net.Conn) {
	return func(c net.Conn) {
		tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		if tc.Handshake() != nil || date.IsZero() {
			return
		}
		tc.Read(make([]byte, 4096))
		fmt.Fprintf(tc, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 0\r\n\r\n", date.UTC().Format(time.RFC1123[:26]+"GMT"))
	}
}

func TestCertificate(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	good, pool := pair(t, "mail.example.org", now.Add(60*day))
	other, otherPool := pair(t, "www.example.org", now.Add(60*day))
	old, oldPool := pair(t, "mail.example.org", now.Add(-day))
	st := certs.Status{Name: "mail.example.org", Source: "acme", NotAfter: now.Add(60 * day)}
	with := func(change func(*certs.Status)) certs.Status { s := st; change(&s); return s }
	for _, tt := range []struct {
		name   string
		status certs.Status
		shown  tls.Certificate
		roots  *x509.CertPool
		state  State
		says   string
	}{
		{"good", st, good, pool, OK, "60 days"},
		{"not trusted", st, good, otherPool, Fail, "no authority"},
		{"of another name", st, other, otherPool, Fail, "another name"},
		{"what is shown has ended", st, old, oldPool, Fail, "has ended"},
		{"self-signed", with(func(s *certs.Status) { s.Source = "self-signed" }), good, pool, Warn, "nobody else trusts"},
		{"ordered", with(func(s *certs.Status) { s.NotAfter = time.Time{} }), good, pool, Warn, "ordered"},
		{"not to be had", with(func(s *certs.Status) { s.NotAfter, s.Problem = time.Time{}, "rate limit" }), good, pool, Fail, "rate limit"},
		{"renewal fails", with(func(s *certs.Status) { s.NotAfter, s.Problem = now.Add(10*day), "no answer" }), good, pool, Warn, "10 days"},
		{"renewal is due", with(func(s *certs.Status) { s.NotAfter = now.Add(10 * day) }), good, pool, OK, "10 days"},
		{"files are old", with(func(s *certs.Status) { s.NotAfter, s.Source = now.Add(10*day), "files" }), good, pool, Warn, "10 days"},
		{"about to end", with(func(s *certs.Status) { s.NotAfter = now.Add(time.Hour) }), good, pool, Fail, "1 hours"},
		{"has ended", with(func(s *certs.Status) { s.NotAfter = now.Add(-time.Hour) }), good, pool, Fail, "ended on"},
		{"of another host", with(func(s *certs.Status) { s.Name = "x.example" }), good, pool, Unknown, "no certificate is known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(goodZone)
			w.peers["127.0.0.1:993"] = shakes(tt.shown, time.Time{})
			s := w.server()
			s.Now, s.Roots = func() time.Time { return now }, tt.roots
			s.Ports = []Port{{Name: "imaps", Number: 993, TLS: true}}
			s.Certificates = func() []certs.Status { return []certs.Status{tt.status} }
			if f := run(t, s, "certificate"); f.State != tt.state || !strings.Contains(f.Saw, tt.says) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestOtherCertificates(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	host := certs.Status{Name: "mail.example.org", Source: "acme", NotAfter: now.Add(-day)} // has a check of its own
	good := certs.Status{Name: "mail.a.example", Source: "acme", NotAfter: now.Add(60 * day), Optional: true}
	away := certs.Status{Name: "mta-sts.a.example", Source: "acme", State: certs.StateAway, Optional: true}
	ordered := certs.Status{Name: "mail.b.example", Source: "acme", Optional: true}
	failing := certs.Status{Name: "mail.c.example", Source: "acme", Optional: true, Problem: "rate limit", Advice: "Wait."}
	old := certs.Status{Name: "mail.d.example", Source: "acme", NotAfter: now.Add(-day), Optional: true}
	for _, tt := range []struct {
		name      string
		list      []certs.Status
		state     State
		says, fix string
	}{
		{"good, on their way, or elsewhere", []certs.Status{host, good, away, ordered}, OK, "all are good", ""},
		{"one not to be had", []certs.Status{host, good, failing}, Warn, "mail.c.example: there is none yet: rate limit", "Wait."},
		{"one has ended", []certs.Status{host, failing, old}, Fail, "mail.d.example: it ended on 31 October 2026; 2 names are not right: mail.c.example, mail.d.example", "renewed by itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newWorld(goodZone).server()
			s.Now, s.Certificates = func() time.Time { return now }, func() []certs.Status { return tt.list }
			f := run(t, s, "certificates")
			if f.State != tt.state || f.Saw != tt.says || !strings.Contains(f.Fix, tt.fix) || (f.FixLink == "") != (tt.state == OK) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	cert, _ := pair(t, "time.example", now.Add(day))
	for _, tt := range []struct {
		name  string
		peer  func(net.Conn)
		state State
	}{
		{"right", shakes(cert, now.Add(2*time.Second)), OK},
		{"a minute late", shakes(cert, now.Add(time.Minute)), Warn},
		{"an hour early", shakes(cert, now.Add(-time.Hour)), Fail},
		{"no TLS", hears("HTTP/1.1 400\r\n\r\n"), Unknown},
		{"no date", func(c net.Conn) {
			tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			tc.Read(make([]byte, 4096))
			io.WriteString(tc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}, Unknown},
		{"offline", nil, Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(goodZone)
			if tt.peer != nil {
				w.peers["198.51.100.9:443"] = tt.peer
			}
			s := w.server()
			s.Now, s.TimeHost = func() time.Time { return now }, "time.example"
			if f := run(t, s, "clock"); f.State != tt.state {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestPorts(t *testing.T) {
	cert, _ := pair(t, "mail.example.org", time.Now().Add(day))
	for _, tt := range []struct {
		name          string
		port          Port
		local, public func(net.Conn)
		state         State
	}{
		{"both", Port{Name: "smtp", Number: 25, Greets: "220"}, says("220 hello\r\n"), says("220 hello\r\n"), OK},
		{"not from outside", Port{Name: "smtp", Number: 25, Greets: "220"}, says("220 hello\r\n"), nil, Unknown},
		{"closed", Port{Name: "smtp", Number: 25, Greets: "220"}, nil, nil, Fail},
		{"something else", Port{Name: "smtp", Number: 25, Greets: "220"}, says("SSH-2.0\r\n"), nil, Fail},
		{"TLS", Port{Name: "imaps", Number: 993, TLS: true}, shakes(cert, time.Time{}), shakes(cert, time.Time{}), OK},
		{"no TLS", Port{Name: "imaps", Number: 993, TLS: true}, hears("* OK\r\n"), nil, Fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(goodZone)
			number := fmt.Sprint(tt.port.Number)
			if tt.local != nil {
				w.peers["127.0.0.1:"+number] = tt.local
			}
			if tt.public != nil {
				w.peers["192.0.2.1:"+number] = tt.public
			}
			s := w.server()
			s.Ports = []Port{tt.port}
			if f := run(t, s, "port."+tt.port.Name); f.State != tt.state {
				t.Errorf("%+v", f)
			}
		})
	}
}
