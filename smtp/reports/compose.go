package reports

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp/dmarc/aggregate"
)

const (
	dateFormat = "Mon, 2 Jan 2006 15:04:05 -0700"
	lineLength = 76 // of base64 (RFC 2045 section 6.8)
)

// compose makes the message that carries a report (RFC 9990 section 3.5.2).
func compose(r *aggregate.Report, from mail.Domain, to mail.Path, now time.Time, id string, rand io.Reader) ([]byte, error) {
	packed, err := packReport(r)
	if err != nil {
		return nil, err
	}
	var random [16]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return nil, fmt.Errorf("random boundary: %w", err)
	}
	boundary := "=_" + hex.EncodeToString(random[:])
	name := aggregate.FileName{Receiver: from, Policy: r.Policy.Domain, Begin: r.Begin, End: r.End}.String()
	var b bytes.Buffer
	field := func(name, value string) { b.Write(message.FormatField(name, value)) }
	field("From", "DMARC reports of "+string(from)+" <postmaster@"+string(from)+">")
	field("To", "<"+to.String()+">")
	field("Subject", fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s>", r.Policy.Domain, from, r.ID))
	field("Date", now.Format(dateFormat))
	field("Message-ID", "<"+id+"@"+string(from)+">")
	field("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	field("MIME-Version", "1.0")
	field("Content-Type", `multipart/mixed; boundary="`+boundary+`"`)
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", boundary)
	fmt.Fprintf(&b, "This is the DMARC aggregate report of %s about mail in the name of\r\n%s on %s (UTC): %s.\r\n\r\n",
		from, r.Policy.Domain, r.Begin.Format(time.DateOnly), messages(r.Messages()))
	b.WriteString("You get it because the DMARC record of that domain asks for it (rua=).\r\n")
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: application/gzip; name=\"%s\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"%[2]s\"\r\n\r\n", boundary, name)
	for text := base64.StdEncoding.EncodeToString(packed); text != ""; {
		n := min(lineLength, len(text))
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes(), nil
}

func packReport(r *aggregate.Report) ([]byte, error) {
	text, err := r.XML()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Name = strings.TrimSuffix(aggregate.FileName{Receiver: mail.Domain(r.Org), Policy: r.Policy.Domain, Begin: r.Begin, End: r.End}.String(), ".gz")
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if b.Len() > maxAttachment {
		return nil, &mail.Error{Status: mail.Status{Class: 5, Subject: 3, Detail: 4}, Text: fmt.Sprintf("the report has %d octets, more than %d", b.Len(), maxAttachment)}
	}
	return b.Bytes(), nil
}
