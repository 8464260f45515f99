package message

import (
	"bytes"
	"strings"
)

// Prepend accounts for header, complete fields, that is put before the
// message: offsets and sizes move, Received fields count, and fields of the
// envelope are what a new pass would find. Fields of MIME do not belong there.
//
// A message without any header has to be kept apart from what is put before
// it: where [Index.NeedsEmptyLine] reports so, header must end in an empty
// line.
func (ix *Index) Prepend(header []byte) {
	if len(header) == 0 {
		return
	}
	n := int64(len(header))
	ix.Size += n
	for p := range ix.Parts() {
		p.shift(n)
	}
	ix.Root.HeaderStart = 0
	if isUnremarkable(header) {
		ix.Traits &^= NoHeader
		return
	}
	x := NewIndexer()
	x.Write(header)
	front := x.Close()
	ix.Hops += front.Hops
	const ofHeader = HasUTF8Header | HasNUL | HasBareCR | HasBareLF | HasLongLine | BoundHit
	ix.Traits |= front.Traits & ofHeader
	if front.Traits&NoHeader == 0 {
		ix.Traits &^= NoHeader
	}
	ix.mergeEnvelope(front)
}

// isUnremarkable reports whether a header is nothing but short fields in ASCII
// that no index has anything of, as Return-Path and Delivered-To are: a
// delivery puts these before most messages.
func isUnremarkable(header []byte) bool {
	end := 0
	for f := range rawFields(header) {
		line := header[f.start:f.end]
		if f.start != end || kindOf(f.name) != fieldOther || len(line) > maxLine || !bytes.HasSuffix(line, []byte("\r\n")) {
			return false
		}
		for _, c := range line[:len(line)-2] {
			if c < ' ' || c > '~' {
				return false
			}
		}
		end = f.end
	}
	return end == len(header)
}

// NeedsEmptyLine reports whether a header put before the message must end in
// an empty line, because the message begins with its body at once.
func (ix *Index) NeedsEmptyLine() bool {
	return ix.Traits&NoHeader != 0 && ix.Root.BodyStart == 0 && ix.Size > 0
}

func (p *Part) shift(n int64) {
	p.HeaderStart += n
	p.BodyStart += n
	p.BodyEnd += n
}

// mergeEnvelope puts what the front says before what is known: of fields that
// may be there once the first counts.
func (ix *Index) mergeEnvelope(front *Index) {
	e, f := &ix.Envelope, &front.Envelope
	if f.HasDate {
		e.HasDate, e.Date, ix.Date = true, f.Date, front.Date
	}
	if f.HasSubject {
		e.HasSubject, e.Subject = true, f.Subject
	}
	if f.HasMessageID {
		e.HasMessageID, e.MessageID, ix.MessageID = true, f.MessageID, front.MessageID
	}
	if f.HasInReplyTo {
		e.HasInReplyTo, e.InReplyTo = true, strings.TrimSpace(f.InReplyTo+" "+e.InReplyTo)
	}
	if len(front.References) > 0 {
		ix.References = append(front.References, ix.References...)
	}
	if len(f.From) > 0 {
		e.From = f.From
	}
	if len(f.Sender) > 0 {
		e.Sender = f.Sender
	}
	if len(f.ReplyTo) > 0 {
		e.ReplyTo = f.ReplyTo
	}
	e.To, e.Cc, e.Bcc = append(f.To, e.To...), append(f.Cc, e.Cc...), append(f.Bcc, e.Bcc...)
}
