package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Header fields of a signed request (Standard Webhooks).
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// secretPrefix begins the text of a secret.
const secretPrefix = "whsec_"

// Secret is what requests are signed with.
type Secret string

// String keeps it out of logs.
func (Secret) String() string { return "[redacted]" }

// GoString does the same for %#v.
func (Secret) GoString() string { return "[redacted]" }

// NewSecret makes a secret of 256 bits.
func NewSecret(random io.Reader) (Secret, error) {
	b := make([]byte, 32)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("random numbers: %w", err)
	}
	return Secret(secretPrefix + base64.StdEncoding.EncodeToString(b)), nil
}

var errSecret = errors.New("push: this is no secret of a webhook")

func (s Secret) key() ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(s), secretPrefix))
	if err != nil || len(b) == 0 {
		return nil, errSecret
	}
	return b, nil
}

// Sign returns the signature of a request.
func (s Secret) Sign(id string, at time.Time, body []byte) (string, error) {
	key, err := s.key()
	if err != nil {
		return "", err
	}
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "%s.%d.", id, at.Unix())
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)), nil
}

// Headers are the fields that sign a request.
func (s Secret) Headers(id string, at time.Time, body []byte) (map[string]string, error) {
	sig, err := s.Sign(id, at, body)
	if err != nil {
		return nil, err
	}
	return map[string]string{HeaderID: id, HeaderTimestamp: strconv.FormatInt(at.Unix(), 10), HeaderSignature: sig, "Content-Type": "application/json"}, nil
}

// tolerance is how far the time of a request may be from ours.
const tolerance = 5 * time.Minute

// Verify reports whether one of the signatures of a request is good, and it
// is not old: what a receiver does.
func (s Secret) Verify(id, timestamp, signatures string, body []byte, now time.Time) bool {
	n, err := strconv.ParseInt(timestamp, 10, 64)
	at := time.Unix(n, 0)
	if err != nil || now.Sub(at).Abs() > tolerance {
		return false
	}
	want, err := s.Sign(id, at, body)
	if err != nil {
		return false
	}
	for sig := range strings.FieldsSeq(signatures) {
		if subtle.ConstantTimeCompare([]byte(sig), []byte(want)) == 1 {
			return true
		}
	}
	return false
}
