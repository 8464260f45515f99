package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/setup"
)

// TestFirstRunNameAndCertificate: the wizard gives the server its name, gets a
// certificate as soon as the name leads to it, and hands the browser over,
// without an editor and without a restart of the process.
func TestFirstRunNameAndCertificate(t *testing.T) {
	i := startTry(t, "--setup")
	b := newBrowser(t, i)
	link, err := url.Parse(i.Setup.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.do("POST", "/setup:redeem", map[string]string{"code": link.Fragment}, nil)
	var v setup.View
	if got := b.do("PUT", "/setup/you", setup.Input{Address: "ana@example.test", Password: "correct horse", Host: "post"}, nil); got != http.StatusUnprocessableEntity {
		t.Errorf("a short name: %d", got)
	}
	b.do("PUT", "/setup/you", setup.Input{Address: "ana@example.test", Password: "correct horse", Host: "post.example.test"}, &v)
	if !v.Restarting {
		t.Errorf("another name is used without a new beginning: %+v", v)
	}
	eventually(t, "the name", func() bool {
		v = setup.View{}
		b.do("GET", "/setup", nil, &v)
		return v.Hostname == "post.example.test" && !v.Restarting
	})
	if greeting := firstLineOf(t, i.SMTP); !strings.Contains(greeting, "post.example.test") {
		t.Errorf("port 25 greets with %q", greeting)
	}

	if v.Certificate.Terms == "" || v.Certificate.Automatic {
		t.Errorf("before the terms are accepted: %+v", v.Certificate)
	}
	for _, bad := range []setup.ACME{{Contact: "ana@example.test"}, {AcceptTerms: true, Contact: "ana"}} {
		if got := b.do("PUT", "/setup/certificate", setup.Input{ACME: &bad}, nil); got != http.StatusUnprocessableEntity {
			t.Errorf("%+v: %d", bad, got)
		}
	}
	b.do("PUT", "/setup/certificate", setup.Input{ACME: &setup.ACME{AcceptTerms: true, Contact: "ana@example.test"}}, &v)
	if !v.Certificate.Waits || v.Restarting {
		t.Errorf("before the name leads here: %+v", v.Certificate)
	}
	if got := b.do("POST", "/setup:handover", nil, nil); got != http.StatusUnprocessableEntity {
		t.Errorf("handed over to where browsers warn: %d", got)
	}
	var zone string
	b.do("GET", i.Setup.Control+"/zone", nil, &zone)
	if got := b.do("POST", i.Setup.Control+"/zone", zone, nil); got != http.StatusNoContent {
		t.Fatalf("zone: %d", got)
	}
	eventually(t, "the certificate", func() bool {
		b.do("GET", "/setup", nil, &v)
		return v.Certificate.Trusted
	})
	// The browser that is in by address is not shown another certificate.
	byAddress, err := handshake(int(netip.MustParseAddrPort(i.HTTPS).Port()), "", &tls.Config{InsecureSkipVerify: true})
	if err != nil || byAddress.VerifyHostname("localhost") != nil {
		t.Errorf("by address in the first run: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(i.Data, "mailstead.toml"))
	if err != nil || !strings.Contains(string(text), "mode = \"acme\"\nagree = true\nemail = \"ana@example.test\"\n") || !strings.Contains(string(text), `hostname = "post.example.test"`) {
		t.Errorf("configuration:\n%s%v", text, err)
	}
	if v.Changed == nil || v.Changed.Backup == "" || v.Changed.Paste != "" {
		t.Errorf("what was written: %+v", v.Changed)
	}

	var over api.SetupHandOver
	b.do("POST", "/setup:handover", nil, &over)
	to, err := url.Parse(over.URL)
	if err != nil || to.Hostname() != "post.example.test" || to.Fragment == "" || to.RawQuery != "" || time.Until(over.Expires) > 3*time.Minute {
		t.Fatalf("handed over to %+v", over)
	}
	there := &browser{t: t, base: "https://" + to.Host + "/api/v1", http: trusting(t, i)}
	code := map[string]string{"code": to.Fragment}
	if got := there.do("POST", "/setup:redeem", code, nil); got != http.StatusOK {
		t.Fatalf("under the new name: %d", got)
	}
	if got := there.do("GET", "/setup", nil, &v); got != http.StatusOK || v.Answers.Address != "ana@example.test" {
		t.Errorf("under the new name: %d %+v", got, v.Answers)
	}
	if got := b.do("GET", "/setup", nil, nil); got != http.StatusUnauthorized {
		t.Errorf("the browser is in at the old address, too: %d", got)
	}
	if got := b.do("POST", "/setup:redeem", code, nil); got != http.StatusUnauthorized {
		t.Errorf("the link works twice: %d", got)
	}
}

// trusting is a browser's client that trusts the simulated authority alone,
// and finds every name on this computer.
func trusting(t *testing.T, i *instance) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(i.Setup.Authority)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, i.HTTPS)
		},
	}}
}

// firstLineOf is what a server says first.
func firstLineOf(t *testing.T, addr string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 512)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}
