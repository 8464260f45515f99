package api

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/signin"
)

// Cookies. The prefix makes browsers take them only over TLS, for this host
// alone and all of its paths.
const (
	sessionCookie = "__Host-session"
	ticketCookie  = "__Host-ticket" // of a sign-in that needs a code
	setupCookie   = "__Host-setup"  // of the first-run wizard
)

// Lives of cookies; the server has its own, which count.
const (
	sessionLife = 14 * 24 * time.Hour
	ticketLife  = 5 * time.Minute
)

type clientKey struct{}

// clientOf is the browser or program that asks.
func clientOf(ctx context.Context) client {
	c, _ := ctx.Value(clientKey{}).(client)
	return c
}

// client is where a request comes from, with its cookies.
type client struct {
	signin.Client
	cookies map[string]string
}

// identify says who makes a request.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		ctx := r.Context()
		if onSocket(ctx) {
			ctx = admin.AsOwner(ctx, socketActor(r.Header.Get(actorHeader)))
			c.SetRequest(r.WithContext(ctx))
			return next(c)
		}
		from := newClient(c)
		ctx = context.WithValue(ctx, clientKey{}, from)
		p, err := s.principal(ctx, r, from)
		if err != nil {
			return s.refused(c, from, err)
		}
		if p.Kind != "" {
			ctx = admin.WithPrincipal(ctx, p)
		}
		c.SetRequest(r.WithContext(ctx))
		return next(c)
	}
}

func newClient(c echo.Context) client {
	r := c.Request()
	from := client{Client: signin.Client{Agent: r.UserAgent(), Host: r.Host}, cookies: map[string]string{}}
	if addr, err := netip.ParseAddr(c.RealIP()); err == nil {
		from.Remote = addr.Unmap()
	}
	for _, name := range []string{sessionCookie, ticketCookie, setupCookie} {
		if cookie, err := r.Cookie(name); err == nil {
			from.cookies[name] = cookie.Value
		}
	}
	return from
}

// principal is who a key or a cookie stands for; the zero value is nobody. A
// key that is no good is told so, a cookie may be old.
func (s *Server) principal(ctx context.Context, r *http.Request, from client) (admin.Principal, error) {
	if typed, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.admin.VerifyKey(typed, from.Remote)
	}
	in, token := s.admin.SignIn(), from.cookies[sessionCookie]
	if in != nil && token == "" && from.cookies[setupCookie] != "" {
		if _, err := in.SetupSession(ctx, from.cookies[setupCookie]); err == nil {
			return admin.Principal{Kind: admin.KindSetup, Name: "setup"}, nil
		}
	}
	if in == nil || token == "" {
		return admin.Principal{}, nil
	}
	session, acct, err := in.Session(ctx, from.Client, token)
	if errors.Is(err, directory.ErrSignedOut) {
		return admin.Principal{}, nil
	}
	if err != nil {
		return admin.Principal{}, err
	}
	return admin.SignedIn(session, acct, in.Sudo(session)), nil
}

// refused counts a key that is no good among the requests of nobody, by the
// network it came from: to try keys is not free. One that is good is never
// refused because of others.
func (s *Server) refused(c echo.Context, from client, err error) error {
	if s.opts.NoLimits || !errors.Is(err, directory.ErrKey) {
		return err
	}
	if limited := s.take(c, "net "+netOf(from.Remote), anonymousPerMinute); limited != nil {
		return limited
	}
	return err
}

// cookie is one to set; life 0 ends with the browser, and a negative one takes
// it away.
func cookie(name, value string, life time.Duration) string {
	if life < 0 {
		life = -time.Second
	}
	c := http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second)}
	return c.String()
}

// socketActor is who uses the socket, as they say.
func socketActor(claim string) string {
	actor := "admin socket"
	if claim != "" && len(claim) <= maxActor && !strings.ContainsFunc(claim, func(r rune) bool { return r < ' ' || r > '~' }) {
		actor += " (" + claim + ")"
	}
	return actor
}
