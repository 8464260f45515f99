package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/autoconfig"
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
		Admin: n.admin, Version: version(), Proxies: n.trustedProxies, Pages: pages, Clients: n.clients.Handler(),
		HSTS: n.cfg.Certs.Mode != certs.SelfSigned, Banner: n.cfg.Banner, Setup: n.wizard, Ready: n.readyz(), Metrics: n.metrics.Handler(), NoLimits: n.cfg.NoLimits, Now: n.now, Logger: n.cfg.Log,
	})
}

// clientPorts are where clients find the services, 0 where there is none.
type clientPorts struct {
	autoconfig.Ports
	HTTPS int
}

// clientPorts returns the ports that are open.
func (ls listeners) clientPorts() clientPorts {
	return clientPorts{
		Ports: autoconfig.Ports{IMAPS: ls.port(portIMAPS), IMAP: ls.port(portIMAP), Submissions: ls.port(portSubmissions), Submission: ls.port(portSubmission)},
		HTTPS: ls.port(portHTTPS),
	}
}

// web is the address of the pages for people, "" if there are none.
func (n *node) web() string {
	if n.cfg.Clients.HTTPS == 0 || n.cfg.Web != "" {
		return n.cfg.Web
	}
	return origin(string(n.cfg.Hostname), n.cfg.Clients.HTTPS)
}

// origins are where passkeys work: under our name, and on this computer, where
// a tunnel ends.
func (n *node) origins() []string {
	if n.cfg.Clients.HTTPS == 0 {
		return nil
	}
	return []string{origin(string(n.cfg.Hostname), n.cfg.Clients.HTTPS), origin("localhost", n.cfg.Clients.HTTPS)}
}

// newClients makes what tells mail programs how to connect.
func (n *node) newClients() *autoconfig.Service {
	return autoconfig.New(autoconfig.Options{
		Hostname: n.cfg.Hostname, Ports: n.cfg.Clients.Ports, Web: n.web(), Hosted: n.directory.IsLocal, Signer: n.certs.Signer, Now: n.now,
	})
}

// stamp is the version that `make release` builds; the linker sets it.
var stamp string

// version is that of the program, as it was built.
func version() string {
	if stamp != "" {
		return stamp
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "development"
}

// origin is where browsers find our pages under a name.
func origin(host string, port int) string {
	if port == 443 {
		return "https://" + host
	}
	return fmt.Sprintf("https://%s:%d", host, port)
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
