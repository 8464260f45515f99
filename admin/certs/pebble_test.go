package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/mailstead/mailstead/admin/dnsprovider"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// wait bounds what a test waits for.
const wait = 30 * time.Second

// TestMain sets what pebble reads: challenges are looked at without a pause,
// and no nonce is refused for the sake of practice. As a hook it is not tests
// that run.
func TestMain(m *testing.M) {
	if server := os.Getenv(hookServer); server != "" {
		os.Exit(runHook(server, os.Args[1:]))
	}
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	os.Setenv("PEBBLE_AUTHZREUSE", "0")
	os.Exit(m.Run())
}

// host is a server with ports 80 and 443, as a CA finds it.
type host struct {
	http, tls net.Listener
	manager   atomic.Pointer[Manager]

	mu     sync.Mutex
	proofs []string // challenges that were answered
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{}
	for _, l := range []*net.Listener{&h.http, &h.tls} {
		var err error
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.note("http")
		h.manager.Load().HTTPHandler(http.NotFoundHandler()).ServeHTTP(w, r)
	})}
	var group sync.WaitGroup
	group.Go(func() { web.Serve(h.http) })
	group.Go(func() {
		for {
			c, err := h.tls.Accept()
			if err != nil {
				return
			}
			h.note("tls-alpn")
			group.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(wait))
				tls.Server(c, h.manager.Load().TLSConfig("h2", ALPN)).Handshake()
			})
		}
	})
	t.Cleanup(func() {
		web.Close()
		h.tls.Close()
		group.Wait()
	})
	return h
}

func (h *host) note(kind string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.proofs = append(h.proofs, kind)
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// pebble is a CA in this process. Its servers' certificates are verified with
// the file roots.
type pebble struct {
	directory, roots string
	refuses          atomic.Bool  // every request, with an internal error
	requests         atomic.Int64 // that came
	// held gets each order to finalize, which is not answered before the client
	// is gone; nil: none is held.
	held atomic.Pointer[chan struct{}]
}

// startPebble runs a CA that finds names by resolver on the ports of h. Its
// certificates live for life.
func startPebble(t *testing.T, h *host, resolver string, life time.Duration) *pebble {
	t.Helper()
	return startBoundPebble(t, h, resolver, life, nil)
}

// startBoundPebble runs a CA that makes accounts only for those who have one of
// the keys (RFC 8555 section 7.3.4). keys are by their ID; without any, all may
// come.
func startBoundPebble(t *testing.T, h *host, resolver string, life time.Duration, keys map[string]string) *pebble {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "test", ValidityPeriod: uint64(life / time.Second)}})
	validator := va.New(quiet, port(h.http), port(h.tls), false, resolver, store)
	for id, key := range keys {
		if err := store.AddExternalAccountKeyByID(id, key); err != nil {
			t.Fatal(err)
		}
	}
	front := wfe.New(quiet, store, validator, authority, []string{"pebble.test"}, false, len(keys) > 0, 1, 1)
	p := &pebble{}
	handler := front.Handler()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		if held := p.held.Load(); held != nil && strings.HasPrefix(r.URL.Path, "/finalize-order/") {
			*held <- struct{}{}
			io.Copy(io.Discard, r.Body) // a server sees that a client goes only when it has read all
			<-r.Context().Done()
			return
		}
		if p.refuses.Load() {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, `{"type":"urn:ietf:params:acme:error:serverInternal","detail":"out of paper"}`)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.directory, p.roots = server.URL+wfe.DirectoryPath, filepath.Join(t.TempDir(), "roots.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(p.roots, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// serveZones answers for zones until the test ends.
func serveZones(t *testing.T, zones *dnstest.Zones) string {
	t.Helper()
	addr, stop, err := zones.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return addr
}

// world is a server, a CA and a DNS. Its host name is that of the test:
// certmagic keeps the challenges of one process in one place.
type world struct {
	name     string
	zones    *dnstest.Zones
	resolver string
	host     *host
	ca       *pebble
	opts     Options
}

func newWorld(t *testing.T, life time.Duration) *world {
	t.Helper()
	w := &world{name: strings.NewReplacer("/", "-").Replace(strings.ToLower(t.Name())) + ".host.test", host: newHost(t)}
	w.zones = dnstest.New(w.name + ". IN A 127.0.0.1\n")
	w.resolver = serveZones(t, w.zones)
	w.ca = startPebble(t, w.host, w.resolver, life)
	w.opts = Options{Dir: t.TempDir(), Hostname: mail.Domain(w.name), Mode: ACME, ACME: ACMEOptions{
		CAs: []string{w.ca.directory}, CARoot: w.ca.roots, Email: "me@host.test", Agree: true, HTTPPort: port(w.host.http), TLSPort: port(w.host.tls),
	}}
	return w
}

// newWorldOfZones is a world whose names can be written into the DNS with a
// signed update, as those below host.test.
func newWorldOfZones(t *testing.T) (w *world, zones *dnstest.Zones, server string) {
	t.Helper()
	w = newWorld(t, 24*time.Hour)
	zones = dnstest.New("host.test. IN NS ns1.dns.test.\nns1.dns.test. IN A 192.0.2.53\n" + w.name + ". IN A 127.0.0.1\n")
	zones.AllowUpdates("host.test", "update-key", "c2VjcmV0")
	server = serveZones(t, zones)
	w.ca = startPebble(t, w.host, server, 24*time.Hour)
	return w, zones, server
}

// certified is a world with a manager that has its certificate.
func certified(t *testing.T) (*world, *Manager) {
	t.Helper()
	w := newWorld(t, month)
	m := w.run(t)
	until(t, m, w.name, good)
	return w, m
}

// stem is what the names of the files of the world's certificate begin with.
func (w *world) stem(m *Manager) string {
	return "acme/" + strings.TrimSuffix(certmagic.StorageKeys.SiteCert(m.acme.configs[0][hostKey].Issuers[0].IssuerKey(), w.name), partCert)
}

// run starts a manager and ends it with the test.
func (w *world) run(t *testing.T) *Manager {
	t.Helper()
	m, err := New(w.opts)
	if err != nil {
		t.Fatal(err)
	}
	w.host.manager.Store(m)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return m
}

// until waits for the status of a name.
func until(t *testing.T, m *Manager, name string, is func(Status) bool) Status {
	t.Helper()
	var last Status
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, s := range m.Status() {
			if s.Name == name {
				last = s
				if is(s) {
					return s
				}
			}
		}
	}
	t.Fatalf("%s stays: %+v", name, last)
	return last
}

