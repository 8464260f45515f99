package message

import (
	"bytes"
	"io"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// TextReader decodes text parts with memory that it uses again, for those who
// read many. The zero value is ready.
type TextReader struct{ transfer decodeReader }

// Append appends the first limit octets that [DecodeText] would read to dst.
// What cannot be read is missing.
func (t *TextReader) Append(dst []byte, p *Part, r io.Reader, limit int) []byte {
	if f := decoderOf(p.Encoding); f != nil {
		t.transfer.reset(r, f)
		r = &t.transfer
	}
	e, named := charsetOf(p.Param("charset"))
	if named && e != unicode.UTF8 {
		return appendAll(dst, transform.NewReader(r, e.NewDecoder()), limit)
	}
	before := len(dst)
	dst = appendAll(dst, r, limit)
	text := dst[before:]
	if utf8.Valid(text) { // as nearly all text is
		return dst
	}
	var d transform.Transformer = &guessDecoder{}
	if named {
		d = e.NewDecoder()
	}
	return appendAll(dst[:before], transform.NewReader(bytes.NewReader(bytes.Clone(text)), d), limit)
}

// appendAll appends what r has, at most limit octets.
func appendAll(b []byte, r io.Reader, limit int) []byte {
	end := len(b) + limit
	for len(b) < end {
		if len(b) == cap(b) {
			b = slices.Grow(b, max(len(b), 4<<10))
		}
		n, err := r.Read(b[len(b):min(cap(b), end)])
		b = b[:len(b)+n]
		if err != nil {
			break
		}
	}
	return b
}
