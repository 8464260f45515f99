package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/mailstead/mailstead/admin"
)

// Limits of requests in a minute: of those whom nobody knows, by their
// network, and of people and keys. Pages of the console ask for some dozens at
// once.
const (
	anonymousPerMinute = 120
	knownPerMinute     = 1200
	limitWindow        = time.Minute
)

// maxLimiters bounds what is remembered; a full bucket is as good as none.
const maxLimiters = 20_000

// limiters are the buckets of those who asked lately.
type limiters struct {
	mu  sync.Mutex
	now func() time.Time
	by  map[string]*rate.Limiter
}

func newLimiters(now func() time.Time) *limiters {
	return &limiters{now: now, by: map[string]*rate.Limiter{}}
}

// take takes a token from the bucket of a key. It returns how many are left,
// and how long to wait if there was none.
func (l *limiters) take(key string, perMinute int) (left int, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.by[key]
	if b == nil {
		if len(l.by) >= maxLimiters {
			l.forget(now)
		}
		b = rate.NewLimiter(rate.Limit(float64(perMinute)/limitWindow.Seconds()), perMinute)
		l.by[key] = b
	}
	if !b.AllowN(now, 1) {
		missing := 1 - b.TokensAt(now)
		return 0, time.Duration(math.Ceil(missing/float64(b.Limit()))) * time.Second
	}
	return int(b.TokensAt(now)), 0
}

// forget drops buckets that are full again, and all of them if none is.
func (l *limiters) forget(now time.Time) {
	for key, b := range l.by {
		if b.TokensAt(now) >= float64(b.Burst()) {
			delete(l.by, key)
		}
	}
	if len(l.by) >= maxLimiters {
		clear(l.by)
	}
}

// limitKey is whose requests count together.
func limitKey(ctx context.Context) string {
	switch p := admin.PrincipalOf(ctx); p.Kind {
	case admin.KindUser:
		return fmt.Sprint("account ", p.Account)
	case admin.KindKey:
		return "key " + p.KeyID
	case admin.KindSocket:
		return "socket"
	}
	return "net " + netOf(clientOf(ctx).Remote)
}

// netOf is an IPv4 address, or the /64 that one customer has.
func netOf(a netip.Addr) string {
	if a.Is6() {
		p, err := a.Prefix(64)
		if err == nil {
			return p.String()
		}
	}
	return a.String()
}

// limit slows down who asks too much (draft-ietf-httpapi-ratelimit-headers).
func (s *Server) limit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx := c.Request().Context()
		if s.opts.NoLimits || onSocket(ctx) {
			return next(c)
		}
		most := knownPerMinute
		if admin.PrincipalOf(ctx).Kind == "" {
			most = anonymousPerMinute
		}
		if err := s.take(c, limitKey(ctx), most); err != nil {
			return err
		}
		return next(c)
	}
}

// take counts a request, and says so in the answer's header. It refuses the
// request if there were too many.
func (s *Server) take(c echo.Context, key string, most int) error {
	left, wait := s.limiters.take(key, most)
	h := c.Response().Header()
	h.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, most, int(limitWindow.Seconds())))
	h.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, left, int(max(wait, time.Second).Seconds())))
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		return problem(http.StatusTooManyRequests, "rate-limited", fmt.Sprintf("too many requests; try again in %v", wait))
	}
	return nil
}
