package imapwire

import (
	"bytes"
	"errors"
	"io"
	"math"
)

// Options of a Decoder. The zero value works, but has no synchronising
// literals.
type Options struct {
	Bounds
	// BeforeRead is called before the decoder waits for the client: the place
	// to write what was answered so far.
	BeforeRead func() error
	// Continue asks the client for a synchronising literal (RFC 9051 section
	// 7.6) and sends the request on its way.
	Continue func() error
	Buffers  *Buffers
}

// Bounds of what a client may send. Each has a default.
type Bounds struct {
	// MaxLine bounds the octets of a command outside of literals: 64 KiB if
	// 0, because clients send UID sets of 50 KB.
	MaxLine int
	// MaxString bounds the octets of all literals of a command that are read
	// as strings: 128 KiB if 0. Those read with Literal do not count.
	MaxString int64
	// MaxSkip bounds what is passed over after an error: 64 MiB if 0.
	MaxSkip int64
}

func (b Bounds) withDefaults() Bounds {
	if b.MaxLine == 0 {
		b.MaxLine = 64 << 10
	}
	if b.MaxString == 0 {
		b.MaxString = 128 << 10
	}
	if b.MaxSkip == 0 {
		b.MaxSkip = 64 << 20
	}
	return b
}

// literalHeader is a "{n}" at the end of a line.
type literalHeader struct {
	ok      bool
	start   int // in the line; of "~" or "{"
	size    int64
	nonSync bool // {n+}: the octets follow at once (RFC 7888)
	binary  bool // ~{n}: they may contain NUL (RFC 3516 section 4.4)
}

// Decoder reads commands. It belongs to one goroutine.
type Decoder struct {
	r     io.Reader
	opt   Options
	small [idleBuffer]byte
	buf   []byte // small, from Buffers, or larger for a long line
	rd    int    // buf[rd:wr] was read and not used
	wr    int

	line    []byte // the current line in buf
	pos     int    // of the next token in line
	header  literalHeader
	left    int64 // octets of an accepted literal that were not read
	used    int   // octets of this command in lines
	strings int64 // octets of this command in literals read as strings
	skipped int64 // octets passed over in this command

	err   error // of this command
	fatal error // of the connection
}

// NewDecoder returns a decoder of what comes from r.
func NewDecoder(r io.Reader, opt Options) *Decoder {
	opt.Bounds = opt.Bounds.withDefaults()
	d := &Decoder{r: r, opt: opt}
	d.buf = d.small[:]
	return d
}

// SetBounds changes the bounds from the next command on.
func (d *Decoder) SetBounds(b Bounds) { d.opt.Bounds = b.withDefaults() }

// Next waits for a command and reads its first line. It returns io.EOF if the
// client ended the connection between commands, io.ErrUnexpectedEOF if within
// one, or another error of the connection. Something wrong with the line
// itself, such as its length, is left to Err.
func (d *Decoder) Next() error {
	if d.fatal != nil {
		return d.fatal
	}
	d.err, d.used, d.strings, d.skipped = nil, 0, 0, 0
	d.shrink()
	d.readLine()
	return d.fatal
}

// ReadLine reads a line that is no command: an answer in AUTHENTICATE, or the
// DONE of IDLE. A "{n}" at its end has no meaning.
func (d *Decoder) ReadLine() (string, error) {
	if d.fatal == nil {
		d.err, d.used = nil, 0
		d.readLine()
		d.header.ok = false
	}
	if d.fatal != nil {
		return "", d.fatal
	}
	if d.err != nil {
		return "", d.err
	}
	d.pos = len(d.line)
	return string(d.line), nil
}

// Buffered reports whether something the client sent is waiting to be used.
func (d *Decoder) Buffered() bool { return d.rd < d.wr }

// Discard drops what the client sent ahead, as STARTTLS demands (RFC 9051
// section 6.2.1): it was not protected.
func (d *Decoder) Discard() { d.rd, d.wr = 0, 0 }

// Release gives the buffers back. Nothing can be read after it.
func (d *Decoder) Release() {
	d.Discard()
	d.shrink()
	if d.fatal == nil {
		d.fatal = io.ErrClosedPipe
	}
}

// shrink gives a large buffer back when what is in it fits the small one.
func (d *Decoder) shrink() {
	if len(d.buf) > len(d.small) && d.wr-d.rd <= len(d.small) {
		old := d.buf
		d.wr = copy(d.small[:], old[d.rd:d.wr])
		d.rd, d.buf, d.line = 0, d.small[:], nil
		d.opt.Buffers.putRead(old)
	}
}

// readLine reads the next line of a command into d.line. A line that is too
// long is an error of the command, and passed over up to its end.
func (d *Decoder) readLine() {
	d.line, d.pos, d.header = nil, 0, literalHeader{}
	room := d.opt.MaxLine - d.used
	for from := d.rd; ; {
		if i := bytes.IndexByte(d.buf[from:d.wr], '\n'); i >= 0 {
			d.setLine(d.buf[d.rd:from+i], from+i+1, room)
			return
		}
		if d.wr-d.rd > room+2 {
			d.skipLine()
			return
		}
		scanned := d.wr - d.rd
		if !d.fill() {
			return
		}
		from = d.rd + scanned
	}
}

