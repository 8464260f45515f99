package inbound

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
)

func TestWithoutForgeries(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing to do", "From: a@b.test\r\nSubject: x\r\n\r\n", "From: a@b.test\r\nSubject: x\r\n\r\n"},
		{"old Return-Path", "Return-Path: <x@y.test>\r\nFrom: a@b.test\r\nreturn-path: <z@y.test>\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours", "Authentication-Results: mx.example.org; spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours in disguise", "AUTHENTICATION-RESULTS:\r\n\t(a (nested\\) comment)) \"MX.Example\\.org\" 1;\r\n spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours without results", "Authentication-Results: mx.example.org.\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"somebody else's stays", "Authentication-Results: mx.elsewhere.test; spf=fail\r\nFrom: a@b.test\r\n\r\n", "Authentication-Results: mx.elsewhere.test; spf=fail\r\nFrom: a@b.test\r\n\r\n"},
		{"a longer name is another", "Authentication-Results: mx.example.org.evil.test; spf=pass\r\n\r\n", "Authentication-Results: mx.example.org.evil.test; spf=pass\r\n\r\n"},
		{"without a name", "Authentication-Results: (mx) ; spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours with a version", "Authentication-Results: mx.example.org 1; spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours with a version that is none", "Authentication-Results: mx.example.org/1; spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours with results at once", "Authentication-Results: mx.example.org=; spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours folded", "Authentication-Results:\r\n \r\n\tMX.EXAMPLE.ORG\r\n\t;spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours with space before the colon", "Authentication-Results : mx.example.org; spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours in wide letters", "Authentication-Results: ｍx。example.org; spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours in quotes with a comment", "Authentication-Results: \"mx.example.org\"(c)1; spf=pass\r\nFrom: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"ours twice", "Authentication-Results: mx.example.org; spf=pass\r\nFrom: a@b.test\r\nAuthentication-Results: mx.example.org; none\r\n\r\n", "From: a@b.test\r\n\r\n"},
		{"a name that contains ours", "Authentication-Results: a-mx.example.org; spf=pass\r\n\r\n", "Authentication-Results: a-mx.example.org; spf=pass\r\n\r\n"},
		{"a similar field stays", "X-Authentication-Results: mx.example.org; spf=pass\r\n\r\n", "X-Authentication-Results: mx.example.org; spf=pass\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(withoutForgeries([]byte(tt.in), "mx.example.org")); got != tt.want {
				t.Errorf("got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

func TestForgeriesUnderAnInternationalName(t *testing.T) {
	for _, id := range []string{"mx.exämple.test", "MX.EXÄMPLE.test.", "mx.xn--exmple-cua.test", `"mx.exa\u0308mple.test"`} {
		in := "Authentication-Results: " + id + "; spf=pass\r\nFrom: a@b.test\r\n\r\n"
		if got := string(withoutForgeries([]byte(strings.ReplaceAll(in, `\u0308`, "\u0308")), "mx.xn--exmple-cua.test")); got != "From: a@b.test\r\n\r\n" {
			t.Errorf("%s: got %q", id, got)
		}
	}
}

func TestReceived(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	to := func(list ...string) (rs []mail.Recipient) {
		for _, s := range list {
			p, err := mail.ParseAddress(s)
			if err != nil {
				t.Fatal(err)
			}
			rs = append(rs, mail.Recipient{Path: p})
		}
		return rs
	}
	s := New(Options{Hostname: "mx.example.org"})
	for _, tt := range []struct {
		name, addr, client, hello, cipher string
		rcpts                             []mail.Recipient
		want                              string
	}{
		{"one recipient", "192.0.2.1", "mail.sender.test", "mail.sender.test", "TLS_AES_128_GCM_SHA256", to("bo@example.org"),
			"Received: from mail.sender.test (mail.sender.test [192.0.2.1])\r\n\tby mx.example.org with ESMTPS id 0123456789abcdef" +
				"\r\n\tfor <bo@example.org>\r\n\ttls TLS_AES_128_GCM_SHA256;\r\n\tTue, 24 Nov 2026 12:00:00 +0000\r\n"},
		{"several recipients are not named", "::ffff:192.0.2.1", "", "Mail.Sender.Test", "", to("bo@example.org", "ci@example.org"),
			"Received: from mail.sender.test ([192.0.2.1])\r\n\tby mx.example.org with ESMTPS id 0123456789abcdef;\r\n\tTue, 24 Nov 2026 12:00:00 +0000\r\n"},
		{"hostile hello", "2001:db8::1%eth0", "", "x)\r\nFrom: evil", "", to("bo@example.org"),
			"Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby mx.example.org with ESMTPS id 0123456789abcdef" +
				"\r\n\tfor <bo@example.org>;\r\n\tTue, 24 Nov 2026 12:00:00 +0000\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &Mail{ID: "0123456789abcdef", Envelope: mail.Envelope{Recipients: tt.rcpts},
				Client: Client{Addr: netip.MustParseAddr(tt.addr), Hello: tt.hello, Protocol: "ESMTPS", Cipher: tt.cipher}}
			if got := s.received(m, tt.client, now); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}
