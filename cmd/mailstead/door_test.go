package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoor: settings of the door count at once, and what it refuses is found.
// Clients on this computer are our own, until the settings say otherwise.
func TestDoor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir)
	set := func(name, value string) { succeed(t, "settings", "set", name, value, "--data", dir) }
	ask := func(from net.IP, pairs ...string) {
		t.Helper()
		c, err := open(i.SMTP, from, "", append([]string{"EHLO client.slow.test", "250"}, pairs...)...)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	told := func(query string, parts ...string) {
		t.Helper()
		eventually(t, "the story of "+query, func() bool {
			found := succeed(t, "trace", "find", query, "--data", dir)
			for line := range strings.Lines(found) {
				id, _, _ := strings.Cut(line, " ")
				if len(id) != 16 {
					continue
				}
				story := succeed(t, "trace", "show", id, "--data", dir)
				all := true
				for _, p := range parts {
					all = all && strings.Contains(story, p)
				}
				if all {
					return true
				}
			}
			return false
		})
	}
	unknown := []string{"MAIL FROM:<friend@slow.test>", "250"}
	for range 8 {
		unknown = append(unknown, "RCPT TO:<nobody@example.test>", "550 5.1.1")
	}
	set("inbound.unknown-recipients", "3")
	ask(net.IPv4(127, 66, 0, 1), unknown...)

	set("inbound.exempt-networks", "none")
	ask(net.IPv4(127, 66, 0, 1), append(unknown[:6:6], "RCPT TO:<nobody@example.test>", "421 4.7.1")...)
	told("127.66.0.1", "Most recipients that were asked for from there do not exist.", "refused 4.7.1")

	early, err := dialPeer(i.SMTP, net.IPv4(127, 66, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	io.WriteString(early, "EHLO spam.test\r\n")
	if err := early.expect("554 5.5.1"); err != nil {
		t.Error(err)
	}
	told("127.66.1.1", "The client has talked before the greeting.", "The client is refused for it.")

	set("inbound.unknown-sender", "refuse")
	ask(net.IPv4(127, 66, 2, 1), "MAIL FROM:<x@nowhere.invalid>", "550 5.1.8")
	told("x@nowhere.invalid", "The sender's domain nowhere.invalid does not exist")

	set("inbound.greylist-delay", "1s")
	set("inbound.greylist-score", "0.5")
	mail := func(want string) error {
		c, err := open(i.SMTP, net.IPv4(127, 66, 3, 1), "", "EHLO client.slow.test", "250", "MAIL FROM:<friend@slow.test>", "250", "RCPT TO:<bob@example.test>", "250", "DATA", "354",
			"From: friend@slow.test\r\nTo: bob@example.test\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@slow.test>\r\nSubject: again\r\n\r\nhello\r\n.", want)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := mail("451 4.7.1 mail like this"); err != nil {
		t.Error(err)
	}
	eventually(t, "the second try to be taken", func() bool { return mail("250") == nil })
	told("friend@slow.test", "nothing good is known of the sender")

	if _, stderr, code := command(t, "settings", "set", "blocklists.addresses", "bl.example 127.0.0.2", "--data", dir); code == 0 || !strings.Contains(stderr, "is not a code with its score") {
		t.Errorf("a list without scores: %d, %s", code, stderr)
	}
	const key = "0123456789abcdefghijklmn"
	set("blocklists.keys", "dqs="+key)
	set("blocklists.addresses", "{dqs}.zen.dq.spamhaus.net 127.0.0.2=4")
	ask(net.IPv4(127, 66, 4, 1), "MAIL FROM:<friend@slow.test>", "250", "RCPT TO:<bob@example.test>", "250")
	eventually(t, "the log to tell of the list", func() bool { return strings.Contains(i.log.String(), "{dqs}.zen.dq.spamhaus.net") })
	shown := fmt.Sprint(i.log, succeed(t, "settings", "list", "--data", dir), succeed(t, "settings", "export", "--data", dir))
	if strings.Contains(shown, key) {
		t.Error("the key of a list is shown")
	}
}
