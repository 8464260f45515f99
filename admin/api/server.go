package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/setup"
)

// Bounds of requests.
const (
	maxBody        = 2 << 20 // a settings file has a few KiB
	maxHeader      = 64 << 10
	readTimeout    = 30 * time.Second
	requestTimeout = 2 * time.Minute // checks of the DNS take a while
	stopGrace      = 3 * time.Second
)

// Prefix is where the API is.
const Prefix = "/api/v1"

// Options are what a Server works with. Admin is needed.
type Options struct {
	Admin   *admin.Admin
	Version string                // of the program, for X-App-Version
	Proxies func() []netip.Prefix // whose X-Forwarded-For is believed
	Pages   fs.FS                 // the built pages; nil: none
	Ready   http.Handler          // answers /readyz; nil: nobody does
	Metrics http.Handler          // answers /metrics; nil: nobody does
	Clients http.Handler          // tells clients how to connect; nil: nobody
	HSTS    bool                  // the certificate is one that browsers trust
	Banner  string                // to show on every page
	// NoLimits lets everybody ask as often as they like, for load tests.
	NoLimits bool
	Now      func() time.Time
	Logger   *slog.Logger
	Setup    *setup.Wizard // the first run; nil: none
}

// Server is the API behind its two doors.
type Server struct {
	opts  Options
	admin *admin.Admin
	log   *slog.Logger
	echo  *echo.Echo
	huma  huma.API

	streams  streams
	limiters *limiters
	answers  *answers
	changes  sync.Mutex // that have a condition
}

// New makes a Server.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{opts: o, admin: o.Admin, log: o.Logger, echo: echo.New(),
		limiters: newLimiters(o.Now), answers: newAnswers(o.Now)}
	e := s.echo
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = func(r *http.Request) string {
		if o.Proxies == nil {
			return extractor(nil)(r)
		}
		return extractor(o.Proxies())(r)
	}
	e.HTTPErrorHandler = s.fail
	e.Pre(splitVerb)
	e.Use(s.version, s.secure,
		middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: s.logPanic}),
		middleware.ContextTimeoutWithConfig(middleware.ContextTimeoutConfig{
			Skipper:      takesLong,
			Timeout:      requestTimeout,
			ErrorHandler: func(err error, _ echo.Context) error { return err },
		}),
	)
	for _, m := range []echo.MiddlewareFunc{noStore, onlyJSON, sameSite, bodyLimit(), s.identify, s.limit, plainParams, s.once} {
		e.Use(ofAPI(m))
	}
	s.huma = newHuma(e, e.Group(Prefix))
	s.routes()
	if o.Ready != nil {
		e.GET("/readyz", echo.WrapHandler(o.Ready))
	}
	if o.Metrics != nil {
		e.GET("/metrics", s.metrics)
	}
	e.GET("/healthz", func(c echo.Context) error { health(c.Response()); return nil })
	if o.Clients != nil {
		e.Use(s.clients)
	}
	if o.Pages != nil {
		assets, err := readAssets(o.Pages)
		if err != nil {
			return nil, err
		}
		s.pageRoutes(assets)
	}
	return s, nil
}

// routes declares every operation, a file for each resource.
func (s *Server) routes() {
	s.sessionRoutes()
	s.meRoutes()
	s.exportRoutes()
	s.myDeviceRoutes()
	s.accountDeviceRoutes()
	s.securityRoutes()
	s.domainRoutes()
	s.dkimRoutes()
	s.accountRoutes()
	s.exportMailRoutes()
	s.aliasRoutes()
	s.queueRoutes()
	s.traceRoutes()
	s.reportRoutes()
	s.quarantineRoutes()
	s.junkRoutes()
	s.listRoutes()
	s.learnedRoutes()
	s.settingRoutes()
	s.auditRoutes()
	s.metricRoutes()
	s.deliverabilityRoutes()
	s.linkMaking()
	s.eventRoutes()
	s.jobRoutes()
	s.importRoutes()
	s.systemRoutes()
	s.updateRoutes()
	s.certificateRoutes()
	s.dnsProviderRoutes()
	s.banRoutes()
	s.checkRoutes()
	s.alertRoutes()
	s.webhookRoutes()
	s.overviewRoutes()
	s.setupRoutes()
	s.backupRoutes()
	s.backupContentRoutes()
}

// bodyLimit bounds what is read of a request before its operation is known.
func bodyLimit() echo.MiddlewareFunc {
	setup, _ := withVerb(Prefix + setupPath)
	most := func(n int, skip middleware.Skipper) echo.MiddlewareFunc {
		return middleware.BodyLimitWithConfig(middleware.BodyLimitConfig{Skipper: skip, Limit: strconv.Itoa(n)})
	}
	isSetup := func(c echo.Context) bool { return c.Path() == setup }
	others, larger := most(maxBody, isSetup), most(maxSetupBody, middleware.DefaultSkipper)
	return func(next echo.HandlerFunc) echo.HandlerFunc { return larger(others(next)) }
}

// takesLong reports whether an answer is streamed, with a deadline for each
// write.
func takesLong(c echo.Context) bool {
	return c.Request().Method == http.MethodGet && (c.Path() == Prefix+eventsPath || strings.HasPrefix(c.Path(), Prefix+exportPath+"/"))
}

// ofAPI lets a middleware see only requests to the API.
func ofAPI(m echo.MiddlewareFunc) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		with := m(next)
		return func(c echo.Context) error {
			if strings.HasPrefix(c.Request().URL.Path, Prefix+"/") {
				return with(c)
			}
			return next(c)
		}
	}
}

// extractor finds the address of a client. Only the proxies that are named are
// believed; echo's default believes any X-Forwarded-For.
func extractor(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		trust = append(trust, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}

type doorKey struct{}

// Web is the API for browsers and API keys, over TLS.
func (s *Server) Web() http.Handler { return s.echo }

// Socket is the API for whoever can open the admin socket.
func (s *Server) Socket() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.echo.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), doorKey{}, true)))
	})
}

// onSocket reports whether a request came through the admin socket.
func onSocket(ctx context.Context) bool { return ctx.Value(doorKey{}) != nil }

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
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: requestTimeout + readTimeout,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), stopKey{}, ctx)
		},
		IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
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
