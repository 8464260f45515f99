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
	"strconv"
	"syscall"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
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
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if resp.StatusCode >= 300 {
		return nil, failure(resp, b)
	}
	return b, nil
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
	var p problem
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

func (c *Client) Domains(ctx context.Context) ([]admin.Domain, error) {
	return get[[]admin.Domain](ctx, c, "/domains")
}

func (c *Client) Domain(ctx context.Context, name string) (admin.Domain, error) {
	return get[admin.Domain](ctx, c, "/domains/"+url.PathEscape(name))
}

func (c *Client) AddDomain(ctx context.Context, n admin.NewDomain) (admin.Domain, error) {
	return call[admin.Domain](ctx, c, request{method: http.MethodPost, path: "/domains", body: n})
}

func (c *Client) SetDomain(ctx context.Context, name string, ch admin.DomainChange) (admin.Domain, error) {
	return call[admin.Domain](ctx, c, request{method: http.MethodPatch, path: "/domains/" + url.PathEscape(name), body: ch})
}

func (c *Client) RemoveDomain(ctx context.Context, name string, force bool) error {
	q := url.Values{"force": {strconv.FormatBool(force)}}
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: "/domains/" + url.PathEscape(name), query: q})
	return err
}

func (c *Client) CheckDomain(ctx context.Context, name string) ([]admin.Check, error) {
	return get[[]admin.Check](ctx, c, "/domains/"+url.PathEscape(name)+"/check")
}

func (c *Client) Accounts(ctx context.Context, domain string) ([]admin.Account, error) {
	return get[[]admin.Account](ctx, c, "/accounts", "domain", domain)
}

func (c *Client) Account(ctx context.Context, address string) (admin.Account, error) {
	return get[admin.Account](ctx, c, "/accounts/"+url.PathEscape(address))
}

func (c *Client) AddAccount(ctx context.Context, n admin.NewAccount) (admin.Account, error) {
	return call[admin.Account](ctx, c, request{method: http.MethodPost, path: "/accounts", body: n})
}

func (c *Client) SetAccount(ctx context.Context, address string, ch admin.AccountChange) (admin.Account, error) {
	return call[admin.Account](ctx, c, request{method: http.MethodPatch, path: "/accounts/" + url.PathEscape(address), body: ch})
}

func (c *Client) SetPassword(ctx context.Context, address, password string) error {
	_, err := c.raw(ctx, request{method: http.MethodPut, path: "/accounts/" + url.PathEscape(address) + "/password", body: passwordBody{password}})
	return err
}

func (c *Client) RemoveAccount(ctx context.Context, address string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: "/accounts/" + url.PathEscape(address)})
	return err
}

func (c *Client) Aliases(ctx context.Context, domain string) ([]admin.Alias, error) {
	return get[[]admin.Alias](ctx, c, "/aliases", "domain", domain)
}

func (c *Client) AddAlias(ctx context.Context, address string, targets []string) (admin.Alias, error) {
	return call[admin.Alias](ctx, c, request{method: http.MethodPost, path: "/aliases", body: aliasBody{address, targets}})
}

func (c *Client) RemoveAlias(ctx context.Context, address string, targets []string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: "/aliases/" + url.PathEscape(address), query: url.Values{"target": targets}})
	return err
}

func (c *Client) Queue(ctx context.Context, f admin.QueueFilter) ([]admin.QueueItem, error) {
	return get[[]admin.QueueItem](ctx, c, "/queue", "address", f.Address, "state", f.State, "cause", f.Cause, "after", f.After, "limit", strconv.Itoa(f.Limit))
}

func (c *Client) QueueItem(ctx context.Context, id string) (admin.QueueItem, error) {
	return get[admin.QueueItem](ctx, c, "/queue/"+url.PathEscape(id))
}

func (c *Client) QueueStats(ctx context.Context) (admin.QueueStats, error) {
	return get[admin.QueueStats](ctx, c, "/queue/stats")
}

func (c *Client) ChangeQueue(ctx context.Context, do admin.QueueAction, ids []string) error {
	_, err := c.raw(ctx, request{method: http.MethodPost, path: "/queue/actions", body: queueBody{do, ids}})
	return err
}

func (c *Client) FindTraces(ctx context.Context, q admin.TraceQuery) ([]admin.TraceSummary, error) {
	return get[[]admin.TraceSummary](ctx, c, "/traces", "id", q.ID, "message_id", q.MessageID, "address", q.Address, "ip", q.IP,
		"subject", q.Subject, "outcome", q.Outcome, "after", timeText(q.After), "before", timeText(q.Before), "limit", strconv.Itoa(q.Limit))
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

func (c *Client) Trace(ctx context.Context, id string) (admin.Trace, error) {
	return get[admin.Trace](ctx, c, "/traces/"+url.PathEscape(id))
}

func (c *Client) Settings(ctx context.Context) ([]directory.Setting, error) {
	return get[[]directory.Setting](ctx, c, "/settings")
}

func (c *Client) Setting(ctx context.Context, name string) (directory.Setting, error) {
	return get[directory.Setting](ctx, c, "/settings/"+url.PathEscape(name))
}

func (c *Client) SetSetting(ctx context.Context, name, value string) (directory.Setting, error) {
	return call[directory.Setting](ctx, c, request{method: http.MethodPut, path: "/settings/" + url.PathEscape(name), body: settingBody{value}})
}

func (c *Client) ResetSetting(ctx context.Context, name string) (directory.Setting, error) {
	return call[directory.Setting](ctx, c, request{method: http.MethodDelete, path: "/settings/" + url.PathEscape(name)})
}

func (c *Client) ExportSettings(ctx context.Context) ([]byte, error) {
	return c.raw(ctx, request{method: http.MethodGet, path: "/settings.toml"})
}

func (c *Client) ImportSettings(ctx context.Context, file []byte) ([]directory.SettingChange, error) {
	return call[[]directory.SettingChange](ctx, c, request{method: http.MethodPut, path: "/settings.toml", body: file})
}

func (c *Client) Certificates(ctx context.Context) ([]certs.Status, error) {
	return get[[]certs.Status](ctx, c, "/certificates")
}

func (c *Client) Audit(ctx context.Context, limit int) ([]directory.AuditEntry, error) {
	return get[[]directory.AuditEntry](ctx, c, "/audit", "limit", strconv.Itoa(limit))
}
