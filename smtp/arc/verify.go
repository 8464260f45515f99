package arc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// Result is the outcome for a chain.
type Result struct {
	mail.AuthResult             // Method "arc"
	Sealer          mail.Domain // of the newest seal, if the chain is good

	sets []set
}

// Pass reports whether the chain is good.
func (r Result) Pass() bool { return r.Result == "pass" }

// Vouched yields what the newest sealers of a good chain reported, the newest
// first, up to one that is not trusted: what lies before it counts for nothing.
func (r Result) Vouched(trusted func(mail.Domain) bool) func(yield func(mail.Domain, []mail.AuthResult) bool) {
	return func(yield func(mail.Domain, []mail.AuthResult) bool) {
		if !r.Pass() {
			return
		}
		for _, s := range slices.Backward(r.sets) {
			if d := s.sealer(); d == "" || !trusted(d) || !yield(d, s.reported()) {
				return
			}
		}
	}
}

// Verify checks the chain (RFC 8617 section 5.2). DNS trouble and a ctx that
// ends give "temperror".
func (c *Chain) Verify(ctx context.Context, resolver dns.Resolver, now time.Time) Result {
	r := Result{sets: c.sets}
	r.Method = "arc"
	if len(c.sets) == 0 && c.err == nil {
		r.Result, r.Comment = "none", "no chain"
		return r
	}
	oldest, err := c.verify(ctx, resolver, now)
	switch {
	case err != nil && err.Result == "temperror":
		r.Result, r.Comment = "temperror", err.Text
	case err != nil:
		r.Result, r.Comment = "fail", err.Text
	default:
		r.Sealer = c.sets[len(c.sets)-1].sealer()
		r.Result, r.Comment = "pass", fmt.Sprintf("i=%d, sealed by %s", len(c.sets), r.Sealer)
		r.Props = []mail.AuthProp{{Type: "header", Name: "oldest-pass", Value: strconv.Itoa(oldest)}}
	}
	return r
}

// verify returns the instance of the oldest message signature from which on all
// are good; 0 if all are (RFC 8617 section 5.2 step 5).
func (c *Chain) verify(ctx context.Context, resolver dns.Resolver, now time.Time) (oldest int, _ *signature.Error) {
	if c.err != nil {
		return 0, c.err
	}
	newest := len(c.sets) - 1
	keys := signature.LookupKeys(ctx, resolver, []string{signature.KeyName(c.sets[newest].message.tags)})
	if err := c.verifyMessage(newest, keys, now); err != nil {
		return 0, about("message signature", newest, err)
	}
	keys = signature.LookupKeys(ctx, resolver, c.keyNames())
	if err := c.verifySeals(keys, now); err != nil {
		return 0, err
	}
	for oldest = newest; oldest > 0; oldest-- {
		if c.verifyMessage(oldest-1, keys, now) != nil {
			return oldest + 1, nil
		}
	}
	return 0, nil
}

// about says in which set something is wrong.
func about(what string, i int, err *signature.Error) *signature.Error {
	return &signature.Error{Result: err.Result, Text: fmt.Sprintf("%s %d: %s", what, i+1, err.Text)}
}

// keyNames are those of all signatures.
func (c *Chain) keyNames() []string {
	names := make([]string, 0, 2*len(c.sets))
	for _, s := range c.sets {
		names = append(names, signature.KeyName(s.seal.tags), signature.KeyName(s.message.tags))
	}
	return names
}

// verifyMessage checks the message signature of a set, which is a DKIM
// signature without v= and with another i= (RFC 8617 section 4.1.2).
func (c *Chain) verifyMessage(i int, keys signature.Keys, now time.Time) *signature.Error {
	p := c.sets[i].message
	t := p.tags
	if err := t.Require("a", "b", "bh", "d", "h", "s"); err != nil {
		return err
	}
	if _, limited := t["l"]; limited {
		return signature.Policy("covers only a part of the body (l=)")
	}
	header, body, err := signature.ParseCanon(t["c"])
	if err != nil {
		return err
	}
	names, err := signature.Names(t)
	if err != nil {
		return err
	}
	if slices.Contains(names, "arc-seal") {
		return signature.Permanent("signs a seal")
	}
	hash, err := t.Base64("bh")
	if err != nil {
		return err
	}
	sum, readErr := c.message.Sum(body, -1)
	if readErr != nil {
		return &signature.Error{Result: "temperror", Text: "message could not be read"}
	}
	if subtle.ConstantTimeCompare(sum.Hash[:], hash) != 1 {
		return signature.Fail("body was changed")
	}
	digest := c.message.Digest(names, p.field, header)
	return verifyWith(keys, t, digest[:], now)
}

// verifySeals checks the seals. Each covers its set and those before it, in
// the relaxed form (RFC 8617 section 5.1.1).
func (c *Chain) verifySeals(keys signature.Keys, now time.Time) *signature.Error {
	var sealed []byte
	for i, s := range c.sets {
		t := s.seal.tags
		if err := t.Require("a", "b", "d", "s"); err != nil {
			return about("seal", i, err)
		}
		if _, given := t["h"]; given {
			return about("seal", i, signature.Permanent("has a tag h="))
		}
		sealed = signature.Relaxed.AppendField(sealed, s.results)
		sealed = signature.Relaxed.AppendField(sealed, s.message.field)
		digest := sha256.Sum256(signature.Relaxed.AppendUnsigned(sealed, s.seal.field))
		if err := verifyWith(keys, t, digest[:], now); err != nil {
			return about("seal", i, err)
		}
		sealed = signature.Relaxed.AppendField(sealed, s.seal.field)
	}
	return nil
}

func verifyWith(keys signature.Keys, t signature.Tags, digest []byte, now time.Time) *signature.Error {
	if err := t.CheckTimes(now); err != nil {
		return err
	}
	sig, err := t.Base64("b")
	if err != nil {
		return err
	}
	key, err := keys.Get(signature.KeyName(t))
	if err != nil {
		return err
	}
	return key.Verify(t["a"], digest, sig)
}
