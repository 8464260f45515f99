package dkim

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// maxSignatures is how many signatures of a message are checked, from the
// top. Mailing lists add two or three.
const maxSignatures = 8

// Signatures are those of one message, from the top.
type Signatures struct {
	message *signature.Message
	list    []parsed
	rest    int              // signatures beyond maxSignatures
	err     *signature.Error // the header cannot be checked at all
}

// parsed is one signature.
type parsed struct {
	field  signature.Field
	tags   signature.Tags
	names  []string // h=
	header signature.Canon
	body   signature.Canon
	limit  int64 // l=, or -1
	err    *signature.Error
}

// Verify checks the signatures of a message; see [Signatures.Verify].
func Verify(ctx context.Context, resolver dns.Resolver, m *signature.Message, now time.Time) []Result {
	return Parse(m).Verify(ctx, resolver, now)
}

// Parse reads the signature fields, and says to m which hashes of the body
// they need.
func Parse(m *signature.Message) *Signatures {
	s := &Signatures{message: m}
	for f := range signature.Fields(m.Header()) {
		switch {
		case !f.Is(signatureField):
		case len(s.list) == maxSignatures:
			s.rest++
		default:
			s.list = append(s.list, parse(f))
		}
	}
	if len(s.list) == 0 {
		return s
	}
	if s.err = m.Check(); s.err != nil {
		return s
	}
	for _, p := range s.list {
		if p.err == nil {
			m.Want(p.body, p.limit)
		}
	}
	return s
}

// parse reads one field and checks what can be checked without a key (RFC 6376
// sections 3.5 and 6.1.1).
func parse(f signature.Field) parsed {
	p := parsed{field: f, limit: -1}
	if p.tags, p.err = signature.ParseTags(f.Value()); p.err != nil {
		return p
	}
	t := p.tags
	if p.err = t.Require("v", "a", "b", "bh", "d", "h", "s"); p.err != nil {
		return p
	}
	switch q, given := t["q"]; {
	case t["v"] != "1":
		p.err = signature.Permanent("signature is of another version")
	case given && !hasDNS(t.List("q")):
		p.err = signature.Permanent("key is not in the DNS: q=" + q[:min(len(q), 32)])
	case !withinDomain(t):
		p.err = signature.Permanent("i= is not of the domain that signs")
	}
	if p.err != nil {
		return p
	}
	if p.names, p.err = signature.Names(t); p.err != nil {
		return p
	}
	if p.header, p.body, p.err = signature.ParseCanon(t["c"]); p.err != nil {
		return p
	}
	if limit, given, err := t.Number("l"); given {
		p.limit, p.err = limit, err
	}
	return p
}

func hasDNS(methods []string) bool {
	for _, m := range methods {
		if strings.EqualFold(m, "dns/txt") || strings.EqualFold(m, "dns") {
			return true
		}
	}
	return false
}

// identity returns the domain of i=.
func identity(t signature.Tags) (domain string, given bool) {
	i, given := t["i"]
	return i[strings.LastIndexByte(i, '@')+1:], given
}

// withinDomain reports whether i= names d= or a domain below it.
func withinDomain(t signature.Tags) bool {
	domain, given := identity(t)
	domain, d := strings.ToLower(domain), strings.ToLower(t["d"])
	return !given || domain == d || strings.HasSuffix(domain, "."+d)
}

// Verify checks the signatures, and returns their results in their order. The
// one result of an unsigned message, whose body is not read, is "none". DNS
// trouble and a ctx that ends give "temperror".
func (s *Signatures) Verify(ctx context.Context, resolver dns.Resolver, now time.Time) []Result {
	switch {
	case len(s.list) == 0:
		return []Result{none("none", "no signature")}
	case s.err != nil:
		return []Result{none(s.err.Result, s.err.Text)}
	}
	keys := signature.LookupKeys(ctx, resolver, s.keyNames())
	results := make([]Result, 0, len(s.list)+1)
	for i := range s.list {
		results = append(results, s.result(&s.list[i], keys, now))
	}
	if s.rest > 0 {
		results = append(results, none("policy", fmt.Sprintf("%d more signatures were not checked", s.rest)))
	}
	return results
}

// keyNames are those of the signatures that are worth a look at their keys.
func (s *Signatures) keyNames() []string {
	names := make([]string, 0, len(s.list))
	for _, p := range s.list {
		if p.err == nil {
			names = append(names, signature.KeyName(p.tags))
		}
	}
	return names
}

func (s *Signatures) result(p *parsed, keys signature.Keys, now time.Time) Result {
	r := newResult(p.tags)
	if p.err != nil {
		r.set(p.err.Result, p.err.Text)
		return r
	}
	key, err := keys.Get(signature.KeyName(p.tags))
	if err == nil {
		err = s.verify(p, key, now)
	}
	switch {
	case err != nil:
		r.set(err.Result, err.Text)
	case s.open(p):
		r.Partial = true
		r.set("policy", fmt.Sprintf("l= covers only the first %d octets of the body", p.limit))
	case p.limit >= 0:
		r.set("pass", r.Algorithm+", l= covers the whole body")
	default:
		r.set("pass", r.Algorithm)
	}
	r.describe(key)
	return r
}

// verify checks one signature against its key (RFC 6376 section 6.1.3).
func (s *Signatures) verify(p *parsed, key *signature.Key, now time.Time) *signature.Error {
	if err := p.tags.CheckTimes(now); err != nil {
		return err
	}
	if domain, given := identity(p.tags); key.Strict && given && !strings.EqualFold(domain, p.tags["d"]) {
		return signature.Permanent("key may not be used for a subdomain") // RFC 6376 section 3.6.1
	}
	sig, err := p.tags.Base64("b")
	if err != nil {
		return err
	}
	bodyHash, err := p.tags.Base64("bh")
	if err != nil {
		return err
	}
	sum, readErr := s.message.Sum(p.body, p.limit)
	switch {
	case readErr != nil:
		return &signature.Error{Result: "temperror", Text: "message could not be read"}
	case p.limit > sum.Size:
		return signature.Fail("body is shorter than what was signed (l=)")
	case subtle.ConstantTimeCompare(sum.Hash[:], bodyHash) != 1:
		return signature.Fail("body was changed")
	}
	digest := s.message.Digest(p.names, p.field, p.header)
	if err := key.Verify(p.tags["a"], digest[:], sig); err != nil {
		return err
	}
	return s.allAuthors(p)
}

// allAuthors refuses a signature that leaves a From field unsigned: people
// could be shown that one (RFC 6376 section 8.15).
func (s *Signatures) allAuthors(p *parsed) *signature.Error {
	signed := 0
	for _, name := range p.names {
		if name == "from" {
			signed++
		}
	}
	if s.message.Count("from") > signed {
		return signature.Policy("there are From fields that are not signed")
	}
	return nil
}

// open reports whether l= leaves octets of the body unsigned.
func (s *Signatures) open(p *parsed) bool {
	sum, err := s.message.Sum(p.body, p.limit)
	return err == nil && p.limit >= 0 && p.limit < sum.Size
}
