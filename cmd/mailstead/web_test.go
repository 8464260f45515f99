package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// browser returns a client that trusts the certificates of a try and follows
// no redirects.
func (i *instance) browser(t *testing.T) *http.Client {
	t.Helper()
	ca, err := os.ReadFile(i.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: tryHostname}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// TestWeb looks at the ports of HTTP and HTTPS.
func TestWeb(t *testing.T) {
	t.Parallel()
	i := startTry(t)
	c := i.browser(t)
	for _, tt := range []struct {
		url    string
		status int
		header string
		want   string // in the header
		body   string // in it
	}{
		{"https://" + i.HTTPS + "/healthz", 200, "Content-Type", "text/plain", "ok"},
		{"https://" + i.HTTPS + "/", 302, "Location", "/account/", ""},
		{"https://" + i.HTTPS + "/admin/", 200, "Content-Security-Policy", "require-trusted-types-for 'script'", "<html"},
		{"https://" + i.HTTPS + "/admin/queue/x?y=z", 200, "Content-Type", "text/html", "<html"},
		{"https://" + i.HTTPS + "/api/v1/session", 200, "Cache-Control", "no-store", `"signedIn":false`},
		{"https://" + i.HTTPS + "/api/v1/domains", 401, "Content-Type", "application/problem+json", "signed-out"},
		{"https://" + i.HTTPS + "/help?address=alice@example.test", 200, "Content-Security-Policy", "style-src 'self'", "alice@example.test"},
		{"https://" + i.HTTPS + "/mail/config-v1.1.xml?emailaddress=alice@example.test", 200, "X-Frame-Options", "DENY", strings.TrimPrefix(i.IMAPS, "127.0.0.1:")},
		{"https://" + i.HTTPS + "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=alice@elsewhere.test", 404, "Content-Type", "text/plain", "elsewhere.test"},
		{"https://" + i.HTTPS + "/help/apple.mobileconfig?address=alice@example.test", 200, "Content-Type", "application/x-apple-aspen-config", ""},
		{"https://" + i.HTTPS + "/nothing", 404, "X-App-Version", "", "not-found"},
		{"http://" + i.HTTP + "/healthz", 200, "Content-Type", "text/plain", "ok"},
		{"http://" + i.HTTP + "/admin/?a=b", 308, "Location", "https://" + i.HTTPS + "/admin/?a=b", ""},
		{"http://" + i.HTTP + "/api/v1/session", 308, "Location", "https://" + i.HTTPS + "/api/v1/session", ""},
	} {
		resp, err := c.Get(tt.url)
		if err != nil {
			t.Error(err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || !strings.Contains(resp.Header.Get(tt.header), tt.want) || !strings.Contains(string(body), tt.body) {
			t.Errorf("%s: %v %s %v %.300s", tt.url, err, resp.Status, resp.Header, body)
		}
		if resp.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: HSTS with a certificate of our own", tt.url)
		}
	}
}
