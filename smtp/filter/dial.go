package filter

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Dial connects to a program; (*net.Dialer).DialContext is one.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// maxSocketPath is the longest path of a unix socket (sun_path).
const maxSocketPath = 107

// ParseAddress reads where a program listens: "unix:/path" or "host:port".
func ParseAddress(s string) (network, addr string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !filepath.IsAbs(path) || len(path) > maxSocketPath {
			return "", "", fmt.Errorf("%q is no socket; write it with its whole path, as in unix:/run/clamav/clamd.ctl", s)
		}
		return "unix", path, nil
	}
	host, port, err := net.SplitHostPort(s)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@ ") {
		return "", "", fmt.Errorf("%q is no address; write it as in 127.0.0.1:3310 or unix:/run/clamav/clamd.ctl", s)
	}
	return "tcp", s, nil
}

// ParseURL reads where rspamd listens: "http://host:port".
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is no address of rspamd; write it as in http://127.0.0.1:11333", clip(s, 100))
	}
	u.Path = ""
	return u, nil
}

// connect opens a connection that ends with ctx.
func connect(ctx context.Context, dial Dial, network, addr string) (conn net.Conn, done func(), err error) {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err = dial(ctx, network, addr)
	if err != nil {
		return nil, nil, err
	}
	if at, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(at); err != nil {
			conn.Close()
			return nil, nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); conn.Close() }, nil
}
