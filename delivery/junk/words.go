package junk

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// textKind is where a text stands; its words are tokens of that kind.
type textKind string

const (
	kindBody    textKind = ""
	kindSubject textKind = "s:"
	kindName    textKind = "n:" // of the author
	kindFile    textKind = "f:"
)

// textCounts is what is counted in text besides its words.
type textCounts struct {
	letters    int // and digits
	words      int
	upper      int // letters in upper case
	exclaims   int
	money      int // currency signs beside digits
	invisible  int // characters nobody sees, inside of words
	mixedWords int // of letters of Latin and of a script that looks like it
	styled     int // letters of mathematical alphabets and other disguises
	codes      int // numbers of 4 to 8 digits
}

// text takes words and addresses of web pages out of text in UTF-8.
func (l *letter) text(kind textKind, b []byte, n *textCounts) {
	for len(b) > 0 {
		if between[b[0]] {
			b = b[1:]
			continue
		}
		r, size := rune(b[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(b)
		}
		switch {
		case isWordRune(r):
			b = b[l.word(kind, b, n):]
			continue
		case r == '!':
			n.exclaims++
		case isCurrency(r) && nextDigit(b[size:]):
			n.money++
			l.tokens.add(string(kind), moneyToken)
		case r == '%':
			l.tokens.add(string(kind), percentToken)
		}
		b = b[size:]
	}
}

// between are the octets that stand between words and mean nothing.
var between = func() (t [256]bool) {
	for c := range utf8.RuneSelf {
		t[c] = lowerCase[c] == 0 && c != '!' && c != '%' && c != '$'
	}
	return t
}()

// lowerCase has the ASCII of words, in lower case, and 0 for all else.
var lowerCase = func() (t [256]byte) {
	for c := range utf8.RuneSelf {
		if isWordRune(rune(c)) {
			t[c] = byte(unicode.ToLower(rune(c)))
		}
	}
	return t
}()

var (
	moneyToken   = []byte("\x00money")
	percentToken = []byte("\x00percent")
	longToken    = []byte("\x00long")
)

// word takes the word or the URL that b begins with, and returns its octets.
func (l *letter) word(kind textKind, b []byte, n *textCounts) int {
	if size := urlLength(b); size > 0 {
		l.url(b[:size], &l.links)
		return size
	}
	w, digits := l.asciiWord(b, n)
	size, runes := len(w), len(w)
	var s scripts
	if digits < runes {
		s = scriptLatin
	}
	for size < len(b) {
		r, k := rune(b[size]), 1
		if r >= utf8.RuneSelf {
			r, k = utf8.DecodeRune(b[size:])
		}
		if !isWordRune(r) {
			if isInvisible(r) && size > 0 {
				n.invisible++
				size += k
				continue
			}
			break
		}
		if noSpaces(r) {
			if runes == 0 {
				return l.ideographs(kind, b, n)
			}
			break
		}
		size += k
		runes++
		switch {
		case r < utf8.RuneSelf:
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
				n.upper++
			}
			if '0' <= r && r <= '9' {
				digits++
			} else {
				s |= scriptLatin
			}
			w = append(w, byte(r))
		default:
			if isStyled(r) {
				n.styled++
				w = norm.NFKC.AppendString(w, string(r))
				break
			}
			s |= scriptOf(r)
			if unicode.IsUpper(r) {
				n.upper++
				r = unicode.ToLower(r)
			}
			w = utf8.AppendRune(w, r)
		}
	}
	l.scratch = w
	n.letters += runes
	n.words++
	if s == scriptLatin|scriptCyrillic || s == scriptLatin|scriptGreek {
		n.mixedWords++
	}
	l.addWord(kind, bytes.TrimRight(w, "'"), digits == runes, n)
	return size
}

// asciiWord takes the ASCII that a word begins with, as most end with it, too.
func (l *letter) asciiWord(b []byte, n *textCounts) (w []byte, digits int) {
	w = l.scratch[:0]
	for _, c := range b {
		lower := lowerCase[c]
		if lower == 0 {
			break
		}
		if c != lower {
			n.upper++
		}
		if c <= '9' && c != '\'' {
			digits++
		}
		w = append(w, lower)
	}
	return w, digits
}

// addWord makes a token of a word in lower case. Numbers count by their length:
// no two mails have the same.
func (l *letter) addWord(kind textKind, w []byte, number bool, n *textCounts) {
	switch {
	case number:
		if 4 <= len(w) && len(w) <= 8 {
			n.codes++
		}
		w = append(append(w[:0], "\x00num"...), bucket(len(w))...)
		l.tokens.add(string(kind), w)
	case len(w) > maxWord:
		l.tokens.add(string(kind), longToken)
	case len(w) > 1:
		l.tokens.add(string(kind), w)
	}
}

// ideographs takes text that is written without spaces, in pairs of
// characters.
func (l *letter) ideographs(kind textKind, b []byte, n *textCounts) int {
	size, before := 0, 0
	for size < len(b) {
		r, k := utf8.DecodeRune(b[size:])
		if !noSpaces(r) {
			break
		}
		if size > 0 {
			l.tokens.add(string(kind), b[before:size+k])
		}
		before = size
		size += k
		n.letters++
	}
	n.words++
	return size
}

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '\''
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// noSpaces reports whether words of r's script are not divided by spaces.
func noSpaces(r rune) bool {
	return r >= 0x0e00 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar))
}

// isInvisible knows characters that take no room, which junk puts into words.
func isInvisible(r rune) bool {
	return r == 0x00ad || r == 0x034f || r == 0x180e || r == 0xfeff || 0x200b <= r && r <= 0x200f || 0x2060 <= r && r <= 0x2064
}

// isStyled knows letters that are others in disguise: full width, enclosed,
// mathematical.
func isStyled(r rune) bool {
	return 0xff01 <= r && r <= 0xff5e || 0x1d400 <= r && r <= 0x1d7ff || 0x2460 <= r && r <= 0x24ff || 0x1f130 <= r && r <= 0x1f189
}

func isCurrency(r rune) bool {
	return r == '$' || r == 0x20ac || r == 0xa3 || r == 0xa5 || r == 0x20b9 || r == 0x20bf
}

func nextDigit(b []byte) bool {
	b = bytes.TrimLeft(b, " ")
	return len(b) > 0 && '0' <= b[0] && b[0] <= '9'
}

// scripts is a set of those whose letters look alike.
type scripts uint8

const (
	scriptLatin scripts = 1 << iota
	scriptCyrillic
	scriptGreek
)

func scriptOf(r rune) scripts {
	switch {
	case 0xc0 <= r && r < 0x250 || 0x1e00 <= r && r < 0x1f00:
		return scriptLatin
	case 0x400 <= r && r < 0x530:
		return scriptCyrillic
	case 0x370 <= r && r < 0x400 && r != 0x3bc: // not the micro sign's letter
		return scriptGreek
	}
	return 0
}
