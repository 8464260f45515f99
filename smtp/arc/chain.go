package arc

import (
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// MaxSets is how many sets a chain may have (RFC 8617 section 4.2.1).
const MaxSets = 50

// The three fields of a set (RFC 8617 section 4.1).
const (
	resultsField = "ARC-Authentication-Results"
	messageField = "ARC-Message-Signature"
	sealField    = "ARC-Seal"
)

// Chain is the ARC sets of a message, which may not fit together.
type Chain struct {
	message *signature.Message
	sets    []set // by instance
	err     *signature.Error
}

// set is one ARC set.
type set struct {
	results signature.Field
	message part
	seal    part
}

// part is a field with a signature.
type part struct {
	field signature.Field
	tags  signature.Tags
}

// Parse reads the fields of a chain, and says to m which hashes of the body
// they need.
func Parse(m *signature.Message) *Chain {
	c := &Chain{message: m}
	for f := range signature.Fields(m.Header()) {
		if len(f) < 4 || f[3] != '-' { // most fields
			continue
		}
		if err := c.add(f); err != nil {
			c.err = err
			return c
		}
	}
	if len(c.sets) == 0 {
		return c
	}
	if c.err = m.Check(); c.err == nil {
		c.err = c.complete()
	}
	if c.err != nil {
		return c
	}
	for _, s := range c.sets {
		if _, body, err := signature.ParseCanon(s.message.tags["c"]); err == nil {
			m.Want(body, -1)
		}
	}
	return c
}

// add puts a field into its set. Fields that are not of ARC are passed over.
func (c *Chain) add(f signature.Field) *signature.Error {
	switch {
	case f.Is(resultsField):
		i, _, _ := strings.Cut(f.Value(), ";")
		name, n, _ := strings.Cut(i, "=")
		if strings.TrimSpace(name) != "i" {
			n = ""
		}
		s, err := c.set(strings.TrimSpace(n))
		if err != nil {
			return err
		}
		return s.put(&s.results, f)
	case f.Is(messageField), f.Is(sealField):
		tags, err := signature.ParseTags(f.Value())
		if err != nil {
			return err
		}
		s, err := c.set(tags["i"])
		if err != nil {
			return err
		}
		p := &s.message
		if f.Is(sealField) {
			p = &s.seal
		}
		p.tags = tags
		return s.put(&p.field, f)
	}
	return nil
}

// set returns the set of an instance number.
func (c *Chain) set(instance string) (*set, *signature.Error) {
	i, err := strconv.ParseUint(instance, 10, 16)
	if err != nil || i == 0 || i > MaxSets {
		return nil, signature.Fail("instance number is not between 1 and " + strconv.Itoa(MaxSets))
	}
	for len(c.sets) < int(i) {
		c.sets = append(c.sets, set{})
	}
	return &c.sets[i-1], nil
}

func (s *set) put(to *signature.Field, f signature.Field) *signature.Error {
	if *to != nil {
		return signature.Fail("a set has two " + string(f.Name()) + " fields")
	}
	*to = f
	return nil
}

// complete checks that no field is missing, and what each seal says about the
// chain before it (RFC 8617 section 5.2 steps 2 and 3).
func (c *Chain) complete() *signature.Error {
	for i, s := range c.sets {
		want := "pass"
		if i == 0 {
			want = "none"
		}
		switch {
		case s.results == nil || s.message.field == nil || s.seal.field == nil:
			return signature.Fail("set " + strconv.Itoa(i+1) + " is not complete")
		case strings.EqualFold(s.seal.tags["cv"], want):
		case strings.EqualFold(s.seal.tags["cv"], "fail"):
			return signature.Fail("was broken already in set " + strconv.Itoa(i+1))
		default:
			return signature.Fail("cv= of set " + strconv.Itoa(i+1) + " is not " + want)
		}
	}
	return nil
}

// reported returns what the set says its sealer found out.
func (s set) reported() []mail.AuthResult {
	_, value, _ := strings.Cut(s.results.Value(), ";") // after the instance
	_, results, err := mail.ParseAuthResults(value)
	if err != nil {
		return nil
	}
	return results
}

func (s set) sealer() mail.Domain {
	d, err := mail.ParseDomain(s.seal.tags["d"])
	if err != nil {
		return ""
	}
	return d
}
