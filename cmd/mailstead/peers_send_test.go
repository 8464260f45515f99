package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSwaks sends in every way people configure, and fails to relay.
func TestSwaks(t *testing.T) {
	t.Parallel()
	swaks := need(t, "swaks")
	i := startTry(t)
	alice, bob := i.Accounts[0], i.Accounts[1]
	login := []string{"--auth-user", alice.Address, "--auth-password", alice.Password}
	for _, tt := range []struct {
		name string
		args []string
		ok   bool
		want string // in what swaks prints
	}{
		{"25 takes mail for us", []string{"--server", i.SMTP, "--from", "stranger@slow.test", "--to", bob.Address}, true, "250 2.0.0"},
		{"25 refuses forgeries", []string{"--server", i.SMTP, "--from", "stranger@bigmail.test", "--to", bob.Address}, false, "550 5.7.1"},
		{"25 with STARTTLS", []string{"--server", i.SMTP, "-tls", "--from", "stranger@slow.test", "--to", bob.Address}, true, "250 2.0.0"},
		{"25 does not relay", []string{"--server", i.SMTP, "--from", alice.Address, "--to", "x@elsewhere.test"}, false, "550 5.7.1"},
		{"25 knows its users", []string{"--server", i.SMTP, "--from", "stranger@slow.test", "--to", "nobody@example.test"}, false, "550 5.1.1"},
		{"587 wants a login", []string{"--server", i.Submission, "-tls", "--from", alice.Address, "--to", bob.Address}, false, "530 5.7.0"},
		{"587 offers no login without TLS", append([]string{"--server", i.Submission, "--auth", "PLAIN", "--from", alice.Address, "--to", bob.Address}, login...), false, "not advertise"},
		{"587 with STARTTLS, PLAIN", append([]string{"--server", i.Submission, "-tls", "--auth", "PLAIN", "--from", alice.Address, "--to", bob.Address}, login...), true, "235 2.7.0"},
		{"587 with STARTTLS, LOGIN", append([]string{"--server", i.Submission, "-tls", "--auth", "LOGIN", "--from", alice.Address, "--to", bob.Address}, login...), true, "235 2.7.0"},
		{"465", append([]string{"--server", i.Submissions, "-tlsc", "--auth", "PLAIN", "--from", alice.Address, "--to", bob.Address}, login...), true, "250 2.0.0"},
		{"wrong password", []string{"--server", i.Submissions, "-tlsc", "--auth", "PLAIN", "--auth-user", alice.Address, "--auth-password", "wrong", "--to", bob.Address}, false, "535 5.7.8"},
		{"another's name", append([]string{"--server", i.Submissions, "-tlsc", "--auth", "PLAIN", "--from", bob.Address, "--to", bob.Address}, login...), false, "553 5.7.1"},
		{"another's name in From", append([]string{"--server", i.Submissions, "-tlsc", "--auth", "PLAIN", "--from", alice.Address, "--h-From", bob.Address, "--to", bob.Address}, login...), false, "550 5.7.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tryOutput(t, "", swaks, append(tt.args, "--ehlo", "client.test", "--timeout", "60")...)
			if (err == nil) != tt.ok || !strings.Contains(out, tt.want) {
				t.Errorf("swaks ended with %v, and what it printed should contain %q:\n%s", err, tt.want, out)
			}
		})
	}
	i.waitMessages(t, bob, "INBOX", 5)
}

// TestMsmtp sends through 465 with the certificate verified.
func TestMsmtp(t *testing.T) {
	t.Parallel()
	msmtp := need(t, "msmtp")
	i := startTry(t)
	alice, bob := i.Accounts[0], i.Accounts[1]
	host, port, err := net.SplitHostPort(i.Submissions)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "msmtprc")
	text := fmt.Sprintf("defaults\ntls on\ntls_starttls off\ntls_trust_file %s\nauth on\naccount default\nhost %s\nport %s\nfrom %s\nuser %s\npassword %s\n",
		i.CA, host, port, alice.Address, alice.Address, alice.Password)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	mail := "From: " + alice.Address + "\nTo: " + bob.Address + "\nBcc: secret@example.test\nSubject: by msmtp\n\nline\n.\n..dots\n"
	output(t, mail, msmtp, "-C", config, bob.Address)
	got := i.waitMessages(t, bob, "INBOX", 1)[0]
	for _, want := range []string{"Subject: by msmtp", "\r\nline\r\n.\r\n..dots\r\n", "Message-ID: ", "Date: ", "DKIM-Signature: ", "Return-Path: <" + alice.Address + ">"} {
		if !strings.Contains(got, want) {
			t.Errorf("the message lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "Bcc") {
		t.Errorf("the message still has Bcc:\n%s", got)
	}
}
