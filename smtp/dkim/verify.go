package dkim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// maxSignatures is how many signatures of a message are checked, from the
// top. Mailing lists add two or three.
const maxSignatures = 8

// maxKeyRecord is the size of a key record that is looked at: enough for
// RSA keys of 8,192 bits. The time of a verification grows with the square of
// the key's.
const maxKeyRecord = 2_048

// Result is the outcome for one signature.
type Result struct {
	mail.AuthResult             // Method "dkim"
	Domain          mail.Domain // d=, empty if it is none
	Selector        string      // s=
	Algorithm       string      // a=
	Testing         bool        // the key says t=y: the signer is only trying
}

// Pass reports whether the signature is good.
func (r Result) Pass() bool { return r.Result == "pass" }

// HasSignature reports whether a header has a DKIM-Signature field. Without
// one the message need not be read.
func HasSignature(header []byte) bool {
	for f := range fields(header) {
		if f.is(signatureField) {
			return true
		}
	}
	return false
}

// Verify checks the signatures of a message in their order. header is the
// message's header with the empty line after it, if it has one; body is
// everything after that, which is not read if there is no signature. The one
// result of an unsigned message is "none". DNS trouble and a ctx that ends
// give "temperror".
func Verify(ctx context.Context, resolver dns.Resolver, header []byte, body io.Reader) []Result {
	found, err := signatures(header)
	switch {
	case err != nil:
		return []Result{{AuthResult: mail.AuthResult{Method: "dkim", Result: "permerror", Comment: err.Error()}}}
	case len(found) == 0:
		return []Result{{AuthResult: mail.AuthResult{Method: "dkim", Result: "none", Comment: "no signature"}}}
	}
	keys := &keyring{ctx: ctx, resolver: resolver, records: make(map[string]string)}
	source := &source{ctx: ctx, r: body}
	checked, err := dkim.VerifyWithOptions(io.MultiReader(bytes.NewReader(header), endOfHeader(header), source),
		&dkim.VerifyOptions{LookupTXT: keys.lookup, MaxVerifications: maxSignatures})
	if errors.Is(err, dkim.ErrTooManySignatures) {
		err = nil
	}
	if err == nil {
		err = source.err
	}
	var results []Result
	for i, tags := range found[:min(len(found), maxSignatures)] {
		r := newResult(tags)
		if err != nil || i >= len(checked) {
			r.set("temperror", "message could not be read")
		} else {
			r.judge(checked[i], tags, keys)
		}
		results = append(results, *r)
	}
	if rest := len(found) - maxSignatures; rest > 0 {
		results = append(results, Result{AuthResult: mail.AuthResult{Method: "dkim", Result: "policy",
			Comment: fmt.Sprintf("%d more signatures were not checked", rest)}})
	}
	return results
}

// endOfHeader supplies the empty line of a message that is all header.
func endOfHeader(header []byte) io.Reader {
	switch {
	case bytes.HasSuffix(header, []byte("\r\n\r\n")), bytes.Equal(header, []byte("\r\n")):
		return strings.NewReader("")
	case bytes.HasSuffix(header, []byte("\n")):
		return strings.NewReader("\r\n")
	}
	return strings.NewReader("\r\n\r\n")
}

// source ends where reading fails, and remembers why: the library would leave
// goroutines behind after an error.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, io.EOF
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err, err = err, io.EOF
	}
	return n, err
}

// keyring looks keys up, possibly several at once, and keeps their records,
// because the library does not tell their flags.
type keyring struct {
	ctx      context.Context
	resolver dns.Resolver
	mu       sync.Mutex
	records  map[string]string
}

func (k *keyring) lookup(name string) ([]string, error) {
	ascii := name
	if d, err := mail.ParseDomain(name); err == nil { // U-labels, RFC 8616 section 5
		ascii = string(d)
	}
	texts, _, err := k.resolver.TXT(k.ctx, ascii)
	if err != nil {
		notFound := errors.Is(err, dns.ErrNotFound)
		return nil, &net.DNSError{Err: err.Error(), Name: ascii, IsNotFound: notFound, IsTemporary: !notFound}
	}
	if len(texts) == 1 {
		if len(texts[0]) > maxKeyRecord {
			return nil, fmt.Errorf("key record of %d octets", len(texts[0]))
		}
		k.mu.Lock()
		k.records[name] = texts[0]
		k.mu.Unlock()
	}
	return texts, nil
}

// flags returns the t= flags of a key that was looked up (RFC 6376 section
// 3.6.1).
func (k *keyring) flags(name string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.FieldsFunc(parseTags(k.records[name])["t"], func(c rune) bool { return c == ':' || c == ' ' })
}
