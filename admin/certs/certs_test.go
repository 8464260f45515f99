package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shown returns the certificate a client gets.
func shown(t *testing.T, m *Manager, serverName string) *x509.Certificate {
	t.Helper()
	return shownBy(t, m.TLSConfig(), serverName)
}

// shownBy is shown by a server with cfg.
func shownBy(t *testing.T, cfg *tls.Config, serverName string) *x509.Certificate {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go tls.Server(a, cfg).Handshake()
	c := tls.Client(b, &tls.Config{ServerName: serverName, InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		t.Fatalf("handshake for %q: %v", serverName, err)
	}
	return c.ConnectionState().PeerCertificates[0]
}

func TestSelfSigned(t *testing.T) {
	dir := t.TempDir()
	m, err := New(Options{Dir: dir, Hostname: "mx.example.test", Mode: SelfSigned})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(m.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for _, name := range []string{"mx.example.test", "", "other.example"} {
		cert := shown(t, m, name)
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: "mx.example.test"}); err != nil {
			t.Errorf("for server name %q: %v", name, err)
		}
	}
	again, err := New(Options{Dir: dir, Hostname: "mx.example.test", Mode: SelfSigned})
	if err != nil || !shown(t, again, "").Equal(shown(t, m, "")) {
		t.Errorf("a restart makes a new certificate (%v)", err)
	}
	later := func() time.Time { return time.Now().Add(380 * 24 * time.Hour) }
	aged, err := New(Options{Dir: dir, Hostname: "mx.example.test", Mode: SelfSigned, Now: later})
	if err != nil || shown(t, aged, "").Equal(shown(t, m, "")) {
		t.Errorf("a certificate that runs out is not renewed (%v)", err)
	}
	if c, err := again.Signer(); err != nil || !c.Leaf.Equal(shown(t, again, "")) {
		t.Errorf("documents are not signed with the certificate that is shown (%v)", err)
	}
	if s := again.Status(); len(s) != 1 || s[0].Problem != "" || !strings.Contains(s[0].String(), "self-signed certificate") {
		t.Errorf("status = %v", s)
	}
}

func TestFiles(t *testing.T) {
	maker, err := openCA(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := maker.leaf("", []string{"files.example"}); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(maker.dir, "cert.pem"), filepath.Join(maker.dir, "key.pem")
	m, err := New(Options{Dir: t.TempDir(), Hostname: "files.example", Mode: Files, CertFile: certFile, KeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	first := shown(t, m, "files.example")
	// A broken pair leaves the old one in use and says so.
	if err := os.WriteFile(certFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(certFile, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !shown(t, m, "files.example").Equal(first) {
		t.Error("a broken file replaced the certificate")
	}
	if s := m.Status(); s[0].Problem == "" {
		t.Errorf("status = %+v", s)
	}
	if _, err := New(Options{Dir: t.TempDir(), Hostname: "x.example", Mode: Files, CertFile: certFile, KeyFile: keyFile}); err == nil {
		t.Error("a broken file at the start is not told")
	}
}

func TestModes(t *testing.T) {
	for _, o := range []Options{{Mode: "x"}, {Mode: ACME}, {Mode: ACME, ACME: ACMEOptions{Agree: true, CARoot: "/nowhere"}}} {
		o.Dir, o.Hostname = t.TempDir(), "mx.example"
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	// Until ACME has one, the self-signed certificate is shown.
	m, err := New(Options{Dir: t.TempDir(), Hostname: "mx.example", Mode: ACME, ACME: ACMEOptions{Agree: true, CAs: []string{"https://127.0.0.1:1/dir"}}})
	if err != nil {
		t.Fatal(err)
	}
	if cert := shown(t, m, ""); cert.VerifyHostname("mx.example") != nil {
		t.Errorf("before the first certificate: %v", cert.DNSNames)
	}
	if s := m.Status()[0].String(); !strings.Contains(s, "no certificate yet") {
		t.Error(s)
	}
}

// TestNothingIsOrderedInDoubt: a clock that has jumped by years does not have
// every certificate renewed.
func TestNothingIsOrderedInDoubt(t *testing.T) {
	ca := &authority{owner: &acmeCA{doubted: func() bool { return true }}}
	if err := ca.PreCheck(t.Context(), []string{"mail.example.org"}, false); !errors.Is(err, errDoubted) {
		t.Errorf("PreCheck: %v, want %v", err, errDoubted)
	}
}
