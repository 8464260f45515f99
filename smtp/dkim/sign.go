package dkim

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// oversigned are the fields that are signed once more than they occur, so
// that none can be added on the way (RFC 6376 sections 5.4 and 8.15).
var oversigned = []string{
	"From", "Reply-To", "Subject", "Date", "Message-ID", "To", "Cc",
	"In-Reply-To", "References",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}

// signed are the fields that are signed where they occur; mailing lists and
// resenders may add them.
var signed = []string{
	"Sender", "Resent-Date", "Resent-From", "Resent-To", "Resent-Cc",
	"List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post",
	"List-Subscribe", "List-Post", "List-Owner", "List-Archive",
	"Autocrypt", "Content-ID", "Content-Description",
}

// Key signs for a domain. Signer is an RSA or Ed25519 key.
type Key struct {
	Domain   mail.Domain
	Selector string
	Signer   crypto.Signer
}

// Lightest returns the keys that cost little to sign with, the Ed25519 ones
// (RFC 8463), or all if there are none.
func Lightest(keys []Key) []Key {
	var light []Key
	for _, k := range keys {
		if _, ok := k.Signer.Public().(ed25519.PublicKey); ok {
			light = append(light, k)
		}
	}
	if len(light) == 0 {
		return keys
	}
	return light
}

// Sign reads a message once and returns its DKIM-Signature fields, one per
// key in their order, to be put before it. Line ends must be CRLF throughout.
func Sign(msg io.Reader, keys []Key) (header []byte, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	r := readers.Get().(*bufio.Reader)
	defer func() { r.Reset(nil); readers.Put(r) }()
	r.Reset(msg)
	head, err := readHeader(r)
	if err != nil {
		return nil, fmt.Errorf("sign with DKIM: %w", err)
	}
	names := fieldsToSign(head)
	signers := make([]*dkim.Signer, 0, len(keys))
	writers := make([]io.Writer, 0, len(keys))
	defer func() {
		for _, s := range signers { // ends its goroutine, if an error left it
			s.Close()
		}
	}()
	for _, k := range keys {
		s, err := dkim.NewSigner(&dkim.SignOptions{
			Domain: string(k.Domain), Selector: k.Selector, Signer: k.Signer, HeaderKeys: names,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed,
			BodyCanonicalization:   dkim.CanonicalizationRelaxed,
		})
		if err != nil {
			return nil, fmt.Errorf("sign with DKIM for %s: %w", k.Domain, err)
		}
		signers = append(signers, s)
		writers = append(writers, s)
	}
	if err := feed(io.MultiWriter(writers...), head, r); err != nil {
		return nil, fmt.Errorf("sign with DKIM: %w", err)
	}
	for i, s := range signers {
		if err := s.Close(); err != nil {
			return nil, fmt.Errorf("sign with DKIM for %s: %w", keys[i].Domain, err)
		}
		header = append(header, s.Signature()...)
	}
	return header, nil
}

// readers and their buffers serve one message after the other.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 8<<10) }}

// feed writes a message piece by piece as it is read. What io.Copy would take
// for it makes a large buffer, however small the message is.
func feed(w io.Writer, head []byte, r *bufio.Reader) error {
	if _, err := w.Write(head); err != nil {
		return err
	}
	for {
		_, err := r.Peek(1) // fills the buffer
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		piece, _ := r.Peek(r.Buffered())
		if _, err := w.Write(piece); err != nil {
			return err
		}
		if _, err := r.Discard(len(piece)); err != nil {
			return err
		}
	}
}

// readHeader reads up to and with the empty line, which it adds to a message
// that is all header.
func readHeader(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		switch {
		case len(head) > maxHeader:
			return nil, errTooLarge
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if len(head) > 0 && head[len(head)-1] != '\n' {
				head = append(head, "\r\n"...)
			}
			return append(head, "\r\n"...), checkBounds(head)
		case err != nil:
			return nil, err
		case string(line) == "\r\n" && (len(head) == 2 || bytes.HasSuffix(head, []byte("\r\n\r\n"))):
			return head, checkBounds(head)
		}
	}
}

// fieldsToSign returns the names for h=. The library signs the last field of
// a name first, as RFC 6376 section 5.4.2 wants.
func fieldsToSign(head []byte) []string {
	counts := make(map[string]int)
	for f := range signature.Fields(head) {
		counts[strings.ToLower(string(f.Name()))]++
	}
	var names []string
	for _, name := range oversigned {
		for range counts[strings.ToLower(name)] + 1 {
			names = append(names, name)
		}
	}
	for _, name := range signed {
		for range counts[strings.ToLower(name)] {
			names = append(names, name)
		}
	}
	return names
}
