package imapwire

import (
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// Encoder collects responses and writes them in large pieces. Its methods
// append and return the encoder; nothing is written before Flush, so that
// responses can be made inside a transaction. It belongs to one goroutine.
type Encoder struct {
	w       io.Writer
	buffers *Buffers
	buf     []byte
	// UTF8 says that the client has enabled UTF-8: quoted strings and mailbox
	// names may contain it.
	UTF8 bool
}

// NewEncoder returns an encoder that writes to w.
func NewEncoder(w io.Writer, b *Buffers) *Encoder { return &Encoder{w: w, buffers: b} }

// Len returns the octets that wait for Flush.
func (e *Encoder) Len() int { return len(e.buf) }

// Full reports whether it is time to Flush.
func (e *Encoder) Full() bool { return len(e.buf) >= bigBuffer/2 }

// Flush writes everything and gives the buffer back.
func (e *Encoder) Flush() error {
	if len(e.buf) == 0 {
		e.Release()
		return nil
	}
	_, err := e.w.Write(e.buf)
	e.buffers.putBig(e.buf)
	e.buf = nil
	return err
}

// Truncate drops what was appended after Len was n.
func (e *Encoder) Truncate(n int) { e.buf = e.buf[:n] }

// Take returns what waits and leaves the encoder empty; Give brings the buffer
// back when it is no longer used.
func (e *Encoder) Take() []byte {
	b := e.buf
	e.buf = nil
	return b
}

// Give brings a buffer back that came from Take.
func (e *Encoder) Give(b []byte) {
	if e.buf == nil {
		e.buf = b[:0]
		return
	}
	e.buffers.putBig(b)
}

// Release gives the buffer back without writing it.
func (e *Encoder) Release() {
	e.buffers.putBig(e.buf)
	e.buf = nil
}

func (e *Encoder) room() {
	if e.buf == nil {
		e.buf = e.buffers.getBig()
	}
}

// Raw appends s as it is.
func (e *Encoder) Raw(s string) *Encoder {
	e.room()
	e.buf = append(e.buf, s...)
	return e
}

// SP appends a space.
func (e *Encoder) SP() *Encoder { return e.Raw(" ") }

// CRLF ends a line.
func (e *Encoder) CRLF() *Encoder { return e.Raw("\r\n") }

// Number appends a number.
func (e *Encoder) Number(n uint64) *Encoder {
	e.room()
	e.buf = strconv.AppendUint(e.buf, n, 10)
	return e
}

// Int appends a size, which is never negative.
func (e *Encoder) Int(n int64) *Encoder { return e.Number(uint64(max(n, 0))) }

// LiteralHeader announces n octets that follow.
func (e *Encoder) LiteralHeader(n int64) *Encoder { return e.Raw("{").Int(n).Raw("}\r\n") }

// maxQuoted bounds quoted strings; longer ones become literals, which old
// clients with small line buffers take.
const maxQuoted = 1000

// String appends s as a quoted string, or as a literal if it contains what
// cannot be quoted. A NUL, which no string can contain (RFC 9051 section 9,
// CHAR8), becomes a space.
func (e *Encoder) String(s string) *Encoder {
	e.room()
	quotable, eightBit := len(s) <= maxQuoted, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == 0:
			return e.String(replaceNUL(s))
		case c < ' ' || c == 0x7f:
			quotable = false
		case c >= utf8.RuneSelf:
			eightBit = true
		}
	}
	if !quotable || eightBit && !(e.UTF8 && utf8.ValidString(s)) {
		return e.LiteralHeader(int64(len(s))).Raw(s)
	}
	e.buf = append(e.buf, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			e.buf = append(e.buf, '\\')
		}
		e.buf = append(e.buf, s[i])
	}
	e.buf = append(e.buf, '"')
	return e
}

func replaceNUL(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == 0 {
			b[i] = ' '
		}
	}
	return string(b)
}

// NString appends s, or NIL if it is not there.
func (e *Encoder) NString(s string, ok bool) *Encoder {
	if !ok {
		return e.Raw("NIL")
	}
	return e.String(s)
}

// Mailbox appends a mailbox name: modified UTF-7, or UTF-8 where the client
// has enabled that.
func (e *Encoder) Mailbox(name string) *Encoder {
	if name == "INBOX" {
		return e.Raw(name)
	}
	if !e.UTF8 {
		name = string(AppendUTF7(nil, name))
	}
	return e.String(name)
}

// Flags appends flags in parentheses.
func (e *Encoder) Flags(flags []imap.Flag) *Encoder {
	e.Raw("(")
	for i, f := range flags {
		if i > 0 {
			e.SP()
		}
		e.Raw(string(f))
	}
	return e.Raw(")")
}

// DateTime appends a quoted date-time.
func (e *Encoder) DateTime(t time.Time) *Encoder {
	e.room()
	e.buf = append(e.buf, '"')
	e.buf = t.AppendFormat(e.buf, DateTimeLayout)
	e.buf = append(e.buf, '"')
	return e
}

// Line appends a text for people up to the end of the line. Line ends in it
// become spaces, so that no text can end a response.
func (e *Encoder) Line(text string) *Encoder {
	e.room()
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == 0x7f {
			e.buf = append(e.buf, ' ')
		} else {
			e.buf = append(e.buf, c)
		}
	}
	return e.CRLF()
}
