package arc

import (
	"bytes"
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
	"testing"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// sealer adds sets to a message, also wrong ones.
type sealer struct {
	t      testing.TB
	domain string
	key    crypto.Signer
}

// newSealer makes a key and publishes it. bits is the size of an RSA key, 0
// stands for Ed25519.
func newSealer(t testing.TB, z *dnstest.Zones, domain string, bits int) sealer {
	t.Helper()
	s := sealer{t: t, domain: domain}
	record := ""
	if bits == 0 {
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s.key, record = key, "v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(pub)
	} else {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		s.key, record = key, "v=DKIM1; p="+base64.StdEncoding.EncodeToString(der)
	}
	half := len(record) / 2
	if err := z.Add(fmt.Sprintf("arc._domainkey.%s. TXT %q %q", domain, record[:half], record[half:])); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s sealer) algorithm() string {
	if _, ok := s.key.(ed25519.PrivateKey); ok {
		return "ed25519-sha256"
	}
	return "rsa-sha256"
}

func (s sealer) sign(digest []byte) string {
	opts := crypto.SignerOpts(crypto.SHA256)
	if _, ok := s.key.(ed25519.PrivateKey); ok {
		opts = crypto.Hash(0)
	}
	sig, err := s.key.Sign(rand.Reader, digest, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sig)
}

// forms says how a set is to be odd.
type forms struct {
	cv       string // default: "none" for the first set, else "pass"
	message  string // tags added to the message signature
	seal     string // tags added to the seal
	names    string // h=
	reported string // results
}

// seal puts set i before a message.
func (s sealer) seal(msg string, i int, f forms) string {
	if f.cv == "" {
		f.cv = map[bool]string{true: "none", false: "pass"}[i == 1]
	}
	if f.names == "" {
		f.names = "from:to:subject"
	}
	results := fmt.Sprintf("ARC-Authentication-Results: i=%d; mx.%s; %s\r\n", i, s.domain, f.reported)
	header, body := split(msg)
	m := signature.NewMessage([]byte(header), func() io.Reader { return strings.NewReader(body) })
	m.Want(signature.Relaxed, -1)
	sum, err := m.Sum(signature.Relaxed, -1)
	if err != nil {
		s.t.Fatal(err)
	}
	ams := fmt.Sprintf("ARC-Message-Signature: i=%d; a=%s; c=relaxed/relaxed; d=%s; s=arc;%s\r\n\th=%s; bh=%s; b=", i,
		s.algorithm(), s.domain, f.message, f.names, base64.StdEncoding.EncodeToString(sum.Hash[:]))
	digest := m.Digest(strings.Split(f.names, ":"), signature.Field(ams+"\r\n"), signature.Relaxed)
	ams += s.sign(digest[:]) + "\r\n"
	as := fmt.Sprintf("ARC-Seal: i=%d; a=%s; cv=%s; d=%s; s=arc;%s b=", i, s.algorithm(), f.cv, s.domain, f.seal)
	sealed := sha256.Sum256(signature.Relaxed.AppendUnsigned(s.sealed(header, i, results, ams), signature.Field(as+"\r\n")))
	return as + s.sign(sealed[:]) + "\r\n" + ams + results + msg
}

// sealed returns what a seal covers: the sets in header, and the new one.
func (s sealer) sealed(header string, i int, results, ams string) (b []byte) {
	var before [][3]signature.Field
	for f := range signature.Fields([]byte(header)) {
		for k, name := range []string{sealField, messageField, resultsField} {
			if f.Is(name) {
				if k == 0 {
					before = append(before, [3]signature.Field{})
				}
				before[len(before)-1][2-k] = f
			}
		}
	}
	for n := len(before) - 1; n >= 0; n-- {
		for _, f := range before[n] {
			b = signature.Relaxed.AppendField(b, f)
		}
	}
	b = signature.Relaxed.AppendField(b, signature.Field(results))
	return signature.Relaxed.AppendField(b, signature.Field(ams))
}

func split(msg string) (header, body string) {
	i := strings.Index(msg, "\r\n\r\n")
	if i < 0 {
		return msg, ""
	}
	return msg[:i+4], msg[i+4:]
}

func message(msg []byte) *signature.Message {
	header, body := split(string(msg))
	return signature.NewMessage([]byte(header), func() io.Reader { return bytes.NewReader([]byte(body)) })
}
