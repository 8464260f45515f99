package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/mailstead/mailstead/mail/durable"
)

// hostKeys are the keys of the host name: the one that its certificates have,
// renewal after renewal, and the one after it. Who publishes digests of both
// (TLSA) can change from one to the other without a gap (RFC 7671 section 8).
// It is a certmagic.KeyGenerator.
type hostKeys struct {
	dir string

	mu            sync.Mutex
	current, next crypto.Signer
}

// openHostKeys reads the keys from dir or makes them.
func openHostKeys(dir string) (*hostKeys, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	k := &hostKeys{dir: dir}
	var err error
	if k.current, err = openKey(k.file("current")); err != nil {
		return nil, err
	}
	if k.next, err = openKey(k.file("next")); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *hostKeys) file(name string) string { return filepath.Join(k.dir, name+".pem") }

// openKey reads a key or makes it.
func openKey(file string) (crypto.Signer, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return key, writeKey(file, key)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s is not a private key (PEM); remove it to make a new one, and publish its TLSA record", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if signer, ok := key.(crypto.Signer); ok && err == nil {
		return signer, nil
	}
	return nil, fmt.Errorf("%s is not a private key that can be read (%v); remove it to make a new one, and publish its TLSA record", file, err)
}

// GenerateKey returns the key for a certificate.
func (k *hostKeys) GenerateKey() (crypto.PrivateKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current, nil
}

// roll makes the next key the current one, and another the next. A crash in
// between leaves the old key, or no next one, which is made at the start.
func (k *hostKeys) roll() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := writeKey(k.file("current"), k.next); err != nil {
		return err
	}
	k.current = k.next
	if err := os.Remove(k.file("next")); err != nil {
		return err
	}
	next, err := openKey(k.file("next"))
	if err != nil {
		return err
	}
	k.next = next
	return nil
}

// digests are the TLSA data of the current and the next key.
func (k *hostKeys) digests() (current, next string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if current, err = digest(k.current.Public()); err != nil {
		return "", "", err
	}
	next, err = digest(k.next.Public())
	return current, next, err
}

// digest is the SHA-256 of a public key in hexadecimal, as in a TLSA record "3
// 1 1" (RFC 7671 section 5.1).
func digest(pub crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// Digests are the keys of the host name as in TLSA records "3 1 1".
type Digests struct {
	Shown   string // of the certificate that is shown now; "" if it is not ours to publish
	Current string // of the next renewal
	Next    string // after a change of keys
}

// TLSA returns the digests of the keys of the host name. Only those of ACME
// outlive a certificate, so that ok is false in the other modes, and until
// there is a certificate.
func (m *Manager) TLSA() (d Digests, ok bool) {
	if m.acme == nil {
		return Digests{}, false
	}
	shown := m.acme.find(string(m.opts.Hostname))
	if shown == nil {
		return Digests{}, false
	}
	var err error
	if d.Shown, err = digest(shown.Leaf.PublicKey); err != nil {
		return Digests{}, false
	}
	d.Current, d.Next, err = m.acme.keys.digests()
	return d, err == nil
}
