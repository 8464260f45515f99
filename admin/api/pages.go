package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/mailstead/mailstead/admin/autoconfig"
)

// entries are the pages that have paths of their own below them.
func entries() []string { return []string{"admin", "account", "setup"} }

// policy lets pages load what this server has and nothing else, and keeps
// texts from becoming scripts.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types svelte-trusted-html dompurify"

// asset is a built file.
type asset struct {
	body            []byte
	gzip            func() []byte // made when it is first asked for; nil if it would not be smaller
	mediaType, etag string
	immutable       bool // there is a hash in its name
}

// readAssets reads all built files, by their paths.
func readAssets(dist fs.FS) (map[string]*asset, error) {
	assets := map[string]*asset{}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		a := &asset{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, mediaType: mediaType(name), immutable: strings.HasPrefix(name, "assets/")}
		a.gzip = sync.OnceValue(func() []byte { return compress(body) })
		assets["/"+name] = a
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("built pages: %w", err)
	}
	return assets, nil
}

// compress returns body as gzip, nil if that is not smaller, as with fonts.
func compress(body []byte) []byte {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := w.Write(body); err != nil {
		return nil
	}
	if err := w.Close(); err != nil || buf.Len() >= len(body) {
		return nil
	}
	return buf.Bytes()
}

// mediaType does not ask the system, which may have its own ideas.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".json", ".webmanifest":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// pageRoutes serves the built pages.
func (s *Server) pageRoutes(assets map[string]*asset) {
	page := func(c echo.Context) error { return s.page(c, assets) }
	s.echo.GET("/*", page)
	s.echo.HEAD("/*", page)
}

// page serves a built file, or the page of an entry for the paths below it.
func (s *Server) page(c echo.Context, assets map[string]*asset) error {
	p := c.Request().URL.Path
	if p == "/" {
		return c.Redirect(http.StatusFound, "/account/")
	}
	if slices.Contains(entries(), strings.TrimPrefix(p, "/")) {
		return c.Redirect(http.StatusMovedPermanently, p+"/")
	}
	a := assets[p]
	if a == nil {
		entry, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
		if !slices.Contains(entries(), entry) || path.Clean(p) != strings.TrimSuffix(p, "/") {
			return echo.NewHTTPError(http.StatusNotFound, "there is no such page")
		}
		a = assets["/"+entry+"/index.html"]
	}
	return a.send(c)
}

// send writes the file, compressed if the browser takes it so.
func (a *asset) send(c echo.Context) error {
	if a == nil {
		return echo.NewHTTPError(http.StatusNotFound, "there is no such page")
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Etag", a.etag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if a.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if c.Request().Header.Get("If-None-Match") == a.etag {
		return c.NoContent(http.StatusNotModified)
	}
	body := a.body
	if strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
		if small := a.gzip(); small != nil {
			body = small
			h.Set("Content-Encoding", "gzip")
		}
	}
	return c.Blob(http.StatusOK, a.mediaType, body)
}

// secure sets what keeps other sites away from ours.
func (s *Server) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		if s.opts.HSTS && c.Request().TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// clients answers mail programs, and people who set one up.
func (s *Server) clients(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !autoconfig.Handles(c.Request().URL.Path) {
			return next(c)
		}
		s.opts.Clients.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

// Redirect sends browsers from HTTP to HTTPS on a port; GET /healthz is
// answered here, too.
func Redirect(port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			health(w)
			return
		}
		host, ok := plainHost(r.Host)
		if !ok {
			http.Error(w, "this name is not one of a server", http.StatusBadRequest)
			return
		}
		if port != 443 {
			host = fmt.Sprintf("%s:%d", host, port)
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
}

// plainHost takes the port from a host, which must look like a name or an
// address.
func plainHost(host string) (string, bool) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-.:[]", r)
	}
	return host, host != "" && len(host) <= 255 && !strings.ContainsFunc(host, odd)
}

// health says that the process answers.
func health(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, "ok")
}
