package dsn

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// Bounds of a report that is read; what is beyond them is left out.
const (
	maxStatusPart = 256 << 10
	maxRecipients = 1000
)

// ErrNoReport is returned by [Parse] for a message that is no delivery status
// notification.
var ErrNoReport = errors.New("message is no delivery report")

// Received is what [Parse] understood of a notification. All text in it is one
// line of valid UTF-8.
type Received struct {
	EnvID        string
	ReportingMTA string
	Arrival      time.Time
	Recipients   []ReceivedRecipient
	MessageID    string // of the returned message, without brackets
}

// ReceivedRecipient is one recipient of a [Received] notification.
type ReceivedRecipient struct {
	Final, Original string // addresses without addr-type
	Action          Action // in lower case; perhaps none of ours
	Status          mail.Status
	RemoteMTA       string
	Diagnostic      string
	LastAttempt     time.Time
	WillRetryUntil  time.Time
}

// Parse reads a notification of size octets. It fails with [ErrNoReport] or an
// error of r.
func Parse(r io.ReaderAt, size int64) (*Received, error) {
	ix, err := message.Parse(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, err
	}
	var status, returned *message.Part
	for p := range ix.Parts() {
		switch p.Type + "/" + p.Subtype {
		case "message/delivery-status", "message/global-delivery-status":
			if status == nil {
				status = p
			}
		case "message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers":
			if status != nil && returned == nil {
				returned = p
			}
		}
	}
	if status == nil {
		return nil, ErrNoReport
	}
	b, err := io.ReadAll(io.LimitReader(message.DecodeTransfer(status.Encoding, status.Reader(r)), maxStatusPart))
	if err != nil {
		return nil, err
	}
	got := new(Received)
	got.parse(b)
	if len(got.Recipients) == 0 {
		return nil, ErrNoReport
	}
	if returned != nil {
		got.MessageID, err = returnedID(returned, r)
	}
	return got, err
}

// parse reads the blocks of fields of message/delivery-status.
func (got *Received) parse(b []byte) {
	first := true
	for len(b) > 0 && len(got.Recipients) < maxRecipients {
		n := message.HeaderEnd(b)
		if n == 0 { // a line that is no field
			_, b, _ = bytes.Cut(b, []byte("\n"))
			continue
		}
		var rcpt ReceivedRecipient
		for f := range message.Fields(b[:n]) {
			name, value := strings.ToLower(f.Name), line(f.Value())
			if first && got.field(name, value) {
				continue
			}
			rcpt.field(name, value)
		}
		if rcpt.Final != "" || rcpt.Original != "" {
			got.Recipients = append(got.Recipients, rcpt)
		}
		first = first && len(bytes.TrimSpace(b[:n])) == 0
		b = b[n:]
	}
}

// field takes a field about the message.
func (got *Received) field(name, value string) bool {
	switch name {
	case "original-envelope-id":
		got.EnvID = value
	case "reporting-mta":
		got.ReportingMTA = afterType(value)
	case "arrival-date":
		got.Arrival, _ = message.ParseDate(value)
	default:
		return false
	}
	return true
}

// field takes a field about a recipient.
func (rcpt *ReceivedRecipient) field(name, value string) {
	switch name {
	case "final-recipient":
		rcpt.Final = address(value)
	case "original-recipient":
		rcpt.Original = address(value)
	case "action":
		word, _, _ := strings.Cut(value, " ")
		rcpt.Action = Action(strings.ToLower(word))
	case "status":
		word, _, _ := strings.Cut(value, " ")
		rcpt.Status, _ = mail.ParseStatus(word)
	case "remote-mta":
		rcpt.RemoteMTA = afterType(value)
	case "diagnostic-code":
		rcpt.Diagnostic = afterType(value)
	case "last-attempt-date":
		rcpt.LastAttempt, _ = message.ParseDate(value)
	case "will-retry-until":
		rcpt.WillRetryUntil, _ = message.ParseDate(value)
	}
}

// afterType cuts "dns;" and its like; some programs leave it out.
func afterType(value string) string {
	if kind, rest, ok := strings.Cut(value, ";"); ok && strings.IndexFunc(strings.TrimSpace(kind), notAtom) < 0 {
		return strings.TrimSpace(rest)
	}
	return value
}

// address reads "addr-type; address", perhaps in angle brackets.
func address(value string) string {
	kind, _, _ := strings.Cut(value, ";")
	value = strings.Trim(afterType(value), "<> ")
	if equalFold(strings.TrimSpace(kind), "utf-8") {
		value = decodeUTF8(value)
	}
	return value
}

// returnedID finds out which message the report is about.
func returnedID(p *message.Part, r io.ReaderAt) (string, error) {
	id := ""
	if p.Envelope != nil {
		id = p.Envelope.MessageID
	} else {
		header, err := message.ReadHeader(io.LimitReader(message.DecodeTransfer(p.Encoding, p.Reader(r)), maxStatusPart))
		if err != nil {
			return "", err
		}
		for f := range message.Fields(header) {
			if equalFold(f.Name, "Message-ID") {
				id = f.Value()
				break
			}
		}
	}
	if ids := message.ParseMsgIDs(id); len(ids) > 0 {
		return line(ids[0]), nil
	}
	return "", nil
}
