package inbound_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/dnsbl"
	"github.com/mailstead/mailstead/smtp/inbound"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

// street is the DNS around a house with a door.
const street = `
mx.example.org.          A 192.0.2.1
2.0.0.127.bl.test.       A 127.0.0.2
66.100.51.198.bl.test.   A 127.0.0.9
67.100.51.198.bl.test.   A 127.0.0.2
68.100.51.198.bl.test.   A 127.0.0.9
2.0.0.127.wl.test.       A 127.0.0.1
68.100.51.198.wl.test.   A 127.0.0.1
test.dbl.test.           A 127.0.1.2
listed.net.dbl.test.     A 127.0.1.2
sender.net.              MX 10 mail.sender.net.
sender.net.              TXT "v=spf1 ip4:203.0.113.0/24 -all"
mail.sender.net.         A 203.0.113.25
nospf.net.               MX 10 mail.sender.net.
listed.net.              A 203.0.113.26
nomail.net.              MX 0 .
text.net.                TXT "nothing else"
`

// house is a server whose clients come from anywhere, in time that passes when
// everybody waits.
type house struct {
	t        *testing.T
	zones    *dnstest.Zones
	settings inbound.DoorSettings
	mda      mda
	log      *trace.Log
	service  *inbound.Service
	conns    chan net.Conn
	ahead    time.Duration // of the door's clock, where much time has to pass
}

// open starts a server; it has to be called in a bubble of synctest. resolver
// nil is the street.
func openHouse(t *testing.T, resolver dns.Resolver) *house {
	t.Helper()
	h := &house{t: t, zones: dnstest.New(street), conns: make(chan net.Conn)}
	h.settings = inbound.DoorSettings{Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, RefuseListed: inbound.RefuseMarked}
	if resolver == nil {
		resolver = h.zones
	}
	memory, err := inbound.OpenMemory(filepath.Join(t.TempDir(), "inbound.db"), inbound.MemoryOptions{Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	if h.log, err = trace.Open(filepath.Join(t.TempDir(), "trace.db"), trace.Options{}); err != nil {
		t.Fatal(err)
	}
	lists := dnsbl.New(dnsbl.Options{Resolver: resolver, Settings: func() dnsbl.Settings {
		return dnsbl.Settings{Addresses: "bl.test 127.0.0.2=4 127.0.0.9=8!", Allow: "wl.test 127.0.0.1=-1", Domains: "dbl.test 127.0.1.2=4"}
	}})
	door := inbound.NewDoor(inbound.DoorOptions{
		Hostname: "mx.example.org", Resolver: resolver, Memory: memory, Lists: lists,
		Settings: func() inbound.DoorSettings { return h.settings }, Now: h.now,
		Self:    func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} },
		IsLocal: func(d mail.Domain) bool { return d == "example.org" },
		Sends:   func(p mail.Path) bool { return p.Local != "list" },
	})
	h.service = inbound.New(inbound.Options{Hostname: "mx.example.org", Resolver: resolver, Deliverer: &h.mda, Trace: h.log, Door: door,
		Scorer: byWords{}, Intake: message.NewIntake(t.TempDir())})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := &smtpserver.Server{Handler: h.service, Hostname: "mx.example.org", MaxSize: 1 << 20, Proxies: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }}
	go func() { ended <- server.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		lists.Close()
		if err := errors.Join(memory.Close(), h.log.Close()); err != nil {
			t.Error(err)
		}
		for _, p := range h.mda.problems {
			t.Error(p)
		}
	})
	return h
}

func (h *house) now() time.Time { return time.Now().Add(h.ahead) }

// Accept, Close and Addr make the house a listener.
func (h *house) Accept() (net.Conn, error) {
	c, ok := <-h.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (h *house) Close() error   { close(h.conns); return nil }
func (h *house) Addr() net.Addr { return &net.TCPAddr{} }

// knock connects from an address, and returns before the greeting has come.
func (h *house) knock(from string) *client {
	h.t.Helper()
	here, there := net.Pipe()
	h.t.Cleanup(func() { here.Close() })
	h.conns <- there
	a := netip.MustParseAddr(from)
	c := &client{h.t, here, bufio.NewReader(here)}
	if a.Is4() {
		c.send(fmt.Sprintf("PROXY TCP4 %s 192.0.2.1 4321 25", from))
	} else {
		c.send(fmt.Sprintf("PROXY TCP6 %s 2001:db8::25 4321 25", from))
	}
	return c
}

// talk plays a dialogue of C: and S: lines from an address.
func (h *house) talk(from, dialogue string) {
	h.t.Helper()
	c := h.knock(from)
	for line := range strings.Lines(strings.TrimLeft(dialogue, "\n")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "C:":
			c.send(rest)
		case "S:":
			if got := c.reply(); !strings.HasPrefix(got, rest) {
				h.t.Fatalf("from %s: got %q, want %q in\n%s", from, got, rest, dialogue)
			}
		}
	}
	c.conn.Close()
	synctest.Wait()
}

