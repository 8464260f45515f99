package outbound

import (
	"bufio"
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
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/queue"
)

// mx is a mail server at one address. Its zero value takes everything.
type mx struct {
	greeting string   // "220 ok" if empty
	ext      []string // of EHLO
	tls      bool     // STARTTLS is offered
	badTLS   bool     // and does not work
	implicit bool     // TLS from the first octet
	ehlo     string   // reply to EHLO, if it is not to be taken
	rcpt     func(n int, to string) string
	final    string        // reply to the message; "CLOSE" hangs up
	hang     bool          // says nothing at all
	idle     time.Duration // hangs up when nothing is said for so long
	auth     string        // the only AUTH PLAIN that is good

	mu       sync.Mutex
	sessions int
	open     int
	maxOpen  int
	said     []string // commands of all sessions
	messages []string // "from to,to tls: body"
}

func (m *mx) received() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

func (m *mx) serve(conn net.Conn) {
	defer conn.Close()
	m.mu.Lock()
	m.sessions++
	m.open++
	m.maxOpen = max(m.maxOpen, m.open)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.open--
		m.mu.Unlock()
	}()
	if m.hang {
		io.Copy(io.Discard, conn)
		return
	}
	s := &mxSession{mx: m}
	s.use(conn)
	if m.implicit && !s.startTLS() {
		return
	}
	if m.greeting == "" {
		s.say("220 ok")
	} else {
		s.say(m.greeting)
	}
	for s.command() {
	}
}

// mxSession is one session of an mx.
type mxSession struct {
	*mx
	conn   net.Conn
	r      *bufio.Reader
	secure bool
	from   string
	to     []string
}

func (s *mxSession) use(conn net.Conn) { s.conn, s.r = conn, bufio.NewReader(conn) }

func (s *mxSession) say(line string) { io.WriteString(s.conn, line+"\r\n") }

func (s *mxSession) startTLS() bool {
	conn := tls.Server(s.conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err := conn.Handshake(); err != nil {
		return false
	}
	s.secure = true
	s.use(conn)
	return true
}

func (s *mxSession) command() bool {
	if s.idle > 0 {
		s.conn.SetReadDeadline(time.Now().Add(s.idle))
	}
	line, err := s.r.ReadString('\n')
	if err != nil {
		return false
	}
	line = strings.TrimSpace(line)
	verb, _, _ := strings.Cut(line, " ")
	s.mu.Lock()
	s.said = append(s.said, verb)
	s.mu.Unlock()
	switch verb {
	case "EHLO":
		s.hello()
	case "STARTTLS":
		s.say("220 go")
		if s.badTLS {
			s.conn.Close()
			return false
		}
		return s.startTLS()
	case "AUTH":
		if line == "AUTH PLAIN "+s.auth {
			s.say("235 ok")
		} else {
			s.say("535 5.7.8 wrong")
		}
	case "MAIL":
		s.from, s.to = between(line), nil
		s.say("250 ok")
	case "RCPT":
		reply := "250 ok"
		if s.rcpt != nil {
			reply = s.rcpt(len(s.to), between(line))
		}
		if strings.HasPrefix(reply, "250") {
			s.to = append(s.to, between(line))
		}
		s.say(reply)
		return !strings.HasPrefix(reply, "421")
	case "DATA":
		return s.data()
	case "QUIT":
		s.say("221 bye")
		return false
	default:
		s.say("250 ok")
	}
	return true
}

func (s *mxSession) hello() {
	if s.mx.ehlo != "" {
		s.say(s.mx.ehlo)
		return
	}
	ext := slices.Clone(s.ext)
	if s.tls && !s.secure {
		ext = append(ext, "STARTTLS")
	}
	for _, e := range append([]string{"mx"}, ext...) {
		s.say("250-" + e)
	}
	s.say("250 HELP")
}

func (s *mxSession) data() bool {
	if len(s.to) == 0 {
		s.say("554 nobody")
		return true
	}
	s.say("354 go")
	var body strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		body.WriteString(line)
	}
	how := "plain"
	if s.secure {
		how = "tls"
	}
	s.mu.Lock()
	s.messages = append(s.messages, fmt.Sprintf("%s %s %s: %s", s.from, strings.Join(s.to, ","), how, body.String()))
	s.mu.Unlock()
	switch s.final {
	case "CLOSE":
		return false
	case "":
		s.say("250 2.0.0 queued")
	default:
		s.say(s.final)
	}
	return true
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

// certificate is for mx.example.net and valid in the years of synctest.
var certificate = func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mx.example.net"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}()

// world is the network: servers by address and port.
type world struct {
	t     *testing.T
	zones *dnstest.Zones
	mxs   map[string]*mx
	wg    sync.WaitGroup

	mu     sync.Mutex
	dialed []string
}

func newWorld(t *testing.T, zone string, mxs map[string]*mx) *world {
	return &world{t: t, zones: dnstest.New(zone), mxs: mxs}
}

func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	w.dialed = append(w.dialed, addr)
	m := w.mxs[addr]
	w.mu.Unlock()
	if m == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
	}
	here, there := net.Pipe()
	w.wg.Go(func() { m.serve(there) })
	return here, nil
}

