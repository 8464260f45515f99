package dkim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// maxSignatures is how many signatures of a message are checked, from the
// top. Mailing lists add two or three.
const maxSignatures = 8

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
	keys := lookupKeys(ctx, resolver, found[:min(len(found), maxSignatures)])
	source := &source{r: body}
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
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, io.EOF
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err, err = err, io.EOF
	}
	return n, err
}
