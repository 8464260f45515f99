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
	Names    []mail.Domain // more names, such as those of domains
	Mode     Mode

	CertFile, KeyFile string      // for Files
	ACME              ACMEOptions // for ACME

	Now    func() time.Time
	Logger *slog.Logger
}

// Manager hands out certificates.
type Manager struct {
	opts  Options
	names []string
	ca    *ownCA
	own   atomic.Pointer[tls.Certificate]
	local atomic.Pointer[tls.Certificate] // for those who come without a name
	files *filePair
	acme  *acme
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
	m := &Manager{opts: o, names: []string{string(o.Hostname)}}
	for _, n := range o.Names {
		if !slices.Contains(m.names, string(n)) {
			m.names = append(m.names, string(n))
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
	}{"": {&m.own, m.names}, "local-": {&m.local, nil}} {
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
// who come by the address of the server.
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
		if c, err := m.acme.cfg.GetCertificate(hello); err == nil && c != nil {
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
		return m.acme.run(ctx, m.names)
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

// Status says how the certificate of one name stands.
type Status struct {
	Name     string    `json:"name"`
	Source   string    `json:"source"` // "self-signed", "files", "acme"
	Issuer   string    `json:"issuer,omitempty"`
	NotAfter time.Time `json:"notAfter,omitzero"`
	Renew    time.Time `json:"renew,omitzero"` // planned
	Problem  string    `json:"problem,omitempty"`
}

// String says it in a sentence.
func (s Status) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", s.Name)
	switch {
	case s.NotAfter.IsZero():
		b.WriteString("no certificate yet; a self-signed one is shown")
	default:
		fmt.Fprintf(&b, "%s certificate of %q, good until %s", s.Source, s.Issuer, s.NotAfter.Format("2 January 2006"))
	}
	if s.Problem != "" {
		b.WriteString(". The last try failed: " + s.Problem)
	}
	return b.String()
}

// Status says how each name stands.
func (m *Manager) Status() []Status {
	var all []Status
	for _, name := range m.names {
		switch {
		case m.acme != nil:
			all = append(all, m.acme.status(name))
		case m.files != nil:
			s := Status{Name: name, Source: string(Files)}
			c, err := m.files.get()
			if err != nil {
				s.Problem = err.Error()
			}
			if c != nil && c.Leaf != nil {
				s.Issuer, s.NotAfter = c.Leaf.Issuer.CommonName, c.Leaf.NotAfter
				if err := c.Leaf.VerifyHostname(name); err != nil {
					s.Problem = err.Error()
				}
			}
			all = append(all, s)
		default:
			leaf := m.own.Load().Leaf
			all = append(all, Status{Name: name, Source: string(SelfSigned), Issuer: leaf.Issuer.CommonName, NotAfter: leaf.NotAfter, Renew: leaf.NotAfter.Add(-renewLeft)})
		}
	}
	return all
}