// setLine makes line the current one. Its CR is left away; a lone LF ends a
// line too, for people with a terminal.
func (d *Decoder) setLine(line []byte, next, room int) {
	d.rd = next
	line = bytes.TrimSuffix(line, []byte("\r"))
	d.used += len(line)
	d.header = parseHeader(line)
	if len(line) > room {
		d.fail(&SyntaxError{Text: "Command line is too long", TooBig: true})
		d.skip(int64(len(line)) + 1)
		return
	}
	d.line = line
}

const (
	// tail is how much of a line parseHeader looks at.
	tail = 32
	// maxSize stands for all larger sizes; every limit refuses it.
	maxSize = math.MaxInt64 / 16
)

// skipLine passes over a line that is too long, to its end.
func (d *Decoder) skipLine() {
	d.fail(&SyntaxError{Text: "Command line is too long", TooBig: true})
	for d.fatal == nil {
		if i := bytes.IndexByte(d.buf[d.rd:d.wr], '\n'); i >= 0 {
			d.header = parseHeader(bytes.TrimSuffix(d.buf[d.rd:d.rd+i], []byte("\r")))
			d.rd += i + 1
			d.skip(int64(i) + 1) // literals of no octets could bring lines without end
			return
		}
		keep := min(tail, d.wr-d.rd) // it may be the beginning of {n+}
		d.skip(int64(d.wr - keep - d.rd))
		d.rd = d.wr - keep
		if d.fatal == nil {
			d.fill()
		}
	}
}

// skip counts n octets that are passed over.
func (d *Decoder) skip(n int64) {
	if d.skipped += n; d.skipped > d.opt.MaxSkip {
		d.fatal = ErrFlood
	}
}

// parseHeader finds the literal that a line announces at its end.
func parseHeader(line []byte) literalHeader {
	if len(line) == 0 || line[len(line)-1] != '}' {
		return literalHeader{}
	}
	from := max(0, len(line)-tail)
	i := bytes.LastIndexByte(line[from:], '{')
	if i < 0 {
		if len(line) > tail && len(bytes.Trim(line[from:len(line)-1], "0123456789+")) == 0 {
			return literalHeader{ok: true, start: len(line), size: maxSize, nonSync: true} // leading zeros
		}
		return literalHeader{}
	}
	h := literalHeader{ok: true, start: from + i}
	digits := line[h.start+1 : len(line)-1]
	digits, h.nonSync = bytes.CutSuffix(digits, []byte("+"))
	if len(digits) == 0 {
		return literalHeader{}
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return literalHeader{}
		}
		h.size = min(h.size*10+int64(c-'0'), maxSize)
	}
	if h.start > 0 && line[h.start-1] == '~' {
		h.binary = true
		h.start--
	}
	return h
}

// fill reads more into buf, which grows up to the longest line.
func (d *Decoder) fill() bool {
	if d.fatal != nil {
		return false
	}
	if d.rd > 0 {
		d.wr = copy(d.buf, d.buf[d.rd:d.wr])
		d.rd = 0
	}
	if d.wr == len(d.buf) {
		d.grow()
	}
	n, err := d.read(d.buf[d.wr:])
	d.wr += n
	if n > 0 {
		return true
	}
	if err == io.EOF && (d.wr > 0 || d.used > 0 || d.skipped > 0) {
		err = io.ErrUnexpectedEOF
	}
	d.fatal = err
	return false
}

func (d *Decoder) grow() {
	old := d.buf
	if len(old) < readBuffer {
		d.buf = d.opt.Buffers.getRead()
	} else {
		d.buf = make([]byte, 2*len(old))
	}
	copy(d.buf, old)
	d.opt.Buffers.putRead(old)
}

// read reads from the connection; n == 0 comes with an error.
func (d *Decoder) read(p []byte) (int, error) {
	if d.opt.BeforeRead != nil {
		if err := d.opt.BeforeRead(); err != nil {
			return 0, err
		}
	}
	for range 100 {
		if n, err := d.r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// Skip passes over what is left of the command: the rest of the line, and the
// literals that the client sends without waiting for us, with the lines after
// them. It returns errors of the connection, or ErrFlood.
func (d *Decoder) Skip() error {
	for d.fatal == nil {
		switch {
		case d.left > 0:
			d.discardLiteral()
		case d.header.ok && d.header.nonSync:
			d.left, d.header.ok = d.header.size, false
			if d.left > d.opt.MaxSkip-d.skipped {
				d.fatal = ErrFlood
			}
			if d.left == 0 && d.fatal == nil {
				d.skipTo()
			}
		default:
			// A synchronising literal that we did not ask for does not come.
			d.line, d.pos, d.header.ok = nil, 0, false
			return nil
		}
	}
	return d.fatal
}

// discardLiteral reads the rest of an open literal, and the line after it.
func (d *Decoder) discardLiteral() {
	d.skip(d.left)
	lr := &Literal{d: d}
	for d.left > 0 && d.fatal == nil {
		if d.rd == d.wr && !d.fill() {
			break
		}
		n := min(int64(d.wr-d.rd), d.left)
		d.rd += int(n)
		lr.took(n)
	}
	if d.fatal == nil {
		d.skipTo()
	}
}

// skipTo reads the line after a literal that was passed over.
func (d *Decoder) skipTo() {
	if d.fail(errSkipped); d.fatal == nil {
		d.readLine()
	}
}

// errSkipped never leaves: Skip comes after an error, or after a literal that
// its reader gave up.
var errSkipped = errors.New("imapwire: literal was not read")
