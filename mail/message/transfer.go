package message

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"golang.org/x/text/transform"
)

// DecodeTransfer undoes a Content-Transfer-Encoding (RFC 2045 section 6).
// Whatever does not belong to base64 is passed over, what is no code in
// quoted-printable stays as it is, and unknown encodings change nothing: the
// only errors are those of r.
func DecodeTransfer(encoding string, r io.Reader) io.Reader {
	if f := decoderOf(encoding); f != nil {
		return newDecodeReader(r, f)
	}
	return r
}

// decoderOf returns what undoes an encoding, nil where there is nothing to do.
func decoderOf(encoding string) decodeFunc {
	switch encoding = strings.TrimSpace(encoding); {
	case strings.EqualFold(encoding, "base64"):
		return decodeBase64
	case strings.EqualFold(encoding, "quoted-printable"):
		return decodeQP
	}
	return nil
}

// DecodeText reads a text part as UTF-8: r is its body as it stands in the
// message, see [Part.Reader]. What the charset does not know becomes U+FFFD.
func DecodeText(p *Part, r io.Reader) io.Reader {
	r = DecodeTransfer(p.Encoding, r)
	if e, ok := charsetOf(p.Param("charset")); ok {
		return transform.NewReader(r, e.NewDecoder())
	}
	return transform.NewReader(r, &guessDecoder{})
}

// decodeFunc appends to dst what src decodes to, and returns how much of src
// it used: all of it when final is set, else at least something of a full
// decodeChunk.
type decodeFunc func(dst, src []byte, final bool) (out []byte, used int)

const decodeChunk = 4 << 10

// decodeReader is a decodeFunc as a reader.
type decodeReader struct {
	src    *bufio.Reader
	decode decodeFunc
	buf    []byte // decoded, reused
	out    []byte // of buf, not yet read
	err    error
}

func newDecodeReader(r io.Reader, f decodeFunc) *decodeReader {
	return &decodeReader{src: bufio.NewReaderSize(r, decodeChunk), decode: f}
}

// reset begins anew with what d has for memory.
func (d *decodeReader) reset(r io.Reader, f decodeFunc) {
	if d.src == nil {
		d.src = bufio.NewReaderSize(r, decodeChunk)
	}
	d.src.Reset(r)
	d.decode, d.out, d.err = f, nil, nil
}

func (d *decodeReader) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		if len(p) == 0 {
			return 0, nil
		}
		src, err := d.src.Peek(decodeChunk)
		var used int
		d.buf, used = d.decode(d.buf[:0], src, err != nil)
		d.out, d.err = d.buf, err
		if _, e := d.src.Discard(used); e != nil && d.err == nil {
			d.err = e
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// decodeBase64 collects four digits at a time. Padding ends a group, but what
// follows is decoded too: some programs join encoded pieces.
func decodeBase64(dst, src []byte, final bool) (out []byte, used int) {
	var digits [decodeChunk]byte
	n := 0
	for i, c := range src {
		switch {
		case isBase64(c):
			digits[n] = c
			if n++; n%4 == 0 {
				used = i + 1
				if n == len(digits) {
					dst = appendDigits(dst, digits[:n])
					n = 0
				}
			}
		case c == '=':
			dst = appendDigits(dst, digits[:n])
			n, used = 0, i+1
		case n%4 == 0:
			used = i + 1
		}
	}
	if final || used == 0 && len(src) >= decodeChunk {
		// The end, or a chunk with up to three digits: keep none of it waiting.
		return appendDigits(dst, digits[:n]), len(src)
	}
	return appendDigits(dst, digits[:n-n%4]), used
}

// decodeQP decodes line by line, because white space at the end of a line is
// not part of it (RFC 2045 section 6.7 rule 3).
func decodeQP(dst, src []byte, final bool) (out []byte, used int) {
	for used < len(src) {
		line := src[used:]
		i := bytes.IndexByte(line, '\n')
		if i < 0 {
			if !final && used > 0 {
				return dst, used // until the line is complete
			}
			n := len(line)
			if !final {
				n = cutPoint(line)
			}
			return appendQP(dst, line[:n]), used + n
		}
		used += i + 1
		eol := 1
		if i > 0 && line[i-1] == '\r' {
			eol = 2
		}
		text := bytes.TrimRight(line[:i+1-eol], " \t\r")
		if n := len(text); n > 0 && text[n-1] == '=' { // soft line break
			dst = appendQP(dst, text[:n-1])
			continue
		}
		dst = append(appendQP(dst, text), line[i+1-eol:i+1]...)
	}
	return dst, used
}

// cutPoint returns where a line that is too long can be divided.
func cutPoint(line []byte) int {
	n := len(line)
	if i := bytes.LastIndexByte(line[n-2:], '='); i >= 0 {
		return n - 2 + i
	}
	if t := len(bytes.TrimRight(line, " \t\r")); t > 0 {
		return t
	}
	return n
}

// appendQP decodes one line.
func appendQP(dst, line []byte) []byte {
	for {
		i := bytes.IndexByte(line, '=')
		if i < 0 {
			return append(dst, line...)
		}
		dst = append(dst, line[:i]...)
		line = line[i:]
		if len(line) >= 3 && unhex(line[1]) < 16 && unhex(line[2]) < 16 {
			dst = append(dst, unhex(line[1])<<4|unhex(line[2]))
			line = line[3:]
		} else {
			dst = append(dst, '=')
			line = line[1:]
		}
	}
}
