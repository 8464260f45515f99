package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Bounds of what is looked at of an mbox at a time.
const (
	maxFromLine = 512
	maxHeadSize = 1 << 20 // of a header whose fields are looked at
	maxPeek     = maxFromLine + 80
)

// ErrNoMbox means that a file does not begin as an mbox does.
var ErrNoMbox = errors.New(`this is no mbox: it does not begin with a line "From "`)

// Mbox reads an mbox of any variety: mboxo, mboxrd, and mboxcl or mboxcl2,
// whose Content-Length is followed where it leads to the end of a message; then
// nothing in it is taken for quoted. Its size does not matter.
type Mbox struct {
	file io.ReaderAt
	size int64
	name string // for people

	r     *bufio.Reader
	at    int64 // of r in the file
	blank bool  // the line before is empty
	count int

	body *mboxBody // of the message that is being read
}

// NewMbox returns a reader of an mbox of size octets.
func NewMbox(name string, file io.ReaderAt, size int64) *Mbox {
	m := &Mbox{file: file, size: size, name: name, r: bufio.NewReaderSize(nil, bufferSize)}
	m.seek(0)
	return m
}

// seek goes on at another place of the file.
func (m *Mbox) seek(to int64) {
	m.at = to
	m.r.Reset(io.NewSectionReader(m.file, to, m.size-to))
}

// Offset is how many octets were read.
func (m *Mbox) Offset() int64 { return m.at }

// Messages yields all messages. The first error that is no *Unreadable is the
// last.
func (m *Mbox) Messages() iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		if err := m.skipEmpty(); err != nil {
			yield(Found{Name: m.name}, err)
			return
		}
		body := newCRLF(nil)
		for {
			start := m.at
			line, err := m.line()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Found{Name: m.name}, &Unreadable{m.name, err})
				return
			}
			m.count++
			found := Found{Name: fmt.Sprintf("%s, message %d at octet %d", m.name, m.count, start)}
			found.Date, _ = fromDate(bytes.TrimRight(line, "\r\n"))
			found.ID = string(bytes.TrimSpace(line[:min(len(line), maxFromLine)]))
			head := m.head()
			found.Flags, found.Keywords = head.flags, head.keywords
			m.body = &mboxBody{m: m, end: m.lengthEnds(head.length)}
			if m.body.end < 0 && m.blank && m.atEnd() {
				head.header = withoutCRLF(head.header) // the empty line is that before the next message
			}
			body.reset(io.MultiReader(bytes.NewReader(head.header), m.body))
			found.Body = body
			if !head.internal || m.count > 1 {
				if !yield(found, nil) {
					return
				}
			}
			if err := m.body.drain(); err != nil {
				yield(Found{Name: m.name}, &Unreadable{m.name, err})
				return
			}
		}
	}
}

// skipEmpty passes over empty lines at the beginning and looks whether this is
// an mbox. A file without octets is an empty one.
func (m *Mbox) skipEmpty() error {
	if b, _ := m.r.Peek(3); bytes.Equal(b, []byte("\xef\xbb\xbf")) {
		m.discard(3)
	}
	for {
		b, err := m.r.Peek(1)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &Unreadable{m.name, err}
		}
		if b[0] != '\n' && b[0] != '\r' {
			break
		}
		m.discard(1)
	}
	if b, _ := m.r.Peek(len(fromPrefix)); string(b) != fromPrefix {
		return &Unreadable{m.name, ErrNoMbox}
	}
	return nil
}

func (m *Mbox) discard(n int) {
	k, _ := m.r.Discard(n)
	m.at += int64(k)
}

// line reads a line, or as much of one as the buffer holds; then the rest is
// passed over.
func (m *Mbox) line() ([]byte, error) {
	part, err := m.r.ReadSlice('\n')
	m.at += int64(len(part))
	if err == nil || err == io.EOF && len(part) > 0 {
		return part, nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	kept := bytes.Clone(part[:maxFromLine])
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = m.r.ReadSlice('\n')
		m.at += int64(len(part))
	}
	return kept, nil
}

// head reads the header of a message with the empty line behind it. What does
// not end within the bound, or is cut short by the next message, is taken as it
// is.
func (m *Mbox) head() mboxHead {
	var header []byte
	m.blank = false
	for len(header) < maxHeadSize {
		if len(header) == 0 || header[len(header)-1] == '\n' {
			if m.atSeparator() {
				break
			}
			m.unquote()
		}
		part, err := m.r.ReadSlice('\n')
		m.at += int64(len(part))
		header = append(header, part...)
		if len(bytes.TrimRight(part, "\r\n")) == 0 && err == nil && endsLine(header, len(part)) {
			m.blank = true
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			break // the body meets it again
		}
	}
	return readHead(header)
}

