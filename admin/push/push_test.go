package push

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

func TestIsPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"93.184.215.14": true, "2606:2800:21f:cb07::1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false,
		"224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false, "::1": false, "::": false, "fe80::1": false, "fc00::1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::1": false, "::127.0.0.1": false,
	} {
		if got := isPublic(netip.MustParseAddr(addr)); got != want {
			t.Errorf("isPublic(%s) = %v", addr, got)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for _, s := range []string{"https://example.org/hook", "http://127.0.0.1:8080/x?y=z", "https://[::1]:9/"} {
		if err := CheckURL(s); err != nil {
			t.Errorf("CheckURL(%q) = %v", s, err)
		}
	}
	for _, s := range []string{"", "example.org", "ftp://example.org/", "https://", "https://u:p@example.org/", "https://example.org/#x", "https://example.org/a b",
		"file:///etc/passwd", "https://example.org/\n", "https://example.org/" + strings.Repeat("x", maxURL)} {
		if err := CheckURL(s); err == nil {
			t.Errorf("CheckURL(%q) has nothing against it", s)
		}
	}
}

// world has names that lead to a server of the test as if it was elsewhere.
func world(t *testing.T, h http.Handler) (*Sender, *httptest.Server) {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, _, _ := net.SplitHostPort(addr); host != "93.184.215.14" && host != "127.0.0.1" && host != "10.0.0.9" {
			return nil, fmt.Errorf("nobody is at %s", addr)
		}
		return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
	}
	zones := dnstest.New("example.com. A 93.184.215.14\ninside.test. A 10.0.0.9\n")
	return New(Options{Resolver: zones, Dial: dial, Roots: roots, Agent: "Mailstead test"}), srv
}

func TestPost(t *testing.T) {
	s, _ := world(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/ok":
			fmt.Fprintf(w, "got %s as %s with %s\nand\x00 more", body, r.Header.Get("User-Agent"), r.Header.Get("X-Kind"))
		case "/away":
			http.Redirect(w, r, "http://127.0.0.1/", http.StatusFound)
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/busy":
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		case "/long":
			io.WriteString(w, strings.Repeat("é", maxAnswer))
		}
	}))
	post := func(url string, private bool) (Answer, error) {
		return s.Post(t.Context(), Request{URL: url, Body: []byte("hello"), Header: map[string]string{"X-Kind": "test"}, Private: private})
	}
	if a, err := post("https://example.com/ok", false); err != nil || a.Status != 200 || a.Text != "got hello as Mailstead test with test and more" {
		t.Errorf("good: %+v, %v", a, err)
	}
	if a, err := post("https://example.com/long", false); err != nil || len(a.Text) > maxText+5 {
		t.Errorf("a long answer: %d octets, %v", len(a.Text), err)
	}
	if a, err := post("https://example.com/busy", false); err == nil || a.After != 2*time.Minute {
		t.Errorf("busy: %+v, %v", a, err)
	}
	for url, want := range map[string]string{
		"https://example.com/away":         "sends elsewhere (302)",
		"https://example.com/gone":         "wants no more",
		"http://example.com/ok":            "without TLS",
		"https://inside.test/ok":           "10.0.0.9 is the address of a private network",
		"https://127.0.0.1/ok":             "push.private-networks",
		"https://localhost/ok":             "push.private-networks",
		"https://[::ffff:127.0.0.1]/ok":    "push.private-networks",
		"https://nowhere.example.com/ok":   "no address in the DNS",
		"https://user:secret@example.com/": "do not belong",
	} {
		if a, err := post(url, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %q", url, a, err, want)
		}
	}
	var e *Error
	if _, err := post("https://example.com/gone", false); !errors.As(err, &e) || !e.Gone {
		t.Errorf("410: %v", err)
	}
	// Allowed by the owner, private addresses are reached.
	if a, err := post("https://127.0.0.1/ok", true); err != nil || a.Status != 200 {
		t.Errorf("private, and allowed: %+v, %v", a, err)
	}
	// The certificate is for example.com, not for this name.
	if _, err := post("https://inside.test/ok", true); err == nil || !strings.Contains(err.Error(), "not trusted") && !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate for another name: %v", err)
	}
}

func TestPostIsBounded(t *testing.T) {
	stop := make(chan struct{})
	s, _ := world(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-stop }))
	defer close(stop)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Post(ctx, Request{URL: "https://example.com/"}); err == nil || err.Error() != "the server was stopped" {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSign(t *testing.T) {
	// The example of the Standard Webhooks specification.
	s := Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	at := time.Unix(1614265330, 0)
	body := []byte(`{"test": 2432232314}`)
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got, err := s.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body); err != nil || got != want {
		t.Errorf("Sign = %q, %v; want %q", got, err, want)
	}
	h, err := s.Headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(id, ts, sig, body string, now time.Time) bool { return s.Verify(id, ts, sig, []byte(body), now) }
	if !verify(h[HeaderID], h[HeaderTimestamp], "v1,AAAA "+h[HeaderSignature], string(body), at.Add(time.Minute)) {
		t.Error("a good signature is refused")
	}
	for name, good := range map[string]bool{
		"another body": verify(h[HeaderID], h[HeaderTimestamp], h[HeaderSignature], "{}", at),
		"another ID":   verify("msg_x", h[HeaderTimestamp], h[HeaderSignature], string(body), at),
		"an old one":   verify(h[HeaderID], h[HeaderTimestamp], h[HeaderSignature], string(body), at.Add(time.Hour)),
		"no time":      verify(h[HeaderID], "", h[HeaderSignature], string(body), at),
		"no signature": verify(h[HeaderID], h[HeaderTimestamp], "", string(body), at),
	} {
		if good {
			t.Errorf("%s is taken", name)
		}
	}
	if fmt.Sprintf("%v %s %#v", s, s, s) != "[redacted] [redacted] [redacted]" {
		t.Errorf("a secret prints as %v", s)
	}
	made, err := NewSecret(strings.NewReader(strings.Repeat("x", 32)))
	if _, kerr := made.key(); err != nil || kerr != nil || !strings.HasPrefix(string(made), secretPrefix) {
		t.Errorf("NewSecret: %v, %v", err, kerr)
	}
	if _, err := Secret("whsec_!").Sign("x", at, nil); err == nil {
		t.Error("a secret that is none signs")
	}
}
