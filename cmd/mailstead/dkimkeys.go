package main

import (
	"crypto/x509"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// newDKIMKeys makes the two keys a domain begins with: RSA, which everybody
// can verify, and Ed25519.
func newDKIMKeys() ([]directory.DKIMKey, error) {
	now := time.Now()
	var keys []directory.DKIMKey
	for _, alg := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		signer, err := dkim.GenerateKey(alg)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(signer)
		if err != nil {
			return nil, err
		}
		keys = append(keys, directory.DKIMKey{Selector: string(alg) + now.Format("200601"), Algorithm: string(alg), PKCS8: der, Created: now})
	}
	return keys, nil
}
