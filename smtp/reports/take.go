package reports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp/dmarc/aggregate"
	"github.com/mailstead/mailstead/smtp/tlsrpt"
	"github.com/mailstead/mailstead/smtp/unpack"
)

// Bounds of one message.
const (
	maxPacked = 10 << 20 // octets of one part, decoded
	maxParts  = 20       // that are looked into
	maxOfMail = 10       // reports in one message
)

var _ delivery.Reports = (*Book)(nil)

// Takes says whether an address is for reports.
func (b *Book) Takes(p mail.Path) bool { return b.opts.Address != nil && b.opts.Address(p) }

// Take keeps the reports in a message.
func (b *Book) Take(ctx context.Context, m delivery.ReportMail) (string, error) {
	if err := b.opts.Disk.Fits(disk.Bulk, 0); err != nil {
		return "", err
	}
	files, why := findFiles(m)
	var told []string
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		text, err := b.takeFile(m, f)
		switch {
		case errors.Is(err, delivery.ErrNoReport):
			why = err
		case err != nil:
			return "", err
		default:
			told = append(told, text)
		}
	}
	switch {
	case len(told) > 0:
		return strings.Join(told, "; "), nil
	case why != nil:
		return "", why
	}
	return "", fmt.Errorf("%w: there is neither an XML nor a JSON file in it, packed or not", delivery.ErrNoReport)
}

// file is what a part has in it, unpacked.
type file struct {
	name string
	text []byte
	json bool
}

// findFiles looks into the parts of a message. What they say of themselves
// does not count. why is what is wrong with the last one that could not be
// opened.
func findFiles(m delivery.ReportMail) (files []file, why error) {
	looked := 0
	for p := range m.Index.Parts() {
		if p.IsMultipart() || p.IsMessage() {
			continue
		}
		if looked++; looked > maxParts || len(files) == maxOfMail {
			break
		}
		packed, err := io.ReadAll(io.LimitReader(message.DecodeTransfer(p.Encoding, p.Reader(m.Text)), maxPacked+1))
		if err != nil {
			return files, fmt.Errorf("%w: %v", delivery.ErrNoReport, err)
		}
		if len(packed) > maxPacked {
			why = fmt.Errorf("%w: a part has more than %d octets", delivery.ErrNoReport, maxPacked)
			continue
		}
		if unpack.FormatOf(packed) == unpack.Plain && !isDocument(packed) {
			continue
		}
		text, err := unpack.Open(packed, aggregate.IsFileName, unpack.Limits{})
		if err != nil {
			why = fmt.Errorf("%w: %v", delivery.ErrNoReport, err)
			continue
		}
		files = append(files, file{name: p.Filename(), text: text, json: begins(text, '{')})
	}
	return files, why
}

// isDocument reports whether something can be XML or JSON.
func isDocument(b []byte) bool { return begins(b, '<') || begins(b, '{') }

func begins(b []byte, c byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(b) > 0 && b[0] == c
}

// takeFile reads one file, and keeps it.
func (b *Book) takeFile(m delivery.ReportMail, f file) (told string, err error) {
	if f.json {
		r, err := tlsrpt.Parse(f.text)
		if err != nil {
			return "", fmt.Errorf("%w: %v", delivery.ErrNoReport, err)
		}
		return b.addTLS(m, r)
	}
	r, err := aggregate.Parse(f.text)
	if err != nil {
		return "", fmt.Errorf("%w: %v", delivery.ErrNoReport, err)
	}
	return b.addDMARC(m, f.name, r)
}

// ours returns the domain of ours that a report is about: the one that it
// names, or the one that it came to if they belong together.
func (b *Book) ours(named mail.Domain, to mail.Path) (mail.Domain, bool) {
	switch {
	case b.opts.Hosted == nil:
	case b.opts.Hosted(named):
		return named, true
	case to.Domain.IsSubdomainOf(named) || named.IsSubdomainOf(to.Domain):
		return to.Domain, b.opts.Hosted(to.Domain)
	}
	return "", false
}
