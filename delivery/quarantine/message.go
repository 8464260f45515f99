package quarantine

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
)

// Message is what somebody has to know to decide about a message.
type Message struct {
	Key
	Size    int64
	From    []message.Address // names decoded
	Subject string            // decoded
	Preview string
	To      mail.Path // the address by which the account was reached
	Trace   trace.ID  // "" if the message does not say
	Score   float64
	Reasons []mail.Reason // names and scores alone; the trace has the sentences
}

// maxHead is how much of a message is read for its trace.
const maxHead = 16 << 10

// Load reads a message of an account; mailbox.ErrNoMessage if it is gone.
func (b *Book) Load(ctx context.Context, id mailbox.AccountID, uid mailbox.UID) (Message, error) {
	var m Message
	var body mailbox.BodyRef
	err := b.opts.Boxes.Account(id).View(ctx, func(v *mailbox.View) error {
		box, err := v.MailboxByRole(mailbox.RoleQuarantine)
		if err != nil {
			return mailbox.ErrNoMessage
		}
		row, err := v.Message(box.ID, uid)
		if err != nil {
			return err
		}
		date, err := row.InternalDate()
		if err != nil {
			return err
		}
		m.Key = Key{id, uid, date}
		ix, err := row.Index()
		if err != nil {
			return err
		}
		m.From, m.Subject, m.Preview = ix.Envelope.From, message.DecodeHeaderText(ix.Envelope.Subject), ix.Preview
		body, err = row.Body()
		m.Size = body.Size
		return err
	})
	if err != nil {
		return Message{}, err
	}
	for i := range m.From {
		m.From[i].Name = message.DecodeHeaderText(m.From[i].Name)
	}
	m.readOwn(body.Header)
	r, err := b.opts.Boxes.OpenBody(ctx, body)
	if err != nil {
		return Message{}, err
	}
	defer r.Close()
	head, err := io.ReadAll(io.NewSectionReader(r, int64(len(body.Header)), min(maxHead, body.Size-int64(len(body.Header)))))
	if err != nil {
		return Message{}, err
	}
	m.Trace = traceID(head)
	return m, nil
}

// readOwn reads the header that belongs to the account alone.
func (m *Message) readOwn(header []byte) {
	for f := range message.Fields(header) {
		switch {
		case strings.EqualFold(f.Name, "Delivered-To"):
			m.To, _ = mail.ParseAddress(strings.TrimSpace(f.Value()))
		case strings.EqualFold(f.Name, verdict.FieldName):
			told, _ := verdict.ParseField(f.Value())
			m.Score, m.Reasons = told.Score, told.Reasons
		}
	}
}

// traceID finds the ID that the Received field of this server has, which is
// the first.
func traceID(head []byte) trace.ID {
	if end := message.HeaderEnd(head); end > 0 {
		head = head[:end]
	}
	for value := range message.FieldValues(head, "Received") {
		words := bytes.Fields([]byte(value))
		for i, w := range words[:max(len(words)-1, 0)] {
			if string(w) == "id" {
				return trace.ID(bytes.TrimRight(words[i+1], ";"))
			}
		}
		break
	}
	return ""
}
