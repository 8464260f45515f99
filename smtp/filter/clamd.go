package filter

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// NameClamd is the name of ClamAV's filter.
const NameClamd = "clamd"

const (
	clamdChunk    = 64 << 10
	maxClamdReply = 4 << 10
	maxSignature  = 100
)

// Clamd asks the daemon of ClamAV whether a message carries malware.
type Clamd struct {
	Network, Addr string // as net.Dial takes them
	// MaxSize is how much of a message is shown, in octets: of a larger one the
	// beginning. 0 is no bound. clamd's StreamMaxLength must not be below it.
	MaxSize int64
	Dial    Dial // nil: as the system does
}

var _ Filter = (*Clamd)(nil)

// Name is "clamd".
func (*Clamd) Name() string { return NameClamd }

// Ping asks whether clamd is there.
func (c *Clamd) Ping(ctx context.Context) error {
	reply, err := c.ask(ctx, func(w *bufio.Writer) error {
		_, err := w.WriteString("zPING\x00")
		return err
	})
	if err == nil && reply != "PONG" {
		err = fmt.Errorf("clamd answers PING with %q", plain(reply, maxSignature))
	}
	return err
}

// Run shows the message to clamd.
func (c *Clamd) Run(ctx context.Context, m *Message) (Result, error) {
	body, cut := m.read(), c.MaxSize > 0 && m.Size > c.MaxSize
	if cut {
		body = io.LimitReader(body, c.MaxSize)
	}
	reply, err := c.ask(ctx, func(w *bufio.Writer) error { return instream(w, body) })
	if err != nil {
		return Result{}, err
	}
	r, err := clamdResult(reply)
	if err == nil && cut && r.Action == Accept {
		r.Reasons = nil
		r.tell(NameClamd, "ClamAV found nothing in the first %d MiB of the message, which is larger", c.MaxSize>>20)
	}
	return r, err
}

// ask sends a command and returns the reply. Where clamd has hung up before it
// read all, what it said is still the reply.
func (c *Clamd) ask(ctx context.Context, send func(*bufio.Writer) error) (string, error) {
	conn, done, err := connect(ctx, c.Dial, c.Network, c.Addr)
	if err != nil {
		return "", err
	}
	defer done()
	w := bufio.NewWriterSize(conn, clamdChunk)
	err = send(w)
	if err == nil {
		err = w.Flush()
	}
	var local *readError
	if errors.As(err, &local) {
		return "", err
	}
	reply, rerr := readClamd(conn)
	if rerr != nil {
		return "", errors.Join(err, rerr)
	}
	return reply, nil
}

// readError is trouble with the message itself.
type readError struct{ err error }

func (e *readError) Error() string { return "read message: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// instream sends a message in chunks, each after its length; an empty chunk
// ends it.
func instream(w *bufio.Writer, r io.Reader) error {
	if _, err := w.WriteString("zINSTREAM\x00"); err != nil {
		return err
	}
	buf := make([]byte, clamdChunk/2)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := writeChunk(w, buf[:n]); err != nil {
				return err
			}
		}
		switch err {
		case nil:
			continue
		case io.EOF, io.ErrUnexpectedEOF:
			return writeChunk(w, nil)
		}
		return &readError{err}
	}
}

func writeChunk(w *bufio.Writer, b []byte) error {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(b)))
	if _, err := w.Write(length[:]); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// readClamd reads a reply up to the octet that ends it.
func readClamd(conn net.Conn) (string, error) {
	b, err := bufio.NewReaderSize(io.LimitReader(conn, maxClamdReply), maxClamdReply).ReadSlice(0)
	if err != nil {
		return "", fmt.Errorf("reply of clamd: %w", err)
	}
	return string(b[:len(b)-1]), nil
}

// clamdResult makes a result of a reply to INSTREAM.
func clamdResult(reply string) (Result, error) {
	text := strings.TrimSpace(strings.TrimPrefix(reply, "stream: "))
	if text == "OK" {
		var r Result
		r.tell(NameClamd, "ClamAV found nothing")
		return r, nil
	}
	signature, found := strings.CutSuffix(text, " FOUND")
	if !found {
		return Result{}, fmt.Errorf("clamd answers %q", plain(reply, 200))
	}
	signature = plain(signature, maxSignature)
	return Result{
		Action: Refuse, Status: mail.StatusPolicy, Code: 550,
		Text: fmt.Sprintf("the message carries malware (%s)", signature),
		Why:  fmt.Sprintf("ClamAV found %s", signature),
	}, nil
}