func good(s Status) bool { return s.State == StateGood }

func TestWebChallenges(t *testing.T) {
	t.Parallel()
	for _, kind := range []Challenge{ChallengeHTTP, ChallengeTLS} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 24*time.Hour)
			w.opts.ACME.Challenge = kind
			m := w.run(t)
			s := until(t, m, w.name, good)
			if s.Problem != "" || !strings.Contains(s.Issuer, "Pebble") || s.Renew.Sub(s.NotAfter) > -7*time.Hour || s.Optional {
				t.Errorf("status = %+v", s)
			}
			if again := newProofs(filepath.Join(w.opts.Dir, "acme")).of(w.name); s.Challenge != string(kind)+"-01" || again != s.Challenge {
				t.Errorf("proven by %q, after a restart %q", s.Challenge, again)
			}
			w.host.mu.Lock()
			proofs := slices.Compact(slices.Clone(w.host.proofs))
			w.host.mu.Unlock()
			if !slices.Equal(proofs, []string{string(kind)}) {
				t.Errorf("proven by %q, want %q alone", proofs, kind)
			}
			for _, name := range []string{"", w.name, "wrong.example"} {
				if c := shownOn(t, w.host.tls, name); c.VerifyHostname(w.name) != nil || !strings.Contains(c.Issuer.CommonName, "Pebble") {
					t.Errorf("for server name %q: %s of %s", name, c.DNSNames, c.Issuer)
				}
			}
			if c, err := m.Signer(); err != nil || c.Leaf.VerifyHostname(w.name) != nil {
				t.Errorf("Signer = %v, %v", c, err)
			}
		})
	}
}

