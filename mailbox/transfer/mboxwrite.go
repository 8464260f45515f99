package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailstead/mailstead/mailbox"
)

// MboxWriter writes one mbox for each mailbox (RFC 4155 appendix A, mboxrd):
// "Name.mbox", and "Name/Sub.mbox" for one below it. Flags are in Status and
// X-Status, keywords in X-Keywords, at the beginning of each header; fields of
// these names that a message had before are left out, as all programs that
// write mbox do.
type MboxWriter struct {
	dir  string
	file *os.File
	m    mbox
}

// NewMboxWriter makes the folder dir, which must not be there.
func NewMboxWriter(dir string) (*MboxWriter, error) {
	w := &MboxWriter{dir: dir, m: newMbox(nil)}
	w.m.status = true
	return w, os.Mkdir(dir, 0o700)
}

// Begin implements Writer.
func (w *MboxWriter) Begin(Totals) error { return nil }

// Mailbox implements Writer.
func (w *MboxWriter) Mailbox(m Mailbox) (err error) {
	if err := w.Close(); err != nil {
		return err
	}
	name := filepath.Join(w.dir, filepath.FromSlash(mboxFile(m.Name)))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if w.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	w.m.w.Reset(w.file)
	return nil
}

// Message implements Writer.
func (w *MboxWriter) Message(ctx context.Context, m Message) error { return w.m.message(ctx, m) }

// End implements Writer.
func (w *MboxWriter) End() error { return w.Close() }

// Close implements Writer.
func (w *MboxWriter) Close() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.m.w.Flush(), w.file.Close())
	w.file = nil
	return err
}

// head writes flags, keywords and the header without fields that are about
// those. A message that begins with a space cannot have fields before it.
func (m *mbox) head(ctx context.Context, msg *Message) error {
	if b, _ := m.r.Peek(1); len(b) == 1 && b[0] != ' ' && b[0] != '\t' {
		m.fields(msg)
	}
	skip := false
	for {
		b, err := m.r.Peek(maxFieldName)
		if len(b) == 0 {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if b[0] == '\n' || bytes.HasPrefix(b, []byte("\r\n")) {
			return nil
		}
		if b[0] != ' ' && b[0] != '\t' {
			name, _, ok := bytes.Cut(b, []byte(":"))
			skip = ok && equalsAny(string(bytes.TrimRight(name, " \t")), ownFields...)
		}
		if skip {
			err = m.passOver()
		} else {
			err = m.line(ctx)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// maxFieldName is as long as the longest of ownFields, with what is behind it.
const maxFieldName = 24

// maxKeywordLine is about how long a line of keywords gets.
const maxKeywordLine = 900

// fields writes the fields that tell flags and keywords.
func (m *mbox) fields(msg *Message) {
	status, more := "O", ""
	if msg.Flags&mailbox.Seen != 0 {
		status = "RO"
	}
	for _, f := range []struct {
		flag   mailbox.Flags
		letter string
	}{{mailbox.Answered, "A"}, {mailbox.Flagged, "F"}, {mailbox.Draft, "T"}, {mailbox.Deleted, "D"}} {
		if msg.Flags&f.flag != 0 {
			more += f.letter
		}
	}
	fmt.Fprintf(m.w, "Status: %s\n", status)
	if more != "" {
		fmt.Fprintf(m.w, "X-Status: %s\n", more)
	}
	for list := msg.Keywords; len(list) > 0; {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+len(list[n]) < maxKeywordLine) {
			size += len(list[n]) + 1
			n++
		}
		fmt.Fprintf(m.w, "X-Keywords: %s\n", strings.Join(list[:n], " "))
		list = list[n:]
	}
}

// passOver leaves out a line.
func (m *mbox) passOver() error {
	for {
		if _, err := m.r.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
