package signature

import (
	"crypto/sha256"
	"hash"
)

// Sum is the hash of a body in a canonical form.
type Sum struct {
	Hash [sha256.Size]byte
	Size int64 // octets of the whole body in this form, also where l= covers fewer
}

// bodyHash makes the hashes of one canonical form, of the whole body and of
// its beginnings, as it is written to.
type bodyHash struct {
	canon  Canon
	whole  hash.Hash
	parts  map[int64]hash.Hash // by l=
	out    []byte              // not hashed yet
	size   int64               // octets hashed
	breaks int                 // line ends that count only if more follows
	space  bool                // white space that counts only if more of the line follows
	cr     bool                // a CR that may be half of a line end
}

// maxPending is how much is collected before it is hashed.
const maxPending = 4 << 10

func newBodyHash(c Canon) *bodyHash {
	return &bodyHash{canon: c, whole: sha256.New(), parts: make(map[int64]hash.Hash), out: make([]byte, 0, maxPending)}
}

// Write takes the next part of the body; it never fails. A lone LF counts as
// CRLF, a lone CR as itself (RFC 6376 section 3.4.3 and 3.4.4).
func (b *bodyHash) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if b.cr {
			b.cr = false
			if p[0] != '\n' {
				b.put('\r')
			}
		}
		run := b.plainRun(p)
		if run > 0 {
			b.begin()
			b.append(p[:run])
			p = p[run:]
			continue
		}
		b.special(p[0])
		p = p[1:]
	}
	return n, nil
}

// plainRun returns how many octets at the beginning of p stay as they are.
func (b *bodyHash) plainRun(p []byte) int {
	for i, c := range p {
		if c <= ' ' && (c == '\n' || c == '\r' || b.canon == Relaxed && (c == ' ' || c == '\t')) {
			return i
		}
	}
	return len(p)
}

func (b *bodyHash) special(c byte) {
	switch c {
	case '\r':
		b.cr = true
	case '\n':
		b.space = false
		b.breaks++
	default:
		b.space = true
	}
}

// put adds one octet that is not part of a line end.
func (b *bodyHash) put(c byte) {
	b.begin()
	b.room(1)
	b.out = append(b.out, c)
}

// begin adds what had to wait for more text.
func (b *bodyHash) begin() {
	for ; b.breaks > 0; b.breaks-- {
		b.room(2)
		b.out = append(b.out, '\r', '\n')
	}
	if b.space {
		b.space = false
		b.room(1)
		b.out = append(b.out, ' ')
	}
}

// append adds a run of text.
func (b *bodyHash) append(p []byte) {
	b.room(len(p))
	if len(p) > maxPending {
		b.flush(p)
		return
	}
	b.out = append(b.out, p...)
}

// room hashes what is pending if n more octets would be too many.
func (b *bodyHash) room(n int) {
	if len(b.out)+n > maxPending {
		b.flush(b.out)
		b.out = b.out[:0]
	}
}

func (b *bodyHash) flush(p []byte) {
	b.whole.Write(p)
	for limit, h := range b.parts {
		if rest := limit - b.size; rest > 0 {
			h.Write(p[:min(rest, int64(len(p)))])
		}
	}
	b.size += int64(len(p))
}

// finish ends the body: with one line end, but an empty one in the relaxed
// form stays empty.
func (b *bodyHash) finish() {
	if b.cr {
		b.cr = false
		b.put('\r')
	}
	b.breaks, b.space = 0, false
	if b.canon == Simple || b.size+int64(len(b.out)) > 0 {
		b.breaks = 1
		b.begin()
	}
	b.flush(b.out)
	b.out = nil
}

// sum returns the hash of the first limit octets, of all if it is negative.
func (b *bodyHash) sum(limit int64) Sum {
	h := b.whole
	if limit >= 0 {
		h = b.parts[limit]
	}
	s := Sum{Size: b.size}
	h.Sum(s.Hash[:0])
	return s
}
