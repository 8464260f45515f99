package dnsbl

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// zones are lists that work, and have somebody on them.
const zones = `
2.0.0.127.bl.example.        A 127.0.0.2
1.2.0.192.bl.example.        A 127.0.0.4
9.2.0.192.bl.example.        A 127.0.0.9
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example. A 127.0.0.2
2.0.0.127.other.example.     A 127.0.0.2
1.2.0.192.other.example.     A 127.0.0.2
2.0.0.127.list.dnswl.org.    A 127.0.10.0
3.2.0.192.list.dnswl.org.    A 127.0.5.2
test.dbl.example.            A 127.0.1.2
spam.test.dbl.example.       A 127.0.1.2
host.abused.test.dbl.example. A 127.0.1.102
2.0.0.127.s3cret.keyed.example. A 127.0.0.2
1.2.0.192.s3cret.keyed.example. A 127.0.0.2
`

var settings = Settings{
	Addresses: "bl.example 127.0.0.2=4 127.0.0.4-7=3 127.0.0.9=8!; other.example 127.0.0.2=2",
	Domains:   "dbl.example 127.0.1.2-99=4 127.0.1.102=2",
	Allow:     "list.dnswl.org 127.0.*.1=-1 127.0.*.2=-2 127.0.*.3=-3",
}

// world is lists with a clock and a log.
type world struct {
	*Lists
	zones *dnstest.Zones
	log   bytes.Buffer
}

func open(t *testing.T, text string, s Settings) *world {
	w := &world{zones: dnstest.New(text)}
	w.Lists = New(Options{Resolver: w.zones, Settings: func() Settings { return s },
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(w.Close)
	return w
}

func TestListings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, zones, settings)
		for _, tt := range []struct{ addr, want string }{
			{"192.0.2.1", "dnsbl.ip=+3.0 The address 192.0.2.1 is on the blocklist bl.example.\ndnsbl.ip=+1.0 The address 192.0.2.1 is on the blocklist other.example.\n"},
			{"::ffff:192.0.2.9", "dnsbl.ip=+8.0! The address 192.0.2.9 is on the blocklist bl.example.\n"},
			{"192.0.2.3", "dnswl=-2.0 The address 192.0.2.3 is on the list of good senders list.dnswl.org (medium trust).\n"},
			{"2001:db8::1", "dnsbl.ip=+4.0 The address 2001:db8::1 is on the blocklist bl.example.\n"},
			{"192.0.2.2", ""},
		} {
			if got := told(w.Address(t.Context(), netip.MustParseAddr(tt.addr))); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.addr, got, tt.want)
			}
		}
		for _, tt := range []struct{ domain, want string }{
			{"spam.test", "dnsbl.domain=+4.0 The sender's domain, spam.test, is on the blocklist dbl.example.\n"},
			{"mx.spam.test", "dnsbl.domain=+4.0 The sender's domain, spam.test, is on the blocklist dbl.example.\n"},
			{"host.abused.test", "dnsbl.domain=+2.0 The sender's domain, host.abused.test, is on the blocklist dbl.example.\n"},
			{"abused.test", ""}, {"[192.0.2.1]", ""}, {"test", ""}, {"", ""},
		} {
			if got := told(w.Domains(t.Context(), []Name{{"the sender's domain", mail.Domain(tt.domain)}})); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.domain, got, tt.want)
			}
		}
		if w.log.Len() > 0 {
			t.Errorf("log: %s", &w.log)
		}
	})
}

// told are reasons and what may be refused, a line each.
func told(listings []Listing) string {
	var b strings.Builder
	mark := ""
	for _, l := range listings {
		if l.Refuse {
			mark = "!"
		}
	}
	for _, r := range Reasons(listings) {
		fmt.Fprintf(&b, "%v%s %s\n", r, mark, r.Text)
	}
	return b.String()
}