// transport is one that ends with the test.
func (w *world) transport(o Options) *Transport {
	o.Hostname, o.Resolver, o.Dial = "me.example.org", w.zones, w.dial
	if o.Shuffle == nil {
		o.Shuffle = func(int, func(i, j int)) {}
	}
	o.Roots = x509.NewCertPool()
	o.Roots.AddCert(certificate.Leaf)
	tr := New(o)
	w.t.Cleanup(func() {
		tr.Close()
		w.wg.Wait()
		if len(tr.pool.hosts) != 0 {
			w.t.Errorf("pool keeps %v", tr.pool.hosts)
		}
	})
	return tr
}

type bodyText struct{ *strings.Reader }

func (bodyText) Close() error { return nil }

func deliveryTo(to ...string) *queue.Delivery {
	d := &queue.Delivery{ID: "0123456789abcdef", Attempt: 1, Open: func(context.Context) (store.Body, error) {
		return bodyText{strings.NewReader("Subject: hi\r\n\r\n")}, nil
	}}
	d.Envelope.ReversePath = mail.Path{Local: "ana", Domain: "example.org"}
	for _, s := range to {
		p, err := mail.ParsePath("<" + s + ">")
		if err != nil {
			panic(err)
		}
		d.Domain = p.Domain
		d.Envelope.Recipients = append(d.Envelope.Recipients, mail.Recipient{Path: p})
	}
	return d
}

// summary is a result in one line.
func summary(r queue.Result) string {
	s := "ok"
	if r.Err != nil {
		var e *mail.Error
		if !errors.As(r.Err, &e) {
			return "no *mail.Error: " + r.Err.Error()
		}
		s = e.Status.String() + " " + e.Text
	}
	if r.RemoteName != "" {
		s += " @" + r.RemoteName
	}
	if r.Reply != "" {
		s += " [" + r.Reply + "]"
	}
	if r.TLS != "" {
		s += " " + r.TLS[strings.LastIndexByte(r.TLS, ' ')+1:]
	}
	return s
}

const oneMX = "example.net. MX 10 mx.example.net.\nmx.example.net. A 192.0.2.1\n"

