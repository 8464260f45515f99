package main

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/support/supporttest"
	"github.com/mailstead/mailstead/mail/schema"
)

// bundle makes a support bundle and reads it, by the names of its files.
func (i *instance) bundle(t *testing.T) map[string]string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "bundle.tar.gz")
	i.command(t, "support-bundle", "--output", name)
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal("the file is for everybody", err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return supporttest.Unpack(t, f)
}

// TestSupportBundle makes a bundle of a server that has had some mail, of one
// that is stopped, and of one whose data cannot be opened: nothing of people and
// no key is in any of them, and each says what it can.
func TestSupportBundle(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir)
	alice, bob := i.Accounts[0], i.Accounts[1]
	if err := i.submits(alice, bob.Address, "CANARY-SUBJECT"); err != nil {
		t.Fatal(err)
	}
	if err := i.submits(alice, "canary-far@down.test", "CANARY-SUBJECT"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "mail waits", func() bool { return strings.Contains(i.command(t, "queue", "list"), "down.test") })
	secrets := []string{alice.Address, bob.Address, "alice@", "bob@", "example.test", "down.test", "canary", alice.Password, bob.Password, i.Admin.Password}
	none := func(files map[string]string) {
		t.Helper()
		for name, text := range files {
			for _, s := range secrets {
				if at := strings.Index(strings.ToLower(text), strings.ToLower(s)); at >= 0 {
					t.Errorf("%s has %q: …%s…", name, s, text[max(0, at-80):min(len(text), at+80)])
				}
			}
		}
	}
	running := i.bundle(t)
	none(running)
	for name, word := range map[string]string{"log.txt": "login=person", "queue.json": "domain", "checks.json": "items", "metrics.txt": "mailstead_goroutines", "server.json": "heap", "goroutines.txt": "mailstead"} {
		if !strings.Contains(running[name], word) {
			t.Errorf("running: %s does not have %q: %.800s", name, word, running[name])
		}
	}
	i.stop(t)

	n, err := openFixture(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range n.dkimKeys("example.test") {
		der, err := x509.MarshalPKCS8PrivateKey(k.Signer)
		if err != nil {
			t.Fatal(err)
		}
		text, digits := base64.StdEncoding.EncodeToString(der), hex.EncodeToString(der)
		secrets = append(secrets, text[len(text)-30:], digits[len(digits)-30:])
	}
	if err := n.close(); err != nil || len(secrets) < 12 {
		t.Fatal("no DKIM keys", err)
	}
	none(running)
	stopped := i.bundle(t)
	none(stopped)
	if !strings.Contains(stopped["queue.json"], "groups") || !strings.Contains(stopped["manifest.json"], "no server is running") || stopped["settings.json"] == "" {
		t.Errorf("stopped: %v", stopped["manifest.json"])
	}
	if err := os.WriteFile(filepath.Join(dir, "schema"), []byte(`{"schema":99,"program":"v9.1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := i.bundle(t)
	none(newer)
	if !strings.Contains(newer["server.json"], "has schema 99") || !strings.Contains(newer["last-upgrade.json"], `"schema": 99`) || schema.Current >= 99 {
		t.Errorf("data of a newer program: %v", newer)
	}
}
