package certs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExternalAccount: a CA that wants to know its customers gives certificates
// to those who show the key that it gave them, and others are told what to do.
func TestExternalAccount(t *testing.T) {
	t.Parallel()
	const id, key = "customer-7", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	for _, tt := range []struct {
		name, file string // %s is the directory of the CA
		problem    string // "": there is a certificate
		advice     string
	}{
		{"known", "# of the test\n\nhttps://other.test/dir other b3RoZXI\n%s " + id + " " + key + "\n", "", ""},
		{"wrong-key", "%s " + id + " d3Jvbmc\n", "external account binding", ""},
		{"unknown-id", "%s customer-8 " + key + "\n", "not known to the ACME server", ""},
		{"of-another-authority", "https://other.test/dir " + id + " " + key + "\n", "externalAccountBinding", "tls] eab_file"},
		{"no-file", "", "externalAccountBinding", "tls] eab_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 24*time.Hour)
			w.ca = startBoundPebble(t, w.host, w.resolver, 24*time.Hour, map[string]string{id: key})
			w.opts.ACME.CAs, w.opts.ACME.CARoot = []string{w.ca.directory}, w.ca.roots
			if tt.file != "" {
				w.opts.ACME.EAB = filepath.Join(t.TempDir(), "eab")
				if err := os.WriteFile(w.opts.ACME.EAB, []byte(strings.ReplaceAll(tt.file, "%s", w.ca.directory)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m := w.run(t)
			s := until(t, m, w.name, func(s Status) bool { return s.State == StateGood || s.State == StateFailing })
			if tt.problem == "" && s.State != StateGood || tt.problem != "" && s.State != StateFailing || !strings.Contains(s.Problem, tt.problem) || !strings.Contains(s.Advice, tt.advice) {
				t.Errorf("status = %+v", s)
			}
		})
	}
}

// TestExternalAccountFile: a file that is not as it should be is told at the
// start.
func TestExternalAccountFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "eab")
	if _, err := readEAB(file); err == nil || !strings.Contains(err.Error(), "tls.eab_file") {
		t.Errorf("without the file: %v", err)
	}
	for _, line := range []string{"https://ca.test/dir id", "https://ca.test/dir id key more"} {
		if err := os.WriteFile(file, fmt.Appendf(nil, "# known\n%s\n", line), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{Dir: t.TempDir(), Hostname: "mx.example", Mode: ACME, ACME: ACMEOptions{Agree: true, EAB: file}}); err == nil || !strings.Contains(err.Error(), "line 2 of "+file) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestOutage: after a CA was out of order, a name gets its certificate without
// anybody asking, and until then the CA is asked less and less often.
func TestOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 24*time.Hour)
	w.ca.refuses.Store(true)
	m, err := New(w.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer m.acme.cache.Stop()
	w.host.manager.Store(m)
	pass := func() (asked bool) {
		before := w.ca.requests.Load()
		m.pass(t.Context())
		return w.ca.requests.Load() > before
	}
	for n, pause := range backoff {
		if !pass() {
			t.Fatalf("attempt %d: the CA is not asked", n+1)
		}
		s := m.Status()[0]
		if left := time.Until(s.Next); s.State != StateFailing || left > pause || left < pause-wait {
			t.Fatalf("attempt %d: %+v, next in %v; want %v", n+1, s, left, pause)
		}
		if pass() {
			t.Fatalf("attempt %d: the CA is asked again at once", n+1)
		}
		m.begun = m.begun.Add(-pause) // time passes
	}
	w.ca.refuses.Store(false)
	if !pass() {
		t.Fatal("the CA is back, and is not asked")
	}
	if s := m.Status()[0]; s.State != StateGood || s.Problem != "" || !s.Failed.IsZero() {
		t.Errorf("after the outage: %+v", s)
	}
	if c := shownOn(t, w.host.tls, ""); c.VerifyHostname(w.name) != nil || !strings.Contains(c.Issuer.CommonName, "Pebble") {
		t.Errorf("%s of %s is shown", c.DNSNames, c.Issuer)
	}
	if pass() {
		t.Error("the CA is asked for what is there")
	}
}
