package acmetest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/certs/acmetest"
)

// TestOrder has our own client get a certificate, and hear why it gets none.
func TestOrder(t *testing.T) {
	var manager *certs.Manager
	ours := func(ctx context.Context, url string) (string, error) {
		rec := httptest.NewRecorder()
		manager.HTTPHandler(http.NotFoundHandler()).ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, url, nil))
		return rec.Body.String(), nil
	}
	for name, tt := range map[string]struct {
		fetch   func(context.Context, string) (string, error)
		problem string // "": there is a certificate
	}{
		"the name is ours":    {ours, ""},
		"nothing answers":     {func(context.Context, string) (string, error) { return "", errors.New("no route to mail.example.test") }, "no route to mail.example.test"},
		"another one answers": {func(context.Context, string) (string, error) { return "welcome to nginx", nil }, "welcome to nginx"},
	} {
		t.Run(name, func(t *testing.T) {
			authority, err := acmetest.New(acmetest.Options{Fetch: tt.fetch})
			if err != nil {
				t.Fatal(err)
			}
			at := httptest.NewServer(authority)
			defer at.Close()
			manager, err = certs.New(certs.Options{Dir: t.TempDir(), Hostname: "mail.example.test", Mode: certs.ACME,
				ACME: certs.ACMEOptions{CAs: []string{at.URL + "/acme/directory"}, Agree: true, Email: "ana@example.test"}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			ended := make(chan error, 1)
			go func() { ended <- manager.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}()
			status := manager.Status()[0]
			for status.NotAfter.IsZero() && status.Problem == "" && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond) // certmagic tells nobody
				status = manager.Status()[0]
			}
			if tt.problem != "" {
				if !status.NotAfter.IsZero() || !strings.Contains(status.Problem, tt.problem) {
					t.Errorf("status: %+v", status)
				}
				return
			}
			if status.NotAfter.IsZero() {
				t.Fatalf("status: %+v", status)
			}
			verify(t, manager, authority.Root())
		})
	}
}

// verify looks at the certificate as a client that knows the root.
func verify(t *testing.T, m *certs.Manager, root []byte) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	c, err := m.Signer()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "mail.example.test"}); err != nil {
		t.Error(err)
	}
	if len(c.Certificate) != 2 {
		t.Errorf("the chain has %d certificates; want the root, too", len(c.Certificate))
	}
}

// TestRefusals: what is not signed as it must be changes nothing.
func TestRefusals(t *testing.T) {
	authority, err := acmetest.New(acmetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := httptest.NewServer(authority)
	defer at.Close()
	for _, body := range []string{"", "{}", `{"protected":"!","payload":"","signature":""}`, `{"protected":"e30","payload":"e30","signature":""}`,
		`{"protected":"eyJhbGciOiJub25lIn0","payload":"e30","signature":""}`} {
		for _, path := range []string{"account", "order", "order/1", "order/1/finalize", "order/1/challenge/0", "order/1/certificate"} {
			resp, err := http.Post(at.URL+"/acme/"+path, "application/jose+json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Replay-Nonce") == "" {
				t.Errorf("%s %s: %d", path, body, resp.StatusCode)
			}
		}
	}
}