// Where mail goes, and what is said when it does not.
func TestDeliver(t *testing.T) {
	two := oneMX + "example.net. MX 20 mx2.example.net.\nmx2.example.net. A 192.0.2.2\n"
	same := "example.net. MX 10 mx2.example.net.\nmx2.example.net. A 192.0.2.2\n" + oneMX
	for _, tt := range []struct {
		name   string
		zone   string
		mxs    map[string]*mx
		opts   Options
		domain string
		dialed string
		want   string
	}{
		{name: "MX", zone: oneMX, mxs: map[string]*mx{"192.0.2.1:25": {}},
			dialed: "192.0.2.1:25", want: "ok @mx.example.net [250 2.0.0 queued]"},
		{name: "implicit MX", zone: "example.net. A 192.0.2.1\n", mxs: map[string]*mx{"192.0.2.1:25": {}},
			dialed: "192.0.2.1:25", want: "ok @example.net [250 2.0.0 queued]"},
		{name: "v6 first", zone: oneMX + "mx.example.net. AAAA 2001:db8::1\n", mxs: map[string]*mx{"192.0.2.1:25": {}},
			dialed: "[2001:db8::1]:25 192.0.2.1:25", want: "ok @mx.example.net [250 2.0.0 queued]"},
		{name: "literal", domain: "[192.0.2.1]", mxs: map[string]*mx{"192.0.2.1:25": {}},
			dialed: "192.0.2.1:25", want: "ok @[192.0.2.1] [250 2.0.0 queued]"},
		{name: "v6 literal", domain: "[IPv6:2001:db8::1]", mxs: map[string]*mx{"[2001:db8::1]:25": {}},
			dialed: "[2001:db8::1]:25", want: "ok @[IPv6:2001:db8::1] [250 2.0.0 queued]"},
		{name: "null MX", zone: "example.net. MX 0 .\n", want: "5.1.10 the domain example.net takes no mail (null MX)"},
		{name: "no such domain", want: "5.1.2 the domain example.net does not exist"},
		{name: "neither MX nor address", zone: "example.net. TXT x\n", want: "5.1.2 the domain example.net has neither MX nor address"},
		{name: "MX without address", zone: "example.net. MX 10 mx.example.net.\n", want: "5.4.4 the mail server mx.example.net has no address @mx.example.net"},
		{name: "unusable address", zone: "example.net. A 0.0.0.0\n", want: "5.1.2 the domain example.net has neither MX nor address"},
		{name: "second MX", zone: two, mxs: map[string]*mx{"192.0.2.2:25": {}},
			dialed: "192.0.2.1:25 192.0.2.2:25", want: "ok @mx2.example.net [250 2.0.0 queued]"},
		{name: "refused in the greeting", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {greeting: "554 no service"}, "192.0.2.2:25": {}},
			dialed: "192.0.2.1:25 192.0.2.2:25", want: "ok @mx2.example.net [250 2.0.0 queued]"},
		{name: "refused in all greetings", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {greeting: "554 5.7.1 no"}, "192.0.2.2:25": {greeting: "554 no service"}},
			dialed: "192.0.2.1:25 192.0.2.2:25", want: "5.0.0 no service @mx2.example.net [554 no service]"},
		{name: "refused and down", zone: two, mxs: map[string]*mx{"192.0.2.2:25": {greeting: "554 no service"}},
			dialed: "192.0.2.1:25 192.0.2.2:25", want: "4.4.1 no connection to mx.example.net (192.0.2.1:25) @mx.example.net"},
		{name: "refused at EHLO", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {ehlo: "550 5.7.1 who?"}, "192.0.2.2:25": {}},
			dialed: "192.0.2.1:25 192.0.2.2:25", want: "ok @mx2.example.net [250 2.0.0 queued]"},
		{name: "equal preference, not shuffled", zone: same, mxs: map[string]*mx{"192.0.2.2:25": {}},
			dialed: "192.0.2.2:25", want: "ok @mx2.example.net [250 2.0.0 queued]"},
		{name: "equal preference, shuffled", zone: same, mxs: map[string]*mx{"192.0.2.1:25": {}},
			opts:   Options{Shuffle: func(n int, swap func(i, j int)) { swap(0, 1) }},
			dialed: "192.0.2.1:25", want: "ok @mx.example.net [250 2.0.0 queued]"},
		{name: "final refusal", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {final: "550 5.7.1 spam"}, "192.0.2.2:25": {}},
			dialed: "192.0.2.1:25", want: "5.7.1 spam @mx.example.net [550 5.7.1 spam]"},
		{name: "refused recipient", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {rcpt: func(int, string) string { return "550 5.1.1 unknown" }}, "192.0.2.2:25": {}},
			dialed: "192.0.2.1:25", want: "5.1.1 unknown @mx.example.net [550 5.1.1 unknown]"},
		{name: "greylisted", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {rcpt: func(int, string) string { return "451 4.7.1 later" }}, "192.0.2.2:25": {}},
			dialed: "192.0.2.1:25", want: "4.7.1 later @mx.example.net [451 4.7.1 later]"},
		{name: "going down", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {rcpt: func(int, string) string { return "421 4.3.2 bye" }}, "192.0.2.2:25": {}},
			dialed: "192.0.2.1:25 192.0.2.2:25", want: "ok @mx2.example.net [250 2.0.0 queued]"},
		{name: "lost after the dot", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {final: "CLOSE"}, "192.0.2.2:25": {}},
			dialed: "192.0.2.1:25", want: "4.4.2 the server closed the connection after it was sent the message, which may arrive twice @mx.example.net"},
		{name: "silent", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {hang: true}, "192.0.2.2:25": {}},
			dialed: "192.0.2.1:25 192.0.2.2:25", want: "ok @mx2.example.net [250 2.0.0 queued]"},
		{name: "we are the best MX", zone: "example.net. MX 10 ME.example.org.\nexample.net. MX 20 mx.example.net.\nmx.example.net. A 192.0.2.1\n",
			want: "5.4.6 mail for example.net is to come to this server, which does not know the domain"},
		{name: "we are the second MX", zone: oneMX + "example.net. MX 20 me.example.org.\nexample.net. MX 30 mx3.example.net.\nmx3.example.net. A 192.0.2.3\n",
			dialed: "192.0.2.1:25", want: "4.4.1 no connection to mx.example.net (192.0.2.1:25) @mx.example.net"},
		{name: "we are the best MX by address", zone: oneMX, opts: Options{Self: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
			want: "5.4.6 mail for example.net is to come to this server, which does not know the domain"},
		{name: "MX on loopback", zone: "example.net. MX 10 mx.example.net.\nmx.example.net. A 127.0.0.1\n", opts: Options{Self: []netip.Addr{netip.MustParseAddr("192.0.2.9")}},
			want: "5.4.6 mail for example.net is to come to this server, which does not know the domain"},
		{name: "opportunistic TLS", zone: oneMX, mxs: map[string]*mx{"192.0.2.1:25": {tls: true}},
			dialed: "192.0.2.1:25", want: "ok @mx.example.net [250 2.0.0 queued] verified"},
		{name: "opportunistic TLS with another name", zone: "example.net. MX 10 mx2.example.net.\nmx2.example.net. A 192.0.2.1\n", mxs: map[string]*mx{"192.0.2.1:25": {tls: true}},
			dialed: "192.0.2.1:25", want: "ok @mx2.example.net [250 2.0.0 queued] unverified"},
		{name: "broken TLS", zone: oneMX, mxs: map[string]*mx{"192.0.2.1:25": {tls: true, badTLS: true}},
			dialed: "192.0.2.1:25 192.0.2.1:25", want: "ok @mx.example.net [250 2.0.0 queued]"},
		{name: "policy: TLS", zone: oneMX, mxs: map[string]*mx{"192.0.2.1:25": {tls: true}}, opts: Options{Policy: policy{Required: true}},
			dialed: "192.0.2.1:25", want: "ok @mx.example.net [250 2.0.0 queued] verified"},
		{name: "policy: no TLS", zone: oneMX, mxs: map[string]*mx{"192.0.2.1:25": {}}, opts: Options{Policy: policy{Required: true, Name: "dane"}},
			dialed: "192.0.2.1:25", want: "4.7.5 mx.example.net offers no TLS, which is required of it (dane) @mx.example.net"},
		{name: "policy: broken TLS", zone: oneMX, mxs: map[string]*mx{"192.0.2.1:25": {tls: true, badTLS: true}}, opts: Options{Policy: policy{Required: true}},
			dialed: "192.0.2.1:25", want: "4.7.5 TLS could not be started with the server @mx.example.net"},
		{name: "policy: wrong certificate", zone: oneMX, mxs: map[string]*mx{"192.0.2.1:25": {tls: true}},
			opts:   Options{Policy: policy{Required: true, Verify: func(tls.ConnectionState) error { return errors.New("no TLSA record fits") }}},
			dialed: "192.0.2.1:25", want: "4.7.5 the server's certificate is not acceptable: no TLSA record fits @mx.example.net"},
		{name: "policy: host refused", zone: two, mxs: map[string]*mx{"192.0.2.1:25": {}}, opts: Options{Policy: policy{Refused: "not in the list"}},
			want: "4.7.5 the TLS policy of example.net does not allow mx2.example.net: not in the list @mx2.example.net"},
		{name: "policy: not known", zone: oneMX, opts: Options{Policy: policy{Name: "error"}},
			want: "4.7.5 the TLS policy of mx.example.net cannot be found out now @mx.example.net"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.zone, tt.mxs)
				tr := w.transport(tt.opts)
				if tt.domain == "" {
					tt.domain = "example.net"
				}
				results := tr.Deliver(t.Context(), deliveryTo("bo@"+tt.domain))
				if len(results) != 1 || summary(results[0]) != tt.want {
					t.Errorf("%d results:\n%s, want\n%s", len(results), summary(results[0]), tt.want)
				}
				if got := strings.Join(w.dialed, " "); got != tt.dialed {
					t.Errorf("dialed %q, want %q", got, tt.dialed)
				}
				for _, e := range results[0].Dialogue {
					t.Log(e.Text)
				}
				if tt.dialed != "" && len(results[0].Dialogue) == 0 {
					t.Error("no dialogue")
				}
			})
		})
	}
}

