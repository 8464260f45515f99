package directory

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const (
	tokenSecret = 32              // random octets of a token
	tokenSize   = 4 + tokenSecret // with the number of its account
	codeLength  = 12              // characters of a code, 60 bits
	publicID    = 12              // octets of a hash that are shown as an ID
)

// tokenHash is what is kept of a token: whoever reads system.db cannot use it.
type tokenHash [sha256.Size]byte

func (h tokenHash) id() string { return hex.EncodeToString(h[:publicID]) }

// newToken makes a token for an account: its number and 32 random octets in
// base64url.
func (d *Directory) newToken(account uint32) (string, tokenHash, error) {
	raw := binary.BigEndian.AppendUint32(make([]byte, 0, tokenSize), account)
	raw = raw[:tokenSize]
	if _, err := io.ReadFull(d.opts.Random, raw[4:]); err != nil {
		return "", tokenHash{}, fmt.Errorf("random numbers: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), sha256.Sum256(raw), nil
}

// parseToken returns the account that a token is for, and its hash.
func parseToken(token string) (uint32, tokenHash, bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return 0, tokenHash{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenSize {
		return 0, tokenHash{}, false
	}
	return binary.BigEndian.Uint32(raw), sha256.Sum256(raw), true
}

// crockford is an alphabet without letters that look or sound like others.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newCode makes a code that people type, as K7P4-9QXD-22MB.
func (d *Directory) newCode() (string, error) {
	raw := make([]byte, codeLength)
	if _, err := io.ReadFull(d.opts.Random, raw); err != nil {
		return "", fmt.Errorf("random numbers: %w", err)
	}
	var b strings.Builder
	for i, c := range raw {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(crockford[c&31])
	}
	return b.String(), nil
}

// maxCodeText bounds what is looked at of a typed code.
const maxCodeText = 64

// normaliseCode returns the one form of a code that was typed: upper case,
// without spaces and hyphens, O read as 0, I and L as 1.
func normaliseCode(s string) (string, bool) {
	if len(s) > maxCodeText {
		return "", false
	}
	var b strings.Builder
	for _, c := range strings.ToUpper(s) {
		switch c {
		case ' ', '-':
			continue
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		if !strings.ContainsRune(crockford, c) {
			return "", false
		}
		b.WriteRune(c)
	}
	return b.String(), b.Len() == codeLength
}

// hashCode is what is kept of a code of an account; 0 is none. What is no code
// has a hash that no code has.
func (d *Directory) hashCode(purpose string, account uint32, code string) secretHash {
	normal, _ := normaliseCode(code)
	return d.hashSecret(purpose, accountKey(account), normal)
}

// splitKey returns what sessionKey was made of.
func splitKey(key []byte) (uint32, tokenHash) {
	var h tokenHash
	copy(h[:], key[4:])
	return binary.BigEndian.Uint32(key), h
}
