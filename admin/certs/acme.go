package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// ACMEOptions say where certificates come from.
type ACMEOptions struct {
	CA     string // directory URL; empty: Let's Encrypt
	CARoot string // file with the root that the CA's own server is verified by; empty: the system's
	Email  string
	Agree  bool // to the CA's terms
	// HTTPPort and TLSPort are where our own listeners answer challenges; the
	// CA asks on 80 and 443.
	HTTPPort, TLSPort int
}

// LetsEncrypt is the CA used when none is named.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// acme gets and renews certificates.
type acme struct {
	cfg    *certmagic.Config
	cache  *certmagic.Cache
	issuer *certmagic.ACMEIssuer

	mu   sync.Mutex
	last map[string]string // what went wrong last for a name
}

func newACME(o Options) (*acme, error) {
	if !o.ACME.Agree {
		return nil, errors.New("tls.agree is not set: read the CA's terms and agree to get certificates from it")
	}
	roots, err := loadRoots(o.ACME.CARoot)
	if err != nil {
		return nil, err
	}
	a := &acme{last: map[string]string{}}
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.cfg, nil },
		Logger:           zap.NewNop(),
	})
	a.cfg = certmagic.New(a.cache, certmagic.Config{
		Storage:            &certmagic.FileStorage{Path: filepath.Join(o.Dir, "acme")},
		DefaultServerName:  string(o.Hostname),
		FallbackServerName: string(o.Hostname),
		Logger:             zap.NewNop(),
		OnEvent:            a.event,
	})
	ca := o.ACME.CA
	if ca == "" {
		ca = LetsEncrypt
	}
	a.issuer = certmagic.NewACMEIssuer(a.cfg, certmagic.ACMEIssuer{
		CA: ca, Email: o.ACME.Email, Agreed: true, TrustedRoots: roots, Logger: zap.NewNop(),
		AltHTTPPort: o.ACME.HTTPPort, AltTLSALPNPort: o.ACME.TLSPort,
	})
	a.cfg.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

// loadRoots reads the root of a CA that the system does not know.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls.ca_root: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("tls.ca_root: %s has no certificate", file)
	}
	return pool, nil
}

// event remembers what went wrong, in words for the administrator.
func (a *acme) event(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch event {
	case "cert_obtained":
		delete(a.last, name)
	case "cert_failed":
		if err, ok := data["error"].(error); ok {
			a.last[name] = err.Error()
		}
	}
	return nil
}

func (a *acme) failure(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last[name]
}

// run gets certificates for names and keeps them fresh until ctx is done.
func (a *acme) run(ctx context.Context, names []string) error {
	defer a.cache.Stop()
	if err := a.cfg.ManageAsync(ctx, names); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	<-ctx.Done()
	return nil
}

// handler answers HTTP-01 challenges before next.
func (a *acme) handler(next http.Handler) http.Handler { return a.issuer.HTTPChallengeHandler(next) }

// find returns the certificate of a name, nil if there is none yet.
func (a *acme) find(name string) *tls.Certificate {
	for _, c := range a.cache.AllMatchingCertificates(name) {
		if c.Leaf != nil {
			return &c.Certificate
		}
	}
	return nil
}

// status says how a name stands.
func (a *acme) status(name string) Status {
	s := Status{Name: name, Source: "acme", Problem: a.failure(name)}
	for _, c := range a.cache.AllMatchingCertificates(name) {
		if c.Leaf != nil {
			s.Issuer, s.NotAfter = c.Leaf.Issuer.CommonName, c.Leaf.NotAfter
			s.Renew = s.NotAfter.Add(-time.Duration(float64(c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)) / 3))
		}
	}
	return s
}