// policy is the same for all hosts; its name "error" makes it fail.
type policy HostPolicy

func (p policy) Host(context.Context, Host) (HostPolicy, error) {
	if p.Name == "error" {
		return HostPolicy{}, errors.New("DNS is down")
	}
	return HostPolicy(p), nil
}

func TestDNSFailures(t *testing.T) {
	for _, name := range []string{"example.net MX", "mx.example.net A", "mx.example.net"} {
		for _, fault := range []dnstest.Fault{dnstest.ServFail} {
			w := newWorld(t, oneMX, nil)
			w.zones.SetFault(name, fault)
			r := w.transport(Options{}).Deliver(t.Context(), deliveryTo("bo@example.net"))[0]
			if mail.StatusOf(r.Err) != statusDirectory {
				t.Errorf("%s: %v", name, r.Err)
			}
		}
	}
}

// Many recipients: as few transactions as the server allows.
func TestManyRecipients(t *testing.T) {
	for _, tt := range []struct {
		name     string
		mx       *mx
		max      int
		messages int
	}{
		{"our limit", &mx{}, 4, 3},
		{"its limit, announced", &mx{ext: []string{"PIPELINING", "LIMITS RCPTMAX=3"}}, 0, 4},
		{"its limit, not announced", &mx{rcpt: func(n int, _ string) string {
			if n == 5 {
				return "452 4.5.3 too many"
			}
			return "250 ok"
		}}, 0, 2},
		{"its limit, pipelined", &mx{ext: []string{"PIPELINING"}, rcpt: func(n int, _ string) string {
			if n == 2 {
				return "452 too many"
			}
			return "250 ok"
		}}, 0, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": tt.mx})
				var to []string
				for i := range 10 {
					to = append(to, fmt.Sprintf("u%d@example.net", i))
				}
				for i, r := range w.transport(Options{MaxRecipients: tt.max}).Deliver(t.Context(), deliveryTo(to...)) {
					if r.Err != nil {
						t.Errorf("%d: %v", i, r.Err)
					}
				}
				if len(tt.mx.messages) != tt.messages || tt.mx.sessions != 1 {
					t.Errorf("%d messages in %d sessions: %q", len(tt.mx.messages), tt.mx.sessions, tt.mx.messages)
				}
				for _, u := range to {
					if n := strings.Count(strings.Join(tt.mx.messages, " "), u); n != 1 {
						t.Errorf("%s got %d", u, n)
					}
				}
			})
		})
	}
}

