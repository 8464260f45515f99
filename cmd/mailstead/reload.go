package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/directory"
)

// liveLevel is the level of the log: as the setting says or, where that leaves
// it to the file, as the file does.
type liveLevel struct {
	file      slog.LevelVar
	directory atomic.Pointer[directory.Directory]
}

// levels are those of the log by their names.
var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func newLiveLevel(file string) *liveLevel {
	l := &liveLevel{}
	l.file.Set(levels[file])
	return l
}

// Level implements slog.Leveler.
func (l *liveLevel) Level() slog.Level {
	if d := l.directory.Load(); d != nil {
		if level, ok := levels[d.Text(directory.LogLevel)]; ok {
			return level
		}
	}
	return l.file.Level()
}

// liveConfig is what of the configuration changes while a node runs.
type liveConfig struct {
	proxies, trusted atomic.Pointer[[]netip.Prefix]

	mu    sync.Mutex
	ports []*retirable // that are served
}

func (l *liveConfig) keep(r *retirable) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ports = append(l.ports, r)
}

// retire closes a port, and no connection.
func (l *liveConfig) retire(port net.Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range l.ports {
		if last, ok := r.Listener.(*lastingListener); ok && last.Listener == port {
			r.retired.Store(true)
			l.ports = slices.Delete(l.ports, i, i+1)
			break
		}
	}
	port.Close() // ends Accept
}

func (n *node) proxies() []netip.Prefix        { return orThose(&n.live.proxies, n.cfg.Proxies) }
func (n *node) trustedProxies() []netip.Prefix { return orThose(&n.live.trusted, n.cfg.TrustedProxies) }

func orThose(now *atomic.Pointer[[]netip.Prefix], started []netip.Prefix) []netip.Prefix {
	if p := now.Load(); p != nil {
		return *p
	}
	return started
}

// retirable is a listener that can be closed while its connections go on.
type retirable struct {
	net.Listener
	retired atomic.Bool
	once    sync.Once
	closed  chan struct{}
}

func newRetirable(l net.Listener) *retirable {
	return &retirable{Listener: l, closed: make(chan struct{})}
}

// Accept waits for Close once the port is closed.
func (r *retirable) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil && r.retired.Load() {
		<-r.closed
		return nil, net.ErrClosed
	}
	return c, err
}

// Close ends Accept.
func (r *retirable) Close() error {
	r.once.Do(func() { close(r.closed) })
	return r.Listener.Close()
}

// portService serves one port.
func (n *node) portService(name string, l net.Listener) service {
	r := newRetirable(l)
	n.live.keep(r)
	counted, serve := n.countConnections(name, r), n.serve[name]
	return func(ctx context.Context) error { return serve(ctx, counted) }
}

// servePorts serves those that are opened while the node runs.
func (n *node) servePorts(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for {
		select {
		case s := <-n.opened:
			g.Go(func() error { return s(ctx) })
		case <-ctx.Done():
			return g.Wait()
		}
	}
}

// reload reads the configuration again.
func (n *node) reload(ctx context.Context) (admin.Reloaded, error) {
	if n.cfg.Reload == nil {
		return admin.Reloaded{}, errors.New("this server has no configuration file")
	}
	return n.cfg.Reload(ctx, n)
}

// watchHangup reloads at each SIGHUP.
func (n *node) watchHangup(ctx context.Context) error {
	if n.cfg.Reload == nil {
		return nil
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			if _, err := n.admin.Reload(admin.AsOwner(ctx, "SIGHUP")); err != nil {
				n.cfg.Log.Error("reload", "err", err)
			}
		}
	}
}

// reloader reads the configuration again and lets a node follow it.
type reloader struct {
	from  configPlace
	ports listeners // as they were opened, for the next run of a node
	log   *slog.Logger

	mu  sync.Mutex
	cfg config.Config // that the node follows
}

