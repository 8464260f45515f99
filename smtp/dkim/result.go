package dkim

import (
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// Result is the outcome for one signature.
type Result struct {
	mail.AuthResult             // Method "dkim"
	Domain          mail.Domain // d=, empty if it is none
	Selector        string      // s=
	Algorithm       string      // a=
	Testing         bool        // the key says t=y: the signer is only trying
	Weak            int         // bits of an RSA key that is too short to be trusted much, 0 for others
	Partial         bool        // l= leaves the end of the body open
}

// Pass reports whether the signature is good.
func (r Result) Pass() bool { return r.Result == "pass" }

// newResult says which signature a result is about.
func newResult(t signature.Tags) Result {
	r := Result{Selector: t["s"], Algorithm: t["a"]}
	r.Method = "dkim"
	r.Domain, _ = mail.ParseDomain(t["d"])
	add := func(name, value string) {
		if value != "" {
			r.Props = append(r.Props, mail.AuthProp{Type: "header", Name: name, Value: value})
		}
	}
	r.Props = make([]mail.AuthProp, 0, 5)
	add("d", strings.ToLower(t["d"]))
	add("i", t["i"])
	add("s", r.Selector)
	add("a", r.Algorithm)
	add("b", t["b"][:min(8, len(t["b"]))]) // tells signatures apart (RFC 6008 section 3)
	return r
}

func (r *Result) set(result, comment string) { r.Result, r.Comment = result, comment }

// none is the result that stands for no signature at all, or for all of them.
func none(result, comment string) Result {
	return Result{AuthResult: mail.AuthResult{Method: "dkim", Result: result, Comment: comment}}
}

// describe puts what is odd about a signature into the comment.
func (r *Result) describe(key *signature.Key) {
	if key == nil {
		return
	}
	if key.Weak() {
		r.Weak = key.Bits
		if r.Pass() {
			r.Comment += fmt.Sprintf(", weak key of %d bits", key.Bits)
		}
	}
	if r.Testing = key.Testing; r.Testing {
		r.Comment += ", key is in test mode"
	}
}
