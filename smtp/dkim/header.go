package dkim

import (
	"bytes"
	"errors"

	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

const signatureField = "DKIM-Signature"

// Bounds of a header that is signed. Beyond them the library's time grows with
// the square of its size.
const (
	maxFields = 1_000
	maxUnfold = 64 << 20 // octets copied when folded lines are joined one by one
	maxHeader = 1 << 20
)

var errTooLarge = errors.New("header is too large to sign")

// checkBounds refuses a header that would cost too much.
func checkBounds(header []byte) error {
	if len(header) > maxHeader {
		return errTooLarge
	}
	count, copied := 0, 0
	for f := range signature.Fields(header) {
		if count++; count > maxFields {
			return errTooLarge
		}
		if copied += bytes.Count(f, []byte("\n")) * len(f); copied > maxUnfold {
			return errTooLarge
		}
	}
	return nil
}
