package imapserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox/store"
)

// hole is a place in the encoded page for what is known only after the
// snapshot has ended.
type hole struct {
	at         int // in the page
	kind       holeKind
	section    *section
	body       int   // in page.bodies
	start, end int64 // of the section in the body
	encoding   string
}

type holeKind uint8

const (
	holeSection holeKind = iota
	holeModSeq           // of the transaction that has set \Seen
)

func (p *page) hole(h hole) {
	h.at = p.s.out.Len()
	p.holes = append(p.holes, h)
}

// write writes the page and fills its holes. Without any it stays in s.out
// until that is full, so that small answers share a packet.
func (p *page) write(ctx context.Context) error {
	s := p.s
	if len(p.holes) == 0 {
		if !s.out.Full() {
			return nil
		}
		return s.out.Flush()
	}
	text := s.out.Take()
	defer s.out.Give(text)
	f := &filler{page: p, ctx: ctx, w: writer{s}, opened: -1}
	defer f.close()
	at := 0
	for i := range p.holes {
		h := &p.holes[i]
		if _, err := f.w.Write(text[at:h.at]); err != nil {
			return err
		}
		at = h.at
		if err := f.fill(h); err != nil {
			return err
		}
	}
	_, err := f.w.Write(text[at:])
	return err
}

// filler fills holes, message by message.
type filler struct {
	page   *page
	ctx    context.Context
	w      io.Writer
	opened int // index of body in page.bodies, -1: none
	body   store.Body
	err    error // why body could not be opened
	buf    []byte
	out    []byte   // fields that were selected
	head   [32]byte // of a literal
}

func (f *filler) close() {
	if f.body != nil {
		f.body.Close()
		f.body = nil
	}
}

// errTorn means that a literal was announced and could not be completed: the
// connection must end, or the rest of the answer would be taken for it.
var errTorn = errors.New("imapserver: message could not be read to its end")

func (f *filler) fill(h *hole) error {
	if h.kind == holeModSeq {
		_, err := io.WriteString(f.w, strconv.FormatUint(uint64(f.page.modSeq), 10))
		return err
	}
	if err := f.open(h.body); err != nil {
		return f.missing(h, err)
	}
	if h.end > f.body.Size() || h.start > h.end {
		return f.missing(h, fmt.Errorf("section ends at %d of %d", h.end, f.body.Size()))
	}
	switch h.section.kind {
	case kindFields:
		return f.fields(h)
	case kindBinary, kindBinarySize:
		return f.binary(h)
	}
	// Deviation: NUL, which is no CHAR8 (RFC 9051 section 9), is sent as it
	// stands in the message, so that sizes and signatures hold.
	start, end := h.section.cut(h.start, h.end)
	if err := f.literal("{", end-start); err != nil {
		return err
	}
	return f.copy(io.NewSectionReader(f.body, start, end-start), end-start)
}

// open opens the body of a message, unless it is open already.
func (f *filler) open(i int) error {
	if f.opened == i {
		return f.err
	}
	f.close()
	f.opened = i
	f.body, f.err = f.page.s.srv.Boxes.OpenBodyAhead(f.ctx, f.page.bodies[i], f.page.ahead)
	return f.err
}

// missing answers NIL for a text that is gone or damaged, and lets the command
// fail at its end.
func (f *filler) missing(h *hole, err error) error {
	f.page.fail(fmt.Errorf("read message: %w", err))
	text := "NIL"
	if h.section.kind == kindBinarySize {
		text = "0"
	}
	_, err = io.WriteString(f.w, text)
	return err
}

func (f *filler) literal(open string, n int64) error {
	b := strconv.AppendInt(append(f.head[:0], open...), n, 10)
	_, err := f.w.Write(append(b, "}\r\n"...))
	return err
}

// copyBuffer is how much of a message is in hand at a time.
const copyBuffer = 16 << 10

// copy writes exactly n octets of r.
func (f *filler) copy(r io.Reader, n int64) error {
	buf := f.scratch(copyBuffer)
	for n > 0 {
		k, err := r.Read(buf[:min(n, copyBuffer)])
		if _, err := f.w.Write(buf[:k]); err != nil {
			return err
		}
		if n -= int64(k); n > 0 && err != nil {
			return f.torn(err)
		}
	}
	return nil
}

func (f *filler) torn(err error) error {
	s := f.page.s
	s.log.Error("message is damaged", "err", err)
	s.state = loggedOut
	s.conn.Close()
	return errors.Join(errAnswered, errTorn)
}

// fields answers HEADER.FIELDS and HEADER.FIELDS.NOT: the fields as they
// stand, and an empty line (RFC 9051 section 6.4.5.1).
func (f *filler) fields(h *hole) error {
	header := f.scratch(min(h.end-h.start, message.MaxHeader))
	if n, err := f.body.ReadAt(header, h.start); n < len(header) {
		return f.missing(h, err)
	}
	f.out = message.AppendFields(f.out[:0], header, h.section.fields, !h.section.not)
	f.out = append(f.out, "\r\n"...)
	start, end := h.section.cut(0, int64(len(f.out)))
	if err := f.literal("{", end-start); err != nil {
		return err
	}
	_, err := f.w.Write(f.out[start:end])
	return err
}

// scratch returns f.buf with n octets.
func (f *filler) scratch(n int64) []byte {
	if int64(cap(f.buf)) < n {
		f.buf = make([]byte, max(n, copyBuffer))
	}
	return f.buf[:n]
}

// knownEncoding reports whether BINARY can undo a transfer encoding.
func knownEncoding(e string) bool {
	switch strings.ToLower(e) {
	case "", "7bit", "8bit", "binary", "base64", "quoted-printable":
		return true
	}
	return false
}

// binary answers BINARY and BINARY.SIZE (RFC 3516): the part is decoded once
// to learn its size, and once more to be written, so that it need not be kept.
func (f *filler) binary(h *hole) error {
	decode := func() io.Reader {
		return message.DecodeTransfer(h.encoding, io.NewSectionReader(f.body, h.start, h.end-h.start))
	}
	var count counter
	if _, err := io.Copy(&count, decode()); err != nil {
		return f.missing(h, err)
	}
	if h.section.kind == kindBinarySize {
		_, err := io.WriteString(f.w, strconv.FormatInt(count.n, 10))
		return err
	}
	start, end := h.section.cut(0, count.n)
	open := "{"
	if count.nul {
		open = "~{" // literal8
	}
	if err := f.literal(open, end-start); err != nil {
		return err
	}
	r := decode()
	if _, err := io.CopyN(io.Discard, r, start); err != nil {
		return f.torn(err)
	}
	return f.copy(r, end-start)
}

// counter counts octets and looks for NUL.
type counter struct {
	n   int64
	nul bool
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	c.nul = c.nul || bytes.IndexByte(p, 0) >= 0
	return len(p), nil
}
