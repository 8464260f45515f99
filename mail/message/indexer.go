package message

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Bounds of lines.
const (
	// maxDelimiter is the longest line that can be a delimiter: RFC 2046
	// section 5.1.1 allows boundaries of 70 octets, programs write longer ones,
	// a line of RFC 5322 has 998.
	maxDelimiter = 2 << 10
	// maxField bounds one header field; what is longer is cut off.
	maxField = 64 << 10
)

// Indexer makes an [Index] of the octets written to it. It keeps what goes
// into the Index, one header field and the beginning of the text, not the
// message. Write never fails.
type Indexer struct {
	ix    *Index
	stack []frame // open parts, the whole message first
	watch int     // how many frames have a boundary that delimits
	parts int
	left  int // octets of text that may still be kept

	inHeader bool // of the last frame; else the lines are body
	head     header

	// Where the line being read begins, and what is known of it so far.
	lineStart int64
	lineLen   int64
	lastCR    bool
	skip      bool   // an incomplete line of the body that is no delimiter
	tail      []byte // an incomplete line otherwise, up to the bound of its kind
	tail8bit  bool   // beyond that bound there were octets above 127

	prevEOL    int   // octets that end the line before
	lines      int64 // line ends so far
	crs, crlfs int64

	preview previewer
}

// NewIndexer returns an Indexer for one message.
func NewIndexer() *Indexer {
	x := &Indexer{ix: &Index{}, left: maxKept}
	x.stack = make([]frame, 0, 4)
	x.push(&x.ix.Root, frame{wholeMessage: true})
	return x
}

// Parse indexes the message r reads. An error is one of r's.
func Parse(r io.Reader) (*Index, error) {
	x := NewIndexer()
	if _, err := io.CopyBuffer(struct{ io.Writer }{x}, r, make([]byte, 32<<10)); err != nil {
		return nil, err
	}
	return x.Close(), nil
}

// Write takes the next octets of the message.
func (x *Indexer) Write(p []byte) (int, error) {
	n := len(p)
	x.crs += int64(bytes.Count(p, []byte{'\r'}))
	if x.ix.Traits&HasNUL == 0 && bytes.IndexByte(p, 0) >= 0 {
		x.ix.Traits |= HasNUL
	}
	for len(p) > 0 {
		switch {
		case x.lineLen > 0:
			p = x.continueLine(p)
		case x.inHeader:
			p = x.startLine(p)
		default:
			p = x.bodyLines(p)
		}
	}
	return n, nil
}

// bodyLines takes lines that begin at p[0] up to one that may be a delimiter,
// and that one too.
func (x *Indexer) bodyLines(p []byte) []byte {
	n := 0
	for n < len(p) {
		if x.watch > 0 && p[n] == '-' && (n+1 == len(p) || p[n+1] == '-') {
			break
		}
		i := bytes.IndexByte(p[n:], '\n')
		if i < 0 {
			x.lineLen, x.lastCR, x.skip = int64(len(p)-n), p[len(p)-1] == '\r', true
			x.body(p)
			return nil
		}
		x.countLine(int64(i+1), eol(i > 0 && p[n+i-1] == '\r'))
		n += i + 1
	}
	x.body(p[:n])
	if n < len(p) {
		return x.startLine(p[n:])
	}
	return nil
}

// body looks at octets of a body.
func (x *Indexer) body(p []byte) {
	if x.ix.Traits&Has8Bit == 0 && has8Bit(p) {
		x.ix.Traits |= Has8Bit
	}
	x.preview.write(p)
}

// eol is the length of a line's end.
func eol(crlf bool) int {
	if crlf {
		return 2
	}
	return 1
}

// countLine accounts for a line of n octets, of which end are its line end.
func (x *Indexer) countLine(n int64, end int) {
	x.lineStart += n
	x.lineLen = 0
	x.prevEOL = end
	switch end {
	case 1:
		x.lines++
		x.ix.Traits |= HasBareLF
	case 2:
		x.lines++
		x.crlfs++
	}
	if n-int64(end) > maxLine {
		x.ix.Traits |= HasLongLine
	}
}

// bound is how much of the line being read is kept.
func (x *Indexer) bound() int {
	if x.inHeader {
		return maxField
	}
	return maxDelimiter
}

