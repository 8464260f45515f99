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
	"slices"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mail/durable"
)

// hostKeys are the keys of the host name: the one that its certificates have,
// renewal after renewal, and the one after it. Who publishes digests of both
// (TLSA) can change from one to the other without a gap (RFC 7671 section 8).
//
// The next key becomes the current one when there is a certificate for it, not
// before: see settle. Until then an order that fails has changed nothing.
type hostKeys struct {
	dir string
	now func() time.Time

	mu            sync.Mutex
	current, next crypto.Signer
	book          *keyBook
}

// openHostKeys reads the keys from dir or makes them.
func openHostKeys(dir string, now func() time.Time) (*hostKeys, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	k := &hostKeys{dir: dir, now: now}
	var err error
	if k.current, err = openKey(k.file("current")); err != nil {
		return nil, err
	}
	if k.next, err = openKey(k.file("next")); err != nil {
		return nil, err
	}
	if k.book, err = openKeyBook(filepath.Join(dir, "digests.json")); err != nil {
		return nil, err
	}
	_ = k.ahead() // a disk that is full now keeps nobody from starting: see forChange
	return k, nil
}

func (k *hostKeys) file(name string) string { return filepath.Join(k.dir, name+".pem") }

// openKey reads a key or makes it.
func openKey(file string) (crypto.Signer, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return nil, err
	}
	return parseKey(file, b)
}

// parseKey reads what is in the file of a key.
func parseKey(file string, b []byte) (crypto.Signer, error) {
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

// makeKey makes a key in place of one that may be there.
func makeKey(file string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return key, writeKey(file, key)
}

// forRenewal returns the key of the next renewal.
func (k *hostKeys) forRenewal() crypto.PrivateKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// forChange returns the key after it, and its digest.
func (k *hostKeys) forChange() (crypto.PrivateKey, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ahead(); err != nil {
		return nil, "", err
	}
	_, next, err := k.both()
	return k.next, next, err
}

// follow takes over what another hostKeys has done with the same files: where
// the configuration has changed, an order of before may end with a change of
// keys. What cannot be read is as it was.
func (k *hostKeys) follow() {
	k.mu.Lock()
	defer k.mu.Unlock()
	var keys [2]crypto.Signer
	for i, name := range []string{"current", "next"} {
		b, err := os.ReadFile(k.file(name))
		if err != nil {
			return
		}
		if keys[i], err = parseKey(k.file(name), b); err != nil {
			return
		}
	}
	k.current, k.next = keys[0], keys[1]
}

// settle is told the key of the newest certificate. If it is the next key, that
// becomes the current one, and another the next. A crash in between leaves two
// keys that are the same, and another next key is made at the start.
func (k *hostKeys) settle(of crypto.PublicKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	current, next, err := k.both()
	if err != nil {
		return err
	}
	if shown, err := digest(of); err != nil || shown != next {
		return err
	}
	if current != next {
		if err := writeKey(k.file("current"), k.next); err != nil {
			return err
		}
		k.current = k.next
	}
	return k.ahead()
}

// ahead makes the next key if there is none beside the current one, and notes
// which there are.
func (k *hostKeys) ahead() error {
	current, next, err := k.both()
	if err != nil {
		return err
	}
	if current == next {
		fresh, err := makeKey(k.file("next"))
		if err != nil {
			return err
		}
		k.next = fresh
		if next, err = digest(fresh.Public()); err != nil {
			return err
		}
	}
	k.book.note(k.now(), current, next)
	return nil
}

// both are the digests of the current and the next key.
func (k *hostKeys) both() (current, next string, err error) {
	if current, err = digest(k.current.Public()); err != nil {
		return "", "", err
	}
	next, err = digest(k.next.Public())
	return current, next, err
}

// digests are the TLSA data of the keys; the caller adds what is shown.
func (k *hostKeys) digests() (Digests, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	current, next, err := k.both()
	return Digests{Current: current, Next: next, Retired: k.book.gone(k.now())}, err
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
	// Retired are those that were current or next before, and that no
	// certificate is shown with: their records may go.
	Retired []string
}

// TLSA returns the digests of the keys of the host name. Only those of ACME
// outlive a certificate, so that ok is false in the other modes, and until
// there is a certificate.
func (m *Manager) TLSA() (d Digests, ok bool) {
	if m.acme == nil {
		return Digests{}, false
	}
	held := m.acme.held(string(m.opts.Hostname))
	if len(held) == 0 {
		return Digests{}, false
	}
	d, err := m.acme.keys.digests()
	if err != nil {
		return Digests{}, false
	}
	for i, c := range held {
		shown, err := digest(c.Leaf.PublicKey)
		if err != nil {
			return Digests{}, false
		}
		if i == 0 {
			d.Shown = shown
		}
		d.Retired = slices.DeleteFunc(d.Retired, func(r string) bool { return r == shown })
	}
	return d, true
}
