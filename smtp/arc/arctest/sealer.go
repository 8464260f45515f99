// Package arctest makes ARC chains for tests, good ones and wrong ones. It is
// no part of the server, which seals nothing.
package arctest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// Sealer adds sets to messages in the name of a domain. It panics where a test
// could only give up.
type Sealer struct {
	domain string
	key    crypto.Signer
}

// NewSealer makes a key and publishes it in z. bits is the size of an RSA key, 0
// stands for Ed25519.
func NewSealer(z *dnstest.Zones, domain string, bits int) Sealer {
	s := Sealer{domain: domain}
	kind, public := "", []byte(nil)
	if bits == 0 {
		pub, key := must2(ed25519.GenerateKey(rand.Reader))
		s.key, kind, public = key, "ed25519", pub
	} else {
		key := must(rsa.GenerateKey(rand.Reader, bits))
		s.key, kind, public = key, "rsa", must(x509.MarshalPKIXPublicKey(key.Public()))
	}
	record := "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(public)
	half := len(record) / 2
	if err := z.Add(fmt.Sprintf("arc._domainkey.%s. TXT %q %q", domain, record[:half], record[half:])); err != nil {
		panic(err)
	}
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func must2[T, U any](v T, w U, err error) (T, U) {
	if err != nil {
		panic(err)
	}
	return v, w
}

// Form says how a set is to be. The zero value is what a sealer should do.
type Form struct {
	CV      string // default: "none" for the first set, else "pass"
	Message string // tags added to the message signature
	Seal    string // tags added to the seal
	Names   string // h=
	Results string // what the sealer reports, with semicolons between
}

// Seal puts set i before a message.
func (s Sealer) Seal(msg string, i int, f Form) string {
	switch {
	case f.CV == "" && i == 1:
		f.CV = "none"
	case f.CV == "":
		f.CV = "pass"
	}
	if f.Names == "" {
		f.Names = "from:to:subject"
	}
	if f.Results == "" {
		f.Results = "none"
	}
	header, body := Split(msg)
	results := fmt.Sprintf("ARC-Authentication-Results: i=%d; mx.%s; %s\r\n", i, s.domain, f.Results)
	message := s.message(header, body, i, f)
	seal := fmt.Sprintf("ARC-Seal: i=%d; a=%s; cv=%s; d=%s; s=arc;%s b=", i, s.algorithm(), f.CV, s.domain, f.Seal)
	digest := sha256.Sum256(signature.Relaxed.AppendUnsigned(sealed(header, results, message), signature.Field(seal+"\r\n")))
	return seal + s.sign(digest[:]) + "\r\n" + message + results + msg
}

// message makes the message signature.
func (s Sealer) message(header, body string, i int, f Form) string {
	m := signature.NewMessage([]byte(header), func() io.Reader { return strings.NewReader(body) })
	m.Want(signature.Relaxed, -1)
	sum := must(m.Sum(signature.Relaxed, -1))
	field := fmt.Sprintf("ARC-Message-Signature: i=%d; a=%s; c=relaxed/relaxed; d=%s; s=arc;%s\r\n\th=%s; bh=%s; b=", i,
		s.algorithm(), s.domain, f.Message, f.Names, base64.StdEncoding.EncodeToString(sum.Hash[:]))
	digest := m.Digest(strings.Split(f.Names, ":"), signature.Field(field+"\r\n"), signature.Relaxed)
	return field + s.sign(digest[:]) + "\r\n"
}

func (s Sealer) algorithm() string {
	if _, ok := s.key.(ed25519.PrivateKey); ok {
		return "ed25519-sha256"
	}
	return "rsa-sha256"
}

func (s Sealer) sign(digest []byte) string {
	opts := crypto.SignerOpts(crypto.SHA256)
	if _, ok := s.key.(ed25519.PrivateKey); ok {
		opts = crypto.Hash(0) // it signs the digest as it would any text
	}
	return base64.StdEncoding.EncodeToString(must(s.key.Sign(rand.Reader, digest, opts)))
}

// sealed returns what a seal covers before itself: the sets in header, of which
// the newest stands first, and the new one.
func sealed(header, results, message string) (b []byte) {
	var sets [][3]signature.Field
	for f := range signature.Fields([]byte(header)) {
		switch {
		case f.Is("ARC-Seal"):
			sets = append(sets, [3]signature.Field{2: f})
		case f.Is("ARC-Message-Signature"):
			sets[len(sets)-1][1] = f
		case f.Is("ARC-Authentication-Results"):
			sets[len(sets)-1][0] = f
		}
	}
	for n := len(sets) - 1; n >= 0; n-- {
		for _, f := range sets[n] {
			b = signature.Relaxed.AppendField(b, f)
		}
	}
	b = signature.Relaxed.AppendField(b, signature.Field(results))
	return signature.Relaxed.AppendField(b, signature.Field(message))
}

// Split cuts a message after the empty line of its header.
func Split(msg string) (header, body string) {
	i := strings.Index(msg, "\r\n\r\n")
	if i < 0 {
		return msg, ""
	}
	return msg[:i+4], msg[i+4:]
}
