package imapwire

import (
	"errors"
	"io"
	"slices"
)

// Literal is the reader of a literal. It ends with io.EOF after Size octets,
// and with io.ErrUnexpectedEOF if the connection ended before.
type Literal struct {
	Size   int64
	Binary bool // literal8: may contain NUL
	Sync   bool // the client waits to be asked for it
	d      *Decoder
}

// PeekLiteral returns what the line announces as its next token. The client
// of a synchronising literal waits: the literal can still be refused, by an
// error and Skip.
func (d *Decoder) PeekLiteral() (Literal, bool) {
	if d.err != nil || !d.header.ok || d.pos != d.header.start {
		return Literal{}, false
	}
	return Literal{Size: d.header.size, Binary: d.header.binary, Sync: !d.header.nonSync}, true
}

// Literal asks for the literal that is the next token and returns its reader.
// It must be read to its end before the next token.
func (d *Decoder) Literal() *Literal {
	h := d.header
	if _, ok := d.PeekLiteral(); !ok {
		d.Fail("Expected a literal")
		return &Literal{d: d}
	}
	d.header.ok, d.pos = false, len(d.line)
	if !h.nonSync {
		if err := d.ask(); err != nil {
			d.fatal = err
			d.fail(err)
			return &Literal{d: d}
		}
	}
	d.left = h.size
	l := &Literal{Size: h.size, Binary: h.binary, Sync: !h.nonSync, d: d}
	if d.left == 0 {
		d.readLine()
	}
	return l
}

func (d *Decoder) ask() error {
	if d.opt.Continue == nil {
		return errors.New("imapwire: synchronising literals are not supported")
	}
	return d.opt.Continue()
}

// Read implements io.Reader. With the last octet the next line is read.
func (l *Literal) Read(p []byte) (int, error) {
	d := l.d
	if d.left == 0 {
		return 0, io.EOF
	}
	if d.fatal != nil {
		return 0, d.fatal
	}
	p = p[:min(int64(len(p)), d.left)]
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	if d.rd < d.wr {
		n = copy(p, d.buf[d.rd:d.wr])
		d.rd += n
	} else {
		var err error
		if n, err = d.read(p); n == 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			d.fatal = err
			d.fail(err)
			return 0, err
		}
	}
	if l.took(int64(n)); d.left == 0 {
		d.readLine()
	}
	return n, nil
}

func (l *Literal) took(n int64) { l.d.left -= n }

// stringLiteral reads a literal as a string.
func (d *Decoder) stringLiteral() string {
	h, _ := d.PeekLiteral()
	if h.Size > d.opt.MaxString-d.strings {
		d.fail(&SyntaxError{Text: "Literal is too long", TooBig: true})
		return ""
	}
	d.strings += h.Size
	l := d.Literal()
	var b []byte
	for chunk := int64(readBuffer); int64(len(b)) < h.Size && d.fatal == nil && d.err == nil; chunk *= 2 {
		n := min(chunk, h.Size-int64(len(b))) // memory comes with what really comes
		b = slices.Grow(b, int(n))
		at := len(b)
		b = b[:at+int(n)]
		k, _ := io.ReadFull(l, b[at:])
		b = b[:at+k]
	}
	if d.fatal != nil {
		d.fail(d.fatal)
		return ""
	}
	return string(b)
}
