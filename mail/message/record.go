package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// The record of a message, as mailbox stores it: a version, the envelope, what
// is known of the whole, and the parts. Numbers are uvarints, strings have
// their length before them. Parts follow each other in the order of the
// message, so that each needs lengths only and none of its offsets; what comes
// before the message changes one of them.
const recordVersion = 1

// maxRecord is the target for a new index, and maxEncoded what an encoded one
// never exceeds: values of the store have fewer than 64 KiB, and a message has
// more in its value than this.
const (
	maxRecord  = 58_000
	maxEncoded = 60_000
)

// ErrRecord is returned for octets that are no record of a message.
var ErrRecord = errors.New("message: record is damaged")

// mediaTypes and encodings are written as their index + 1, so new ones go to
// the end and none is ever taken out.
var mediaTypes = []string{
	"text/plain", "text/html", "multipart/alternative", "multipart/mixed", "multipart/related", "multipart/signed",
	"multipart/report", "multipart/digest", "multipart/encrypted", "multipart/appledouble", "message/rfc822", "message/global",
	"message/delivery-status", "message/disposition-notification", "text/calendar", "text/csv", "text/rfc822-headers",
	"text/x-vcard", "text/vcard", "image/jpeg", "image/png", "image/gif", "image/svg+xml", "image/webp", "image/heic",
	"application/octet-stream", "application/pdf", "application/zip", "application/gzip", "application/json", "application/xml",
	"application/ics", "application/pgp-signature", "application/pgp-encrypted", "application/pgp-keys",
	"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pkcs7-mime", "application/x-pkcs7-mime",
	"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/rtf", "application/ms-tnef",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.spreadsheet",
	"audio/mpeg", "audio/wav", "audio/ogg", "video/mp4", "video/quicktime", "message/feedback-report", "text/x-amp-html",
}

var encodings = []string{"7bit", "8bit", "quoted-printable", "base64", "binary"}

// mediaTypeCodes finds a type without joining its halves first.
var mediaTypeCodes = func() map[[2]string]uint64 {
	m := make(map[[2]string]uint64, len(mediaTypes))
	for i, name := range mediaTypes {
		typ, subtype, _, _ := parseMediaType(name)
		m[[2]string{typ, subtype}] = uint64(i + 1)
	}
	return m
}()

// Flags of an envelope.
const (
	envDate = 1 << iota
	envSubject
	envInReplyTo
	envMessageID
	envSenderIsFrom
	envReplyToIsFrom
)

// Flags of a part: what is there at all.
const (
	partParams = 1 << iota
	partID
	partDescription
	partMD5
	partDisposition
	partLanguage
	partLocation
)

// AppendBinary appends the record of ix to b, at most 60,000 octets. What does
// not fit is left out: long strings are cut, then lists of addresses and
// references, then the innermost and last parts; the record says BoundHit
// then. An error means that ix is none that an [Indexer] makes.
func (ix *Index) AppendBinary(b []byte) ([]byte, error) {
	if err := ix.check(); err != nil {
		return nil, err
	}
	start := len(b)
	b = ix.append(b)
	if len(b)-start <= maxEncoded {
		return b, nil
	}
	small := ix.clone()
	small.fit(maxEncoded)
	return small.append(b[:start]), nil
}

func (ix *Index) append(b []byte) []byte {
	b = append(b, recordVersion)
	b = appendEnvelope(b, &ix.Envelope)
	b = binary.AppendUvarint(b, uint64(ix.Size))
	b = binary.AppendUvarint(b, uint64(ix.Traits))
	b = binary.AppendUvarint(b, uint64(ix.Hops))
	b = appendString(b, ix.Preview)
	b = appendString(b, ix.MessageID)
	b = appendStrings(b, ix.References)
	b = appendDate(b, ix)
	return appendPart(b, &ix.Root, 0)
}

// appendDate writes the time and the minutes its zone is east of UTC.
func appendDate(b []byte, ix *Index) []byte {
	if ix.Date.IsZero() {
		return append(b, 0)
	}
	_, zone := ix.Date.Zone()
	b = append(b, 1)
	b = binary.AppendVarint(b, ix.Date.Unix())
	return binary.AppendVarint(b, int64(zone/60))
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendString(b, s)
	}
	return b
}

