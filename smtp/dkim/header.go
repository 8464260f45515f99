package dkim

import (
	"bytes"
	"errors"
	"iter"
	"strings"
)

const signatureField = "DKIM-Signature"

// Bounds of a header that is verified or signed. Beyond them the library's
// time grows with the square of what a stranger sends.
const (
	maxFields  = 1_000
	maxNames   = 200      // in one h=
	maxUnfold  = 64 << 20 // octets copied when folded lines are joined one by one
	maxHeader  = 1 << 20
	maxTagList = 16 << 10 // octets of one DKIM-Signature field
)

var (
	errTooLarge      = errors.New("header is too large to check")
	errSignatureSize = errors.New("signature field is too large to check")
)

// field is one header field with its line ends.
type field []byte

func (f field) name() []byte {
	name, _, _ := bytes.Cut(f, []byte(":"))
	return bytes.TrimRight(name, " \t")
}

func (f field) is(name string) bool {
	return len(f) > len(name) && bytes.EqualFold(f.name(), []byte(name))
}

// value returns what follows the colon, unfolded.
func (f field) value() string {
	_, value, _ := bytes.Cut(f, []byte(":"))
	return strings.NewReplacer("\r", "", "\n", "").Replace(string(value))
}

// fields goes through a header up to its empty line.
func fields(header []byte) iter.Seq[field] {
	return func(yield func(field) bool) {
		for len(header) > 0 && header[0] != '\r' && header[0] != '\n' {
			end := 0
			for {
				n := bytes.IndexByte(header[end:], '\n')
				if n < 0 {
					end = len(header)
					break
				}
				if end += n + 1; end == len(header) || header[end] != ' ' && header[end] != '\t' {
					break
				}
			}
			if !yield(field(header[:end])) {
				return
			}
			header = header[end:]
		}
	}
}

// checkBounds refuses a header that would cost too much.
func checkBounds(header []byte) error {
	if len(header) > maxHeader {
		return errTooLarge
	}
	count, copied := 0, 0
	for f := range fields(header) {
		if count++; count > maxFields {
			return errTooLarge
		}
		if copied += bytes.Count(f, []byte("\n")) * len(f); copied > maxUnfold {
			return errTooLarge
		}
	}
	return nil
}

// signatures returns the tags of all DKIM-Signature fields from the top.
func signatures(header []byte) ([]tags, error) {
	if !HasSignature(header) {
		return nil, nil
	}
	if err := checkBounds(header); err != nil {
		return nil, err
	}
	var found []tags
	for f := range fields(header) {
		if !f.is(signatureField) {
			continue
		}
		if len(f) > maxTagList {
			return nil, errSignatureSize
		}
		t := parseTags(f.value())
		if strings.Count(t["h"], ":") >= maxNames {
			return nil, errSignatureSize
		}
		found = append(found, t)
	}
	return found, nil
}

// tags is a tag=value list (RFC 6376 section 3.2). White space, which means
// nothing in any of the tags we look at, is taken out.
type tags map[string]string

func parseTags(s string) tags {
	t := make(tags)
	for pair := range strings.SplitSeq(s, ";") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			t[strings.TrimSpace(name)] = strings.Join(strings.Fields(value), "")
		}
	}
	return t
}
