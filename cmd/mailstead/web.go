package main

import (
	"context"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/webadmin"
)

// newAPI makes the API and the pages beside it.
func (n *node) newAPI() (*api.Server, error) {
	pages, err := webadmin.Dist()
	if err != nil {
		return nil, err
	}
	return api.New(api.Options{
		Admin: n.admin, Version: version(), Proxies: n.cfg.Proxies, Pages: pages, HSTS: n.cfg.Certs.Mode != certs.SelfSigned, Logger: n.cfg.Log,
	})
}

// version is that of the program, as it was built.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "development"
}

// serveAdmin answers the command line.
func (n *node) serveAdmin(ctx context.Context) error {
	return api.Serve(ctx, n.socket, n.api.Socket(), n.cfg.Log)
}

// serveHTTP answers HTTP-01 challenges, and sends everybody else to HTTPS.
func (n *node) serveHTTP(port int) func(context.Context, net.Listener) error {
	var rest http.Handler = http.NotFoundHandler()
	if port != 0 {
		rest = api.Redirect(port)
	}
	return func(ctx context.Context, l net.Listener) error {
		return api.Serve(ctx, l, n.certs.HTTPHandler(rest), n.cfg.Log)
	}
}

// serveHTTPS serves the API and the pages, and answers TLS-ALPN-01 challenges.
func (n *node) serveHTTPS(ctx context.Context, l net.Listener) error {
	return api.Serve(ctx, tlsListener(l, n.certs), n.api.Web(), n.cfg.Log)
}
