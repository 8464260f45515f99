package queue

import (
	"bytes"
	"io"

	"github.com/mailstead/mailstead/mail/message"
)

// maxLine is the longest line of a message without its end (RFC 5321 section
// 4.5.3.1.6).
const maxLine = 998

// scanTraits finds out what the next hop must be able to take. It is done
// once, at the first attempt: the record of a message is not the queue's, and
// some messages have none.
func scanTraits(body io.ReaderAt, size int64) (message.Traits, error) {
	s := traitScanner{header: true}
	buf := make([]byte, min(size, 64<<10))
	for off := int64(0); off < size; {
		n, err := body.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 {
			return 0, err
		}
		s.scan(buf[:n])
		off += int64(n)
	}
	if s.cr {
		s.found |= message.HasBareCR
		s.line++
	}
	s.endLine()
	return s.found, nil
}

// traitScanner goes through a message in pieces.
type traitScanner struct {
	found  message.Traits
	header bool // not yet beyond the empty line
	line   int  // octets of the line
	cr     bool // the octet before was a CR
}

func (s *traitScanner) scan(p []byte) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.text(p)
			return
		}
		s.text(p[:i])
		if !s.cr {
			s.found |= message.HasBareLF
		}
		s.cr = false
		s.endLine()
		p = p[i+1:]
	}
}

func (s *traitScanner) endLine() {
	if s.line == 0 {
		s.header = false
	}
	if s.line > maxLine {
		s.found |= message.HasLongLine
	}
	s.line = 0
}

// text looks at octets that have no LF.
func (s *traitScanner) text(p []byte) {
	for _, c := range p {
		if s.cr {
			s.found |= message.HasBareCR
			s.cr = false
			s.line++
		}
		switch {
		case c == '\r':
			s.cr = true
			continue
		case c == 0:
			s.found |= message.HasNUL
		case c >= 0x80 && s.header:
			s.found |= message.HasUTF8Header
		case c >= 0x80:
			s.found |= message.Has8Bit
		}
		s.line++
	}
}
