package certs

import (
	"cmp"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// ACMEOptions say where certificates come from.
type ACMEOptions struct {
	CAs    []string // directory URLs in the order in which they are asked; empty: Let's Encrypt
	CARoot string   // file with the roots that the CAs' own servers are verified by; empty: the system's
	EAB    string   // file with what CAs want for new accounts; see readEAB
	Email  string
	Agree  bool // to the terms of the CAs
	// HTTPPort and TLSPort are where our own listeners answer challenges; the
	// CA asks on 80 and 443.
	HTTPPort, TLSPort int
	// Challenge is how names are proven; "" is ChallengeAny.
	Challenge Challenge
	DNS       DNSChallenge // needed for ChallengeDNS

	renewCheck time.Duration // how often certmagic looks for what to renew; 0: its default
}

// Challenge says how a CA sees that a name is ours.
type Challenge string

const (
	ChallengeAny  Challenge = "any"      // port 80 or 443
	ChallengeHTTP Challenge = "http"     // HTTP-01: port 80 alone
	ChallengeTLS  Challenge = "tls-alpn" // TLS-ALPN-01: port 443 alone
	ChallengeDNS  Challenge = "dns"      // DNS-01 where a record can be written, else any
)

// Directories of Let's Encrypt. What Staging issues nobody trusts, and its
// limits are high.
const (
	LetsEncrypt = certmagic.LetsEncryptProductionCA
	Staging     = certmagic.LetsEncryptStagingCA
)

// acmeTimeout bounds one attempt with one CA; loadTimeout what is asked about a
// certificate before it is shown.
const (
	acmeTimeout = 3 * time.Minute
	loadTimeout = time.Minute
)

// acmeCA gets and renews certificates.
type acmeCA struct {
	opts  ACMEOptions
	host  string
	keys  *hostKeys
	proof *proofs
	pairs *pairStorage
	cache *certmagic.Cache
	// configs are by what a name is proven with: web or DNS; and by whose key
	// it has.
	configs [2][3]*certmagic.Config
	now     func() time.Time
	doubted func() bool

	changing sync.Mutex // held by the one change of keys that may run
	change   keyChange  // that runs

	mu   sync.Mutex
	last map[string]failure // what went wrong last for a name
}

// Keys of certificates, in acmeCA.configs.
const (
	freshKey = iota // a new one each time
	hostKey         // that of the host name
	nextKey         // the one after it
)

// failure is one failed attempt.
type failure struct {
	at        time.Time
	authority string
	err       error
}

func newACME(o Options) (*acmeCA, error) {
	if !o.ACME.Agree {
		return nil, errors.New("tls.agree is not set: read the CA's terms and agree to get certificates from it")
	}
	if len(o.ACME.CAs) == 0 {
		o.ACME.CAs = []string{LetsEncrypt}
	}
	keys, err := openHostKeys(filepath.Join(o.Dir, "keys"), o.Now)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(o.Dir, "acme")
	a := &acmeCA{opts: o.ACME, host: string(o.Hostname), keys: keys, proof: newProofs(dir), pairs: newPairStorage(dir), now: o.Now, doubted: o.Doubted, last: map[string]failure{}}
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(c certmagic.Certificate) (*certmagic.Config, error) { return a.configOf(c.Names), nil },
		RenewCheckInterval: o.ACME.renewCheck,
		Logger:             zap.NewNop(),
	})
	if err := a.configure(); err != nil {
		return nil, err
	}
	_ = a.settle(context.Background()) // or before the next order: see keyForRenewal
	return a, nil
}

