package dkim

import (
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/mailstead/mailstead/mail"
)

// newResult says which signature a result is about.
func newResult(t tags) *Result {
	r := &Result{Selector: t["s"], Algorithm: t["a"]}
	r.Method = "dkim"
	r.Domain, _ = mail.ParseDomain(t["d"])
	add := func(name, value string) {
		if value != "" {
			r.Props = append(r.Props, mail.AuthProp{Type: "header", Name: name, Value: value})
		}
	}
	add("d", strings.ToLower(t["d"]))
	add("i", t["i"])
	add("s", r.Selector)
	add("a", r.Algorithm)
	add("b", t["b"][:min(8, len(t["b"]))]) // tells signatures apart (RFC 6008 section 3)
	return r
}

func (r *Result) set(result, comment string) { r.Result, r.Comment = result, comment }

// judge takes over what the library found, and adds what it does not check.
func (r *Result) judge(v *dkim.Verification, t tags, keys keyring) {
	flags := keys.flags(keyName(t))
	r.Testing = slices.Contains(flags, "y")
	reason := ""
	if v.Err != nil {
		reason = strings.TrimPrefix(v.Err.Error(), "dkim: ")
	}
	_, limited := t["l"]
	switch {
	case dkim.IsTempFail(v.Err):
		r.set("temperror", reason)
	case dkim.IsPermFail(v.Err):
		r.set("permerror", reason)
	case limited:
		r.set("policy", "signature covers only a part of the body (l=)")
	case v.Err != nil:
		r.set("fail", reason)
	case slices.Contains(flags, "s") && !sameDomain(t):
		// RFC 6376 section 3.6.1: i= must not be of a subdomain.
		r.set("permerror", "key may not be used for a subdomain")
	default:
		r.set("pass", r.Algorithm)
	}
	if r.Testing {
		r.Comment += ", key is in test mode"
	}
}

// sameDomain reports whether i= names the domain of d= itself.
func sameDomain(t tags) bool {
	i, ok := t["i"]
	return !ok || strings.EqualFold(i[strings.LastIndexByte(i, '@')+1:], t["d"])
}
