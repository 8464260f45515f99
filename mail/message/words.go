package message

import (
	"encoding/base64"
	"strings"
)

// DecodeHeaderText returns the value of a header field for people: encoded
// words decoded (RFC 2047), folding and control characters as spaces, always
// valid UTF-8. It takes what mail programs write: spaces inside encoded words,
// characters divided between adjacent words, unknown charsets, and 8-bit text
// outside of words, in UTF-8 or else windows-1252.
func DecodeHeaderText(raw string) string {
	if isASCII(raw) && !strings.Contains(raw, "=?") {
		return printable(foldless(raw))
	}
	raw = foldless(raw)
	d := wordDecoder{nextEnd: -1}
	for i := 0; i < len(raw); {
		k := strings.Index(raw[i:], "=?")
		if k < 0 {
			d.plain(raw[i:])
			break
		}
		d.plain(raw[i : i+k])
		i += k
		w, n := d.parse(raw, i)
		if n == 0 {
			d.plain(raw[i : i+2])
			n = 2
		} else {
			d.word(w)
		}
		i += n
	}
	d.flush()
	d.flushGap()
	return printable(d.out.String())
}

// foldless drops line ends that are folds.
func foldless(s string) string {
	if strings.IndexByte(s, '\n') < 0 {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\n ", " ")
	return strings.ReplaceAll(s, "\n\t", " ")
}

// encodedWord is one "=?charset?encoding?text?=".
type encodedWord struct {
	charset string
	base64  bool
	text    string
}

// wordDecoder joins adjacent words of one charset before it decodes them,
// because some programs divide characters between words.
type wordDecoder struct {
	out     strings.Builder
	pending []byte // decoded octets of the words so far, in charset
	charset string
	inWord  bool   // pending is in use
	gap     string // white space after the last word: dropped if a word follows
	nextEnd int    // where the next "?=" stands, searched once
}

// parse reads the word at raw[i:]; n is 0 if there is none.
func (d *wordDecoder) parse(raw string, i int) (w encodedWord, n int) {
	const longestCharset = 64
	s := raw[i+2:]
	k := strings.IndexByte(s[:min(len(s), longestCharset)], '?')
	if k <= 0 || len(s) < k+3 || s[k+2] != '?' {
		return w, 0
	}
	w.charset, _, _ = strings.Cut(s[:k], "*") // language of RFC 2231 section 5
	switch s[k+1] {
	case 'b', 'B':
		w.base64 = true
	case 'q', 'Q':
	default:
		return w, 0
	}
	start := i + 2 + k + 3
	if d.nextEnd < start {
		at := strings.Index(raw[start:], "?=")
		if at < 0 {
			at = len(raw) // none, now and later
		}
		d.nextEnd = start + at
	}
	if d.nextEnd+2 > len(raw) {
		return w, 0
	}
	w.text = raw[start:d.nextEnd]
	if strings.Contains(w.text, "=?") { // this word has no end; that is the next one's
		return w, 0
	}
	return w, d.nextEnd + 2 - i
}

func (d *wordDecoder) plain(s string) {
	if s == "" {
		return
	}
	if d.inWord && strings.Trim(s, " \t") == "" {
		d.gap += s
		return
	}
	d.flush()
	d.flushGap()
	d.out.WriteString(decodeGuess([]byte(s)))
}

func (d *wordDecoder) word(w encodedWord) {
	d.gap = "" // white space between two words (RFC 2047 section 6.2)
	if !strings.EqualFold(w.charset, d.charset) {
		d.flush()
	}
	d.charset, d.inWord = w.charset, true
	if w.base64 {
		d.pending = appendBase64(d.pending, w.text)
	} else {
		d.pending = appendUnQ(d.pending, w.text)
	}
}

// flush writes the words that wait.
func (d *wordDecoder) flush() {
	if d.inWord {
		d.out.WriteString(decodeCharset(d.charset, d.pending))
	}
	d.pending, d.inWord = d.pending[:0], false
}

func (d *wordDecoder) flushGap() {
	d.out.WriteString(d.gap)
	d.gap = ""
}

// appendUnQ decodes the Q encoding; a "=" that begins no code stays.
func appendUnQ(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			b = append(b, ' ')
		case c == '=' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16:
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return b
}

// unhex returns the value of a hexadecimal digit, or 255.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// appendBase64 decodes s, passing over what is not base64.
func appendBase64(b []byte, s string) []byte {
	digits := make([]byte, 0, len(s))
	for i := range len(s) {
		if isBase64(s[i]) {
			digits = append(digits, s[i])
		}
		if s[i] == '=' {
			b = appendDigits(b, digits)
			digits = digits[:0]
		}
	}
	return appendDigits(b, digits)
}

// appendDigits decodes digits without padding; a lone last one says nothing.
func appendDigits(b, digits []byte) []byte {
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	b, _ = base64.RawStdEncoding.AppendDecode(b, digits)
	return b
}