// A server that takes no recipient at all with 452 is not asked for ever.
func TestTooManyForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mx{rcpt: func(int, string) string { return "452 4.5.3 too many" }}
		w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": m})
		for _, r := range w.transport(Options{MaxRecipients: 1}).Deliver(t.Context(), deliveryTo("a@example.net", "b@example.net", "c@example.net")) {
			if !mail.StatusOf(r.Err).Temporary() || r.Reply == "" {
				t.Errorf("%v %q", r.Err, r.Reply)
			}
		}
		if m.sessions != 1 {
			t.Errorf("%d sessions", m.sessions)
		}
	})
}

// Recipients that one host did not get to go to the next.
func TestNextHostForTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &mx{ext: []string{"PIPELINING"}, rcpt: func(n int, to string) string {
			return map[string]string{"a@example.net": "550 5.1.1 unknown", "b@example.net": "250 ok"}[to] + map[bool]string{true: "421 bye"}[to == "c@example.net"]
		}}
		second := &mx{}
		w := newWorld(t, oneMX+"example.net. MX 20 mx2.example.net.\nmx2.example.net. A 192.0.2.2\n", map[string]*mx{"192.0.2.1:25": first, "192.0.2.2:25": second})
		var got []string
		for _, r := range w.transport(Options{}).Deliver(t.Context(), deliveryTo("a@example.net", "b@example.net", "c@example.net")) {
			got = append(got, summary(r))
		}
		want := []string{"5.1.1 unknown @mx.example.net [550 5.1.1 unknown]", "ok @mx2.example.net [250 2.0.0 queued]", "ok @mx2.example.net [250 2.0.0 queued]"}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		if len(first.messages) != 0 || len(second.messages) != 1 {
			t.Errorf("%q %q", first.messages, second.messages)
		}
	})
}