// send sends a message and returns the reply after its end.
func (h *house) send(from, sender, subject string) string {
	h.t.Helper()
	c := h.knock(from)
	defer synctest.Wait()
	defer c.conn.Close()
	c.reply()
	var last string
	for _, line := range []string{"EHLO mail.sender.net", "MAIL FROM:<" + sender + ">", "RCPT TO:<bo@example.org>", "DATA",
		fmt.Sprintf("From: <%s>\r\nTo: <bo@example.org>\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@x.test>\r\nSubject: %s\r\n\r\nhello\r\n.", sender, subject)} {
		c.send(line)
		if last = c.reply(); last[0] > '3' {
			break
		}
	}
	return last
}

// story returns all that was traced of an address, a line for each event.
func (h *house) story(ip string) string {
	h.t.Helper()
	if err := h.log.Flush(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	found, err := h.log.Find(h.t.Context(), trace.Query{IP: ip})
	if err != nil {
		h.t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range found {
		fmt.Fprintf(&b, "%s %s %s (%s)\n", s.Outcome, s.Status, s.Reason, s.Cause)
		story, err := h.log.Show(h.t.Context(), s.ID)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range story.Events {
			fmt.Fprintf(&b, "  %s %s\n", e.Kind, e.Text)
		}
	}
	return b.String()
}

func (h *house) tells(ip string, parts ...string) {
	h.t.Helper()
	story := h.story(ip)
	for _, p := range parts {
		if !strings.Contains(story, p) {
			h.t.Errorf("the story of %s lacks %q:\n%s", ip, p, story)
		}
	}
}

const hello = "\nS: 220\nC: EHLO mail.sender.net\nS: 250\n"

func TestEarlyTalkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHouse(t, nil)
		h.settings.Pause = 2 * time.Second
		c := h.knock("203.0.113.25")
		c.send("EHLO spam.test")
		if got := c.reply(); got != "554 5.5.1 you talked before the greeting" {
			t.Errorf("an early talker gets %q", got)
		}
		c.conn.Close()
		synctest.Wait()
		h.tells("203.0.113.25", "refused 5.5.1", "check early-talker: The client has talked before the greeting.", "done refused: 5.5.1")

		waits := func(from string, want time.Duration) {
			t.Helper()
			start := time.Now()
			h.talk(from, "S: 220\nC: QUIT\nS: 221")
			if got := time.Since(start); got != want {
				t.Errorf("%s waits %v for the greeting, want %v", from, got, want)
			}
		}
		waits("203.0.113.25", 2*time.Second)
		waits("10.0.0.1", 0)
		if got := h.send("203.0.113.25", "ana@sender.net", "hello"); !strings.HasPrefix(got, "250") {
			t.Fatalf("a message: %q", got)
		}
		waits("203.0.113.25", 0) // it is seen to be good
		waits("203.0.113.26", 2*time.Second)
	})
}

func TestHello(t *testing.T) {
	for _, tt := range []struct{ name, hello, reply, reason string }{
		{"a name", "mail.sender.net", "250", ""},
		{"our name", "MX.example.org", "550 5.7.1 you are not MX.example.org", "helo.ours"},
		{"our address", "[192.0.2.1]", "550 5.7.1 you are not [192.0.2.1]", "helo.ours"},
		{"its address", "[203.0.113.25]", "250", "helo.literal=+0.5"},
		{"another address", "[203.0.113.99]", "250", "helo.address=+1.5"},
		{"bare address", "203.0.113.25", "250", "helo.form=+1.5"},
		{"one label", "localhost", "250", "helo.form=+1.0"},
		{"our domain", "example.org", "250", "helo.domain=+2.0"},
		{"no such name", "nowhere.sender.net", "250", "helo.unknown=+0.8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := openHouse(t, nil)
				h.talk("203.0.113.25", "S: 220\nC: EHLO "+tt.hello+"\nS: 250\nC: MAIL FROM:<ana@sender.net>\nS: "+tt.reply)
				if strings.HasPrefix(tt.reply, "550") {
					h.tells("203.0.113.25", "refused 5.7.1", "check "+tt.reason, "dialogue C: MAIL FROM:<ana@sender.net>")
					return
				}
				h.talk("203.0.113.25", "S: 220\nC: EHLO "+tt.hello+"\nS: 250\nC: MAIL FROM:<ana@sender.net>\nS: 250\nC: RCPT TO:<bo@example.org>\nS: 250\nC: DATA\nS: 354\nC: From: ana@sender.net\nC:\nC: .\nS: 250")
				if tt.reason != "" && !strings.Contains(h.delivered(), tt.reason) || tt.reason == "" && strings.Contains(h.delivered(), "helo.") {
					t.Errorf("reasons, want %q:\n%s", tt.reason, h.delivered())
				}
			})
		})
	}
}

