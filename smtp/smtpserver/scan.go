package smtpserver

import (
	"bytes"
	"strconv"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// lineScan finds the end of message data, CRLF.CRLF and nothing else (RFC 5321
// section 4.1.1.4), and notices a CR or LF that stands alone: servers differ in
// what they make of those, which is how one message is smuggled into another.
type lineScan struct {
	state     scanState
	bare      bool
	lastChunk bool // of BDAT: the command said LAST
}

type scanState uint8

const (
	lineStart scanState = iota // the zero value: data begins a line
	midLine
	afterCR
	afterDot   // a dot at the start of a line
	afterDotCR // and a CR
)

// data scans b and returns how much of it belongs to the message with its end,
// and whether that was reached.
func (s *lineScan) data(b []byte) (n int, end bool) {
	for n < len(b) {
		if s.state == midLine {
			if n += s.skip(b[n:]); n == len(b) {
				return n, false
			}
		}
		c := b[n]
		n++
		switch {
		case c == '\n' && s.state == afterDotCR:
			return n, true
		case c == '\n' && s.state == afterCR:
			s.state = lineStart
		case c == '\n':
			s.bare, s.state = true, midLine
		case s.state == afterCR || s.state == afterDotCR:
			s.bare = true
			s.state = midLine
			if c == '\r' {
				s.state = afterCR
			}
		case c == '\r' && s.state == afterDot:
			s.state = afterDotCR
		case c == '\r':
			s.state = afterCR
		case c == '.' && s.state == lineStart:
			s.state = afterDot
		default:
			s.state = midLine
		}
	}
	return n, false
}

// text copies message data from b to p without the dots that the client doubled
// and without the end of data. It returns how much of b was used, how much of p,
// and whether the end was reached. Both stop growing when p is full.
func (s *lineScan) text(p, b []byte) (used, n int, end bool) {
	for used < len(b) && n < len(p) {
		if s.state == midLine {
			k := s.skip(b[used:min(len(b), used+len(p)-n)])
			copy(p[n:], b[used:used+k])
			used, n = used+k, n+k
			if k > 0 {
				continue
			}
		}
		_, end = s.data(b[used : used+1])
		used++
		switch {
		case end:
			return used, n, true
		case s.state == afterDot || s.state == afterDotCR:
			continue // doubled, or the end; a CR that is neither makes the data bad
		}
		p[n] = b[used-1]
		n++
	}
	return used, n, false
}

// skip returns how many octets in the middle of a line need no look.
func (s *lineScan) skip(b []byte) int {
	i := bytes.IndexByte(b, '\r')
	if i < 0 {
		i = len(b)
	}
	if j := bytes.IndexByte(b[:i], '\n'); j >= 0 {
		return j
	}
	return i
}
