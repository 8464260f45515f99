package dnsprovider

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of requests.
const (
	requestTimeout = 30 * time.Second
	maxAnswer      = 8 << 20          // octets
	maxTries       = 4                // of a request that is told to come later
	longestPause   = 20 * time.Second // longer ones are told to the person who waits
	maxPages       = 200              // of a list
	maxSaid        = 300              // octets of what a provider says
)

// client talks to the API of one provider.
type client struct {
	http   *http.Client
	kind   Kind
	base   string
	secret Secret
	sign   func(req *http.Request, body []byte) // adds the credentials
	// said finds what a provider says about an error; nil: a "message".
	said func(body []byte) string
}

// bases are the addresses of the APIs.
var bases = map[Kind]string{
	Cloudflare: "https://api.cloudflare.com/client/v4", Hetzner: "https://api.hetzner.cloud/v1", DeSEC: "https://desec.io/api/v1",
	DigitalOcean: "https://api.digitalocean.com/v2", Gandi: "https://api.gandi.net/v5/livedns", Route53: "https://route53.amazonaws.com/2013-04-01",
}

func newClient(s Spec, o Options) *client {
	c := &client{http: o.HTTP, kind: s.Kind, base: cmp.Or(o.Base, bases[s.Kind]), secret: s.Secret}
	if c.http == nil {
		c.http = &http.Client{
			Timeout: requestTimeout,
			// Nobody is sent on to with a token.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	scheme := "Bearer "
	if s.Kind == DeSEC {
		scheme = "Token "
	}
	c.sign = func(req *http.Request, _ []byte) { req.Header.Set("Authorization", scheme+string(s.Secret)) }
	return c
}

// Error is what a provider answers instead of doing what it was asked.
type Error struct {
	Kind   Kind
	Status int    // of HTTP; 0 if there was no answer
	Said   string // by the provider, without secrets
	Err    error
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	said := ""
	if e.Said != "" {
		said = " (it says: " + e.Said + ")"
	}
	name := string(e.Kind)
	switch {
	case e.Status == 0:
		return name + " could not be reached: " + e.Said + "; see that this server may connect to it"
	case e.Status == http.StatusUnauthorized:
		return name + " does not take the credentials" + said + "; make new ones and set them with `mailstead dns-provider add`"
	case e.Status == http.StatusForbidden:
		return name + " does not allow this with these credentials" + said + "; give them the right to read and change the zone"
	case e.Status == http.StatusNotFound:
		return name + " has no such zone or record, or these credentials may not see it" + said
	case e.Status == http.StatusTooManyRequests:
		return name + " takes no more requests for a while" + said + "; try again later"
	case e.Status >= 500:
		return name + " has a problem of its own" + said + "; try again later"
	case e.Status >= 300 && e.Status < 400:
		return name + " is somewhere else now" + said + "; a newer version of Mailstead may know where"
	}
	return name + " refuses the change" + said
}

// json makes a request with a JSON body, nil for none, and reads the answer
// into out, which may be nil. It returns the header of the answer.
func (c *client) json(ctx context.Context, method, path string, in, out any) (http.Header, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	answer, header, err := c.do(ctx, method, path, "application/json", body)
	if err != nil || out == nil || len(answer) == 0 {
		return header, err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return header, &Error{Kind: c.kind, Status: http.StatusBadGateway, Said: "an answer that cannot be read", Err: err}
	}
	return header, nil
}

// do makes a request, again when it is told to come later.
func (c *client) do(ctx context.Context, method, path, mediaType string, body []byte) ([]byte, http.Header, error) {
	for try := 1; ; try++ {
		answer, res, err := c.once(ctx, method, path, mediaType, body)
		if err != nil {
			return nil, nil, err
		}
		if res.StatusCode >= 200 && res.StatusCode < 300 {
			return answer, res.Header, nil
		}
		pause := pauseOf(res)
		if (res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable) || try == maxTries || pause > longestPause {
			return nil, nil, &Error{Kind: c.kind, Status: res.StatusCode, Said: c.words(answer)}
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// pauseOf is how long a provider wants us to wait (RFC 9110 section 10.2.3).
func pauseOf(res *http.Response) time.Duration {
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	return 2 * time.Second
}

func (c *client) once(ctx context.Context, method, path, mediaType string, body []byte) ([]byte, *http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	target := path
	if !strings.HasPrefix(path, "https://") && !strings.HasPrefix(path, "http://") {
		target = c.base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	req.Header.Set("Accept", mediaType)
	req.Header.Set("User-Agent", "Mailstead")
	c.sign(req, body)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, &Error{Kind: c.kind, Said: c.redact(cause(err)), Err: context.Cause(ctx)}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, &Error{Kind: c.kind, Said: c.redact(cause(err))}
	case len(answer) > maxAnswer:
		return nil, nil, &Error{Kind: c.kind, Status: http.StatusBadGateway, Said: fmt.Sprintf("more than %d octets", maxAnswer)}
	}
	return answer, res, nil
}

// cause is why there was no answer, in short.
func cause(err error) string {
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() {
		return "no answer in time"
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// words are what a provider says about an error.
func (c *client) words(body []byte) string {
	said := ""
	if c.said != nil {
		said = c.said(body)
	} else {
		var m struct{ Message, Detail string }
		if json.Unmarshal(body, &m) == nil {
			said = cmp.Or(m.Message, m.Detail)
		}
	}
	return c.redact(said)
}

// redact takes secrets and control characters out, and bounds the rest.
func (c *client) redact(s string) string {
	if c.secret != "" {
		s = strings.ReplaceAll(s, string(c.secret), "[redacted]")
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxSaid {
		s = strings.ToValidUTF8(s[:maxSaid], "") + "…"
	}
	return strings.TrimSpace(s)
}

// noZone is the answer of a provider that does not list a zone.
func (c *client) noZone(zone string) error {
	return &Error{Kind: c.kind, Status: http.StatusNotFound, Said: "no zone " + zone}
}