// delivered is what came in, with its verdict.
func (h *house) delivered() string {
	h.mda.mu.Lock()
	defer h.mda.mu.Unlock()
	return h.mda.delivered.String()
}

func TestSenders(t *testing.T) {
	for _, tt := range []struct {
		name, sender string
		refuse       bool
		fault        string // of a name
		reply, tells string
	}{
		{"has MX", "ana@sender.net", true, "", "250", ""},
		{"has an address", "ana@mail.sender.net", true, "", "250", ""},
		{"null reverse-path", "", true, "", "250", ""},
		{"our own", "bo@example.org", true, "", "250", ""},
		{"null MX", "ana@nomail.net", false, "", "550 5.7.27", "check sender.null-mx: The domain nomail.net says that it has no mail (null MX)."},
		{"no such domain", "ana@nowhere.net", false, "", "250", "check sender.unknown: The sender's domain nowhere.net does not exist"},
		{"no such domain, refused", "ana@nowhere.net", true, "", "550 5.1.8", "refused 5.1.8"},
		{"neither MX nor address", "ana@text.net", true, "", "550 5.1.8", ""},
		{"MX fails", "ana@nowhere.net", true, "nowhere.net MX", "250", ""},
		{"address fails", "ana@text.net", true, "text.net A", "250", ""},
		{"a literal", "ana@[203.0.113.25]", true, "", "250", "check sender.literal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, fault := range []dnstest.Fault{dnstest.ServFail, dnstest.Timeout} {
				synctest.Test(t, func(t *testing.T) {
					h := openHouse(t, nil)
					h.settings.RefuseUnknownSender = tt.refuse
					if tt.fault != "" {
						h.zones.SetFault(tt.fault, fault)
					}
					h.talk("203.0.113.25", hello+"C: MAIL FROM:<"+tt.sender+">\nS: "+tt.reply+"\nC: QUIT\nS: 221")
					if tt.tells != "" {
						h.tells("203.0.113.25", tt.tells)
					}
				})
			}
		})
	}
}

func TestListedClients(t *testing.T) {
	const mailTo = hello + "C: MAIL FROM:<ana@sender.net>\nS: 250\nC: RCPT TO:"
	for _, tt := range []struct {
		name, from, to string
		mode           inbound.RefuseListed
		reply          string
	}{
		{"hijacked net", "198.51.100.66", "bo@example.org", inbound.RefuseMarked, "550 5.7.1 your address 198.51.100.66 is on the blocklist bl.test; postmaster@example.org takes mail from you"},
		{"to postmaster", "198.51.100.66", "Postmaster@example.org", inbound.RefuseMarked, "250"},
		{"score only", "198.51.100.66", "bo@example.org", inbound.RefuseNone, "250"},
		{"not marked", "198.51.100.67", "bo@example.org", inbound.RefuseMarked, "250"},
		{"all", "198.51.100.67", "bo@example.org", inbound.RefuseAll, "550 5.7.1"},
		{"known to be good", "198.51.100.68", "bo@example.org", inbound.RefuseAll, "250"},
		{"not listed", "198.51.100.69", "bo@example.org", inbound.RefuseAll, "250"},
		{"exempt", "10.0.0.1", "bo@example.org", inbound.RefuseAll, "250"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := openHouse(t, nil)
				h.settings.RefuseListed = tt.mode
				h.talk(tt.from, mailTo+"<"+tt.to+">\nS: "+tt.reply)
				if tt.reply[0] == '5' {
					h.tells(tt.from, "refused 5.7.1", "check dnsbl.ip: The address "+tt.from+" is on the blocklist bl.test.", "route bo@example.org refused")
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := openHouse(t, nil)
		if got := h.send("198.51.100.67", "ana@listed.net", "hello"); !strings.HasPrefix(got, "250") {
			t.Fatalf("listed: %q", got)
		}
		for _, want := range []string{"dnsbl.ip=+4.0", "dnsbl.domain=+4.0"} {
			if !strings.Contains(h.delivered(), want) {
				t.Errorf("no %s in\n%s", want, h.delivered())
			}
		}
	})
}

func TestBounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHouse(t, nil)
		h.talk("203.0.113.25", hello+"C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<list@example.org>\nS: 550 5.7.1 no mail is sent from this address\nC: RCPT TO:<bo@example.org>\nS: 250\n"+
			"C: RCPT TO:<ana@example.org>\nS: 452 4.5.3\nC: DATA\nS: 354\nC: Subject: failed\nC:\nC: .\nS: 250")
		h.talk("203.0.113.25", hello+"C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<postmaster>\nS: 250")
		h.talk("203.0.113.25", hello+"C: MAIL FROM:<ana@sender.net>\nS: 250\nC: RCPT TO:<list@example.org>\nS: 250\nC: RCPT TO:<bo@example.org>\nS: 250")
		h.tells("203.0.113.25", "check bounce.never-sent: Nobody can write as list@example.org", "check bounce.recipients")
	})
}

