package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Mode says where certificates come from.
type Mode string

const (
	SelfSigned Mode = "self-signed"
	Files      Mode = "files"
	ACME       Mode = "acme"
)

// Options of a Manager; Dir, Hostname and Mode are needed.
type Options struct {
	Dir      string // DATA/certs
	Hostname mail.Domain
	Names    []mail.Domain // more names, which always have a certificate
	Mode     Mode

	// With ACME, names of hosted domains have certificates, too: Domains
	// lists the domains, Hosts tells one, and LeadsHere says whether a CA
	// would find this server under a name. They may be nil.
	Domains   func() []mail.Domain
	Hosts     func(mail.Domain) bool
	LeadsHere func(ctx context.Context, name string) (bool, error)

	// FirstRun reports whether a browser may be in the first run, or on its
	// way there. It is asked in handshakes; nil is never.
	FirstRun func() bool

	CertFile, KeyFile string      // for Files
	ACME              ACMEOptions // for ACME

	Now func() time.Time
	// Doubted reports whether it is not known how late it is: nothing is ordered
	// then. nil is never.
	Doubted func() bool
	Logger  *slog.Logger
}

// Manager hands out certificates.
type Manager struct {
	opts  Options
	fixed []string // host name, and Names
	ca    *ownCA
	own   atomic.Pointer[tls.Certificate]
	local atomic.Pointer[tls.Certificate] // for those who come without a name
	files *filePair
	acme  *acmeCA

	begun time.Time // with the monotonic clock
	book  nameBook
	woken chan struct{}
}

// New opens the certificates in o.Dir. It fails when they cannot be had at
// all; what may pass, such as a CA that does not answer, shows in Status.
func New(o Options) (*Manager, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{opts: o, fixed: []string{string(o.Hostname)}, begun: time.Now(), book: nameBook{names: map[string]*nameState{}}, woken: make(chan struct{}, 1)}
	for _, n := range o.Names {
		if !slices.Contains(m.fixed, string(n)) {
			m.fixed = append(m.fixed, string(n))
		}
	}
	var err error
	if m.ca, err = openCA(filepath.Join(o.Dir, "own"), o.Now); err != nil {
		return nil, err
	}
	if err := m.renewOwn(); err != nil {
		return nil, err
	}
	switch o.Mode {
	case SelfSigned:
	case Files:
		m.files = &filePair{certFile: o.CertFile, keyFile: o.KeyFile}
		_, err = m.files.get()
	case ACME:
		m.acme, err = newACME(o)
	default:
		err = fmt.Errorf("tls.mode %q: choose %q, %q or %q", o.Mode, ACME, Files, SelfSigned)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Manager) renewOwn() error {
	for file, c := range map[string]struct {
		to    *atomic.Pointer[tls.Certificate]
		names []string
	}{"": {&m.own, m.fixed}, "local-": {&m.local, nil}} {
		leaf, err := m.ca.leaf(file, c.names)
		if err != nil {
			return fmt.Errorf("self-signed certificate: %w", err)
		}
		c.to.Store(leaf)
	}
	return nil
}

// CAFile is the CA of the self-signed certificate, for clients to trust.
func (m *Manager) CAFile() string { return m.ca.file() }

// Fingerprint is the SHA-256 of the self-signed certificate that browsers show
// that come by the address of the server in the first run.
func (m *Manager) Fingerprint() string {
	sum := sha256.Sum256(m.local.Load().Leaf.Raw)
	return strings.ToUpper(strings.ReplaceAll(fmt.Sprintf("% x", sum), " ", ":"))
}

// TLSConfig returns what servers show: TLS 1.2 or newer. protos are for ALPN;
// servers of port 443 name acme.ALPNProto among them to answer challenges.
func (m *Manager) TLSConfig(protos ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: m.certificate, NextProtos: protos}
}

// NoTickets returns what port 25 shows: without session tickets, which
// break some large senders.
func (m *Manager) NoTickets() *tls.Config {
	cfg := m.TLSConfig()
	cfg.SessionTicketsDisabled = true
	return cfg
}

// ALPN is the protocol name of TLS-ALPN-01 challenges (RFC 8737 section 4).
const ALPN = "acme-tls/1"

// certificate chooses what to show.
func (m *Manager) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	switch {
	case m.files != nil:
		if c, err := m.files.get(); c != nil {
			return c, nil
		} else if err != nil {
			m.opts.Logger.Warn("certificate", "err", err)
		}
	case m.acme != nil && hello.Conn != nil: // without a connection certmagic would panic
		if name := strings.ToLower(hello.ServerName); m.hosted(name) && m.acme.find(name) == nil {
			m.wake(name)
		}
		if c, err := m.acme.get(hello); err == nil && c != nil {
			return c, nil
		} else if slices.Contains(hello.SupportedProtos, ALPN) {
			return nil, errors.Join(errors.New("certs: no such challenge"), err)
		}
	}
	return m.own.Load(), nil
}

// Signer returns the certificate of the host name with its chain and key, for
// documents that the server signs.
func (m *Manager) Signer() (*tls.Certificate, error) {
	if m.acme != nil {
		if c := m.acme.find(string(m.opts.Hostname)); c != nil {
			return c, nil
		}
		return nil, fmt.Errorf("certs: there is no certificate for %s yet", m.opts.Hostname)
	}
	return m.certificate(&tls.ClientHelloInfo{ServerName: string(m.opts.Hostname)})
}

// HTTPHandler answers HTTP-01 challenges and leaves the rest to next.
func (m *Manager) HTTPHandler(next http.Handler) http.Handler {
	if m.acme == nil {
		return next
	}
	return m.acme.handler(next)
}

// Run keeps certificates fresh until ctx is done.
func (m *Manager) Run(ctx context.Context) error {
	if m.acme != nil {
		return m.runACME(ctx)
	}
	day := time.NewTicker(24 * time.Hour)
	defer day.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-day.C:
			if err := m.renewOwn(); err != nil {
				m.opts.Logger.Error("certificate", "err", err)
			}
		}
	}
}