// reload follows what has changed in the file. What it cannot follow is named,
// and stays as it was until a restart. When something fails nothing changes.
func (r *reloader) reload(ctx context.Context, n *node) (admin.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := admin.Reloaded{Changed: []string{}, Restart: []string{}}
	next, err := r.from.load()
	if err != nil {
		return res, fmt.Errorf("nothing was changed: %w", err)
	}
	for _, name := range config.Diff(&r.cfg, &next) {
		if r.follows(name) {
			res.Changed = append(res.Changed, name)
		} else {
			res.Restart = append(res.Restart, name)
		}
	}
	if err := r.apply(ctx, n, &next, res.Changed); err != nil {
		return admin.Reloaded{}, fmt.Errorf("nothing was changed: %w", err)
	}
	r.cfg.Listen, r.cfg.TLS, r.cfg.Log.Level = next.Listen, next.TLS, next.Log.Level
	r.log.Info("configuration read again", "changed", res.Changed, "restart", res.Restart)
	return res, nil
}

// follows reports whether a change of a field needs no restart.
func (r *reloader) follows(field string) bool {
	return field == "log.level" || strings.HasPrefix(field, "tls.") || strings.HasPrefix(field, "listen.")
}

func (r *reloader) apply(ctx context.Context, n *node, next *config.Config, changed []string) error {
	proxies, err := next.ProxyNets()
	if err != nil {
		return err
	}
	trusted, err := next.TrustedProxyNets()
	if err != nil {
		return err
	}
	moved, err := r.openPorts(next.Listen)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(changed, func(f string) bool { return strings.HasPrefix(f, "tls.") }) {
		nc, err := nodeConfigFrom(*next, r.ports, r.log)
		if err == nil {
			err = n.certs.replace(nc.Certs)
		}
		if err != nil {
			moved.undo()
			return fmt.Errorf("[tls]: %w", err)
		}
	}
	n.live.proxies.Store(&proxies)
	n.live.trusted.Store(&trusted)
	if n.cfg.Level != nil {
		n.cfg.Level.file.Set(levels[next.Log.Level])
	}
	return moved.do(ctx, n, r.ports)
}

// portChange is what is to be done with ports.
type portChange struct {
	open  listeners
	close map[string][]net.Listener
}

// openPorts opens the ports that are new. Those that systemd has opened are its
// own: they are named in its units.
func (r *reloader) openPorts(next config.Listen) (portChange, error) {
	c := portChange{open: listeners{}, close: map[string][]net.Listener{}}
	before := addressesOf(r.cfg.Listen)
	for name, addrs := range addressesOf(next) {
		for _, addr := range addrs {
			if slices.Contains(before[name], addr) {
				continue
			}
			l, err := net.Listen("tcp", addr)
			if err != nil {
				c.undo()
				return portChange{}, fmt.Errorf("[listen] %s: %w%s", name, err, privileged(addr))
			}
			c.open[name] = append(c.open[name], l)
		}
		for _, addr := range before[name] {
			if slices.Contains(addrs, addr) {
				continue
			}
			if i := slices.IndexFunc(r.ports[name], func(l net.Listener) bool { return listensOn(l, addr) }); i >= 0 {
				c.close[name] = append(c.close[name], r.ports[name][i])
			}
		}
	}
	return c, nil
}

// listensOn reports whether a listener is that of an address in the
// configuration.
func listensOn(l net.Listener, addr string) bool {
	is, err1 := netip.ParseAddrPort(l.Addr().String())
	host, port, err2 := net.SplitHostPort(addr)
	if err1 != nil || err2 != nil || strconv.Itoa(int(is.Port())) != port {
		return false
	}
	if host == "" {
		return is.Addr().IsUnspecified()
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap() == is.Addr().Unmap()
}

func (c portChange) undo() { c.open.close() }

// do closes and opens; ports is brought to what is open then, in the order of
// the configuration.
func (c portChange) do(ctx context.Context, n *node, ports listeners) error {
	for name, list := range c.close {
		for _, l := range list {
			n.live.retire(l)
			ports[name] = slices.DeleteFunc(ports[name], func(p net.Listener) bool { return p == l })
		}
	}
	run, err := c.open.lasting()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(run)) {
		for i, l := range run[name] {
			ports[name] = append(ports[name], c.open[name][i])
			select {
			case n.opened <- n.portService(name, l):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}
