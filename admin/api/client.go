package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"

	"github.com/mailstead/mailstead/admin"
)

// maxAnswer bounds what a client reads of an answer.
const maxAnswer = 256 << 20

// ErrNotRunning means that no server listens on the socket.
var ErrNotRunning = errors.New("api: no server is running")

// Client is an admin.Operator on the other side of the admin socket.
type Client struct {
	http  *http.Client
	actor string
}

var _ admin.Operator = (*Client)(nil)

// Dial connects to the socket at path. It fails with [ErrNotRunning] if there
// is no server. actor is who uses the client, for the audit log.
func Dial(ctx context.Context, path, actor string) (*Client, error) {
	var d net.Dialer
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }
	conn, err := dial(ctx, "", "")
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w (%v)", ErrNotRunning, err)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s belongs to the user of the service; run this as that user or as root: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	conn.Close()
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, actor: actor}, nil
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// request is one call.
type request struct {
	method, path string
	query        url.Values
	body         any // sent as JSON, but a []byte as it is
}

// raw makes a call and returns the body of the answer.
func (c *Client) raw(ctx context.Context, r request) ([]byte, error) {
	body, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return b, nil
}

// open makes a call and returns the body of the answer, to be read.
func (c *Client) open(ctx context.Context, r request) (io.ReadCloser, error) {
	u := "http://mailstead/api/v1" + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	body, mediaType, err := encode(r.body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	req.Header.Set(actorHeader, c.actor)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return nil, failure(resp, b)
}

func encode(body any) (b []byte, mediaType string, err error) {
	switch v := body.(type) {
	case nil:
		return nil, "", nil
	case []byte:
		return v, tomlType, nil
	}
	b, err = json.Marshal(body)
	return b, "application/json", err
}

// failure makes an error of an answer.
func failure(resp *http.Response, body []byte) error {
	var p Problem
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || t != problemType || json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return fmt.Errorf("admin socket: %s", resp.Status)
	}
	return p.err()
}

// call makes a call whose answer is a T.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	var v T
	b, err := c.raw(ctx, r)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("admin socket: answer to %s %s: %w", r.method, r.path, err)
	}
	return v, nil
}

// get is call for reading; empty values of the query are left out.
func get[T any](ctx context.Context, c *Client, path string, query ...string) (T, error) {
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			q.Set(query[i], query[i+1])
		}
	}
	return call[T](ctx, c, request{method: http.MethodGet, path: path, query: q})
}
