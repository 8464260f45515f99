package push

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/mailstead/mailstead/mail/dns"
)

// Bounds of a request.
const (
	timeout    = 15 * time.Second // of all of it
	dialFor    = 10 * time.Second
	maxAnswer  = 4 << 10 // octets that are read of an answer
	maxText    = 200     // of what an answer is quoted with
	maxURL     = 1000    // octets
	maxHeaders = 16 << 10
	maxTries   = 3 // addresses of a name that are connected to
)

// Options of a Sender; Resolver is needed.
type Options struct {
	Resolver dns.Resolver
	// Dial connects to an address; nil: the network.
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	Roots *x509.CertPool // nil: the system's
	Agent string         // User-Agent
}

// Sender sends requests. Its methods may be called concurrently.
type Sender struct {
	opts Options
}

// New makes a Sender.
func New(o Options) *Sender {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return &Sender{opts: o}
}

// Request is a POST.
type Request struct {
	URL    string
	Header map[string]string
	Body   []byte
	// Private lets it go to private networks and to this machine, there also
	// without TLS.
	Private bool
}

// Answer is what the other side has said.
type Answer struct {
	Status int
	Text   string        // its beginning, on one line
	After  time.Duration // that it asks us to wait; 0: it does not
	Took   time.Duration
}

// Error is a request that came to nothing, in words for people.
type Error struct {
	Text string
	Gone bool // the other side wants no more of them: 410
	Err  error
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.Err }

func failed(err error, format string, args ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, args...), Err: err}
}

// CheckURL says what is wrong with an address that somebody has typed.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case len(s) > maxURL || strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) }):
		return fmt.Errorf("an address is one word of at most %d octets, as in https://example.org/hook", maxURL)
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("write the whole address, as in https://example.org/hook")
	case u.User != nil:
		return errors.New("a name and password do not belong into the address")
	case u.Fragment != "":
		return errors.New("an address of a web server has no # in it")
	}
	return nil
}

// Post sends a request. An answer other than 2xx is an error; the Answer is
// there all the same.
func (s *Sender) Post(ctx context.Context, r Request) (Answer, error) {
	if err := CheckURL(r.URL); err != nil {
		return Answer{}, failed(err, "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, failed(err, "the address cannot be used")
	}
	req.Header.Set("User-Agent", cmp.Or(s.opts.Agent, "Mailstead"))
	for name, v := range r.Header {
		req.Header.Set(name, v)
	}
	began := time.Now()
	client := s.client(req.URL, r.Private)
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return Answer{Took: time.Since(began)}, explain(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	a := Answer{Status: resp.StatusCode, Text: oneLine(text), After: retryAfter(resp), Took: time.Since(began)}
	if err != nil && resp.StatusCode/100 == 2 {
		return a, explain(ctx, err)
	}
	return a, refusal(resp, a.Text)
}

// client is for one request: it remembers no connection, so that the network
// is looked at each time.
func (s *Sender) client(u *url.URL, private bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return s.dial(ctx, network, addr, private, u.Scheme == "https")
			},
			TLSClientConfig:        &tls.Config{RootCAs: s.opts.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    dialFor,
			MaxResponseHeaderBytes: maxHeaders,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial connects to the first address of a name that answers. It looks at the
// addresses itself, so that nothing changes between the look and the
// connection.
func (s *Sender) dial(ctx context.Context, network, addr string, private, secure bool) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	addrs, err := s.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	var last error
	for _, a := range addrs[:min(len(addrs), maxTries)] {
		public := isPublic(a)
		switch {
		case !public && !private:
			last = failed(nil, "%s is the address of a private network or of this machine; the setting push.private-networks allows that", a)
			continue
		case public && !secure:
			last = failed(nil, "without TLS (http:) nothing is sent into the Internet; use an address with https:")
			continue
		}
		conn, err := s.opts.Dial(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

// addresses are those of a host, IPv4 first: it is reached from more places.
func (s *Sender) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 section 6.3
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}, nil
	}
	found, _, err := s.opts.Resolver.A(ctx, host)
	if errors.Is(err, dns.ErrNotFound) || err == nil && len(found) == 0 {
		return nil, failed(err, "%s has no address in the DNS", host)
	}
	if err != nil {
		return nil, failed(err, "%s could not be looked up in the DNS", host)
	}
	var v4, v6 []netip.Addr
	for _, a := range found {
		if a = a.Unmap(); a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	return append(v4, v6...), nil
}

// explain says what went wrong with a request.
func explain(ctx context.Context, err error) *Error {
	var ours *Error
	var bad *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &bad):
		return failed(err, "its certificate is not trusted: %v", bad.Err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return failed(err, "no answer within %d seconds", timeout/time.Second)
	case errors.Is(err, context.Canceled):
		return failed(err, "the server was stopped")
	case errors.As(err, &op) && op.Op == "dial":
		return failed(err, "no connection: %v", op.Err)
	}
	return failed(err, "the connection broke: %v", plain(err))
}

// plain is an error without the address that it is about, which may have a
// secret in it.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refusal is the error of an answer; nil for a good one.
func refusal(resp *http.Response, text string) error {
	if text != "" {
		text = ": " + text
	}
	switch code := resp.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		return failed(nil, "it sends elsewhere (%d), which is not followed; use the address that it leads to", code)
	case code == http.StatusGone:
		return &Error{Text: "it wants no more of this (410)" + text, Gone: true}
	default:
		return failed(nil, "it answered %d %s%s", code, http.StatusText(code), text)
	}
}

// retryAfter is how long an answer asks to wait (RFC 9110 section 10.2.3).
func retryAfter(resp *http.Response) time.Duration {
	v := resp.Header.Get("Retry-After")
	if n, err := time.ParseDuration(v + "s"); err == nil && n > 0 {
		return n
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

// oneLine is the beginning of an answer, for people.
func oneLine(b []byte) string {
	s := strings.Join(strings.Fields(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && !unicode.IsSpace(c) || unicode.Is(unicode.Bidi_Control, c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(string(b), ""))), " ")
	for i := range s {
		if i > maxText {
			return s[:i] + "…"
		}
	}
	return s
}
