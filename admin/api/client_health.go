package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin"
)

// Ready asks whether the server can do its work, and since when the process
// runs. It is what an upgrade looks at.
func (c *Client) Ready(ctx context.Context) (started time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://mailstead/readyz", nil)
	if err != nil {
		return time.Time{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return time.Time{}, fmt.Errorf("admin socket: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err != nil {
		return time.Time{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return time.Time{}, errors.New(strings.TrimSpace(string(text)))
	}
	about, err := get[admin.About](ctx, c, "/system")
	return about.Started, err
}
