package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// serveCmd is `mailstead serve`: the real server, in the foreground.
type serveCmd struct {
	Config string `help:"Configuration file." type:"path" default:"${config}"`
	Data   string `help:"Data folder, in place of the one in the configuration file." type:"path"`
}

// Run serves until ctx is done.
func (c *serveCmd) Run(ctx context.Context, s streams) error {
	return serveConfig(ctx, s, configPlace{c.Config, c.Data}, nil)
}

// serveConfig serves until ctx is done, anew each time the configuration has
// changed. ready, if it is not nil, is called when all ports are open.
func serveConfig(ctx context.Context, s streams, from configPlace, ready func(*node) error) error {
	cfg, err := from.load()
	if err != nil {
		return err
	}
	ls, err := openListeners(cfg.Listen)
	if err != nil {
		return err
	}
	defer ls.close()
	if err := becomeOwner(cfg.Data); err != nil {
		return err
	}
	if err := bringOver(ctx, s, cfg.Data); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { daemon.SdNotify(false, daemon.SdNotifyStopping) })
	defer stop()
	for first := true; ; first, ready = false, nil {
		err := serveOnce(ctx, s.err, cfg, from, ls, first, ready)
		if !errors.Is(err, errReconfigure) {
			return err
		}
		if cfg, err = from.load(); err != nil {
			return err
		}
	}
}

// serveOnce serves until ctx is done, or the configuration has changed. The
// first time it locks the process in, which holds for all times.
func serveOnce(ctx context.Context, stderr io.Writer, cfg config.Config, from configPlace, ports listeners, first bool, ready func(*node) error) error {
	level := newLiveLevel(cfg.Log.Level)
	log := newLogger(cfg.Log.Format, level, stderr)
	ls, err := ports.lasting()
	if err != nil {
		return err
	}
	nc, err := nodeConfigFrom(cfg, ls, log)
	if err != nil {
		return err
	}
	nc.Choose = func(choices ...config.Choice) (config.Written, error) {
		return config.Choose(from.file, cfg.Data, choices...)
	}
	nc.Level = level
	nc.Reload = (&reloader{from: from, cfg: cfg, ports: ports, log: log}).reload
	n, err := openNode(nc)
	if err != nil {
		return err
	}
	if first {
		if err := confine(cfg, from.file, n.foldersOfSettings(), log); err != nil {
			return errors.Join(err, n.close())
		}
	}
	log.Info("serving", "hostname", nc.Hostname, "data", nc.DataDir)
	for _, note := range cfg.Notes {
		log.Info("configuration", "note", note)
	}
	daemon.SdNotify(false, daemon.SdNotifyReady)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.run(ctx, ls) })
	if ready != nil {
		g.Go(func() error { return ready(n) })
	}
	err, closed := g.Wait(), n.close()
	if errors.Is(err, errReconfigure) && closed != nil {
		return closed
	}
	return errors.Join(err, closed)
}

// newLogger writes what the configuration asks for.
func newLogger(format string, level slog.Leveler, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// nodeConfigFrom turns the file into what a node is made from.
func nodeConfigFrom(c config.Config, ls listeners, log *slog.Logger) (nodeConfig, error) {
	hostname, err := mail.ParseDomain(c.Hostname)
	if err != nil {
		return nodeConfig{}, err
	}
	servers, trustAD, err := resolvers(c)
	if err != nil {
		return nodeConfig{}, err
	}
	proxies, err := c.ProxyNets()
	if err != nil {
		return nodeConfig{}, err
	}
	trusted, err := c.TrustedProxyNets()
	if err != nil {
		return nodeConfig{}, err
	}
	return nodeConfig{
		Hostname: hostname, DataDir: c.Data, ConfigFile: config.Path, Log: log, Proxies: proxies, TrustedProxies: trusted, Clients: ls.clientPorts(), Ports: checkedPorts(ls.port(portSMTP), ls.clientPorts()),
		Resolver: dns.NewClient(dns.Options{Servers: servers, TrustAD: trustAD, Logger: log}), Authority: newAuthority(servers, nil, log),
		Certs: certs.Options{
			Mode: certs.Mode(c.TLS.Mode), CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile,
			ACME: certs.ACMEOptions{
				CAs: c.TLS.CAs(), CARoot: c.TLS.CARoot, EAB: c.TLS.EABFile, Email: c.TLS.Email, Agree: c.TLS.Agree, Challenge: certs.Challenge(c.TLS.Challenge),
				HTTPPort: ls.port(portHTTP), TLSPort: ls.port(portHTTPS),
			},
		},
	}, nil
}

// port is the first port of a service, 0 if it has none.
func (ls listeners) port(service string) int {
	for _, l := range ls[service] {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			return a.Port
		}
	}
	return 0
}

// openListeners takes the ports that systemd has opened for us, by the name of
// their service, and opens the others.
func openListeners(c config.Listen) (listeners, error) {
	given, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("sockets of systemd: %w", err)
	}
	ls := listeners(given)
	if ls == nil {
		ls = listeners{}
	}
	for name, addrs := range addressesOf(c) {
		if len(ls[name]) > 0 {
			continue
		}
		for _, addr := range addrs {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				ls.close()
				return nil, fmt.Errorf("[listen] %s: %w%s", name, err, privileged(addr))
			}
			ls[name] = append(ls[name], l)
		}
	}
	return ls, nil
}

// addressesOf are the addresses to listen on by service.
func addressesOf(c config.Listen) map[string][]string {
	return map[string][]string{
		portSMTP: c.SMTP, portSubmission: c.Submission, portSubmissions: c.Submissions, portIMAP: c.IMAP, portIMAPS: c.IMAPS, portHTTP: c.HTTP, portHTTPS: c.HTTPS,
	}
}

// privileged says what to do when a low port was refused.
func privileged(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	if n, err := strconv.Atoi(port); err == nil && n < 1024 {
		return "; ports below 1024 need root, the capability CAP_NET_BIND_SERVICE, or systemd's sockets"
	}
	return ""
}

// configCmd is `mailstead config`.
type configCmd struct {
	Describe describeCmd `cmd:"" help:"Print a configuration file with every field explained."`
	Check    checkCmd    `cmd:"" help:"Read the configuration file and say what is wrong with it."`
}

type describeCmd struct{}

func (describeCmd) Run(s streams) error {
	_, err := io.WriteString(s.out, config.Describe())
	return err
}

type checkCmd struct {
	Config string `help:"Configuration file." type:"path" default:"${config}"`
}

func (c checkCmd) Run(s streams) error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, c.Config, "is fine")
	for _, note := range cfg.Notes {
		fmt.Fprintln(s.out, " ", note)
	}
	return nil
}
