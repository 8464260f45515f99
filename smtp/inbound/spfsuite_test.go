package inbound_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp/inbound"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

// suite is one document of the RFC 7208 test suite of openspf.org.
type suite struct {
	Description string
	Tests       map[string]struct {
		Helo, Host string
		MailFrom   string `yaml:"mailfrom"`
		Result     any    // one, or a list of those allowed
	}
	Zones map[string][]map[string]any `yaml:"zonedata"`
}

// refusedByForm are tests whose reverse-path is none: port 25 answers before
// there is anything to check.
var refusedByForm = []string{"nolocalpart", "emptylabel", "toolonglabel"}

// TestRFC7208Suite plays the suite against port 25: each test is a message of
// a client with the address of the test (by way of the PROXY protocol), zones
// are asked for over UDP, and the result is read from the header of what was
// delivered. The suite is in the module of the SPF library, which leaves some of it
// out; here all of it counts.
func TestRFC7208Suite(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "blitiri.com.ar/go/spf").Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "rfc7208-tests.yml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	played := 0
	for decoder := yaml.NewDecoder(f); ; {
		var s suite
		err := decoder.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Run(s.Description, func(t *testing.T) { s.play(t) })
		played += len(s.Tests)
	}
	if played < 200 {
		t.Errorf("only %d tests were found", played)
	}
}

func (s *suite) play(t *testing.T) {
	port := newPort25(t, s.zones(t))
	for name, test := range s.Tests {
		t.Run(name, func(t *testing.T) {
			want, ok := test.Result.([]any)
			if !ok {
				want = []any{test.Result}
			}
			c := port.dial(t, test.Host)
			if local, domain, _ := strings.Cut(test.MailFrom, "@"); strings.Contains(local, " ") {
				test.MailFrom = `"` + local + `"@` + domain
			}
			c.command("EHLO "+test.Helo, "250")
			if slices.Contains(refusedByForm, name) {
				c.command("MAIL FROM:<"+test.MailFrom+">", "501")
				return
			}
			header := c.transfer(test.MailFrom, "From: author@author.test\r\n\r\nHello\r\n")
			got, received := spfResult(t, header, test.MailFrom == "")
			if !slices.Contains(want, any(got)) || received != got {
				t.Errorf("%s is %s and %s, want %v\n%s", test.MailFrom, got, received, want, header)
			}
		})
	}
}

// spfResult reads the results of one identity from Authentication-Results and
// Received-SPF.
func spfResult(t *testing.T, header string, helo bool) (result, received string) {
	t.Helper()
	for f := range message.Fields([]byte(header)) {
		switch f.Name {
		case "Received-SPF":
			received, _, _ = strings.Cut(f.Value(), " ")
		case "Authentication-Results":
			id, results, err := mail.ParseAuthResults(f.Value())
			if err != nil || id != "mx.example.org" {
				t.Fatalf("%q, %v", f.Value(), err)
			}
			for _, r := range results {
				if r.Method == "spf" && (r.Prop("smtp", "mailfrom") == "") == helo {
					result = r.Result
				}
			}
		}
	}
	return result, received
}

// zones puts a document's records into zones. A name with TIMEOUT does not
// answer for the types that it has no record of. SPF records, which RFC 7208
// section 3.1 has taken out of use, are TXT records as well where a name has no
// others.
func (s *suite) zones(t *testing.T) *dnstest.Zones {
	t.Helper()
	z := dnstest.New("")
	for name, entries := range s.Zones {
		has, none := make(map[string]bool), make(map[string]bool)
		for _, e := range entries {
			for kind, value := range e {
				has[kind], none[kind] = true, value == "NONE"
			}
		}
		for _, e := range entries {
			for kind, value := range e {
				switch {
				case kind == "TIMEOUT" || value == "NONE" || kind == "SPF" && has["TXT"]:
				case kind == "CNAMELOOP":
					add(t, z, name, "CNAME", name)
				case kind == "SPF":
					add(t, z, name, "TXT", value)
				default:
					add(t, z, name, kind, value)
				}
			}
		}
		for _, kind := range []string{"A", "AAAA", "MX", "TXT", "PTR"} {
			if has["TIMEOUT"] && (!has[kind] || none[kind]) {
				z.SetFault(name+" "+kind, dnstest.Timeout)
			}
		}
	}
	return z
}

