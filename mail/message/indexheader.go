package message

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// fieldKind is a header field the index is made of.
type fieldKind uint8

const (
	fieldOther fieldKind = iota
	fieldReceived
	fieldDate
	fieldSubject
	fieldFrom
	fieldSender
	fieldReplyTo
	fieldTo
	fieldCc
	fieldBcc
	fieldInReplyTo
	fieldMessageID
	fieldReferences
	fieldType // the fields of MIME parts are this one and those after it
	fieldEncoding
	fieldID
	fieldDescription
	fieldMD5
	fieldDisposition
	fieldLanguage
	fieldLocation
	numFields
)

var fieldKinds = map[string]fieldKind{
	"received": fieldReceived, "date": fieldDate, "subject": fieldSubject, "from": fieldFrom, "sender": fieldSender,
	"reply-to": fieldReplyTo, "to": fieldTo, "cc": fieldCc, "bcc": fieldBcc, "in-reply-to": fieldInReplyTo,
	"message-id": fieldMessageID, "references": fieldReferences, "content-type": fieldType,
	"content-transfer-encoding": fieldEncoding, "content-id": fieldID, "content-description": fieldDescription,
	"content-md5": fieldMD5, "content-disposition": fieldDisposition, "content-language": fieldLanguage,
	"content-location": fieldLocation,
}