// startLine takes the line that begins at p[0], if it is complete.
func (x *Indexer) startLine(p []byte) []byte {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		x.tail, x.tail8bit, x.lastCR, x.skip = x.tail[:0], false, false, false
		return x.continueLine(p)
	}
	line := p[:i+1]
	kept := line[:min(len(line), x.bound())]
	x.tail8bit = len(kept) < len(line) && has8Bit(line[len(kept):])
	x.line(kept, int64(len(line)), eol(i > 0 && p[i-1] == '\r'))
	return p[i+1:]
}

// continueLine takes what p has of a line that began before it, or has no end
// in it.
func (x *Indexer) continueLine(p []byte) []byte {
	i := bytes.IndexByte(p, '\n')
	piece, rest := p, p[len(p):]
	if i >= 0 {
		piece, rest = p[:i+1], p[i+1:]
	}
	end := eol(i > 0 && p[i-1] == '\r' || i == 0 && x.lastCR)
	x.lastCR = piece[len(piece)-1] == '\r'
	x.lineLen += int64(len(piece))
	if !x.inHeader && len(x.tail) == 1 && piece[0] != '-' { // not "--" after all
		x.body(x.tail)
		x.tail, x.skip = x.tail[:0], true
	}
	if x.skip {
		x.body(piece)
		if i >= 0 {
			x.countLine(x.lineLen, end)
		}
		return rest
	}
	room := min(x.bound()-len(x.tail), len(piece))
	x.tail = append(x.tail, piece[:room]...)
	if room < len(piece) && has8Bit(piece[room:]) {
		x.tail8bit = true
	}
	if i >= 0 {
		x.line(x.tail, x.lineLen, end)
	}
	return rest
}

// line judges a line of n octets, of which b is the beginning and end the
// length of its line end.
func (x *Indexer) line(b []byte, n int64, end int) {
	if level, closing, ok := x.delimiter(b, n); ok {
		x.endParts(level)
		x.body(b)
		x.countLine(n, end)
		x.afterDelimiter(closing)
		return
	}
	for x.inHeader {
		if kind := x.headerLine(b); kind != lineBody {
			if x.head.pos != afterMbox {
				x.headerTraits(x.tail8bit || has8Bit(b))
			}
			x.countLine(n, end)
			if kind == lineEmpty {
				x.endHeader()
			}
			return
		}
		x.endHeader()
	}
	x.body(b)
	if x.tail8bit {
		x.ix.Traits |= Has8Bit
	}
	x.countLine(n, end)
}

// headerTraits looks at a line of a header. Fields of a message inside the
// message are body to whoever transports it.
func (x *Indexer) headerTraits(high bool) {
	if !high {
		return
	}
	f := x.top()
	if !f.inner {
		x.ix.Traits |= HasUTF8Header
	}
	if len(x.stack) > 1 {
		x.ix.Traits |= Has8Bit
	}
}

// Cost is about how many octets of memory the Index takes.
func (x *Indexer) Cost() int64 { return int64(x.parts)*partCost + int64(maxKept-x.left) }

// partCost is a Part with its slices.
const partCost = 512

// Close ends the message and returns what was learned of it. The Indexer must
// not be used after it.
func (x *Indexer) Close() *Index {
	switch {
	case x.lineLen > 0 && x.skip:
		x.countLine(x.lineLen, 0)
	case x.lineLen > 0:
		x.line(x.tail, x.lineLen, 0)
	}
	x.prevEOL = 0
	x.endParts(-1)
	ix := x.ix
	ix.Size = x.lineStart
	if x.crs > x.crlfs {
		ix.Traits |= HasBareCR
	}
	ix.Preview = x.preview.text()
	ix.Date, _ = ParseDate(ix.Envelope.Date)
	ix.fit(maxRecord)
	return ix
}

// has8Bit reports whether there is an octet above 127.
func has8Bit(p []byte) bool {
	const high = 0x8080808080808080
	for len(p) >= 32 {
		a := binary.LittleEndian.Uint64(p) | binary.LittleEndian.Uint64(p[8:]) |
			binary.LittleEndian.Uint64(p[16:]) | binary.LittleEndian.Uint64(p[24:])
		if a&high != 0 {
			return true
		}
		p = p[32:]
	}
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