// A connection is used again while it is warm; one that the server has closed
// meanwhile costs nothing but a new one.
func TestReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mx{tls: true}
		w := newWorld(t, oneMX+"example.com. MX 10 mx.example.net.\n", map[string]*mx{"192.0.2.1:25": m})
		tr := w.transport(Options{})
		send := func(to string, sessions int) {
			t.Helper()
			if r := tr.Deliver(t.Context(), deliveryTo(to))[0]; r.Err != nil {
				t.Error(r.Err)
			}
			if m.sessions != sessions {
				t.Errorf("%d sessions, want %d", m.sessions, sessions)
			}
		}
		send("bo@example.net", 1)
		time.Sleep(idleTimeoutDefault - time.Second)
		send("cy@example.com", 1) // another domain, the same host
		time.Sleep(idleTimeoutDefault + time.Second)
		send("bo@example.net", 2)
		m.mu.Lock()
		if n := len(m.said); m.open != 1 || !slices.Contains(m.said[:n-3], "QUIT") {
			t.Errorf("%d connections, %q", m.open, m.said)
		}
		m.mu.Unlock()

		for range maxUses - 1 {
			send("bo@example.net", 2)
		}
		send("bo@example.net", 3) // a hundred are enough
	})
}

func TestReuseOfClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mx{idle: time.Second}
		w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": m})
		tr := w.transport(Options{})
		for i := range 3 {
			if r := tr.Deliver(t.Context(), deliveryTo("bo@example.net"))[0]; r.Err != nil {
				t.Fatalf("%d: %v", i, r.Err)
			}
			time.Sleep(5 * time.Second)
		}
		if m.sessions != 3 || len(m.messages) != 3 {
			t.Errorf("%d sessions, %d messages", m.sessions, len(m.messages))
		}
	})
}

func TestPerHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mx{rcpt: func(int, string) string { time.Sleep(time.Second); return "250 ok" }}
		w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": m})
		tr := w.transport(Options{PerHost: 3})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if r := tr.Deliver(t.Context(), deliveryTo("bo@example.net"))[0]; r.Err != nil {
					t.Error(r.Err)
				}
			})
		}
		wg.Wait()
		if m.maxOpen != 3 || m.sessions != 3 || len(m.messages) != 20 {
			t.Errorf("%d at once, %d sessions, %d messages", m.maxOpen, m.sessions, len(m.messages))
		}
	})
}

// With all connections to a host stuck, others do not wait for ever.
func TestBusyHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mx{hang: true}
		w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": m})
		tr := w.transport(Options{PerHost: 1})
		var wg sync.WaitGroup
		wg.Go(func() { tr.Deliver(t.Context(), deliveryTo("bo@example.net")) })
		synctest.Wait()
		start := time.Now()
		r := tr.Deliver(t.Context(), deliveryTo("bo@example.net"))[0]
		if mail.StatusOf(r.Err) != statusBusy || time.Since(start) != slotWait {
			t.Errorf("%v after %v", r.Err, time.Since(start))
		}
		wg.Wait()
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": {hang: true}})
		tr := w.transport(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		r := tr.Deliver(ctx, deliveryTo("bo@example.net"))[0]
		if !errors.Is(r.Err, context.Canceled) || !mail.StatusOf(r.Err).Temporary() || time.Since(start) != time.Second {
			t.Errorf("%v after %v", r.Err, time.Since(start))
		}
	})
}

func TestRequireTLS(t *testing.T) {
	for _, tt := range []struct {
		name string
		mx   *mx
		from mail.Path
		want string
	}{
		{"promised", &mx{tls: true, ext: []string{"REQUIRETLS"}}, mail.Path{Local: "ana", Domain: "example.org"}, "ok @mx.example.net [250 2.0.0 queued] verified"},
		{"not promised", &mx{tls: true}, mail.Path{Local: "ana", Domain: "example.org"}, "5.7.30 the sender requires TLS all the way, and mx.example.net does not promise it @mx.example.net"},
		{"no TLS", &mx{}, mail.Path{Local: "ana", Domain: "example.org"}, "5.7.30 the sender requires TLS all the way, and mx.example.net does not promise it @mx.example.net"},
		{"broken TLS", &mx{tls: true, badTLS: true}, mail.Path{Local: "ana", Domain: "example.org"}, "4.7.5 TLS could not be started with the server @mx.example.net"},
		{"a bounce", &mx{}, mail.Path{}, "ok @mx.example.net [250 2.0.0 queued]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": tt.mx})
				d := deliveryTo("bo@example.net")
				d.Envelope.RequireTLS, d.Envelope.ReversePath = true, tt.from
				if got := summary(w.transport(Options{}).Deliver(t.Context(), d)[0]); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestRelay(t *testing.T) {
	const good = "AHVzZXIAcGFzcw==" // user, pass
	for _, tt := range []struct {
		name  string
		relay Relay
		mx    *mx
		want  string
	}{
		{"plain", Relay{Addr: "192.0.2.9:2525"}, &mx{}, "ok @192.0.2.9 [250 2.0.0 queued]"},
		{"by name", Relay{Addr: "mx.example.net:2525", TLS: Required}, &mx{tls: true}, "ok @mx.example.net [250 2.0.0 queued] verified"},
		{"implicit TLS", Relay{Addr: "mx.example.net:2525", TLS: Implicit}, &mx{implicit: true}, "ok @mx.example.net [250 2.0.0 queued] verified"},
		{"TLS required and not there", Relay{Addr: "192.0.2.9:2525", TLS: Required}, &mx{}, "4.7.5 192.0.2.9 offers no TLS, which is required of it (relay) @192.0.2.9"},
		{"login", Relay{Addr: "mx.example.net:2525", Login: "user", Password: "pass"}, &mx{tls: true, ext: []string{"AUTH PLAIN"}, auth: good}, "ok @mx.example.net [250 2.0.0 queued] verified"},
		{"wrong login", Relay{Addr: "mx.example.net:2525", Login: "user", Password: "no"}, &mx{tls: true, ext: []string{"AUTH PLAIN"}, auth: good},
			"4.7.8 the smarthost did not let us log in: wrong @mx.example.net [535 5.7.8 wrong]"},
		{"login without TLS", Relay{Addr: "192.0.2.9:2525", Login: "user", Password: "pass"}, &mx{ext: []string{"AUTH PLAIN"}, auth: good},
			"4.7.11 the smarthost did not let us log in: the server offers no TLS, so the password is not shown to it @192.0.2.9"},
		{"bad address", Relay{Addr: "192.0.2.9"}, &mx{}, "4.4.3 the address of the smarthost is not valid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "mx.example.net. A 192.0.2.9\n", map[string]*mx{"192.0.2.9:2525": tt.mx})
				tr := w.transport(Options{RelayTo: func() *Relay { return &tt.relay }})
				r := tr.Deliver(t.Context(), deliveryTo("bo@nowhere.example"))[0]
				if got := summary(r); got != tt.want {
					t.Errorf("%s\nwant %s", got, tt.want)
				}
				for _, e := range r.Dialogue {
					if strings.Contains(e.Text, good) || strings.Contains(e.Text, "pass\x00") {
						t.Errorf("the password is in the dialogue: %s", e.Text)
					}
				}
				if s := fmt.Sprintf("%v %+v %#v", tt.relay, tt.relay, tt.relay); strings.Contains(s, "pass") {
					t.Errorf("the password is in a text: %s", s)
				}
			})
		})
	}
}

