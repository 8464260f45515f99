package dsn

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"mime/quotedprintable"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// dateFormat is date-time of RFC 5322 section 3.3.
const dateFormat = "Mon, 2 Jan 2006 15:04:05 -0700"

// Build makes the notification, header and body, with CRLF line ends. The
// whole message is returned if Ret asks for it, a recipient failed and the
// message is no larger than [MaxReturn] and clean enough to travel inside
// another one; else its header is. With UTF8 the report may need SMTPUTF8;
// without, it is ASCII but for a returned 8-bit message. An error is one of
// Original or Rand.
func Build(r Report) ([]byte, error) {
	original, err := readOriginal(&r)
	if err != nil {
		return nil, fmt.Errorf("read message to return: %w", err)
	}
	var random [28]byte
	if _, err := io.ReadFull(r.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("random boundary: %w", err)
	}
	if r.MessageID == "" {
		r.MessageID = hex.EncodeToString(random[:12]) + "@" + string(r.Hostname)
	}
	if r.From.IsNull() {
		r.From = mail.Path{Local: "MAILER-DAEMON", Domain: r.Hostname}
	}
	b := &builder{r: &r, original: original, boundary: "=_" + hex.EncodeToString(random[12:])}
	b.header()
	b.text()
	b.status()
	b.returned()
	b.WriteString("\r\n--" + b.boundary + "--\r\n")
	return b.Bytes(), nil
}

// builder writes one report.
type builder struct {
	bytes.Buffer
	r        *Report
	original *original
	boundary string
}

func (b *builder) field(name, value string) {
	if value != "" {
		b.Write(message.FormatField(name, value))
	}
}

func (b *builder) header() {
	r := b.r
	b.field("From", "Mail Delivery System <"+r.From.String()+">")
	b.field("To", r.To.String())
	b.field("Subject", message.EncodeText(subject(r, b.original)))
	b.field("Date", r.Date.Format(dateFormat))
	b.field("Message-ID", "<"+r.MessageID+">")
	if b.original != nil && b.original.messageID != "" {
		b.field("In-Reply-To", "<"+b.original.messageID+">")
		b.field("References", "<"+b.original.messageID+">")
	}
	b.field("Auto-Submitted", "auto-replied") // RFC 3834 section 5
	b.field("MIME-Version", "1.0")
	b.field("Content-Type", "multipart/report; report-type=delivery-status; boundary=\""+b.boundary+"\"")
}

// part begins a part. The line end before a delimiter is none of the body's.
func (b *builder) part(contentType, description, encoding string) {
	b.WriteString("\r\n--" + b.boundary + "\r\n")
	b.field("Content-Type", contentType)
	b.field("Content-Description", description)
	b.field("Content-Transfer-Encoding", encoding)
	b.WriteString("\r\n")
}

// text is the part for people.
func (b *builder) text() {
	text := explain(b.r, b.original)
	if isASCII(text) {
		b.part("text/plain; charset=us-ascii", "Notification", "7bit")
		b.WriteString(text)
		return
	}
	b.part("text/plain; charset=utf-8", "Notification", "quoted-printable")
	b.quotedPrintable([]byte(text))
}

func (b *builder) quotedPrintable(text []byte) {
	w := quotedprintable.NewWriter(&b.Buffer)
	w.Write(text)
	w.Close()
}

// status is the part for programs (RFC 3464 section 2, RFC 6533 section 4).
func (b *builder) status() {
	fields := statusFields(b.r)
	contentType, encoding := "message/delivery-status", "7bit"
	if !isASCII(string(fields)) {
		contentType, encoding = "message/global-delivery-status", "8bit"
	}
	b.part(contentType, "Delivery report", encoding)
	b.Write(fields)
}

// statusFields is one block of fields for the message and one for each
// recipient.
func statusFields(r *Report) []byte {
	b := &builder{r: r}
	b.field("Original-Envelope-Id", encodeUTF8(line(r.EnvID), false))
	b.field("Reporting-MTA", "dns; "+string(r.Hostname))
	b.date("Arrival-Date", r.Arrival)
	b.field("X-Mailstead-Queue-Id", line(r.QueueID))
	for i := range r.Recipients {
		b.WriteString("\r\n")
		b.recipient(&r.Recipients[i])
	}
	return b.Bytes()
}

func (b *builder) date(name string, t time.Time) {
	if !t.IsZero() {
		b.field(name, t.Format(dateFormat))
	}
}

func (b *builder) recipient(rcpt *Recipient) {
	utf8 := b.r.UTF8
	b.field("Original-Recipient", originalRecipient(rcpt.ORcpt, utf8))
	b.field("Final-Recipient", finalRecipient(rcpt.Path, utf8))
	b.field("Action", string(rcpt.Action))
	b.field("Status", rcpt.Status.String())
	if rcpt.RemoteMTA != "" {
		b.field("Remote-MTA", "dns; "+encodeUTF8(line(rcpt.RemoteMTA), false))
	}
	if text := line(rcpt.Diagnostic); text != "" {
		b.field("Diagnostic-Code", diagnosticType(rcpt)+"; "+encodeUTF8(text, utf8))
	}
	b.date("Last-Attempt-Date", rcpt.LastAttempt)
	if rcpt.Action == Delayed {
		b.date("Will-Retry-Until", rcpt.WillRetryUntil)
	}
}

// diagnosticType says whether Diagnostic is an SMTP reply of another server or
// words of ours (RFC 3464 section 2.3.6).
func diagnosticType(rcpt *Recipient) string {
	if rcpt.RemoteMTA == "" {
		return "X-Mailstead"
	}
	return "smtp"
}

// returned is the part with the message or its header (RFC 6522 section 3).
func (b *builder) returned() {
	o := b.original
	if o == nil {
		return
	}
	ascii := isASCII(string(o.header))
	switch {
	case o.whole != nil && b.r.UTF8 && !ascii:
		b.part("message/global", "Undelivered message", "8bit") // RFC 6533 section 5
		b.Write(o.whole)
	case o.whole != nil:
		b.part("message/rfc822", "Undelivered message", sevenOrEight(o.whole))
		b.Write(o.whole)
	case b.r.UTF8 && !ascii && !o.longLine:
		b.part("message/global-headers", "Header of the message", "8bit") // RFC 6533 section 6
		b.Write(o.header)
	case ascii && !o.longLine:
		b.part("text/rfc822-headers", "Header of the message", "7bit")
		b.Write(o.header)
	default:
		b.part("text/rfc822-headers; charset=utf-8", "Header of the message", "quoted-printable")
		b.quotedPrintable(o.header)
	}
}

func sevenOrEight(p []byte) string {
	if isASCII(string(p)) {
		return "7bit"
	}
	return "8bit"
}
