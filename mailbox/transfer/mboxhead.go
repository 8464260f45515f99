package transfer

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mailbox"
)

// mboxHead is what an mbox keeps in header fields of a message that are not
// the message's own.
type mboxHead struct {
	header   []byte // without those fields
	flags    mailbox.Flags
	keywords []string
	length   int64 // of the body, by Content-Length; -1 if it is not told
	internal bool  // no message, but what a program keeps in the file
}

// ownFields are the fields that are taken out.
var ownFields = []string{"Status", "X-Status", "X-Keywords", "X-UID", "X-IMAP", "X-IMAPbase", "Content-Length"}

// readHead reads those fields of a header.
func readHead(header []byte) mboxHead {
	h := mboxHead{header: make([]byte, 0, len(header)), length: -1}
	skip := false
	for line := range bytes.Lines(header) {
		if line[0] != ' ' && line[0] != '\t' {
			name, value, ok := bytes.Cut(line, []byte(":"))
			skip = ok && h.field(string(bytes.TrimRight(name, " \t")), string(bytes.TrimSpace(value)))
		}
		if !skip {
			h.header = append(h.header, line...)
		}
	}
	return h
}

// field reads a field, and reports whether it is to be taken out.
func (h *mboxHead) field(name, value string) bool {
	switch {
	case equalsAny(name, ownFields[0], ownFields[1]):
		h.status(value)
	case strings.EqualFold(name, "X-Keywords"):
		h.keywords = append(h.keywords, strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })...)
	case strings.EqualFold(name, "Content-Length"):
		n, err := strconv.ParseInt(value, 10, 63)
		if err == nil && n >= 0 {
			h.length = n
		}
	case strings.EqualFold(name, "Subject"):
		h.internal = h.internal || strings.Contains(value, "FOLDER INTERNAL DATA")
	}
	return equalsAny(name, ownFields...)
}

// status reads the letters of Status and X-Status.
func (h *mboxHead) status(letters string) {
	for _, c := range letters {
		switch c {
		case 'R':
			h.flags |= mailbox.Seen
		case 'A':
			h.flags |= mailbox.Answered
		case 'F':
			h.flags |= mailbox.Flagged
		case 'T':
			h.flags |= mailbox.Draft
		case 'D':
			h.flags |= mailbox.Deleted
		}
	}
}

func equalsAny(name string, names ...string) bool {
	for _, n := range names {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}