func appendEnvelope(b []byte, e *Envelope) []byte {
	flags := byte(0)
	for i, has := range []bool{e.HasDate, e.HasSubject, e.HasInReplyTo, e.HasMessageID,
		slices.Equal(e.Sender, e.From), slices.Equal(e.ReplyTo, e.From)} {
		if has {
			flags |= 1 << i
		}
	}
	b = append(b, flags)
	b = appendString(b, e.Date)
	b = appendString(b, e.Subject)
	b = appendString(b, e.InReplyTo)
	b = appendString(b, e.MessageID)
	b = appendAddresses(b, e.From)
	if flags&envSenderIsFrom == 0 {
		b = appendAddresses(b, e.Sender)
	}
	if flags&envReplyToIsFrom == 0 {
		b = appendAddresses(b, e.ReplyTo)
	}
	b = appendAddresses(b, e.To)
	b = appendAddresses(b, e.Cc)
	return appendAddresses(b, e.Bcc)
}

func appendAddresses(b []byte, list []Address) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, a := range list {
		b = appendString(b, a.Name)
		b = appendString(b, a.Mailbox)
		b = appendString(b, a.Host)
	}
	return b
}

func appendParams(b []byte, list []Param) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, p := range list {
		b = appendString(b, p.Name)
		b = appendString(b, p.Value)
	}
	return b
}

// appendPart writes p, which begins at or after from.
func appendPart(b []byte, p *Part, from int64) []byte {
	code := mediaTypeCodes[[2]string{p.Type, p.Subtype}]
	b = binary.AppendUvarint(b, code)
	if code == 0 {
		b = appendString(b, p.Type)
		b = appendString(b, p.Subtype)
	}
	encoding := slices.Index(encodings, p.Encoding) + 1
	b = binary.AppendUvarint(b, uint64(encoding))
	if encoding == 0 {
		b = appendString(b, p.Encoding)
	}
	b = appendPartFields(b, p)
	b = binary.AppendUvarint(b, uint64(p.HeaderStart-from))
	b = binary.AppendUvarint(b, uint64(p.BodyStart-p.HeaderStart))
	b = binary.AppendUvarint(b, uint64(p.BodyEnd-p.BodyStart))
	b = binary.AppendUvarint(b, uint64(p.Lines))
	switch {
	case p.IsMessage():
		b = appendEnvelope(b, p.Envelope)
	case p.IsMultipart():
		b = binary.AppendUvarint(b, uint64(len(p.Children)))
	}
	from = p.BodyStart
	for _, c := range p.Children {
		b = appendPart(b, c, from)
		from = c.BodyEnd
	}
	return b
}

func appendPartFields(b []byte, p *Part) []byte {
	flags := byte(0)
	for i, has := range []bool{len(p.Params) > 0, p.ID != "", p.Description != "", p.MD5 != "",
		p.Disposition != "" || len(p.DispositionParams) > 0, len(p.Language) > 0, p.Location != ""} {
		if has {
			flags |= 1 << i
		}
	}
	b = append(b, flags)
	if flags&partParams != 0 {
		b = appendParams(b, p.Params)
	}
	for _, s := range []struct {
		flag byte
		text string
	}{{partID, p.ID}, {partDescription, p.Description}, {partMD5, p.MD5}, {partDisposition, p.Disposition}} {
		if flags&s.flag != 0 {
			b = appendString(b, s.text)
		}
	}
	if flags&partDisposition != 0 {
		b = appendParams(b, p.DispositionParams)
	}
	if flags&partLanguage != 0 {
		b = appendStrings(b, p.Language)
	}
	if flags&partLocation != 0 {
		b = appendString(b, p.Location)
	}
	return b
}

// check reports why ix breaks what the package promises of an Index.
func (ix *Index) check() error {
	if ix.Size < 0 || ix.Hops < 0 || ix.Root.HeaderStart != 0 || ix.Root.BodyEnd != ix.Size {
		return errors.New("message: index does not cover the message")
	}
	return ix.Root.check(0, ix.Size, 0)
}

func (p *Part) check(from, to int64, depth int) error {
	switch {
	case depth > MaxDepth:
		return errors.New("message: parts are too deep")
	case p.HeaderStart < from || p.BodyStart < p.HeaderStart || p.BodyEnd < p.BodyStart || p.BodyEnd > to || p.Lines < 0:
		return fmt.Errorf("message: part at %d does not lie in its parent", p.HeaderStart)
	case !p.validChildren():
		return fmt.Errorf("message: %s/%s with %d children", p.Type, p.Subtype, len(p.Children))
	}
	from = p.BodyStart
	for _, c := range p.Children {
		if err := c.check(from, p.BodyEnd, depth+1); err != nil {
			return err
		}
		from = c.BodyEnd
	}
	return nil
}

func (p *Part) validChildren() bool {
	switch {
	case p.IsMessage():
		return p.Envelope != nil && len(p.Children) == 1
	case p.IsMultipart():
		return p.Envelope == nil && len(p.Children) > 0
	}
	return p.Envelope == nil && len(p.Children) == 0
}
