package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// setupConfig is a configuration whose resolver knows nothing but z, with no
// ports.
func setupConfig(t *testing.T, z *dnstest.Zones) (file, data string) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- z.Serve(ctx, pc, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	data = t.TempDir()
	file = filepath.Join(data, "mailstead.toml")
	text := fmt.Sprintf("hostname = \"mail.example.test\"\ndata = %q\n[dns]\nservers = [%q]\n", filepath.Join(data, "data"), pc.LocalAddr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, filepath.Join(data, "data")
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "answers.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSetupWithAnswers(t *testing.T) {
	file, data := setupConfig(t, dnstest.New("mail.example.test. A 192.0.2.1"))
	secret := write(t, "correct horse\n")
	answers := write(t, fmt.Sprintf("address = \"ana@example.test\"\nname = \"Ana\"\npassword_file = %q\nreceive_only = true\n", secret))
	out := succeed(t, "setup", "--config", file, "--answers", answers)
	for _, want := range []string{"example.test. 3600 IN MX 10 mail.example.test.", "ana@example.test is the owner", "account passwd ana@example.test", "mailstead serve"} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "correct horse") {
		t.Error("the password is printed")
	}
	if out := succeed(t, "account", "show", "ana@example.test", "--data", data); !strings.Contains(out, "owner") {
		t.Errorf("account:\n%s", out)
	}
	if _, errs, code := command(t, "setup", "--config", file, "--answers", answers); code != exitFailed || !strings.Contains(errs, "set up already") {
		t.Errorf("again: %d %s", code, errs)
	}
}

func TestSetupRefusesAnswers(t *testing.T) {
	file, data := setupConfig(t, dnstest.New(""))
	for name, tt := range map[string]struct{ text, says string }{
		"unknown key":    {"adress = \"ana@example.test\"\n", "there is no answer adress"},
		"no password":    {"address = \"ana@example.test\"\n", "choose a password"},
		"no address":     {"password = \"correct horse\"\n", "is not an address"},
		"no TOML":        {"address ana", "answers.toml"},
		"file not there": {"address = \"ana@example.test\"\npassword_file = \"/nowhere/x\"\n", "/nowhere/x"},
	} {
		if _, errs, code := command(t, "setup", "--config", file, "--answers", write(t, tt.text)); code != exitFailed || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
	if out := succeed(t, "account", "list", "--data", data); strings.Contains(out, "ana@") {
		t.Errorf("a refused answer made an account:\n%s", out)
	}
}

func TestSetupMakesConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "etc", "mailstead.toml")
	out := succeed(t, "setup", "--config", file, "--hostname", "mail.example.test", "--dry-run")
	if !strings.Contains(out, "Would write") || fileExists(file) {
		t.Errorf("dry run: %s", out)
	}
	if _, errs, code := command(t, "setup", "--config", file, "--hostname", "mail", "--yes"); code != exitUsage || !strings.Contains(errs, "not a complete name") {
		t.Errorf("short name: %d %s", code, errs)
	}
	c := setupCmd{Config: file, Hostname: "mail.example.test", Yes: true}
	if err := c.makeConfig(t.Context(), streams{os.Stdout, os.Stderr}); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "config", "check", "--config", file); !strings.Contains(out, "fine") {
		t.Errorf("check: %s", out)
	}
	if out := succeed(t, "setup", "--config", file, "--dry-run"); !strings.Contains(out, "with the wizard open") {
		t.Errorf("dry run: %s", out)
	}
}

// A server that runs gives the link out by its socket.
func TestSetupLinkOfRunningServer(t *testing.T) {
	i := startTry(t, "--setup")
	file := write(t, fmt.Sprintf("hostname = \"mail.example.test\"\ndata = %q\n", i.Data))
	out := succeed(t, "setup", "--config", file)
	_, after, ok := strings.Cut(out, "/setup/#")
	if code, _, _ := strings.Cut(after, "\n"); !ok || len(code) != len("K7P4-9QXD-22MB") {
		t.Fatalf("no link:\n%s", out)
	}
	answers := write(t, "address = \"ana@example.test\"\npassword = \"correct horse\"\n")
	if out := succeed(t, "setup", "--config", file, "--answers", answers); !strings.Contains(out, "ana@example.test is the owner") {
		t.Errorf("answers:\n%s", out)
	}
	if _, errs, code := command(t, "setup", "--config", file); code != exitFailed || !strings.Contains(errs, "set up already") {
		t.Errorf("again: %d %s", code, errs)
	}
}
