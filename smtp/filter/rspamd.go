package filter

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// NameRspamd is the name of rspamd's filter.
const NameRspamd = "rspamd"

const (
	maxRspamdReply = 1 << 20 // octets of an answer
	dialTimeout    = 10 * time.Second
)

// RspamdOptions are what a Rspamd works with. URL is needed.
type RspamdOptions struct {
	URL      *url.URL // of a worker of the type "normal", without a path
	Password string   // "": none; a worker of the type "normal" wants none by itself
	// Scale is what one point of rspamd counts in our scores. 0 is 1.
	Scale float64
	// MaxSize is the largest message that is shown, in octets. 0 is no bound.
	MaxSize int64
	Dial    Dial // nil: as the system does
}

// Rspamd asks rspamd for its opinion, over HTTP.
type Rspamd struct {
	opts   RspamdOptions
	client *http.Client
}

var _ Filter = (*Rspamd)(nil)

// NewRspamd makes a Rspamd.
func NewRspamd(o RspamdOptions) *Rspamd {
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		// net/http goes on when the request is over.
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return o.Dial(ctx, network, addr)
	}
	return &Rspamd{opts: o, client: &http.Client{
		// A connection a message: one that is kept may be closed just as it is
		// used, and a message is not sent twice.
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the message is for nobody else
		},
	}}
}

// Name is "rspamd".
func (*Rspamd) Name() string { return NameRspamd }

// Ping asks whether rspamd is there.
func (r *Rspamd) Ping(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.opts.URL.String()+"/ping", nil)
	if err != nil {
		return err
	}
	b, err := r.do(req)
	if err == nil && strings.TrimSpace(string(b)) != "pong" {
		err = fmt.Errorf("rspamd answers a ping with %q", plain(string(b), 50))
	}
	return err
}

// Run shows the message to rspamd.
func (r *Rspamd) Run(ctx context.Context, m *Message) (Result, error) {
	if r.opts.MaxSize > 0 && m.Size > r.opts.MaxSize {
		var res Result
		res.tell(NameRspamd, "rspamd was not asked: the message is larger than %d MiB", r.opts.MaxSize>>20)
		return res, nil
	}
	req, err := r.request(ctx, m)
	if err != nil {
		return Result{}, err
	}
	b, err := r.do(req)
	if err != nil {
		return Result{}, err
	}
	return rspamdResult(b, m, r.opts.Scale)
}

// do sends a request and returns the body of the answer.
func (r *Rspamd) do(req *http.Request) ([]byte, error) {
	if r.opts.Password != "" {
		req.Header.Set("Password", r.opts.Password)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("rspamd answers with HTTP status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxRspamdReply+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("answer of rspamd: %w", err)
	case len(b) > maxRspamdReply:
		return nil, fmt.Errorf("the answer of rspamd is longer than %d octets", maxRspamdReply)
	}
	return b, nil
}

// request is the message with what rspamd may know of its way.
func (r *Rspamd) request(ctx context.Context, m *Message) (*http.Request, error) {
	// The reader is hidden, so that the request has the length it is told.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.opts.URL.String()+"/checkv2", struct{ io.Reader }{m.read()})
	if err != nil {
		return nil, err
	}
	req.ContentLength = m.Size
	h := req.Header
	set := func(name, value string) {
		if value != "" {
			h.Add(name, plainUTF8(value))
		}
	}
	set("Queue-Id", m.ID)
	set("MTA-Name", string(m.Hostname))
	set("IP", m.Client.addr())
	set("Hostname", m.Client.Name)
	set("Helo", m.Client.Hello)
	set("TLS-Version", m.Client.TLS)
	set("TLS-Cipher", m.Client.Cipher)
	set("From", m.Envelope.ReversePath.Wire())
	for _, rcpt := range m.Envelope.Recipients {
		set("Rcpt", rcpt.Path.Wire())
	}
	return req, nil
}

// plainUTF8 makes a value that HTTP takes.
func plainUTF8(s string) string {
	return strings.TrimSpace(strings.Map(printableRune, s))
}
