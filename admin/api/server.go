package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/mailstead/mailstead/admin"
)

// Bounds of requests.
const (
	maxBody        = "2M" // a settings file has a few KiB
	maxHeader      = 64 << 10
	readTimeout    = 30 * time.Second
	requestTimeout = 2 * time.Minute // checks of the DNS take a while
	stopGrace      = 3 * time.Second
)

// actorHeader says who uses the client, for the audit log. The socket lets in
// one user only, so that nobody gains from lying.
const actorHeader = "Mailstead-Actor"

// maxActor bounds what is written down of it.
const maxActor = 100

// Listen opens the admin socket at path. The caller makes sure that no other
// server uses the data folder; what is left of one is replaced.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w (its path may have about 100 octets)", err)
	}
	// Until here the folder, which is 0700, keeps others out.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return l, nil
}

// Serve answers on l until ctx is done.
func Serve(ctx context.Context, l net.Listener, op admin.Operator, log *slog.Logger) error {
	srv := &http.Server{
		Handler: Handler(op, log), ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: requestTimeout + readTimeout,
		IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(l)
	if !stop() {
		<-stopped
		return nil
	}
	return err
}

// Handler is the API.
func Handler(op admin.Operator, log *slog.Logger) http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // echo's default believes any X-Forwarded-For
	e.HTTPErrorHandler = func(err error, c echo.Context) { fail(c, log, err) }
	e.Use(
		middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: func(_ echo.Context, err error, stack []byte) error {
			log.Error("admin API: a bug", "err", err, "stack", string(stack))
			return errors.New("a bug of the server; its log has more")
		}}),
		middleware.BodyLimit(maxBody),
		middleware.ContextTimeoutWithConfig(middleware.ContextTimeoutConfig{
			Timeout:      requestTimeout,
			ErrorHandler: func(err error, _ echo.Context) error { return err },
		}),
		identify,
	)
	(&server{op: op}).routes(e.Group("/api/v1"))
	return e
}

// identify says who makes a request.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		actor := "admin socket"
		if claim := c.Request().Header.Get(actorHeader); claim != "" && len(claim) <= maxActor && !strings.ContainsFunc(claim, func(r rune) bool { return r < ' ' || r > '~' }) {
			actor += " (" + claim + ")"
		}
		c.SetRequest(c.Request().WithContext(admin.WithActor(c.Request().Context(), actor)))
		return next(c)
	}
}

// fail answers with a problem.
func fail(c echo.Context, log *slog.Logger, err error) {
	if c.Response().Committed {
		return
	}
	p := describe(err)
	if p.Status == http.StatusInternalServerError {
		log.Error("admin API", "path", c.Request().URL.Path, "err", err)
	}
	body, jerr := json.Marshal(p)
	if jerr != nil { // a struct of texts
		body = []byte("{}")
	}
	if werr := c.Blob(p.Status, problemType, append(body, '\n')); werr != nil {
		log.Debug("admin API", "err", werr)
	}
}

// server has a method for each route.
type server struct{ op admin.Operator }

// decode reads a request's body: one JSON value, nothing unknown.
func decode(c echo.Context, to any) error {
	if t, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType)); err != nil || t != echo.MIMEApplicationJSON {
		return echo.NewHTTPError(http.StatusUnsupportedMediaType, "send the body as application/json")
	}
	d := json.NewDecoder(c.Request().Body)
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something behind it")
		}
	}
	var he *echo.HTTPError
	switch {
	case errors.As(err, &he): // the limit
		return he
	case err != nil:
		return echo.NewHTTPError(http.StatusBadRequest, "the body is not what is expected here: "+err.Error())
	}
	return nil
}

// answer sends a value, or the error that came with it.
func answer[T any](c echo.Context, status int, v T, err error) error {
	if err != nil {
		return err
	}
	return c.JSON(status, v)
}

// done answers a request that returns nothing.
func done(c echo.Context, err error) error {
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
