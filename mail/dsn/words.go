package dsn

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mailstead/mailstead/mail"
)

// subject says what happened, and of which message.
func subject(r *Report, o *original) string {
	s := "Mail delivered"
	switch {
	case r.has(Failed):
		s = "Mail could not be delivered"
	case r.has(Delayed):
		s = "Mail is delayed, no action needed"
	}
	if o == nil || o.subject == "" {
		return s
	}
	const longest = 100
	of := []rune(line(o.subject))
	if len(of) > longest {
		of = append(of[:longest], '…')
	}
	return s + ": " + string(of)
}

// sections are the parts of the text for people, in this order.
var sections = []struct {
	action Action
	title  string
}{
	{Failed, "Your message could not be delivered to:"},
	{Delayed, "Your message could not be delivered yet to:"},
	{Delivered, "Your message was delivered to the mailbox of:"},
	{Relayed, "Your message was handed on to a server that sends no reports, for:"},
	{Expanded, "Your message was accepted and sent to the members of:"},
}

// explain is the text for people: what happened, to whom, what the other
// server said, what to do now.
func explain(r *Report, o *original) string {
	var w wrapper
	w.paragraph("", fmt.Sprintf("This is the mail server %s.", r.Hostname.Unicode()))
	for _, s := range sections {
		if !r.has(s.action) {
			continue
		}
		w.paragraph("", s.title)
		for i := range r.Recipients {
			if rcpt := &r.Recipients[i]; rcpt.Action == s.action {
				explainRecipient(&w, r, rcpt)
			}
		}
	}
	w.paragraph("", about(r, o))
	return strings.TrimSuffix(w.String(), "\r\n")
}

func explainRecipient(w *wrapper, r *Report, rcpt *Recipient) {
	w.paragraph("  ", "<"+line(rcpt.Path.Display())+">")
	if _, address, ok := strings.Cut(line(rcpt.ORcpt), ";"); ok && !strings.EqualFold(address, rcpt.Path.String()) {
		w.paragraph("    ", "You wrote to <"+address+">, which forwards there.")
	}
	if text := line(rcpt.Diagnostic); text != "" {
		if rcpt.RemoteMTA == "" {
			text = "Reason: " + text
		} else {
			text = "The server " + line(rcpt.RemoteMTA) + " said: " + text
		}
		w.paragraph("    ", text)
	}
	switch rcpt.Action {
	case Failed:
		w.paragraph("    ", advice(rcpt.Status))
	case Delayed:
		text := "We keep trying. You need not send it again."
		if !rcpt.WillRetryUntil.IsZero() {
			text = "We keep trying until " + rcpt.WillRetryUntil.Format(dateFormat) + " and tell you if it cannot be done. You need not send it again."
		}
		w.paragraph("    ", text)
	}
}

// about says which message it is.
func about(r *Report, o *original) string {
	s := "The message"
	if o != nil && o.subject != "" {
		s += " with the subject \"" + line(o.subject) + "\""
	}
	if !r.Arrival.IsZero() {
		s += " came here on " + r.Arrival.Format(dateFormat)
	} else {
		s += " came here"
	}
	if r.QueueID != "" {
		s += " and has the number " + line(r.QueueID)
	}
	s += "."
	switch {
	case o == nil:
	case o.whole != nil:
		s += " It is attached."
	default:
		s += " Its header is attached."
	}
	return s
}

// advice says what the sender can do, by the enhanced status code (RFC 3463
// section 3, registry of RFC 5248).
func advice(s mail.Status) string {
	switch (mail.Status{Class: 0, Subject: s.Subject, Detail: s.Detail}) {
	case mail.Status{Subject: 1, Detail: 1}, mail.Status{Subject: 1, Detail: 3}, mail.Status{Subject: 1, Detail: 6}:
		return "There is no such address. Check how it is spelled, or ask the recipient for the new one."
	case mail.Status{Subject: 1, Detail: 2}, mail.Status{Subject: 1, Detail: 10}:
		return "The domain after the @ does not exist or takes no mail. Check how it is spelled."
	case mail.Status{Subject: 2, Detail: 1}:
		return "The mailbox takes no mail at present. Reach the recipient in another way."
	case mail.Status{Subject: 2, Detail: 2}:
		return "The mailbox is full. Try again later, or reach the recipient in another way."
	case mail.Status{Subject: 2, Detail: 3}, mail.Status{Subject: 3, Detail: 4}:
		return "The message is too large for the other server. Send it without its attachments, or send them in several messages."
	case mail.Status{Subject: 4, Detail: 6}:
		return "The address forwards in a circle. The recipient's postmaster can mend that."
	case mail.Status{Subject: 4, Detail: 1}, mail.Status{Subject: 4, Detail: 2}, mail.Status{Subject: 4, Detail: 4}, mail.Status{Subject: 4, Detail: 7}:
		return "The other server could not be reached for too long. Send the message again later, or reach the recipient in another way."
	case mail.Status{Subject: 6, Detail: 7}:
		return "The other server does not know addresses with letters beyond ASCII. Ask the recipient for another address."
	}
	switch s.Subject {
	case 5, 6:
		return "The other server did not understand the message. Please show this report to your postmaster."
	case 7:
		return "The message was refused by a rule. If you think that is wrong, show this report to your postmaster, or reach the recipient in another way."
	}
	return "If you do not know why, show this report to your postmaster."
}

// wrapper writes paragraphs with an empty line after each.
type wrapper struct{ strings.Builder }

const wrapAt = 72

func (w *wrapper) paragraph(indent, text string) {
	length := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case length == 0:
			w.WriteString(indent)
			length = len(indent)
		case length+1+n > wrapAt:
			w.WriteString("\r\n" + indent)
			length = len(indent)
		default:
			w.WriteByte(' ')
			length++
		}
		w.WriteString(word)
		length += n
	}
	w.WriteString("\r\n\r\n")
}
