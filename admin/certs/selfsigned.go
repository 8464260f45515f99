package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/mailstead/mailstead/mail/durable"
)

// Lives of what we sign ourselves.
const (
	caLife    = 10 * 365 * 24 * time.Hour
	leafLife  = 397 * 24 * time.Hour // what Apple's clients take at most
	renewLeft = 30 * 24 * time.Hour
)

// ownCA is a certificate authority for nobody but this server's clients.
type ownCA struct {
	dir  string
	now  func() time.Time
	cert *x509.Certificate
	key  crypto.Signer
}

// openCA reads the CA from dir or makes it.
func openCA(dir string, now func() time.Time) (*ownCA, error) {
	ca := &ownCA{dir: dir, now: now}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(ca.file(), filepath.Join(dir, "ca-key.pem"))
	if errors.Is(err, os.ErrNotExist) {
		return ca, ca.create()
	}
	if err != nil {
		return nil, fmt.Errorf("own CA in %s: %w; remove the folder to make a new one", dir, err)
	}
	ca.cert, ca.key = pair.Leaf, pair.PrivateKey.(crypto.Signer)
	if now().After(ca.cert.NotAfter.Add(-renewLeft)) {
		return ca, ca.create()
	}
	return ca, nil
}

func (ca *ownCA) file() string { return filepath.Join(ca.dir, "ca.pem") }

func (ca *ownCA) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Mailstead, this server's own CA"}, NotBefore: ca.now().Add(-time.Hour), NotAfter: ca.now().Add(caLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, MaxPathLenZero: true,
	}
	cert, err := sign(tmpl, tmpl, key.Public(), key)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(ca.dir, "ca-key.pem"), key); err != nil {
		return err
	}
	if err := writePEM(ca.file(), 0o644, "CERTIFICATE", cert.Raw); err != nil {
		return err
	}
	ca.cert, ca.key = cert, key
	return nil
}

// sign makes a certificate with a random serial number.
func sign(tmpl, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	tmpl.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// leaf returns a certificate for names and this computer, from before or new.
// file is how the names of its files begin.
func (ca *ownCA) leaf(file string, names []string) (*tls.Certificate, error) {
	certFile, keyFile := filepath.Join(ca.dir, file+"cert.pem"), filepath.Join(ca.dir, file+"key.pem")
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil && ca.good(pair.Leaf, names) {
		return &pair, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	subject := "localhost"
	if len(names) > 0 {
		subject = names[0]
	}
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: subject}, NotBefore: ca.now().Add(-time.Hour), NotAfter: ca.now().Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: append([]string{"localhost"}, names...), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	cert, err := sign(tmpl, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	if err := writeKey(keyFile, key); err != nil {
		return nil, err
	}
	if err := writePEM(certFile, 0o644, "CERTIFICATE", cert.Raw); err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// good reports whether a certificate is ours, for all names and still long
// enough.
func (ca *ownCA) good(cert *x509.Certificate, names []string) bool {
	if cert.CheckSignatureFrom(ca.cert) != nil || ca.now().After(cert.NotAfter.Add(-renewLeft)) {
		return false
	}
	for _, n := range names {
		if cert.VerifyHostname(n) != nil {
			return false
		}
	}
	return true
}

func writeKey(name string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(name, 0o600, "PRIVATE KEY", der)
}

// writePEM replaces a file as a whole.
func writePEM(name string, mode os.FileMode, kind string, der []byte) error {
	return durable.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
