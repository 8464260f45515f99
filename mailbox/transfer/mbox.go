package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

const bufferSize = 64 << 10

// nobody stands for a reverse-path that is null or not known.
const nobody = "MAILER-DAEMON"

// Message is one message on its way out. Body is read before the next message
// is asked for.
type Message struct {
	UID          mailbox.UID
	Flags        mailbox.Flags
	Keywords     []string
	ReversePath  mail.Path // null if it is not known
	InternalDate time.Time
	Size         int64 // of Body, in octets
	Body         io.Reader
}

// WriteMbox writes messages as an mbox (RFC 4155 appendix A, mboxrd), until
// the first error, that of ctx included. A CRLF becomes LF, and a message that
// does not end in one gets one; all other octets stay. Flags and keywords are
// left out.
func WriteMbox(ctx context.Context, w io.Writer, messages iter.Seq2[Message, error]) error {
	m := newMbox(w)
	for msg, err := range messages {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = m.message(ctx, msg)
		}
		if err != nil {
			return fmt.Errorf("write mbox: %w", err)
		}
	}
	if err := m.w.Flush(); err != nil {
		return fmt.Errorf("write mbox: %w", err)
	}
	return nil
}

// mbox is an mbox that is being written. Errors of w stay in it, and show at
// the end of a line at the latest.
type mbox struct {
	w      *bufio.Writer
	r      *bufio.Reader
	status bool // write flags and keywords
}

func newMbox(w io.Writer) mbox {
	return mbox{w: bufio.NewWriterSize(w, bufferSize), r: bufio.NewReaderSize(nil, bufferSize)}
}

// message writes a message between its From line and an empty line.
func (m *mbox) message(ctx context.Context, msg Message) error {
	fmt.Fprintf(m.w, "From %s %s\n", sender(msg.ReversePath), msg.InternalDate.UTC().Format(time.ANSIC))
	m.r.Reset(msg.Body)
	if m.status {
		if err := m.head(ctx, &msg); err != nil {
			return err
		}
	}
	for {
		err := m.line(ctx)
		if errors.Is(err, io.EOF) {
			return m.w.WriteByte('\n')
		}
		if err != nil {
			return err
		}
	}
}

// sender is a reverse-path as the From line has it: without white space, which
// would end it.
func sender(p mail.Path) string {
	s := p.String()
	if p.IsNull() || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nobody
	}
	return s
}

// line writes a line, quoted if it has to be. Its error is io.EOF where there
// is none.
func (m *mbox) line(ctx context.Context) error {
	if _, err := m.r.Peek(1); err != nil {
		return err
	}
	if err := m.quote(); err != nil {
		return err
	}
	for {
		part, err := m.r.ReadSlice('\n')
		if err == nil {
			m.w.Write(withoutCRLF(part))
			return m.w.WriteByte('\n')
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			if err := errors.Join(m.part(part), ctx.Err()); err != nil {
				return err
			}
			continue
		}
		m.w.Write(part)
		if errors.Is(err, io.EOF) {
			return m.w.WriteByte('\n')
		}
		return err
	}
}

// quote writes the ">" that a line begins with, and one more before "From ".
// They are all the same, so that it need not be the first.
func (m *mbox) quote() error {
	for {
		b, err := m.r.Peek(1)
		if err != nil || b[0] != '>' {
			break // the error comes again
		}
		if _, err := m.r.Discard(1); err != nil {
			return err
		}
		if err := m.w.WriteByte('>'); err != nil {
			return err
		}
	}
	if b, _ := m.r.Peek(5); string(b) == "From " {
		return m.w.WriteByte('>')
	}
	return nil
}

// part writes a part of a line that is longer than the buffer. A CR at its end
// is read again, with what is behind it.
func (m *mbox) part(p []byte) error {
	if p[len(p)-1] == '\r' {
		p = p[:len(p)-1]
		if err := m.r.UnreadByte(); err != nil {
			return err
		}
	}
	_, err := m.w.Write(p)
	return err
}

func withoutCRLF(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