// A single message goes by another relay than the others, on the same host too.
func TestReroute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		direct, all, other := &mx{}, &mx{}, &mx{}
		w := newWorld(t, oneMX+"relay.example. A 192.0.2.9\n", map[string]*mx{"192.0.2.1:25": direct, "192.0.2.9:25": all, "192.0.2.9:2525": other})
		d := deliveryTo("bo@example.net")
		d.Relay = "relay.example:2525"
		for _, tt := range []struct {
			opts Options
			want *mx // of what is not rerouted
		}{{Options{}, direct}, {Options{RelayTo: func() *Relay { return &Relay{Addr: "relay.example:25"} }}, all}} {
			tr := w.transport(tt.opts)
			before, rerouted := len(tt.want.messages), len(other.messages)
			for _, d := range []*queue.Delivery{deliveryTo("bo@example.net"), d, deliveryTo("bo@example.net")} {
				if r := tr.Deliver(t.Context(), d)[0]; r.Err != nil {
					t.Error(r.Err)
				}
			}
			if n, m := len(tt.want.messages)-before, len(other.messages)-rerouted; n != 2 || m != 1 {
				t.Errorf("%d messages as ever and %d by the other relay, want 2 and 1", n, m)
			}
		}
		d.Relay = "relay.example"
		if r := w.transport(Options{}).Deliver(t.Context(), d)[0]; !mail.StatusOf(r.Err).Temporary() {
			t.Errorf("a relay that is none: %v", r.Err)
		}
	})
}

// Our copy of the message cannot be read: no verdict on the host.
func TestBodyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mx{}
		w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": m})
		d := deliveryTo("bo@example.net")
		d.Open = func(context.Context) (store.Body, error) { return nil, store.ErrFailed }
		r := w.transport(Options{}).Deliver(t.Context(), d)[0]
		if mail.StatusOf(r.Err) != mail.StatusUnclassified || !errors.Is(r.Err, store.ErrFailed) || len(m.messages) != 0 {
			t.Errorf("%v", r.Err)
		}
	})
}

func TestRelaysDSN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneMX, map[string]*mx{"192.0.2.1:25": {ext: []string{"DSN"}}})
		if r := w.transport(Options{}).Deliver(t.Context(), deliveryTo("bo@example.net"))[0]; r.Err != nil || !r.RelaysDSN || r.RemoteAddr != "192.0.2.1:25" {
			t.Errorf("%+v", r)
		}
	})
}
