package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
)

// Algorithm is a kind of key, as k= names it.
type Algorithm string

const (
	RSA     Algorithm = "rsa"     // 2,048 bits (RFC 8301 section 3.2)
	Ed25519 Algorithm = "ed25519" // RFC 8463; few verify it yet, so sign with RSA as well
)

const rsaBits = 2048

// GenerateKey makes a private key.
func GenerateKey(a Algorithm) (crypto.Signer, error) {
	switch a {
	case RSA:
		key, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return nil, fmt.Errorf("make DKIM key: %w", err)
		}
		return key, nil
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make DKIM key: %w", err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("make DKIM key: unknown algorithm %q", a)
}

// RecordName returns where a key's record belongs in the DNS.
func RecordName(key Key) string { return key.Selector + "._domainkey." + string(key.Domain) }

// Record returns the text of a key's TXT record (RFC 6376 section 3.6.1,
// RFC 8463 section 4.2). It is longer than 255 octets for RSA: in the DNS it
// becomes several strings. It is empty for a key that is neither RSA nor
// Ed25519.
func Record(key Key) string {
	var alg Algorithm
	var public []byte
	switch pub := key.Signer.Public().(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return ""
		}
		alg, public = RSA, der
	case ed25519.PublicKey:
		alg, public = Ed25519, pub
	default:
		return ""
	}
	return fmt.Sprintf("v=DKIM1; k=%s; p=%s", alg, base64.StdEncoding.EncodeToString(public))
}