// add adds a record to z. Whatever the suite has in names and texts is escaped
// for the zone's text.
func add(t *testing.T, z *dnstest.Zones, name, kind string, value any) {
	t.Helper()
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	if kind == "TXT" && len(list) == 0 { // no record has no strings
		return
	}
	line := escape(name) + ". " + kind
	for _, v := range list {
		text := fmt.Sprint(v)
		switch kind {
		case "TXT":
			line += ` "` + escape(text) + `"`
		case "MX", "PTR", "CNAME":
			if _, number := v.(int); !number {
				text = strings.TrimSuffix(escape(text), ".") + "."
			}
			line += " " + text
		default:
			line += " " + text
		}
	}
	if err := z.Add(line); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c == ' ' {
			b.WriteString(`\ `)
		} else if c < ' ' || c >= 0x7f || strings.IndexByte(`"\;()@$`, c) >= 0 {
			fmt.Fprintf(&b, `\%03d`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// port25 is a server whose resolver asks zones over the network, and whose
// clients come from wherever they say.
type port25 struct {
	addr string
	mda  *mda
}

// dnsTimeout is how long a name server may take to answer.
const dnsTimeout = 300 * time.Millisecond

func newPort25(t *testing.T, z *dnstest.Zones, change ...func(*inbound.Options)) *port25 {
	t.Helper()
	p := &port25{mda: new(mda)}
	opts := inbound.Options{Hostname: "mx.example.org", Resolver: asked(t, z), Deliverer: p.mda, Intake: message.NewIntake(t.TempDir())}
	for _, f := range change {
		f(&opts)
	}
	p.addr = serveFor(t, &smtpserver.Server{Handler: inbound.New(opts), Hostname: opts.Hostname, MaxSize: 32 << 20,
		Proxies: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} }})
	return p
}

// asked returns a resolver that asks a name server on loopback.
func asked(t *testing.T, z *dnstest.Zones) *dns.Client {
	t.Helper()
	pc, l := onePort(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- z.Serve(ctx, pc, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return dns.NewClient(dns.Options{Servers: []netip.AddrPort{netip.MustParseAddrPort(pc.LocalAddr().String())}, Timeout: dnsTimeout})
}

// onePort listens on a port that is free for both UDP and TCP.
func onePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", pc.LocalAddr().String())
		if err == nil {
			return pc, l
		}
		pc.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

// dial opens a connection in the name of an address.
func (p *port25) dial(t *testing.T, from string) *peer {
	t.Helper()
	c := &peer{dial(t, "127.0.0.1", p.addr), p.mda}
	addr := netip.MustParseAddr(from)
	family, to := "TCP6", "2001:db8::25"
	if addr.Is4() {
		family, to = "TCP4", "192.0.2.25"
	}
	c.send(fmt.Sprintf("PROXY %s %s %s 12345 25", family, addr, to))
	if got := c.reply(); !strings.HasPrefix(got, "220") {
		t.Fatalf("greeting %q", got)
	}
	return c
}

// peer is a client of a port25.
type peer struct {
	*client
	mda *mda
}

// command sends a line, and expects a reply that begins with want.
func (c *peer) command(line, want string) string {
	c.t.Helper()
	c.send(line)
	got := c.reply()
	if !strings.HasPrefix(got, want) {
		c.t.Fatalf("%.200s: got %q, want %s", line, got, want)
	}
	return got
}

// transfer sends a message that has to be accepted, and returns it as it was
// delivered.
func (c *peer) transfer(from, msg string) string {
	c.t.Helper()
	if reply := c.offer(from, msg); !strings.HasPrefix(reply, "250") {
		c.t.Fatalf("answered %q", reply)
	}
	c.mda.mu.Lock()
	defer c.mda.mu.Unlock()
	return c.mda.last
}

// offer sends a message and returns the reply to it.
func (c *peer) offer(from, msg string) string {
	c.t.Helper()
	c.command("MAIL FROM:<"+from+">", "250")
	c.command("RCPT TO:<bo@example.org>", "250")
	c.command("DATA", "354")
	for line := range bytes.Lines([]byte(msg)) {
		if line[0] == '.' {
			line = append([]byte("."), line...)
		}
		if _, err := c.conn.Write(line); err != nil {
			c.t.Fatal(err)
		}
	}
	c.send(".")
	return c.reply()
}
