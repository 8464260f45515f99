package main

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/arc/arctest"
)

// guardedZone is a domain that wants mail refused that is not its own.
const guardedZone = `
guarded.test.        300 IN TXT "v=spf1 -all"
_dmarc.guarded.test. 300 IN TXT "v=DMARC1; p=reject"
`

// serveZones starts a name server on loopback, over UDP: its answers are short.
func serveZones(t *testing.T, z *dnstest.Zones) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- z.Serve(ctx, pc, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return pc.LocalAddr().String()
}

// TestTrustedForwarders: what a forwarder brings is refused because of the
// author's DMARC policy until a setting says that it is trusted, and the story
// tells why it was not refused. No restart is needed.
func TestTrustedForwarders(t *testing.T) {
	t.Parallel()
	z := dnstest.New(guardedZone)
	list := arctest.NewSealer(z, "lists.test", 0)
	i := startTry(t, "--resolver", serveZones(t, z))
	forwarded := func(id string) string {
		return "From: Ana <ana@guarded.test>\r\nTo: bob@example.test\r\nSubject: [list] hello\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n" +
			"Message-ID: <" + id + "@guarded.test>\r\n\r\nGood morning\r\n"
	}
	sealed := func(id string) string {
		return list.Seal(forwarded(id), 1, arctest.Form{Results: "dmarc=pass header.from=guarded.test"})
	}
	send := func(from, msg string) string {
		if err := sendFrom(t.Context(), &net.Dialer{}, i.SMTP, from, "bob@example.test", msg); err != nil {
			return err.Error()
		}
		return ""
	}
	for _, tt := range []struct {
		name, setting, value string
		msg                  string
		refused, told        string
	}{
		{"nobody is trusted", "", "", forwarded("1"), "the owner of guarded.test asks to refuse", "dmarc=fail"},
		{"seals count for nothing", "", "", sealed("2"), "the owner of guarded.test asks to refuse", "arc=pass"},
		{"trusted sealer", "arc.trusted-sealers", "lists.test", sealed("3"), "", "vouched for by lists.test"},
		{"without its seal", "", "", forwarded("4"), "the owner of guarded.test asks to refuse", "dmarc=fail"},
		{"trusted network", "dmarc.trusted-forwarders", "127.0.0.0/8", forwarded("5"), "", "came through 127.0.0.1"},
	} {
		if tt.setting != "" {
			i.set(t, tt.setting, tt.value)
		}
		from := strings.ReplaceAll(tt.name, " ", "-") + "@forwarder.test"
		if got := send(from, tt.msg); !strings.Contains(got, tt.refused) || (got == "") != (tt.refused == "") {
			t.Errorf("%s: answered %q, want %q", tt.name, got, tt.refused)
		}
		if _, story := i.story(t, from); !strings.Contains(story, tt.told) {
			t.Errorf("%s: %q is missing in\n%s", tt.name, tt.told, story)
		}
	}
	for _, bad := range []string{"300.0.0.0/8", "no_name"} {
		file, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		if out, err := tryOutput(t, "", file, "settings", "set", "dmarc.trusted-forwarders", bad, "--data", i.Data); err == nil {
			t.Errorf("%q was taken: %s", bad, out)
		}
	}
}