// configure makes the configurations.
func (a *acmeCA) configure() error {
	roots, err := loadRoots(a.opts.CARoot)
	if err != nil {
		return err
	}
	bindings, err := readEAB(a.opts.EAB)
	if err != nil {
		return err
	}
	storage := &watchedStorage{a.pairs, a.proof}
	sources := [3]certmagic.KeyGenerator{certmagic.DefaultKeyGenerator, keySource(a.keyForRenewal), keySource(a.keyForChange)}
	for byDNS := range a.configs {
		for key := range a.configs[byDNS] {
			template := certmagic.Config{
				Storage: storage, DefaultServerName: a.host, FallbackServerName: a.host,
				KeySource: sources[key], Logger: zap.NewNop(), OnEvent: a.event,
			}
			cfg := certmagic.New(a.cache, template)
			cfg.Issuers = nil
			for _, ca := range a.opts.CAs {
				issuer := certmagic.ACMEIssuer{
					CA: ca, TestCA: ca, Email: a.opts.Email, Agreed: true, TrustedRoots: roots, ExternalAccount: bindings[ca], Logger: zap.NewNop(),
					AltHTTPPort: a.opts.HTTPPort, AltTLSALPNPort: a.opts.TLSPort, CertObtainTimeout: acmeTimeout,
					DisableHTTPChallenge: a.opts.Challenge == ChallengeTLS, DisableTLSALPNChallenge: a.opts.Challenge == ChallengeHTTP,
				}
				if byDNS == 1 {
					issuer.DNS01Solver = dnsSolver{a.opts.DNS, a.proof}
				}
				cfg.Issuers = append(cfg.Issuers, &authority{certmagic.NewACMEIssuer(cfg, issuer), a})
			}
			a.configs[byDNS][key] = cfg
		}
	}
	return nil
}

// authority is one CA. It never asks a question on the terminal, and what goes
// wrong with it is remembered, also when the next CA does better.
type authority struct {
	*certmagic.ACMEIssuer
	owner *acmeCA
}

// errDoubted keeps a clock that has jumped by years from renewing everything.
var errDoubted = errors.New("no certificate is ordered while the clock of the system is not believed")

// PreCheck is certmagic.PreChecker.
func (c *authority) PreCheck(ctx context.Context, names []string, _ bool) error {
	if c.owner.doubted != nil && c.owner.doubted() {
		return errDoubted
	}
	return c.ACMEIssuer.PreCheck(ctx, names, false)
}

// Issue is certmagic.Issuer.
func (c *authority) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if len(csr.DNSNames) == 0 {
		return c.ACMEIssuer.Issue(ctx, csr)
	}
	name := csr.DNSNames[0]
	c.owner.proof.begin(name)
	cert, err := c.ACMEIssuer.Issue(ctx, csr)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) { // by somebody, or as the server stops
			c.owner.failed(name, c.CA, err)
		}
		return nil, err
	}
	c.owner.proof.succeeded(ctx, name)
	return cert, nil
}

// readEAB reads a file with lines "DIRECTORY KEY-ID HMAC-KEY": what a CA wants
// to know before it makes an account (RFC 8555 section 7.3.4).
func readEAB(file string) (map[string]*acme.EAB, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls.eab_file: %w", err)
	}
	bindings := map[string]*acme.EAB{}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) != 3 {
			return nil, fmt.Errorf("tls.eab_file: line %d of %s is not \"DIRECTORY KEY-ID HMAC-KEY\"", n, file)
		}
		bindings[f[0]] = &acme.EAB{KeyID: f[1], MACKey: f[2]}
	}
	return bindings, nil
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

// keySource is a certmagic.KeyGenerator.
type keySource func() (crypto.PrivateKey, error)

func (f keySource) GenerateKey() (crypto.PrivateKey, error) { return f() }

// settle makes the next key of the host name the current one as soon as the
// newest certificate has it. It goes by what is stored, so that a change of
// keys that a crash has broken off is over afterwards, or has not begun.
func (a *acmeCA) settle(ctx context.Context) error {
	var newest *x509.Certificate
	for _, issuer := range a.configs[0][hostKey].Issuers {
		text, err := a.configs[0][hostKey].Storage.Load(ctx, certmagic.StorageKeys.SiteCert(issuer.IssuerKey(), a.host))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the certificate of %s: %w", a.host, err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			continue
		}
		if leaf, err := x509.ParseCertificate(block.Bytes); err == nil && (newest == nil || leaf.NotBefore.After(newest.NotBefore)) {
			newest = leaf
		}
	}
	if newest == nil {
		return nil
	}
	if err := a.keys.settle(newest.PublicKey); err != nil {
		return fmt.Errorf("keep the key of the certificate of %s: %w", a.host, err)
	}
	return nil
}

