package signature

import (
	"bytes"
	"strings"
)

// Canon is a canonical form (RFC 6376 section 3.4).
type Canon uint8

const (
	Simple Canon = iota
	Relaxed
)

// ParseCanon reads c=: the forms of header and body, "simple" if not given.
func ParseCanon(s string) (header, body Canon, err *Error) {
	h, b, _ := strings.Cut(s, "/")
	header, ok := canonOf(h)
	body, ok2 := canonOf(b)
	if !ok || !ok2 {
		return 0, 0, Permanent("canonical form " + quoted(s) + " is not known")
	}
	return header, body, nil
}

func canonOf(s string) (Canon, bool) {
	switch strings.ToLower(s) {
	case "", "simple":
		return Simple, true
	case "relaxed":
		return Relaxed, true
	}
	return Simple, false
}

// quoted keeps a peer's word short.
func quoted(s string) string { return `"` + s[:min(len(s), 32)] + `"` }

// AppendField appends the canonical form of a header field, with its line end
// (RFC 6376 sections 3.4.1 and 3.4.2).
func (c Canon) AppendField(to []byte, f Field) []byte {
	if c == Simple {
		return appendLines(to, f)
	}
	name, value, _ := bytes.Cut(f, []byte(":"))
	for _, b := range bytes.TrimRight(name, " \t\r\n") {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		to = append(to, b)
	}
	to = append(to, ':')
	start, space := len(to), false
	for _, b := range value {
		if isSpace(b) {
			space = true
			continue
		}
		if space && len(to) > start {
			to = append(to, ' ')
		}
		space = false
		to = append(to, b)
	}
	return append(to, "\r\n"...)
}

// appendLines appends a field as it is. A lone LF becomes CRLF, and a field at
// the end of a header without its line end gets one.
func appendLines(to []byte, f Field) []byte {
	for line := range bytes.Lines(f) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		to = append(to, bytes.TrimSuffix(line, []byte("\r"))...)
		to = append(to, "\r\n"...)
	}
	return to
}

// AppendUnsigned appends the canonical form of a signature field as it was
// when it was signed: with nothing in b=, and without its line end (RFC 6376
// section 3.7).
func (c Canon) AppendUnsigned(to []byte, f Field) []byte {
	return bytes.TrimSuffix(c.AppendField(to, emptied(f)), []byte("\r\n"))
}

// emptied returns the field without the value of its b= tag.
func emptied(f Field) Field {
	at := bytes.IndexByte(f, ':') + 1
	out := append(make(Field, 0, len(f)), f[:at]...)
	for {
		end := bytes.IndexByte(f[at:], ';')
		tag := f[at:]
		if end >= 0 {
			tag = f[at : at+end+1]
		}
		name, _, ok := bytes.Cut(tag, []byte("="))
		if ok && string(bytes.Trim(name, " \t\r\n")) == "b" {
			out = append(append(out, name...), '=')
			if end >= 0 {
				out = append(out, ';')
			}
		} else {
			out = append(out, tag...)
		}
		if end < 0 {
			return out
		}
		at += end + 1
	}
}
