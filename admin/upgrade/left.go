package upgrade

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mailstead/mailstead/mail/durable"
)

// What a program leaves for another is in files that every version reads: lines
// of JSON, and the messages as they are. A newer version may add fields.

// leftMail is a message that arrived since the switch, as it is in one mailbox.
type leftMail struct {
	Account  uint32    `json:"account"`
	Address  string    `json:"address"`
	Mailbox  string    `json:"mailbox"`
	Flags    []string  `json:"flags"` // `\Seen`
	Keywords []string  `json:"keywords"`
	Received time.Time `json:"received"`
	File     string    `json:"file"`
}

// leftBox is how far a mailbox has come.
type leftBox struct {
	Account uint32 `json:"account"`
	Mailbox uint32 `json:"mailbox"` // ID
	UIDNext uint32 `json:"uidNext"`
	ModSeq  uint64 `json:"modSeq"`
}

// leftItem is a message that waits in the queue.
type leftItem struct {
	ID         string   `json:"id"`
	Recipients []string `json:"recipients"` // keys of addresses
	Owed       bool     `json:"owed"`       // a report to its sender is
	Entry      []byte   `json:"entry"`      // as in a record of the log
	File       string   `json:"file"`
}

// Marks are what was so of the data when it was copied.
type Marks struct {
	Tested string            `json:"tested"`
	Emails map[uint32]uint64 `json:"emails"` // account → ID of its next message
}

// Files below the folder.
const (
	leftMails = "mail.jsonl"
	leftBoxes = "mailboxes.jsonl"
	leftQueue = "queue.jsonl"
	leftDone  = "complete"
	takenName = "taken" // lines of leftMails that were taken in
)

// maxLeftLine bounds a line, in octets: of a queued message with all its
// recipients.
const maxLeftLine = 4 << 20

// leftWhole reports whether a program came to the end of what it left.
func leftWhole(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, leftDone))
	return err == nil
}

// leftWriter writes the lines of one file.
type leftWriter struct {
	f   *os.File
	buf *bufio.Writer
	enc *json.Encoder
}

func newLeftWriter(dir, name string) (*leftWriter, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	b := bufio.NewWriter(f)
	return &leftWriter{f, b, json.NewEncoder(b)}, nil
}

func (w *leftWriter) close() error { return errors.Join(w.buf.Flush(), w.f.Sync(), w.f.Close()) }

// writeMessage writes one message as a file.
func writeMessage(dir, name string, r io.Reader) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

// eachLeft reads the lines of a file; one that is not there has none.
func eachLeft[T any](dir, name string, fn func(n int, v T) error) error {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, maxLeftLine)
	n := 0
	for ; sc.Scan(); n++ {
		var v T
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			return fmt.Errorf("%s, line %d: %w", name, n+1, err)
		}
		if err := fn(n, v); err != nil {
			return err
		}
	}
	return sc.Err()
}

// openLeft opens a message that was left. Its name is of the folder, and leads
// nowhere else.
func openLeft(dir, name string) (*os.File, int64, error) {
	f, err := os.OpenInRoot(dir, name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// taken reads and writes how many lines of leftMails were taken in, so that an
// interrupted try is not made from the start.
func taken(dir string) (n int) {
	b, err := os.ReadFile(filepath.Join(dir, takenName))
	if err == nil {
		fmt.Sscan(string(b), &n)
	}
	return n
}

func setTaken(dir string, n int) error {
	return durable.WriteFile(filepath.Join(dir, takenName), fmt.Appendln(nil, n), 0o600)
}