// TestKeys follows the key of the host name through renewals.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 24*time.Hour)
	m := w.run(t)
	if _, ok := m.TLSA(); ok {
		t.Error("keys are offered for publication before there is a certificate")
	}
	until(t, m, w.name, good)
	first := shownOn(t, w.host.tls, "")
	before, ok := m.TLSA()
	if !ok || before.Shown != before.Current || before.Next == before.Current || len(before.Next) != 64 {
		t.Errorf("digests = %+v, %v", before, ok)
	}
	if s, err := m.Renew(t.Context(), Renewal{Name: w.name}); err != nil || s.State != StateGood || !shownOn(t, w.host.tls, "").Equal(first) {
		t.Errorf("a good certificate was renewed without force: %+v, %v", s, err)
	}
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, Force: true}); err != nil {
		t.Fatal(err)
	}
	second := shownOn(t, w.host.tls, "")
	if after, _ := m.TLSA(); second.Equal(first) || !reflect.DeepEqual(after, before) {
		t.Errorf("renewed: new certificate %v, digests %+v, before %+v", !second.Equal(first), after, before)
	}
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, NewKey: true}); err != nil {
		t.Fatal(err)
	}
	if after, _ := m.TLSA(); after.Shown != before.Next || after.Current != before.Next || after.Next == before.Next || after.Next == before.Current || after.Retired != nil {
		t.Errorf("after the change of keys: %+v, before %+v", after, before)
	}
	if _, err := m.Renew(t.Context(), Renewal{Name: "x.example"}); err == nil || !strings.Contains(err.Error(), "no such name") {
		t.Errorf("a name of others: %v", err)
	}
	// All of it is there after a restart.
	again, err := New(w.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer again.acme.cache.Stop()
	again.pass(t.Context())
	want, _ := m.TLSA()
	if got, ok := again.TLSA(); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("after a restart: %+v, want %+v", got, want)
	}
}

// TestRenewal sees a certificate replaced before its end, without anybody
// asking.
func TestRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 9*time.Second)
	w.opts.ACME.renewCheck = 200 * time.Millisecond
	m := w.run(t)
	until(t, m, w.name, func(s Status) bool { return !s.NotAfter.IsZero() })
	first := m.acme.find(w.name).Leaf.SerialNumber
	until(t, m, w.name, func(Status) bool { return m.acme.find(w.name).Leaf.SerialNumber.Cmp(first) != 0 })
}

// TestWebWithoutName sees what browsers get that come by address, or through a
// tunnel, before and after the first certificate of a CA.
func TestWebWithoutName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 24*time.Hour)
	var firstRun atomic.Bool
	firstRun.Store(true)
	w.opts.FirstRun = firstRun.Load
	m := w.run(t)
	web := func(name string) *x509.Certificate { return shownBy(t, m.WebConfig(), name) }
	until(t, m, w.name, good)
	ofHost := m.acme.find(w.name).Leaf
	first := web("")
	if first.Equal(ofHost) || !web("localhost").Equal(first) || !web(w.name).Equal(ofHost) {
		t.Error("in the first run: a browser that came by address is asked again, or one that came by name is shown the wrong one")
	}
	firstRun.Store(false)
	for _, name := range []string{"", w.name, "wrong.example"} {
		if !web(name).Equal(ofHost) {
			t.Errorf("for server name %q after the first run: not the certificate of the host name", name)
		}
	}
	if !web("localhost").Equal(first) {
		t.Error("through a tunnel after the first run: not that of localhost")
	}
}

// TestAuthorityFails has the next CA asked when one does not answer.
func TestAuthorityFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 24*time.Hour)
	second := startPebble(t, w.host, w.resolver, 24*time.Hour)
	both := filepath.Join(t.TempDir(), "both.pem")
	var pems []byte
	for _, f := range []string{w.ca.roots, second.roots} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		pems = append(pems, b...)
	}
	if err := os.WriteFile(both, pems, 0o600); err != nil {
		t.Fatal(err)
	}
	w.ca.refuses.Store(true)
	w.opts.ACME.CARoot, w.opts.ACME.CAs = both, []string{w.ca.directory, second.directory}
	m := w.run(t)
	s := until(t, m, w.name, good)
	if !strings.Contains(s.Problem, "out of paper") || !strings.Contains(s.Advice, "problem of its own") {
		t.Errorf("the failure of the first is not told: %+v", s)
	}
	held := m.acme.find(w.name).Leaf
	// Neither answers: what there is stays.
	second.refuses.Store(true)
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, Force: true}); err == nil || !strings.Contains(err.Error(), "problem of its own") {
		t.Errorf("with no CA: %v", err)
	}
	if !shownOn(t, w.host.tls, "").Equal(held) {
		t.Error("a failed renewal took the certificate away")
	}
	// The first one is back.
	w.ca.refuses.Store(false)
	if _, err := m.Renew(t.Context(), Renewal{Name: w.name, Force: true}); err != nil {
		t.Error(err)
	}
	if shownOn(t, w.host.tls, "").Equal(held) {
		t.Error("it was not renewed")
	}
}