func TestProbing(t *testing.T) {
	const unknown = "C: RCPT TO:<nobody@example.org>\nS: 550 5.1.1\n"
	synctest.Test(t, func(t *testing.T) {
		h := openHouse(t, nil)
		h.settings.UnknownRecipients = 8
		start := time.Now()
		h.talk("203.0.113.25", hello+"C: MAIL FROM:<ana@sender.net>\nS: 250\n"+strings.Repeat(unknown, 4))
		if d := time.Since(start); d != 0 {
			t.Errorf("the first take %v", d)
		}
		h.talk("203.0.113.25", hello+"C: MAIL FROM:<ana@sender.net>\nS: 250\n"+strings.Repeat(unknown, 3)+"C: RCPT TO:<nobody@example.org>\nS: 421 4.7.1 too many recipients that do not exist")
		if d := time.Since(start); d != 6*time.Second {
			t.Errorf("the next take %v, want 1 + 2 + 3 s", d)
		}
		h.talk("203.0.113.25", "S: 421 4.7.1")
		h.talk("203.0.113.26", "S: 220")
		h.tells("203.0.113.25", "check probing: Most recipients that were asked for from there do not exist.", "connect 203.0.113.25 connects", "done refused: 4.7.1")
		time.Sleep(time.Hour)
		h.talk("203.0.113.25", "S: 220")
	})
	synctest.Test(t, func(t *testing.T) { // a server with a list that is old
		h := openHouse(t, nil)
		h.settings.UnknownRecipients = 8
		start := time.Now()
		for range 30 {
			h.talk("203.0.113.25", hello+"C: MAIL FROM:<ana@sender.net>\nS: 250\nC: RCPT TO:<bo@example.org>\nS: 250\nC: RCPT TO:<ana@example.org>\nS: 250\n"+unknown)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("it was kept waiting: %v", d)
		}
	})
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHouse(t, nil)
		h.settings.ConnectionsPerAddress, h.settings.ConnectionsPerNet = 3, 5
		for range 3 {
			h.talk("203.0.113.25", "S: 220")
			h.talk("10.0.0.1", "S: 220")
		}
		for range 20 {
			h.talk("203.0.113.25", "S: 421 4.7.0 too many connections from your address in a short time, try again in a minute")
		}
		h.talk("203.0.113.26", "S: 220")
		h.talk("203.0.113.27", "S: 220")
		h.talk("203.0.113.28", "S: 421 4.7.0 too many connections from your network")
		h.talk("203.0.114.28", "S: 220")
		for _, a := range []string{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1::3"} {
			h.talk(a, "S: 220")
		}
		h.talk("2001:db8:0:1::4", "S: 421 4.7.0 too many connections from your address")
		if n := strings.Count(h.story("203.0.113.25"), "refused 4.7.0"); n < 1 || n > 4 {
			t.Errorf("%d refusals of 20 have a trace", n)
		}
		time.Sleep(time.Minute)
		h.talk("203.0.113.25", "S: 220")
	})
	synctest.Test(t, func(t *testing.T) {
		h := openHouse(t, nil)
		h.settings.MessagesPerAddress = 2
		again := "C: MAIL FROM:<ana@sender.net>\nS: 250\nC: RSET\nS: 250\n"
		h.talk("203.0.113.25", hello+again+again+"C: MAIL FROM:<ana@sender.net>\nS: 451 4.7.0 too many messages from your address\nC: QUIT\nS: 221")
		h.tells("203.0.113.0/24", "refused 4.7.0", "check rate.messages: There were too many messages from 203.0.113.25/32 in a minute.")
	})
}
