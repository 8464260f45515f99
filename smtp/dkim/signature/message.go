package signature

import (
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
	"sync"
)

// Bounds of a header whose signatures are verified.
const (
	MaxHeader = 1 << 20 // octets
	MaxNames  = 200     // in one h=
)

var errTooLarge = Permanent("header is too large to check")

// Message is a message with signatures. It is safe for concurrent use.
type Message struct {
	header []byte
	open   func() io.Reader

	index  sync.Once
	fields []Field
	before []int32          // index of the field of the same name above it, -1 if there is none
	last   map[string]int32 // index of the lowest field by lower-case name

	read   sync.Once
	bodies [2]*bodyHash // by Canon; nil: not wanted
	err    error
}

// NewMessage makes a message of its header, with the empty line after it if
// there is one. open returns a reader of the body; it is called when the first
// hash of it is asked for.
func NewMessage(header []byte, open func() io.Reader) *Message {
	return &Message{header: header, open: open}
}

// Header returns the header.
func (m *Message) Header() []byte { return m.header }

// Check refuses a header that would cost too much. One of just MaxHeader octets
// may have been cut.
func (m *Message) Check() *Error {
	if len(m.header) >= MaxHeader {
		return errTooLarge
	}
	return nil
}

// buildIndex makes the lists that find fields by name from the bottom up.
func (m *Message) buildIndex() {
	lower := lowerASCII(m.header)
	n := bytes.Count(m.header, []byte("\n")) + 1
	m.fields, m.before = make([]Field, 0, n), make([]int32, 0, n)
	m.last = make(map[string]int32)
	at := 0
	for f := range Fields(m.header) {
		name := lower[at : at+len(f.Name())]
		at += len(f)
		above, ok := m.last[name]
		if !ok {
			above = -1
		}
		m.last[name] = int32(len(m.fields))
		m.fields, m.before = append(m.fields, f), append(m.before, above)
	}
}

func lowerASCII(b []byte) string {
	lower := bytes.Clone(b)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

// Count returns how many fields have a name, which is in lower case.
func (m *Message) Count(name string) (n int) {
	m.index.Do(m.buildIndex)
	i, ok := m.last[name]
	for ; ok && i >= 0; i = m.before[i] {
		n++
	}
	return n
}

// Names returns the names of h= in lower case. From must be among them
// (RFC 6376 section 5.4).
func Names(t Tags) ([]string, *Error) {
	if strings.Count(t["h"], ":") >= MaxNames {
		return nil, Permanent("tag h= has too many names")
	}
	names := strings.Split(lowerASCII([]byte(t["h"])), ":")
	for _, name := range names {
		if name == "from" {
			return names, nil
		}
	}
	return nil, Permanent("the From field is not signed")
}

// Digest returns the hash of the fields that names lists, from the bottom up
// for each name, and of the signature field itself (RFC 6376 sections 3.7 and
// 5.4.2). Names without a field add nothing.
func (m *Message) Digest(names []string, signature Field, c Canon) [sha256.Size]byte {
	m.index.Do(m.buildIndex)
	type pick struct {
		name string
		next int32
	}
	picks := make([]pick, 0, len(names))
	h := sha256.New()
	var buf []byte
	for _, name := range names {
		p := len(picks)
		for i := range picks {
			if picks[i].name == name {
				p = i
				break
			}
		}
		if p == len(picks) {
			next, ok := m.last[name]
			if !ok {
				next = -1
			}
			picks = append(picks, pick{name, next})
		}
		if i := picks[p].next; i >= 0 {
			picks[p].next = m.before[i]
			buf = c.AppendField(buf[:0], m.fields[i])
			h.Write(buf)
		}
	}
	h.Write(c.AppendUnsigned(buf[:0], signature))
	return [sha256.Size]byte(h.Sum(nil))
}

// Want says that the hash of the body's first limit octets in a canonical form,
// of all of it with a negative limit, is going to be asked for. It must come
// before the first call of [Message.Sum].
func (m *Message) Want(c Canon, limit int64) {
	b := m.bodies[c]
	if b == nil {
		b = newBodyHash(c)
		m.bodies[c] = b
	}
	if limit >= 0 && b.parts[limit] == nil {
		b.parts[limit] = sha256.New()
	}
}

// Sum returns a hash that was wanted. The first call reads the body; what went
// wrong then is the error of all calls.
func (m *Message) Sum(c Canon, limit int64) (Sum, error) {
	m.read.Do(func() { m.err = m.hashBodies() })
	if m.err != nil {
		return Sum{}, m.err
	}
	return m.bodies[c].sum(limit), nil
}

// hashBodies reads the body once for all hashes.
func (m *Message) hashBodies() error {
	var writers []io.Writer
	for _, b := range m.bodies {
		if b != nil {
			writers = append(writers, b)
		}
	}
	if _, err := io.Copy(io.MultiWriter(writers...), m.open()); err != nil {
		return err
	}
	for _, b := range m.bodies {
		if b != nil {
			b.finish()
		}
	}
	return nil
}