// endsLine reports whether the last n octets of b are a line of their own.
func endsLine(b []byte, n int) bool { return len(b) == n || b[len(b)-n-1] == '\n' }

// atSeparator reports whether the next message begins here.
func (m *Mbox) atSeparator() bool {
	if b, _ := m.r.Peek(len(fromPrefix)); string(b) != fromPrefix {
		return false
	}
	b, _ := m.r.Peek(maxPeek)
	line, next, _ := bytes.Cut(b, []byte("\n"))
	return isSeparator(line, next, m.blank)
}

// atEnd reports whether no more of this message follows.
func (m *Mbox) atEnd() bool {
	_, err := m.r.Peek(1)
	return err != nil || m.atSeparator()
}

// lengthEnds returns where a message of this Content-Length ends, if another or
// the end of the file follows there; -1 if not.
func (m *Mbox) lengthEnds(length int64) int64 {
	if length < 0 || length > m.size-m.at {
		return -1
	}
	end := m.at + length
	var b [maxPeek]byte
	n, _ := m.file.ReadAt(b[:], end)
	rest := bytes.TrimLeft(b[:n], "\r\n")
	if len(rest) == 0 && end+int64(n) >= m.size {
		return end
	}
	if line, next, _ := bytes.Cut(rest, []byte("\n")); len(rest) < n && isSeparator(line, next, true) || length > 0 && isSeparator(line, next, m.endsAt(end)) {
		return end
	}
	return -1
}

// endsAt reports whether a line ends before a place of the file.
func (m *Mbox) endsAt(place int64) bool {
	var b [1]byte
	n, _ := m.file.ReadAt(b[:], place-1)
	return n == 1 && b[0] == '\n'
}

// mboxBody reads the body of a message up to the next. The empty line before
// that is no part of it; of "From " lines one ">" is taken away.
type mboxBody struct {
	m      *Mbox
	end    int64  // in the file, if Content-Length tells; else -1
	out    []byte // to be given out
	held   []byte // an empty line that may be the last
	inside bool   // of a line
	err    error
}

func (b *mboxBody) Read(p []byte) (int, error) {
	for len(b.out) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		b.out = b.next()
	}
	n := copy(p, b.out)
	b.out = b.out[n:]
	return n, nil
}

// drain passes over what was not read.
func (b *mboxBody) drain() error {
	if b.end >= 0 && b.err == nil {
		b.m.seek(b.end)
		b.m.blank = true
	}
	for b.err == nil {
		b.next()
	}
	if b.err != io.EOF {
		return b.err
	}
	if b.end >= 0 {
		return b.m.toSeparator()
	}
	return nil
}

// toSeparator passes over what is between a message whose length was told and
// the next.
func (m *Mbox) toSeparator() error {
	for {
		b, err := m.r.Peek(1)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if b[0] != '\n' && b[0] != '\r' {
			return nil
		}
		m.discard(1)
	}
}

// next returns the next octets, and sets err at the end.
func (b *mboxBody) next() []byte {
	if b.end >= 0 {
		return b.counted()
	}
	if !b.inside {
		if b.m.atSeparator() {
			b.err = io.EOF
			return nil
		}
		b.m.unquote()
	}
	part, err := b.m.r.ReadSlice('\n')
	b.m.at += int64(len(part))
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		b.err = err
		if len(part) == 0 {
			return nil // the line held is that before the end of the file
		}
	}
	out := part
	if len(b.held) > 0 {
		out = append(b.held, part...)
		b.held = nil
	}
	ends := err == nil
	b.m.blank = ends && !b.inside && len(bytes.TrimRight(part, "\r\n")) == 0
	if b.m.blank {
		b.held = bytes.Clone(part)
		out = out[:len(out)-len(part)]
	}
	b.inside = !ends
	return out
}

// unquote takes away the ">" of ">From " and ">>From ".
func (m *Mbox) unquote() {
	if c, _ := m.r.Peek(1); len(c) == 0 || c[0] != '>' {
		return
	}
	line, _ := m.r.Peek(maxFromLine)
	if bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte(fromPrefix)) {
		m.discard(1)
	}
}

// counted returns the next octets of a body whose length is told.
func (b *mboxBody) counted() []byte {
	left := b.end - b.m.at
	if left <= 0 {
		b.err, b.m.blank = io.EOF, true
		return nil
	}
	peek, err := b.m.r.Peek(int(min(left, bufferSize)))
	if len(peek) == 0 {
		b.err = err
		return nil
	}
	out := bytes.Clone(peek)
	b.m.discard(len(peek))
	return out
}
