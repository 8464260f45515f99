package imapwire

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// Fatal returns the error of the connection, if it cannot go on.
func (d *Decoder) Fatal() error { return d.fatal }

// Err returns what is wrong with the command or, worse, the connection.
func (d *Decoder) Err() error {
	if d.fatal != nil {
		return d.fatal
	}
	return d.err
}

func (d *Decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// Fail makes a *SyntaxError the error of the command, if it has none yet.
func (d *Decoder) Fail(text string) { d.fail(&SyntaxError{Text: text}) }

// End expects the end of the command and returns Err.
func (d *Decoder) End() error {
	if d.err == nil && (d.pos < len(d.line) || d.header.ok) {
		d.Fail("Unexpected text at the end of the command")
	}
	return d.Err()
}

// AtEnd reports whether nothing of the command is left.
func (d *Decoder) AtEnd() bool { return d.err != nil || d.pos >= len(d.line) }

// Peek returns the next octet of the line, 0 at its end.
func (d *Decoder) Peek() byte {
	if d.AtEnd() {
		return 0
	}
	return d.line[d.pos]
}

// Try takes the next octet if it is c.
func (d *Decoder) Try(c byte) bool {
	if d.Peek() != c || d.AtEnd() {
		return false
	}
	d.pos++
	return true
}

// Expect takes c.
func (d *Decoder) Expect(c byte) *Decoder {
	if d.err == nil && !d.Try(c) {
		if c == ' ' {
			d.Fail("Expected a space and another argument")
		} else {
			d.Fail("Expected " + string(rune(c)))
		}
	}
	return d
}

// SP takes the space between two arguments. Some clients write two.
func (d *Decoder) SP() *Decoder {
	d.Expect(' ')
	for d.Try(' ') {
	}
	return d
}

// TrySP reports whether there is another argument, and takes the space before.
func (d *Decoder) TrySP() bool {
	if d.Peek() != ' ' {
		return false
	}
	d.SP()
	return d.err == nil
}

// take takes octets as long as they are in a class.
func (d *Decoder) take(in func(byte) bool, what string) string {
	if d.err != nil {
		return ""
	}
	from := d.pos
	for d.pos < len(d.line) && in(d.line[d.pos]) {
		d.pos++
	}
	if d.pos == from {
		d.Fail("Expected " + what)
	}
	return string(d.line[from:d.pos])
}

// isAtom is ATOM-CHAR of RFC 9051 section 9.
func isAtom(c byte) bool {
	switch c {
	case '(', ')', '{', ' ', '%', '*', '"', '\\', ']':
		return false
	}
	return c > ' ' && c < 0x7f
}

func isAString(c byte) bool  { return isAtom(c) || c == ']' }
func isTag(c byte) bool      { return isAString(c) && c != '+' }
func isListChar(c byte) bool { return isAString(c) || c == '%' || c == '*' }
func isDigit(c byte) bool    { return c >= '0' && c <= '9' }

func isName(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || isDigit(c) || c == '.' || c == '-' || c == '=' || c == '_'
}

// Tag takes the tag of a command.
func (d *Decoder) Tag() string { return d.take(isTag, "a tag") }

// Atom takes an atom.
func (d *Decoder) Atom() string { return d.take(isAtom, "an atom") }

// Name takes a word of the protocol and returns it in capitals: letters,
// digits, ".", "-", "=" and "_", so that "BODY.PEEK[" gives "BODY.PEEK".
func (d *Decoder) Name() string { return strings.ToUpper(d.take(isName, "a keyword")) }

// Number takes a number of 32 bits.
func (d *Decoder) Number() uint32 {
	n := d.Number64()
	if n > 1<<32-1 {
		d.Fail("Number is too large")
		return 0
	}
	return uint32(n)
}

// Number64 takes a number of 63 bits (RFC 9051 section 9, number64).
func (d *Decoder) Number64() uint64 {
	n := uint64(0)
	for _, c := range []byte(d.take(isDigit, "a number")) {
		digit := uint64(c - '0')
		if n > (1<<63-1-digit)/10 {
			d.Fail("Number is too large")
			return 0
		}
		n = n*10 + digit
	}
	return n
}

// AString takes an atom or a string.
func (d *Decoder) AString() string {
	if d.atString() {
		return d.String()
	}
	return d.take(isAString, "a string or an atom")
}

// NString takes a string or NIL.
func (d *Decoder) NString() (s string, ok bool) {
	if d.atString() {
		return d.String(), d.err == nil
	}
	if !strings.EqualFold(d.Atom(), "NIL") {
		d.Fail("Expected a string or NIL")
	}
	return "", false
}

func (d *Decoder) atString() bool {
	_, literal := d.PeekLiteral()
	return literal || d.Peek() == '"'
}

// String takes a quoted string or a literal.
func (d *Decoder) String() string {
	if _, ok := d.PeekLiteral(); ok {
		return d.stringLiteral()
	}
	if d.err != nil || !d.Try('"') {
		d.Fail("Expected a string")
		return ""
	}
	return d.quoted()
}

// quoted takes the rest of a quoted string. It may contain UTF-8 (RFC 9051
// section 4.3), from all clients.
func (d *Decoder) quoted() string {
	var b []byte
	for from := d.pos; d.pos < len(d.line); d.pos++ {
		switch c := d.line[d.pos]; {
		case c == '"':
			b = append(b, d.line[from:d.pos]...)
			d.pos++
			if !utf8.Valid(b) {
				d.Fail("Quoted string is not UTF-8")
			}
			return string(b)
		case c == '\\':
			b = append(b, d.line[from:d.pos]...)
			d.pos++
			if d.pos == len(d.line) || d.line[d.pos] != '"' && d.line[d.pos] != '\\' {
				d.Fail("Only \\ and \" can be quoted by \\")
				return ""
			}
			from = d.pos
		case c == '\r' || c == 0:
			d.Fail("Quoted string with a control character")
			return ""
		}
	}
	d.Fail("Quoted string has no end")
	return ""
}

// Mailbox takes a mailbox name and returns it in UTF-8. utf8 tells that the
// client writes UTF-8; else it is modified UTF-7 (RFC 3501 section 5.1.3), but
// octets above 127 can only be UTF-8.
func (d *Decoder) Mailbox(utf8 bool) string { return d.mailboxName(d.AString(), utf8) }

// ListMailbox takes the pattern of LIST, decoded like a mailbox name: "%" and
// "*" are not changed by that. ok is false if the encoding is not valid, which
// is no error: such a pattern matches nothing (RFC 9051 section 6.3.9).
func (d *Decoder) ListMailbox(utf8 bool) (name string, ok bool) {
	var raw string
	if d.atString() {
		raw = d.String()
	} else {
		raw = d.take(isListChar, "a mailbox name")
	}
	if d.err != nil {
		return "", false
	}
	name, err := decodeName(raw, utf8)
	return name, err == nil
}

func (d *Decoder) mailboxName(raw string, isUTF8 bool) string {
	if d.err != nil {
		return ""
	}
	name, err := decodeName(raw, isUTF8)
	if err != nil {
		d.fail(err)
	}
	return name
}

func decodeName(raw string, isUTF8 bool) (string, error) {
	ascii := true
	for i := range len(raw) {
		ascii = ascii && raw[i] < utf8.RuneSelf
	}
	switch {
	case !isUTF8 && ascii:
		return DecodeUTF7(raw)
	case !utf8.ValidString(raw):
		return "", ErrName
	}
	return raw, nil
}

// Flag takes one flag.
func (d *Decoder) Flag() imap.Flag {
	if d.Try('\\') {
		return imap.Flag("\\" + d.Atom())
	}
	return imap.Flag(d.Atom())
}

// Flags takes flags in parentheses or, as STORE allows, without.
func (d *Decoder) Flags() []imap.Flag {
	var flags []imap.Flag
	if d.Peek() == '(' {
		d.List(func() { flags = append(flags, d.Flag()) })
		return flags
	}
	flags = append(flags, d.Flag())
	for d.TrySP() {
		flags = append(flags, d.Flag())
	}
	return flags
}

// List takes a list in parentheses; each takes one of its elements. The list
// may be empty.
func (d *Decoder) List(each func()) {
	d.Expect('(')
	if d.Try(')') {
		return
	}
	for d.err == nil {
		each()
		if d.err != nil || d.Try(')') {
			return
		}
		d.SP()
	}
}

// Base64 takes the initial response of AUTHENTICATE: base64, or "=" for an
// empty one (RFC 4959 section 3).
func (d *Decoder) Base64() []byte {
	s := d.take(func(c byte) bool { return c > ' ' && c < 0x7f }, "base64")
	if s == "=" {
		return []byte{}
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		d.Fail("Expected base64")
	}
	return b
}
