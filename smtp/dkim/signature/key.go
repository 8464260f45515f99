package signature

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// MaxKeyRecord is the size of a key record that is looked at: enough for RSA
// keys of 8,192 bits. The time of a verification grows with the square of the
// key's.
const MaxKeyRecord = 2_048

// Sizes of RSA keys in bits.
const (
	minBits  = 1_024 // RFC 8301 section 3.2: less is no signature
	goodBits = 2_048 // RFC 8301 section 3.2: signers should have at least these
)

// Key is a public key from the DNS (RFC 6376 section 3.6.1).
type Key struct {
	Bits    int  // of an RSA key
	Testing bool // t=y: the signer is only trying
	Strict  bool // t=s: i= has the domain of d= itself

	algorithm string // "rsa", "ed25519"
	hashes    []string
	rsa       *rsa.PublicKey
	ed25519   ed25519.PublicKey
}

// Weak reports whether the key is shorter than it should be, if not so short
// that it does not count.
func (k *Key) Weak() bool { return k.algorithm == "rsa" && k.Bits < goodBits }

// ParseKey reads the text of a key record.
func ParseKey(text string) (*Key, *Error) {
	if len(text) > MaxKeyRecord {
		return nil, Permanent("key record is too large")
	}
	t, err := ParseTags(text)
	if err != nil {
		return nil, Permanent("key record: " + err.Text)
	}
	if v, ok := t["v"]; ok && v != "DKIM1" {
		return nil, Permanent("key record is of another version")
	}
	p, ok := t["p"]
	switch {
	case !ok:
		return nil, Permanent("key record has no key")
	case p == "":
		return nil, Permanent("key was revoked")
	case t["s"] != "" && !slices.Contains(t.List("s"), "*") && !slices.Contains(t.List("s"), "email"):
		return nil, Permanent("key is not for mail")
	}
	der, decodeErr := base64.StdEncoding.DecodeString(p)
	if decodeErr != nil {
		return nil, Permanent("key is not base64")
	}
	flags := t.List("t")
	k := &Key{algorithm: t["k"], hashes: t.List("h"), Testing: slices.Contains(flags, "y"), Strict: slices.Contains(flags, "s")}
	return k, k.decode(der)
}

func (k *Key) decode(der []byte) *Error {
	switch k.algorithm {
	case "rsa", "":
		k.algorithm = "rsa"
		return k.decodeRSA(der)
	case "ed25519":
		if len(der) != ed25519.PublicKeySize {
			return Permanent("key has the wrong length for Ed25519")
		}
		k.ed25519 = der
		return nil
	}
	return Permanent("key is of an unknown kind")
}

// decodeRSA reads a SubjectPublicKeyInfo or, as erratum 3017 of RFC 6376
// allows, an RSAPublicKey.
func (k *Key) decodeRSA(der []byte) *Error {
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if pub, err = x509.ParsePKCS1PublicKey(der); err != nil {
			return Permanent("key is not an RSA key")
		}
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return Permanent("key is not an RSA key")
	}
	if k.rsa, k.Bits = key, key.N.BitLen(); k.Bits < minBits {
		return Policy(fmt.Sprintf("weak key: RSA of %d bits is not accepted", k.Bits))
	}
	return nil
}

// Verify checks a signature made with an algorithm, as a= names it, over a
// SHA-256 digest.
func (k *Key) Verify(algorithm string, digest, sig []byte) *Error {
	kind, hash, _ := strings.Cut(algorithm, "-")
	switch {
	case hash == "sha1":
		return Policy(algorithm + " is not accepted") // RFC 8301 section 3.1
	case hash != "sha256":
		return Permanent("algorithm " + quoted(algorithm) + " is not known")
	case kind != k.algorithm:
		return Permanent("key is not for " + quoted(algorithm))
	case len(k.hashes) > 0 && !slices.Contains(k.hashes, hash):
		return Permanent("key may not be used with " + hash)
	}
	ok := false
	if k.rsa != nil {
		ok = rsa.VerifyPKCS1v15(k.rsa, crypto.SHA256, digest, sig) == nil
	} else {
		ok = ed25519.Verify(k.ed25519, digest, sig)
	}
	if !ok {
		return Fail("signature did not verify")
	}
	return nil
}

// Keys holds the answers about all keys of a message. They are looked up
// before the first signature is verified, so that a signer with slow name
// servers cannot use up the time of the others: a signature of the author's
// domain that is left open for lack of time would keep DMARC from failing.
type Keys map[string]keyAnswer

type keyAnswer struct {
	key *Key
	err *Error
}

// KeyName is where the key of a signature is.
func KeyName(t Tags) string { return t["s"] + "._domainkey." + t["d"] }

// LookupKeys asks for all the keys at once.
func LookupKeys(ctx context.Context, resolver dns.Resolver, names []string) Keys {
	slices.Sort(names)
	names = slices.Compact(names)
	answers := make([]keyAnswer, len(names))
	var wg sync.WaitGroup
	for i := 1; i < len(names); i++ {
		wg.Go(func() { answers[i] = lookupKey(ctx, resolver, names[i]) })
	}
	if len(names) > 0 {
		answers[0] = lookupKey(ctx, resolver, names[0])
	}
	wg.Wait()
	keys := make(Keys, len(names))
	for i, name := range names {
		keys[name] = answers[i]
	}
	return keys
}

// Get returns a key that was looked up. Also with an error there may be a key,
// one that does not count.
func (k Keys) Get(name string) (*Key, *Error) {
	a, ok := k[name]
	if !ok {
		return nil, Permanent("no key was looked up")
	}
	return a.key, a.err
}

func lookupKey(ctx context.Context, resolver dns.Resolver, name string) keyAnswer {
	d, err := mail.ParseDomain(name) // U-labels, RFC 8616 section 5
	if err != nil || d.IsLiteral() {
		return keyAnswer{err: Permanent("key has no valid name")}
	}
	texts, _, err := resolver.TXT(ctx, string(d))
	switch {
	case errors.Is(err, dns.ErrNotFound):
		return keyAnswer{err: Permanent("there is no key at " + string(d))}
	case err != nil:
		return keyAnswer{err: &Error{"temperror", "temporary DNS trouble while looking for the key at " + string(d)}}
	case len(texts) != 1: // RFC 6376 section 3.6.2.2: anything may happen
		return keyAnswer{err: Permanent("there are several records at " + string(d))}
	}
	key, failure := ParseKey(texts[0])
	return keyAnswer{key, failure}
}
