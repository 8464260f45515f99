package directory

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Secrets made by us have so many bits that nobody guesses them, also with the
// hash in hand: they are kept as a keyed hash, which takes a microsecond.

// letters is the alphabet of made secrets (RFC 4648 section 6): no 0, 1 and 8,
// which look like o, l and b.
const letters = "abcdefghijklmnopqrstuvwxyz234567"

var base32Lower = base32.NewEncoding(letters).WithPadding(base32.NoPadding)

// makeSecret makes n octets of random base32; n is a multiple of 5.
func (d *Directory) makeSecret(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(d.opts.Random, b); err != nil {
		return "", fmt.Errorf("random numbers: %w", err)
	}
	return base32Lower.EncodeToString(b), nil
}

// idSize is the length of an ID in octets.
const idSize = 5

// secretHash is what is kept of a made secret.
type secretHash [sha256.Size]byte

// String keeps hashes out of logs.
func (secretHash) String() string { return "[redacted]" }

// hashSecret hashes a secret that is for one purpose and owner.
func (d *Directory) hashSecret(purpose string, owner []byte, secret string) secretHash {
	m := hmac.New(sha256.New, d.secret)
	fmt.Fprintf(m, "%s\x00%x\x00", purpose, owner)
	io.WriteString(m, secret)
	return secretHash(m.Sum(nil))
}

// maxLabel bounds what people call a device or key, in octets.
const maxLabel = 100

func checkLabel(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxLabel || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", invalid("a label is one line of at most %d octets, such as \"Phone\"", maxLabel)
	}
	return s, nil
}