// TestHostedNames has names of domains come and go while the server runs.
func TestHostedNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 24*time.Hour)
	var domains atomic.Pointer[[]mail.Domain]
	domains.Store(&[]mail.Domain{})
	w.opts.Domains = func() []mail.Domain { return *domains.Load() }
	w.opts.Hosts = func(d mail.Domain) bool { return slices.Contains(*domains.Load(), d) }
	w.opts.LeadsHere = func(ctx context.Context, name string) (bool, error) {
		addrs, _, err := w.zones.A(ctx, name)
		return len(addrs) > 0, ignoreNotFound(err)
	}
	m := w.run(t)
	until(t, m, w.name, good)
	if m.Wanted("mail.new.test") || m.Wanted("mx.new.test") || !m.Wanted(w.name) {
		t.Error("the decision is wrong before the domain is there")
	}
	if err := w.zones.Add("mail.new.test. IN A 127.0.0.1\nautodiscover.new.test. IN A 127.0.0.1\nmta-sts.new.test. IN A 127.0.0.1\n"); err != nil {
		t.Fatal(err)
	}
	domains.Store(&[]mail.Domain{"new.test"})
	// Somebody asks for the name: it is looked at soon, and until then the
	// host's certificate is shown.
	for _, name := range []string{"autodiscover.new.test", "mta-sts.new.test"} {
		if c := shownOn(t, w.host.tls, name); c.VerifyHostname(w.name) != nil && c.VerifyHostname(name) != nil {
			t.Errorf("%s before its first certificate: %v", name, c.DNSNames)
		}
	}
	for _, name := range []string{"mail.new.test", "autodiscover.new.test", "mta-sts.new.test"} {
		if s := until(t, m, name, good); !s.Optional {
			t.Errorf("status = %+v", s)
		}
		if c := shownOn(t, w.host.tls, name); c.VerifyHostname(name) != nil {
			t.Errorf("%s is shown for %s", c.DNSNames, name)
		}
	}
	if s := until(t, m, "autoconfig.new.test", func(s Status) bool { return s.State == StateAway }); !strings.Contains(s.String(), "does not lead here") {
		t.Error(s)
	}
	if m.Wanted("www.new.test") || m.Wanted("mail.other.test") {
		t.Error("names that nobody wants are ordered")
	}
	domains.Store(&[]mail.Domain{})
	m.pass(t.Context())
	if c := shownOn(t, w.host.tls, "mail.new.test"); c.VerifyHostname("mail.new.test") == nil {
		t.Error("the certificate of a domain that is gone is shown")
	}
}

// TestDNSChallenge proves a name by a record that is written with a dynamic
// update. Nobody listens on ports 80 and 443.
func TestDNSChallenge(t *testing.T) {
	t.Parallel()
	w, zones, server := newWorldOfZones(t)
	var secret atomic.Pointer[dnsprovider.Secret]
	wrong, right := dnsprovider.Secret("d3Jvbmc="), dnsprovider.Secret("c2VjcmV0")
	secret.Store(&wrong)
	provider := &dnsprovider.Zones{
		Authority: dns.NewAuthority(dns.AuthorityOptions{Finder: zones, Dial: zones.Dial}),
		Specs: func() map[string]dnsprovider.Spec {
			return map[string]dnsprovider.Spec{"host.test": {Kind: dnsprovider.RFC2136, Server: server, Login: "update-key", Secret: *secret.Load()}}
		},
	}
	w.opts.ACME.CAs, w.opts.ACME.CARoot, w.opts.ACME.Challenge, w.opts.ACME.DNS = []string{w.ca.directory}, w.ca.roots, ChallengeDNS, provider
	w.host.http.Close()
	w.host.tls.Close()
	m := w.run(t)
	s := until(t, m, w.name, func(s Status) bool { return s.State == StateFailing })
	if !strings.Contains(s.Problem, "TSIG key") || !strings.Contains(s.Advice, "dns-provider list") {
		t.Errorf("with a wrong key: %+v", s)
	}
	secret.Store(&right)
	if s, err := m.Renew(t.Context(), Renewal{Name: w.name}); err != nil || s.State != StateGood || s.Challenge != "dns-01" {
		t.Fatalf("with the right key: %+v, %v", s, err)
	}
	if texts, _, err := zones.TXT(t.Context(), "_acme-challenge."+w.name); err == nil {
		t.Errorf("the record is left behind: %q", texts)
	}
	if n := zones.Lookups("_acme-challenge."+w.name, "TXT"); n == 0 {
		t.Error("nobody looked for the record")
	}
}

func ignoreNotFound(err error) error {
	if err != nil && strings.Contains(err.Error(), "no such name") {
		return nil
	}
	return err
}

// shownOn returns the certificate a client gets over a real connection.
func shownOn(t *testing.T, l net.Listener, serverName string) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: serverName, InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("handshake for %q: %v", serverName, err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}