// kindOf recognises a field's name.
func kindOf(name []byte) fieldKind {
	var lower [32]byte
	if len(name) > len(lower) {
		return fieldOther
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return fieldKinds[string(lower[:len(name)])]
}

// header collects the fields of one header.
type header struct {
	pos    headerPos
	size   int64
	fields int
	none   bool      // there is no header here
	mbox   []byte    // what looks like an mbox line, until the next line shows it
	kind   fieldKind // of the field being read
	raw    []byte    // its value, with folding
	values [numFields]string
	seen   [numFields]bool
	hops   int
	joined int  // fields that were added to one before
	large  bool // what is kept of a value must not keep all of it
}

func (h *header) reset() { *h = header{raw: h.raw[:0]} }

// headerLine takes one line, of which b is the beginning.
func (x *Indexer) headerLine(b []byte) lineKind {
	h := &x.head
	kind, pos, name := classify(b, h.pos)
	h.pos = pos
	h.size += int64(len(b))
	switch kind {
	case lineBody:
		h.none = true
	case lineFolded:
		x.addValue(b)
	case lineField:
		x.endField()
		h.fields++
		if h.size-int64(len(b)) >= MaxHeader {
			x.ix.Traits |= BoundHit
			break
		}
		x.startField(name, b)
	default:
		x.endField()
		if h.pos == afterMbox {
			h.mbox = bytes.Clone(b)
		}
	}
	return kind
}

func (x *Indexer) startField(name, line []byte) {
	h := &x.head
	kind := kindOf(name)
	if kind < fieldType && !x.top().wholeMessage {
		return
	}
	h.seen[kind] = true
	if kind == fieldReceived {
		h.hops++
		return
	}
	h.kind, h.raw = kind, h.raw[:0]
	x.addValue(line[bytes.IndexByte(line, ':')+1:])
}

// addValue adds a line to the value of the field that is being read.
func (x *Indexer) addValue(line []byte) {
	h := &x.head
	if h.kind == fieldOther {
		return
	}
	if room := maxField - len(h.raw); len(line) > room {
		line = line[:room]
		x.ix.Traits |= BoundHit
	}
	h.raw = append(h.raw, line...)
}

// endField puts the value of the field that was read where it belongs. Of
// fields that may be there once the first one counts.
func (x *Indexer) endField() {
	const large, maxJoined = 1 << 10, 100
	h := &x.head
	kind := h.kind
	if kind == fieldOther {
		return
	}
	h.kind = fieldOther
	h.large = h.large || len(h.raw) > large
	value, old := unfold(h.raw), h.values[kind]
	switch {
	case old == "":
	case len(old) > maxField || h.joined == maxJoined:
		x.ix.Traits |= BoundHit
		return
	case kind == fieldTo || kind == fieldCc || kind == fieldBcc:
		value = old + ", " + value
	case kind == fieldReferences || kind == fieldInReplyTo:
		value = old + " " + value
	default:
		return
	}
	if old != "" {
		h.joined++
	}
	h.values[kind] = value
}

// Bounds of what is kept of headers.
const (
	maxKept      = 256 << 10 // octets of a whole index
	maxString    = 4 << 10
	maxAddresses = 2000 // of one field
	maxRefs      = 100
	maxMsgID     = maxLine
)

// keep returns s as it goes into the index, within the bounds.
func (x *Indexer) keep(s string) string {
	limit := min(maxString, x.left)
	if len(s) > limit {
		x.ix.Traits |= BoundHit
		s = strings.Clone(cut(s, limit))
	} else if x.head.large {
		s = strings.Clone(s)
	}
	x.left -= len(s)
	return s
}

// cut returns at most n octets of s, in whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > 0 && i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

func (x *Indexer) keepParams(params []Param, all bool) []Param {
	if !all {
		x.ix.Traits |= BoundHit
	}
	for i := range params {
		params[i] = Param{x.keep(params[i].Name), x.keep(params[i].Value)}
	}
	return params
}

func (x *Indexer) keepAddresses(kind fieldKind) []Address {
	const each = 48 // octets of an Address itself
	value := x.head.values[kind]
	if value == "" {
		return nil
	}
	list := ParseAddressList(value)
	for i := range list {
		if i == maxAddresses || x.left < each {
			x.ix.Traits |= BoundHit
			return closeGroup(list[:i:i])
		}
		x.left -= each
		a := &list[i]
		*a = Address{Name: x.keep(a.Name), Mailbox: x.keep(a.Mailbox), Host: x.keep(a.Host)}
	}
	return list
}

// closeGroup ends a group that was cut off.
func closeGroup(list []Address) []Address {
	open := false
	for i, a := range list {
		if a.Host == "" {
			open = a.Mailbox != ""
			if i == len(list)-1 && open {
				return list[:i:i]
			}
		}
	}
	if open {
		list = append(list, Address{})
	}
	return list
}

// describe fills what the header says into its part, and for a message into
// its envelope.
func (x *Indexer) describe(f *frame) {
	h, p := &x.head, f.part
	typ, subtype, params, all := parseMediaType(h.values[fieldType])
	switch {
	case typ != "":
	case !h.seen[fieldType] && !f.wholeMessage && x.stack[len(x.stack)-2].digest:
		typ, subtype = "message", "rfc822"
	default:
		typ, subtype = "text", "plain"
	}
	p.Type, p.Subtype, p.Params = x.keep(typ), x.keep(subtype), x.keepParams(params, all)
	p.Encoding = "7bit"
	if v, _ := cutToken(h.values[fieldEncoding]); v != "" {
		p.Encoding = x.keep(strings.ToLower(v))
	}
	if v := h.values[fieldDisposition]; v != "" {
		head, rest := cutToken(v)
		p.Disposition = x.keep(strings.ToLower(head))
		params, all := parseParams(rest)
		p.DispositionParams = x.keepParams(params, all)
	}
	p.ID, p.Description = x.keep(h.values[fieldID]), x.keep(h.values[fieldDescription])
	p.MD5, p.Location = x.keep(h.values[fieldMD5]), x.keep(h.values[fieldLocation])
	if v := h.values[fieldLanguage]; v != "" {
		p.Language = x.keepLanguages(v)
	}
	if !f.wholeMessage {
		return
	}
	if len(x.stack) > 1 {
		*x.stack[len(x.stack)-2].part.Envelope = x.envelope()
		return
	}
	x.ix.Envelope = x.envelope()
	x.ix.Hops = h.hops
	x.identify()
}

// keepLanguages reads Content-Language (RFC 3282 section 2).
func (x *Indexer) keepLanguages(v string) []string {
	var list []string
	for tag := range strings.SplitSeq(dropComments(v), ",") {
		if tag = strings.TrimSpace(tag); tag != "" && len(list) < maxParams {
			list = append(list, x.keep(tag))
		}
	}
	return list
}

// envelope makes the IMAP ENVELOPE of the header.
func (x *Indexer) envelope() Envelope {
	h := &x.head
	e := Envelope{
		Date: x.keep(h.values[fieldDate]), HasDate: h.seen[fieldDate],
		Subject: x.keep(h.values[fieldSubject]), HasSubject: h.seen[fieldSubject],
		InReplyTo: x.keep(h.values[fieldInReplyTo]), HasInReplyTo: h.seen[fieldInReplyTo],
		MessageID: x.keep(h.values[fieldMessageID]), HasMessageID: h.seen[fieldMessageID],
		From: x.keepAddresses(fieldFrom), Sender: x.keepAddresses(fieldSender), ReplyTo: x.keepAddresses(fieldReplyTo),
		To: x.keepAddresses(fieldTo), Cc: x.keepAddresses(fieldCc), Bcc: x.keepAddresses(fieldBcc),
	}
	e.fillFrom()
	return e
}

// fillFrom is what RFC 9051 section 7.5.2 says of absent fields.
func (e *Envelope) fillFrom() {
	if len(e.Sender) == 0 {
		e.Sender = e.From
	}
	if len(e.ReplyTo) == 0 {
		e.ReplyTo = e.From
	}
}

// identify keeps what threads are made of. Of too many references the first,
// where the thread began, and the last count.
func (x *Indexer) identify() {
	h := &x.head
	if ids := ParseMsgIDs(h.values[fieldMessageID]); len(ids) > 0 && len(ids[0]) <= maxMsgID {
		x.ix.MessageID = x.keep(ids[0])
	}
	refs := ParseMsgIDs(h.values[fieldReferences])
	known := len(refs)
	for _, id := range ParseMsgIDs(h.values[fieldInReplyTo]) {
		if !slices.Contains(refs[max(0, known-maxRefs):known], id) {
			refs = append(refs, id)
		}
	}
	x.ix.References = x.keepRefs(refs)
}

func (x *Indexer) keepRefs(refs []string) []string {
	refs = slices.DeleteFunc(refs, func(id string) bool { return len(id) > maxMsgID })
	if n := len(refs); n > maxRefs {
		refs = append(refs[:1], refs[n-maxRefs+1:]...)
		x.ix.Traits |= BoundHit
	}
	for i, id := range refs {
		refs[i] = x.keep(id)
	}
	return refs
}
