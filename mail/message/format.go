package message

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Lengths of a line without its CRLF (RFC 5322 section 2.1.1).
const (
	foldAt  = 78
	maxLine = 998
)

// FormatField returns a header field with its CRLF, folded at white space so
// that lines keep to 78 octets where they can and to 998 always. Folds that
// value has already are kept; other CRs, LFs and NULs become spaces. The value
// is used as it is: see [EncodeText] and [FormatAddressList].
func FormatField(name, value string) []byte {
	b := make([]byte, 0, len(name)+len(value)+len(value)/32+8)
	b = append(b, name...)
	b = append(b, ':')
	length := len(b)
	for i, part := range splitFolds(value) {
		if i == 0 {
			part = strings.TrimLeft(part, " \t")
			if part != "" {
				b = append(b, ' ')
				length++
			}
		} else {
			b = append(b, '\r', '\n')
			length = 0
		}
		b, length = appendFolded(b, part, length)
	}
	return append(b, '\r', '\n')
}

// splitFolds cuts value where it is folded already; all parts but the first
// begin with white space.
func splitFolds(value string) []string {
	var parts []string
	for {
		i, n := nextFold(value)
		if i < 0 {
			return append(parts, value)
		}
		if strings.Trim(value[:i], " \t") != "" { // no line of white space alone
			parts = append(parts, value[:i])
		}
		value = value[i+n:]
	}
}

// nextFold finds a line end before white space and something after it.
func nextFold(s string) (at, length int) {
	for from := 0; ; {
		i := strings.IndexByte(s[from:], '\n')
		if i < 0 {
			return -1, 0
		}
		i += from
		rest := strings.TrimLeft(s[i+1:], " \t")
		if len(rest) < len(s)-i-1 && rest != "" && rest[0] != '\r' && rest[0] != '\n' {
			if i > 0 && s[i-1] == '\r' {
				return i - 1, 2
			}
			return i, 1
		}
		from = i + 1
	}
}

// appendFolded appends s to a line that has length octets already.
func appendFolded(b []byte, s string, length int) ([]byte, int) {
	for s != "" {
		word := nextWord(s)
		s = s[len(word):]
		blank := len(word) - len(strings.TrimLeft(word, " \t\r\n\x00"))
		if length > 0 && length+len(word) > foldAt && blank > 0 && blank < len(word) {
			b = append(b, '\r', '\n')
			length = 0
		}
		for _, c := range []byte(word) {
			if length >= maxLine-utf8.UTFMax && utf8.RuneStart(c) || length == maxLine {
				b = append(b, '\r', '\n', ' ')
				length = 1
			}
			if c == '\r' || c == '\n' || c == 0 {
				c = ' '
			}
			b = append(b, c)
			length++
		}
	}
	return b, length
}

// nextWord returns the white space s begins with and the word after it.
func nextWord(s string) string {
	n := len(s) - len(strings.TrimLeft(s, " \t\r\n\x00"))
	if i := strings.IndexAny(s[n:], " \t\r\n\x00"); i >= 0 {
		return s[:n+i]
	}
	return s
}

// EncodeText returns s as it can stand in an unstructured field: unchanged
// where it is printable ASCII, else as encoded words (RFC 2047 section 5 (1)).
// Control characters become spaces.
func EncodeText(s string) string {
	s = printable(s)
	if isASCII(s) && !strings.Contains(s, "=?") {
		return s
	}
	return encodeWords(s)
}

// printable makes a line of valid UTF-8 of s.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// An encoded word has at most 75 octets (RFC 2047 section 2).
const (
	wordQ, wordB = "=?utf-8?q?", "=?utf-8?b?"
	maxWord      = 75 - len(wordQ) - len("?=")
	maxBase64    = maxWord / 4 * 3
)

// encodeWords encodes s, which is valid UTF-8, as words with spaces between
// them that vanish in decoding. Characters are never divided.
func encodeWords(s string) string {
	special := 0
	for i := range len(s) {
		if !isQSafe(s[i]) && s[i] != ' ' {
			special++
		}
	}
	var b strings.Builder
	if 3*special > len(s) { // base64 is shorter
		for s != "" {
			n := fitRunes(s, maxBase64, func(byte) int { return 1 })
			b.WriteString(wordB + base64.StdEncoding.EncodeToString([]byte(s[:n])) + "?=")
			if s = s[n:]; s != "" {
				b.WriteByte(' ')
			}
		}
		return b.String()
	}
	for s != "" {
		n := fitRunes(s, maxWord, qLength)
		b.WriteString(wordQ)
		for i := range n {
			appendQ(&b, s[i])
		}
		b.WriteString("?=")
		if s = s[n:]; s != "" {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// fitRunes returns how many octets of s, in whole characters, cost at most
// limit.
func fitRunes(s string, limit int, cost func(byte) int) int {
	n := 0
	for n < len(s) {
		_, size := utf8.DecodeRuneInString(s[n:])
		sum := 0
		for i := range size {
			sum += cost(s[n+i])
		}
		if limit -= sum; limit < 0 {
			break
		}
		n += size
	}
	return n
}

// isQSafe reports whether c stands for itself in the Q encoding, also in a
// phrase (RFC 2047 section 5 (3)).
func isQSafe(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!*+-/", c) >= 0
}

func qLength(c byte) int {
	if isQSafe(c) || c == ' ' {
		return 1
	}
	return 3
}

func appendQ(b *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	switch {
	case c == ' ':
		b.WriteByte('_')
	case isQSafe(c):
		b.WriteByte(c)
	default:
		b.WriteByte('=')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
}

// FormatAddress returns one address for a field, its Name encoded or quoted
// where it must be. Name is text for people, as [DecodeHeaderText] returns it.
func FormatAddress(a Address) string {
	spec := quoteLocal(printable(a.Mailbox))
	if a.Host != "" {
		spec += "@" + strings.ReplaceAll(printable(a.Host), " ", "")
	}
	if a.Name == "" {
		return spec
	}
	return formatPhrase(a.Name) + " <" + spec + ">"
}

// FormatAddressList returns addresses and groups for a field.
func FormatAddressList(list []Address) string {
	var b strings.Builder
	separate := false
	for _, a := range list {
		switch {
		case a.IsGroupEnd():
			b.WriteByte(';')
			separate = true
			continue
		case separate:
			b.WriteString(", ")
		}
		if separate = !a.IsGroupStart(); separate {
			b.WriteString(FormatAddress(a))
		} else {
			b.WriteString(formatPhrase(a.Mailbox) + ": ")
		}
	}
	return b.String()
}

// formatPhrase returns s as a phrase of RFC 5322 section 3.2.5.
func formatPhrase(s string) string {
	s = printable(s)
	if !isASCII(s) || strings.Contains(s, "=?") {
		return encodeWords(s)
	}
	for word := range strings.SplitSeq(s, " ") {
		if word == "" || !isAtom(word) {
			return quoteString(s)
		}
	}
	return s
}

func quoteLocal(s string) string {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || !isAtom(atom) {
			return quoteString(s)
		}
	}
	return s
}

func isAtom(s string) bool {
	for i := range len(s) {
		if !isAtext(s[i]) {
			return false
		}
	}
	return true
}

// isAtext is RFC 5322 section 3.2.3 with the UTF-8 of RFC 6532 section 3.2.
func isAtext(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= 0x80 ||
		strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func quoteString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}
