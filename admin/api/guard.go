package api

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// actorHeader says who uses the client, for the audit log. The socket lets in
// one user only, so that nobody gains from lying.
const actorHeader = "Mailstead-Actor"

// maxActor bounds what is written down of it.
const maxActor = 100

// version lets pages notice that the server was updated under them.
func (s *Server) version(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("X-App-Version", s.opts.Version)
		return next(c)
	}
}

// noStore keeps answers out of caches.
func noStore(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "no-store")
		return next(c)
	}
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// onlyJSON refuses bodies that a form could send.
func onlyJSON(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.ContentLength == 0 && r.Header.Get(echo.HeaderContentType) == "" {
			return next(c)
		}
		t, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
		want := "application/json"
		if strings.HasSuffix(r.URL.Path, ".toml") {
			want = tomlType
		}
		if t == want || t == "application/merge-patch+json" && r.Method == http.MethodPatch {
			return next(c)
		}
		if err == nil || !safe(r.Method) {
			return problem(http.StatusUnsupportedMediaType, "media-type", "send the body as "+want)
		}
		return next(c)
	}
}

// sameSite refuses requests that another site makes a browser send. Browsers
// say where a request comes from in Sec-Fetch-Site; older ones say at least the
// Origin. Programs say neither and have no cookie.
func sameSite(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if safe(r.Method) || onSocket(r.Context()) || fromHere(r) {
			return next(c)
		}
		return problem(http.StatusForbidden, "cross-site", "this request came from another site; open the page of this server and do it there")
	}
}

func fromHere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := r.Header.Get("Origin")
		if origin == "" {
			return true
		}
		u, err := url.Parse(origin)
		return err == nil && u.Scheme == "https" && u.Host != "" && strings.EqualFold(u.Host, r.Host)
	}
	return false
}

// splitVerb makes a path element of the verb behind a resource, /queue:retry,
// because echo would take its colon for a parameter.
func splitVerb(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if path, ok := withVerb(u.Path); ok && strings.HasPrefix(path, Prefix+"/") {
			u.Path = path
			if raw, ok := withVerb(u.RawPath); ok {
				u.RawPath = raw
			}
		}
		return next(c)
	}
}

// withVerb makes /things/~verb of the path /things:verb.
func withVerb(path string) (string, bool) {
	i := strings.LastIndexByte(path, ':')
	if i <= 0 || path[i-1] == '/' || i == len(path)-1 {
		return path, false
	}
	if strings.ContainsFunc(path[i+1:], func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' }) {
		return path, false
	}
	return path[:i] + "/~" + path[i+1:], true
}

// plainParams gives parts of the path as the client meant them. echo leaves
// them escaped when an escape made a difference, as that of a slash.
func plainParams(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().URL.RawPath == "" {
			return next(c)
		}
		values := c.ParamValues()
		for i, v := range values {
			plain, err := url.PathUnescape(v)
			if err != nil {
				return problem(http.StatusBadRequest, "invalid", "the path is not escaped as it should be")
			}
			values[i] = plain
		}
		c.SetParamValues(values...)
		return next(c)
	}
}

func (s *Server) logPanic(_ echo.Context, err error, stack []byte) error {
	s.log.Error("admin API: a bug", "err", err, "stack", string(stack))
	return errors.New("a bug of the server; its log has more")
}
