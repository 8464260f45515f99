package message

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// charsetOf returns the encoding that a charset parameter names. ok is false
// for US-ASCII and names nobody knows: their text is looked at instead.
func charsetOf(name string) (e encoding.Encoding, ok bool) {
	name = strings.ToLower(strings.Trim(name, " \t\"'"))
	switch name {
	case "utf-8", "utf8":
		return unicode.UTF8, true
	case "", "us-ascii", "ascii", "x-unknown", "unknown-8bit", "unknown", "default", "_iso-2022-jp$esc":
		return nil, false
	case "utf-7", "unicode-1-1-utf-7", "unicode-2-0-utf-7", "x-unicode-2-0-utf-7":
		return utf7{}, true
	case "utf-16": // RFC 2781 section 4.3: big endian without a byte order mark
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true
	case "cp932", "ms932":
		name = "shift_jis"
	case "cp936", "ms936":
		name = "gbk"
	case "cp949", "ms949", "uhc", "ks_c_5601":
		return korean.EUCKR, true
	case "cp950":
		name = "big5"
	case "latin1", "iso8859-1", "iso-8859-1-windows-3.1-latin-1":
		return charmap.Windows1252, true
	}
	if rest, found := strings.CutPrefix(name, "cp125"); found {
		name = "windows-125" + rest
	}
	e, err := htmlindex.Get(name)
	if err != nil || e == encoding.Replacement {
		e, err = ianaindex.MIME.Encoding(name)
	}
	if err != nil || e == nil || e == encoding.Replacement {
		return nil, false
	}
	return e, true
}

// decodeCharset makes valid UTF-8 of b.
func decodeCharset(name string, b []byte) string {
	e, ok := charsetOf(name)
	if !ok || e == unicode.UTF8 && utf8.Valid(b) {
		return decodeGuess(b)
	}
	out, _, err := transform.Bytes(e.NewDecoder(), b)
	if err != nil {
		return decodeGuess(b)
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// decodeGuess makes valid UTF-8 of text whose charset is not known: UTF-8 if
// it is that, else windows-1252, which contains ISO 8859-1.
func decodeGuess(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return string(out)
}

// guessDecoder is decodeGuess for text that comes in pieces: the first octet
// above 127 decides.
type guessDecoder struct{ chosen transform.Transformer }

func (d *guessDecoder) Reset() { d.chosen = nil }

func (d *guessDecoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	if d.chosen != nil {
		return d.chosen.Transform(dst, src, atEOF)
	}
	n := 0
	for n < len(src) && src[n] < utf8.RuneSelf {
		n++
	}
	nDst = copy(dst, src[:n])
	switch {
	case nDst < n:
		return nDst, nDst, transform.ErrShortDst
	case n == len(src):
		return nDst, nDst, nil
	case !utf8.FullRune(src[n:]) && !atEOF:
		return nDst, nDst, transform.ErrShortSrc
	}
	d.chosen = charmap.Windows1252.NewDecoder()
	if r, _ := utf8.DecodeRune(src[n:]); r != utf8.RuneError {
		d.chosen = unicode.UTF8.NewDecoder()
	}
	more, nSrc, err := d.chosen.Transform(dst[nDst:], src[n:], atEOF)
	return nDst + more, n + nSrc, err
}

// utf7 decodes RFC 2152, for old mail; nothing encodes it.
type utf7 struct{}

func (utf7) NewDecoder() *encoding.Decoder { return &encoding.Decoder{Transformer: &utf7Decoder{}} }
func (utf7) NewEncoder() *encoding.Encoder { return unicode.UTF8.NewEncoder() }

// utf7Decoder is between "+" and the end of its base64 when shifted is set.
type utf7Decoder struct{ shifted bool }

// maxRun bounds the base64 that is decoded in one step: a multiple of 8
// digits, which are whole UTF-16 units.
const maxRun = 1024

func (d *utf7Decoder) Reset() { d.shifted = false }

func (d *utf7Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		text, n := string(src[nSrc:nSrc+1]), 1
		next := false
		switch c := src[nSrc]; {
		case d.shifted || c == '+':
			text, n, next = shifted(src[nSrc:], d.shifted, atEOF)
			if n == 0 {
				return nDst, nSrc, transform.ErrShortSrc
			}
		case c >= utf8.RuneSelf:
			text = "\uFFFD"
		}
		if nDst+len(text) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += copy(dst[nDst:], text)
		nSrc += n
		d.shifted = next
	}
	return nDst, nSrc, nil
}

// shifted decodes the base64 run that b begins with, or goes on with. n is 0
// if more of it is needed; next says that the run is longer than maxRun.
func shifted(b []byte, inside, atEOF bool) (text string, n int, next bool) {
	start := 1 // "+"
	if inside {
		start = 0
	}
	n = start
	for n < len(b) && n < start+maxRun && isBase64(b[n]) {
		n++
	}
	if n == start+maxRun {
		return decodeUnits(b[start:n]), n, true
	}
	if n == len(b) && !atEOF {
		return "", 0, false
	}
	digits := b[start:n]
	if n < len(b) && b[n] == '-' {
		n++
		if len(digits) == 0 && !inside {
			return "+", n, false
		}
	}
	if n == 0 { // the run ended exactly at maxRun
		return string(b[:1]), 1, false
	}
	return decodeUnits(digits), n, false
}

func decodeUnits(digits []byte) string {
	raw := appendDigits(nil, digits)
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	return string(utf16.Decode(units))
}

func isBase64(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}