// TestUnknown: what a list that does not work says is never a listing, and the
// log tells of it once.
func TestUnknown(t *testing.T) {
	listed := netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		name, zones string
		fault       dnstest.Fault
		why         string
	}{
		{"refuses", "*.bl.example. A 127.255.255.254", 0, "it refuses to answer this resolver (127.255.255.254)"},
		{"refuses, with a listing beside", "2.0.0.127.bl.example. A 127.0.0.2\n1.2.0.192.bl.example. A 127.0.0.4\n1.2.0.192.bl.example. A 127.255.255.255", 0, "it refuses to answer this resolver (127.255.255.255)"},
		{"answers made up", "*.bl.example. A 203.0.113.80", 0, "it, or the resolver, gives an answer that no list gives (203.0.113.80)"},
		{"has everything", "*.bl.example. A 127.0.0.2", 0, "it, or the resolver, has an entry for everything"},
		{"is gone", "", 0, "it does not have its own test entry: it is out of service, or does not answer this resolver"},
		{"has no test entry", "1.2.0.192.bl.example. A 127.0.0.2", 0, "it does not have its own test entry: it is out of service, or does not answer this resolver"},
		{"SERVFAIL", zones, dnstest.ServFail, "it gives no answer"},
		{"timeout", zones, dnstest.Timeout, "it gives no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, tt.zones, Settings{Addresses: "bl.example 127.0.0.2-255=4"})
				w.zones.SetFault("2.0.0.127.bl.example", tt.fault)
				w.zones.SetFault("1.2.0.192.bl.example", tt.fault)
				for range 8 {
					if got := w.Address(t.Context(), listed); len(got) != 0 {
						t.Fatalf("listed: %v", got)
					}
				}
				time.Sleep(testTimeout) // the end of a test that was not waited for
				synctest.Wait()
				if s := w.States(); len(s) != 1 || s[0].Works || s[0].Why != tt.why {
					t.Errorf("States = %+v, want %s", s, tt.why)
				}
				if n := strings.Count(w.log.String(), "\n"); n != 1 {
					t.Errorf("%d lines of log: %s", n, &w.log)
				}
			})
		})
	}
}

// TestRest: a list that gives no answer is left alone after some lookups, and
// comes back when it works again.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, zones, Settings{Addresses: "bl.example 127.0.0.4=4"})
		listed := netip.MustParseAddr("192.0.2.1")
		is := func(want int) {
			t.Helper()
			if got := w.Address(t.Context(), listed); len(got) != want {
				t.Errorf("%d listings, want %d", len(got), want)
			}
		}
		is(1)
		w.zones.SetFault("1.2.0.192.bl.example", dnstest.Timeout)
		for range 2 * maxFailures {
			is(0)
		}
		if n := w.zones.Lookups("1.2.0.192.bl.example", "A"); n != 1+maxFailures {
			t.Errorf("%d lookups, want %d", n, 1+maxFailures)
		}
		w.zones.SetFault("1.2.0.192.bl.example", dnstest.NoFault)
		is(0)
		time.Sleep(restFailed + time.Second)
		is(0) // begins the test
		synctest.Wait()
		is(1)
		if got := w.log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "works again") {
			t.Errorf("log: %s", got)
		}
		if n := w.zones.Lookups("2.0.0.127.bl.example", "A"); n != 2 {
			t.Errorf("%d self-tests, want 2", n)
		}
		time.Sleep(believed + time.Second)
		is(1)
		synctest.Wait()
		if n := w.zones.Lookups("2.0.0.127.bl.example", "A"); n != 3 {
			t.Errorf("%d self-tests an hour later, want 3", n)
		}
	})
}

// TestKeyInName: a key is asked with, and never shown.
func TestKeyInName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Settings{Addresses: "{k}.keyed.example 127.0.0.2=4"}
		w := open(t, zones, s)
		listed := netip.MustParseAddr("192.0.2.1")
		if got := w.Address(t.Context(), listed); len(got) != 0 {
			t.Errorf("listed without a key: %v", got)
		}
		if s := w.Test(t.Context()); s[0].Works || s[0].Why != "its key is not in blocklists.keys" {
			t.Errorf("States = %+v", s)
		}
		s.Keys = "k=s3cret"
		w.opts.Settings = func() Settings { return s }
		if got := told(w.Address(t.Context(), listed)); !strings.Contains(got, "is on the blocklist {k}.keyed.example.") {
			t.Errorf("with the key: %q", got)
		}
		w.zones.SetFault("2.0.0.127.s3cret.keyed.example", dnstest.ServFail)
		shown := fmt.Sprint(w.Test(t.Context()), &w.log)
		if strings.Contains(shown, "s3cret") || !strings.Contains(shown, "{k}.keyed.example") {
			t.Errorf("shown: %s", shown)
		}
	})
}
