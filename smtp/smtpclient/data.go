package smtpclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// blockSize is how much message data is written at once.
const blockSize = 32 << 10

// bodyError is a failure to read our own copy of a message.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read message: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// errLength means that the body is not as long as was said.
var errLength = errors.New("message has another length than was announced")

// blocks collects message data into writes of blockSize, each of which has
// its own deadline (RFC 5321 section 4.5.3.2.5).
type blocks struct {
	t   *transaction
	buf []byte
}

func (t *transaction) blocks() *blocks {
	if t.c.block == nil {
		t.c.block = make([]byte, 0, blockSize)
	}
	return &blocks{t: t, buf: t.c.block[:0]}
}

func (b *blocks) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(b.buf) == cap(b.buf) {
			if err := b.flush(); err != nil {
				return 0, err
			}
		}
		k := min(cap(b.buf)-len(b.buf), len(p))
		b.buf = append(b.buf, p[:k]...)
		p = p[k:]
	}
	return n, nil
}

func (b *blocks) flush() error {
	b.t.c.arm(b.t.ctx, b.t.c.opts.Timeouts.Block)
	_, err := b.t.c.conn.Write(b.buf)
	b.buf = b.buf[:0]
	return err
}

// data sends the message after a 354, and the final dot.
func (t *transaction) data() {
	b := t.blocks()
	w := &dotWriter{w: b, atStart: true}
	err := copyBody(w, t.m.Body)
	if err == nil {
		err = w.end()
	}
	t.last(b, err, "(message)")
}

// bdat sends the message in one chunk (RFC 3030 section 3).
func (t *transaction) bdat() {
	b := t.blocks()
	what := fmt.Sprintf("BDAT %d LAST", t.m.Size)
	io.WriteString(b, what+"\r\n") // the buffer holds it
	t.last(b, copyExactly(b, t.m.Body, t.m.Size), what)
	if t.refused() {
		t.c.reset(t.ctx) // RFC 3030 section 2: what follows a failed BDAT is undefined
	}
}

// last sends the last block, which was not begun when err happened, and reads
// the reply to the message.
func (t *transaction) last(b *blocks, err error, what string) {
	if err != nil {
		t.cutOff(err, what)
		return
	}
	if err := b.flush(); err != nil { // the server may have it all now
		if !t.heard(what) {
			t.lost(t.c.broken(t.ctx, err), reply{}, true)
		}
		return
	}
	t.finish(what)
}

// copyBody copies all of r. Errors of r are bodyErrors.
func copyBody(w io.Writer, r io.Reader) error {
	_, err := io.Copy(w, bodyReader{r})
	return err
}

// copyExactly copies n octets of r, which must end there.
func copyExactly(w io.Writer, r io.Reader, n int64) error {
	_, err := io.CopyN(w, bodyReader{r}, n)
	if err == io.EOF {
		return &bodyError{errLength}
	}
	if err != nil {
		return err
	}
	if k, _ := io.ReadFull(r, make([]byte, 1)); k != 0 {
		return &bodyError{errLength}
	}
	return nil
}

// bodyReader marks the errors of a body.
type bodyReader struct{ r io.Reader }

func (b bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = &bodyError{err}
	}
	return n, err
}

// dotWriter makes message data for DATA: lines end in CRLF, also those that
// ended in a bare CR or LF, and a dot at the start of a line is doubled
// (RFC 5321 section 4.5.2). Nothing in a message can so look like its end to
// any server.
type dotWriter struct {
	w       io.Writer
	atStart bool // of a line
	cr      bool // a CR was held back
}

func (d *dotWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if d.cr {
			d.cr = false
			if p[0] == '\n' {
				p = p[1:]
			}
			if err := d.newline(); err != nil {
				return 0, err
			}
			continue
		}
		if d.atStart && p[0] == '.' {
			if _, err := io.WriteString(d.w, "."); err != nil {
				return 0, err
			}
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			i = len(p)
		}
		if i > 0 {
			d.atStart = false
			if _, err := d.w.Write(p[:i]); err != nil {
				return 0, err
			}
		}
		if p = p[i:]; len(p) == 0 {
			break
		}
		if p[0] == '\r' {
			d.cr = true
		} else if err := d.newline(); err != nil {
			return 0, err
		}
		p = p[1:]
	}
	return n, nil
}

func (d *dotWriter) newline() error {
	d.atStart = true
	_, err := io.WriteString(d.w, "\r\n")
	return err
}

// end ends the last line, if it has no end, and writes the final dot.
func (d *dotWriter) end() error {
	if d.cr || !d.atStart {
		d.cr = false
		if err := d.newline(); err != nil {
			return err
		}
	}
	_, err := io.WriteString(d.w, ".\r\n")
	return err
}
