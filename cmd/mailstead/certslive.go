package main

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/mailstead/mailstead/admin/certs"
)

// liveCerts are certificates whose configuration may change while connections
// use them: what servers show always comes from the present Manager.
type liveCerts struct {
	opts    certs.Options
	current atomic.Pointer[certs.Manager]

	mu      sync.Mutex
	changed chan struct{} // closed when current is another
}

func newLiveCerts(o certs.Options) (*liveCerts, error) {
	m, err := certs.New(o)
	if err != nil {
		return nil, err
	}
	l := &liveCerts{opts: o, changed: make(chan struct{})}
	l.current.Store(m)
	return l, nil
}

// replace shows the certificates of another configuration from now on.
func (l *liveCerts) replace(next certs.Options) error {
	o := l.opts // with what the node knows
	o.Mode, o.CertFile, o.KeyFile = next.Mode, next.CertFile, next.KeyFile
	dns := o.ACME.DNS
	if o.ACME = next.ACME; o.ACME.DNS == nil {
		o.ACME.DNS = dns
	}
	m, err := certs.New(o)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.Store(m)
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// Run keeps the certificates fresh, until ctx is done.
func (l *liveCerts) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		l.mu.Lock()
		m, changed := l.current.Load(), l.changed
		l.mu.Unlock()
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- m.Run(running) }()
		var err error
		select {
		case <-changed:
			stop()
			err = <-ended
		case err = <-ended:
		}
		stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// TLSConfig is that of the present certificates.
func (l *liveCerts) TLSConfig(protos ...string) *tls.Config {
	return l.follow(func(m *certs.Manager) *tls.Config { return m.TLSConfig(protos...) })
}

// WebConfig is TLSConfig for browsers.
func (l *liveCerts) WebConfig(protos ...string) *tls.Config {
	return l.follow(func(m *certs.Manager) *tls.Config { return m.WebConfig(protos...) })
}

// NoTickets is TLSConfig for port 25.
func (l *liveCerts) NoTickets() *tls.Config {
	return l.follow(func(m *certs.Manager) *tls.Config { return m.NoTickets() })
}

// follow makes a configuration that stays the same, so that tickets of sessions
// do, and shows the certificates of now.
func (l *liveCerts) follow(of func(*certs.Manager) *tls.Config) *tls.Config {
	cfg := of(l.current.Load())
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return of(l.current.Load()).GetCertificate(hello)
	}
	return cfg
}

// HTTPHandler answers HTTP-01 challenges and leaves the rest to next.
func (l *liveCerts) HTTPHandler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.current.Load().HTTPHandler(next).ServeHTTP(w, r) })
}

// The others are those of the present Manager.

func (l *liveCerts) Signer() (*tls.Certificate, error) { return l.current.Load().Signer() }
func (l *liveCerts) Status() []certs.Status            { return l.current.Load().Status() }
func (l *liveCerts) TLSA() (certs.Digests, bool)       { return l.current.Load().TLSA() }
func (l *liveCerts) CAFile() string                    { return l.current.Load().CAFile() }
func (l *liveCerts) Fingerprint() string               { return l.current.Load().Fingerprint() }

// Renew has the present Manager renew a certificate. If another one takes its
// place meanwhile, that one shows what comes of it.
func (l *liveCerts) Renew(ctx context.Context, r certs.Renewal) (certs.Status, error) {
	m := l.current.Load()
	s, err := m.Renew(ctx, r)
	for err == nil {
		now := l.current.Load()
		if now == m {
			break
		}
		m = now
		s, err = m.Adopt(ctx, r.Name)
	}
	return s, err
}