// config is how the certificate of a name is got.
func (a *acmeCA) config(name string) *certmagic.Config {
	if name == a.host {
		return a.configs[a.byDNS(name)][hostKey]
	}
	return a.configs[a.byDNS(name)][freshKey]
}

// byDNS is 1 if a name is proven by a record.
func (a *acmeCA) byDNS(name string) int {
	if a.opts.Challenge == ChallengeDNS && a.opts.DNS != nil && a.opts.DNS.Covers(name) {
		return 1
	}
	return 0
}

func (a *acmeCA) configOf(names []string) *certmagic.Config {
	if len(names) == 0 {
		return a.config("")
	}
	return a.config(names[0])
}

// get returns what a client is shown, nil if there is nothing.
func (a *acmeCA) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.config(hello.ServerName).GetCertificate(hello)
}

func (a *acmeCA) failed(name, directory string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last[name] = failure{a.now(), directory, err}
}

// event forgets what went wrong before.
func (a *acmeCA) event(_ context.Context, event string, data map[string]any) error {
	if name, _ := data["identifier"].(string); event == "cert_obtained" && name != "" {
		a.mu.Lock()
		defer a.mu.Unlock()
		// With several CAs the one that was asked first may have failed now.
		if f := a.last[name]; len(a.opts.CAs) == 1 || a.now().Sub(f.at).Abs() > acmeTimeout*time.Duration(len(a.opts.CAs)) {
			delete(a.last, name)
		}
	}
	return nil
}

func (a *acmeCA) failure(name string) (failure, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.last[name]
	return f, ok
}

// drop shows and renews the certificates of names no more.
func (a *acmeCA) drop(names []string) {
	subjects := make([]certmagic.SubjectIssuer, len(names))
	for i, n := range names {
		subjects[i].Subject = n
	}
	a.cache.RemoveManaged(subjects)
}

// handler answers HTTP-01 challenges before next.
func (a *acmeCA) handler(next http.Handler) http.Handler {
	return a.configs[0][0].Issuers[0].(*authority).HTTPChallengeHandler(next)
}

// held are the certificates of a name, newest first.
func (a *acmeCA) held(name string) []certmagic.Certificate {
	var list []certmagic.Certificate
	for _, c := range a.cache.AllMatchingCertificates(name) {
		if c.Leaf != nil && slices.Contains(c.Names, name) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y certmagic.Certificate) int {
		return cmp.Or(y.Leaf.NotBefore.Compare(x.Leaf.NotBefore), y.Leaf.NotAfter.Compare(x.Leaf.NotAfter))
	})
	return list
}

// find returns the certificate of a name, nil if there is none yet.
func (a *acmeCA) find(name string) *tls.Certificate {
	if list := a.held(name); len(list) > 0 {
		return &list[0].Certificate
	}
	return nil
}

// status says how a name stands.
func (a *acmeCA) status(name string) Status {
	s := Status{Name: name, Source: string(ACME), State: StateWaiting}
	if list := a.held(name); len(list) > 0 {
		leaf := list[0].Leaf
		life := leaf.NotAfter.Sub(leaf.NotBefore)
		s.State, s.Issuer, s.NotBefore, s.NotAfter = StateGood, leaf.Issuer.CommonName, leaf.NotBefore, leaf.NotAfter
		s.Renew = leaf.NotAfter.Add(-time.Duration(float64(life) * certmagic.DefaultRenewalWindowRatio))
		switch now := a.now(); {
		case !now.Before(leaf.NotAfter):
			s.State = StateExpired
		case now.After(s.Renew):
			s.State = StateRenewing
		}
		s.Challenge = a.proof.of(name)
	}
	if f, ok := a.failure(name); ok {
		s.Problem, s.Advice = explain(name, f.authority, f.err)
		s.Failed = f.at
		if s.State == StateWaiting {
			s.State = StateFailing
		}
	}
	return s
}
