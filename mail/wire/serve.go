package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Options of Serve.
type Options struct {
	Limits  Limits
	Limiter *Limiter // shared with other services; nil: one of its own
	// TLS makes every connection begin with a handshake.
	TLS *tls.Config
	// Proxies are the nets whose connections begin with a PROXY header; asked
	// for each connection, nil is none.
	Proxies func() []netip.Prefix
	// Busy is written, without TLS, to a peer over its limit, and Full where there
	// are too many of all; empty: nothing.
	Busy, Full string
	Logger     *slog.Logger
}

// Serve accepts connections and runs handle for each, until ctx is done or l
// fails. handle gets a context that is done when the service stops, and should
// end soon then; after Limits.Grace it can read nothing more, and soon after
// that its connection expires. Serve closes l and
// connections, and returns after the last handle has.
func Serve(ctx context.Context, l net.Listener, o Options, handle func(context.Context, *Conn)) error {
	o.Limits = o.Limits.withDefaults()
	if o.Limiter == nil {
		o.Limiter = NewLimiter(func() Limits { return o.Limits })
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &server{opts: o, handle: handle, conns: map[*Conn]struct{}{}}
	accepting, stopped := context.WithCancel(ctx)
	defer stopped()
	go func() { // ends with this function
		<-accepting.Done()
		l.Close()
	}()
	err := s.accept(ctx, l)
	s.drain()
	return err
}

// server is one running Serve.
type server struct {
	opts   Options
	handle func(context.Context, *Conn)
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[*Conn]struct{}
}

func (s *server) accept(ctx context.Context, l net.Listener) error {
	pause := 5 * time.Millisecond
	for {
		raw, err := l.Accept()
		if err == nil {
			pause = 5 * time.Millisecond
			s.wg.Go(func() { s.serve(ctx, raw) })
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of descriptors, most likely: others will end.
		s.opts.Logger.Error("accept", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

// serve guards one connection.
func (s *server) serve(ctx context.Context, raw net.Conn) {
	c := NewConn(raw, s.opts.Limits)
	s.track(c, true)
	defer s.track(c, false)
	defer c.Close()
	if s.trusted(c.remote.Addr()) {
		if err := c.readProxy(); err != nil {
			s.opts.Logger.Warn("PROXY header", "remote", raw.RemoteAddr().String(), "err", err)
			return
		}
	}
	if met := s.opts.Limiter.take(c.remote.Addr()); met != none {
		s.refuse(c, met)
		return
	}
	defer s.opts.Limiter.release(c.remote.Addr())
	if s.opts.TLS != nil {
		if err := c.StartTLS(ctx, s.opts.TLS); err != nil {
			s.opts.Logger.Info("TLS handshake", "remote", c.remote.Addr().String(), "err", err)
			return
		}
	}
	s.handle(ctx, c)
}

// refuse tells a peer that there are too many connections.
func (s *server) refuse(c *Conn, met bound) {
	text, of := s.opts.Busy, "its address or net"
	if met == ofAll {
		text, of = s.opts.Full, "all"
	}
	s.opts.Logger.Info("too many connections", "remote", c.remote.Addr().String(), "of", of)
	if s.opts.TLS == nil {
		c.Write([]byte(text))
	}
}

func (s *server) trusted(a netip.Addr) bool {
	if s.opts.Proxies == nil {
		return false
	}
	for _, p := range s.opts.Proxies() {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

func (c *Conn) readProxy() error {
	c.raw.SetReadDeadline(time.Now().Add(c.limits.Handshake))
	remote, local, ok, err := readProxy(c.raw)
	if ok {
		c.remote, c.local = remote, local
	}
	return err
}

func (s *server) track(c *Conn, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.conns[c] = struct{}{}
	} else {
		delete(s.conns, c)
	}
}

// drain lets handlers end, for Grace by themselves. Then they can read nothing
// more, but still say why they end; soon after they are cut off.
func (s *server) drain() {
	s.each(func(c *Conn) { c.Expire(time.Now().Add(s.opts.Limits.Grace + closeGrace)) })
	over := time.AfterFunc(s.opts.Limits.Grace, func() { s.each((*Conn).Interrupt) })
	defer over.Stop()
	s.wg.Wait()
}

func (s *server) each(fn func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		fn(c)
	}
}
