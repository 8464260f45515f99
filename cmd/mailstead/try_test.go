package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRemotes writes to the simulated remotes and waits for what each does.
func TestRemotes(t *testing.T) {
	t.Parallel()
	swaks := need(t, "swaks")
	i := startTry(t)
	alice := i.Accounts[0]
	output(t, "", swaks, "--server", i.Submissions, "-tlsc", "--auth", "PLAIN", "--auth-user", alice.Address, "--auth-password", alice.Password, "--from", alice.Address,
		"--to", "a@bigmail.test,b@slow.test,c@strict.test,d@down.test,e@unknown.test", "--h-Subject", "to the world")
	c := i.dialIMAP(t, alice, nil)
	for what, words := range map[string][]string{
		"an answer of bigmail.test":   {"From: a@bigmail.test", "spf=pass", "dkim=pass", "dmarc=pass", "Re: to the world"},
		"a bounce of strict.test":     {"Action: failed", "c@strict.test", "5.7.1", "our policy does not allow"},
		"a bounce of an unknown name": {"Action: failed", "e@unknown.test", "5.1.2"},
		"a delay of down.test":        {"Action: delayed", "d@down.test"},
		"a bounce of down.test":       {"Action: failed", "d@down.test", "5.4.7"},
	} {
		eventually(t, what, func() bool {
			for _, m := range messages(t, c, "INBOX") {
				found := true
				for _, w := range words {
					found = found && strings.Contains(m, w)
				}
				if found {
					return true
				}
			}
			return false
		})
	}
	eventually(t, "slow.test greylists and accepts", func() bool {
		log := i.log.String()
		return strings.Contains(log, "rcpt_to=<b@slow.test> result=deferred status=4.7.1") && strings.Contains(log, "rcpt_to=<b@slow.test> result=delivered")
	})
}

// TestTryKeepsItsFolder: with --dir, accounts and mail are there again.
func TestTryKeepsItsFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir)
	i.fill(t, i.Accounts[0], "INBOX", 3)
	i.stop(t)
	again := startTry(t, "--dir", dir)
	if again.Accounts[0] != i.Accounts[0] || again.Admin.Password != i.Admin.Password || again.Data != dir || again.CA != i.CA {
		t.Errorf("started again: %+v, before: %+v", again.tryInfo, i.tryInfo)
	}
	again.waitMessages(t, again.Accounts[0], "INBOX", 3)
	again.kill(t)
	third := startTry(t, "--dir", dir)
	third.waitMessages(t, third.Accounts[0], "INBOX", 3)
}

// TestTryInfo holds the line of --json against the contract.
func TestTryInfo(t *testing.T) {
	t.Parallel()
	i := startTry(t)
	b, err := json.Marshal(i.tryInfo)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"hostname", "data", "admin", "accounts", "smtp", "submission", "submissions", "imap", "imaps", "https", "http", "ca", "pid"} {
		if m[key] == nil {
			t.Errorf("%s is missing: %s", key, b)
		}
	}
	if i.Hostname != "mail.example.test" || i.PID != i.cmd.Process.Pid || i.Accounts[0].Address != "alice@example.test" || i.Accounts[1].Address != "bob@example.test" ||
		i.Admin.User != "admin@example.test" || i.Admin.Password == "" || i.Admin.URL != "https://"+i.HTTPS+"/admin/" {
		t.Errorf("info = %+v", i.tryInfo)
	}
	if _, err := os.Stat(i.CA); err != nil {
		t.Error(err)
	}
}

// TestUsage: wrong usage is exit status 2, help is 0.
func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
	}{
		{"--help", 0}, {"try --help", 0}, {"version", 0}, {"config describe", 0},
		{"", 2}, {"nonsense", 2}, {"try --port-offset x", 2}, {"try --port-offset 70000", 2}, {"try --relay-to 192.0.2.1:25", 2},
		{"serve --config /nowhere/mailstead.toml", 1},
	} {
		var out, errs bytes.Buffer
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		if code := run(ctx, strings.Fields(tt.args), &out, &errs); code != tt.code {
			t.Errorf("mailstead %s: exit status %d, want %d\n%s%s", tt.args, code, tt.code, out.String(), errs.String())
		}
		cancel()
	}
}

// TestSecondProcess: data that is in use is not opened again, and the text
// says so.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir)
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := tryOutput(t, "", file, "try", "--dir", dir, "--port-offset", fmt.Sprint(freeOffset(t)))
	if err == nil || !strings.Contains(out, "another process") {
		t.Errorf("a second process: %v\n%s", err, out)
	}
	i.waitMessages(t, i.Accounts[0], "INBOX", 0)
}
