package message

import (
	"bytes"
	"strings"
)

// frame is an open part.
type frame struct {
	part         *Part
	wholeMessage bool   // the header is that of a message, not of a part
	inner        bool   // inside of a message inside the message
	digest       bool   // parts without a type are message/rfc822 (RFC 2046 section 5.1.5)
	boundary     string // of a multipart, until its end is seen
	firstLine    int64  // line ends before the body
}

func (x *Indexer) top() *frame { return &x.stack[len(x.stack)-1] }

// push opens a part that begins with a header, in the line that begins now.
func (x *Indexer) push(p *Part, f frame) {
	f.part = p
	p.HeaderStart = x.lineStart
	f.firstLine = x.lines
	x.stack = append(x.stack, f)
	x.parts++
	x.inHeader = true
	x.head.reset()
	x.preview.stop()
}

// roomForPart reports whether the last frame may have a child.
func (x *Indexer) roomForPart() bool {
	if len(x.stack) > MaxDepth || x.parts >= MaxParts {
		x.ix.Traits |= BoundHit
		return false
	}
	return true
}

// delimiter looks for the multipart whose delimiter the line is, the innermost
// one first. The whole line has to be it: boundaries that begin alike are
// different ones.
func (x *Indexer) delimiter(b []byte, n int64) (level int, closing, ok bool) {
	if x.watch == 0 || n > maxDelimiter || !bytes.HasPrefix(b, []byte("--")) {
		return 0, false, false
	}
	text := bytes.TrimRight(b[2:], " \t\r\n")
	for level = len(x.stack) - 1; level >= 0; level-- {
		boundary := x.stack[level].boundary
		if boundary == "" {
			continue
		}
		rest, found := bytes.CutPrefix(text, []byte(boundary))
		if found && len(rest) == 0 {
			return level, false, true
		}
		if found && string(rest) == "--" {
			return level, true, true
		}
	}
	return 0, false, false
}

// endParts closes all parts above level, before the line that begins now. The
// line end before it belongs to the delimiter (RFC 2046 section 5.1.1).
func (x *Indexer) endParts(level int) {
	for x.inHeader {
		x.endHeader() // of a part that has no body
	}
	x.preview.stop()
	end, lines := x.lineStart-int64(x.prevEOL), x.lines
	if x.prevEOL > 0 {
		lines--
	}
	for len(x.stack) > level+1 {
		f := x.top()
		p := f.part
		if end < p.BodyStart { // the empty line after the header is no body's
			end, lines = p.BodyStart, f.firstLine
		}
		p.BodyEnd, p.Lines = end, lines-f.firstLine
		if p.IsMultipart() && len(p.Children) == 0 {
			p.demote("text", "plain")
		}
		if f.boundary != "" {
			x.watch--
		}
		x.stack = x.stack[:len(x.stack)-1]
	}
}

// afterDelimiter opens the next part of the last frame, or ends its parts.
func (x *Indexer) afterDelimiter(closing bool) {
	f := x.top()
	if closing || !x.roomForPart() {
		f.boundary = ""
		x.watch--
		return
	}
	p := new(Part)
	f.part.Children = append(f.part.Children, p)
	x.push(p, frame{inner: f.inner})
}

// endHeader takes what the header said and decides what the body is. It starts
// with the line that begins now.
func (x *Indexer) endHeader() {
	f := x.top()
	p := f.part
	if x.head.none { // what looked like an mbox line is body, too
		p.BodyStart = p.HeaderStart
	} else {
		p.BodyStart, f.firstLine = x.lineStart, x.lines
	}
	x.inHeader = false
	if !x.head.none {
		x.headerTraits(has8Bit(x.head.mbox))
	}
	x.endField()
	if x.head.fields == 0 && len(x.stack) == 1 {
		x.ix.Traits |= NoHeader
	}
	x.describe(f)
	switch {
	case p.IsMultipart():
		x.openMultipart(f)
	case p.IsMessage():
		x.openMessage(f)
	}
	f = x.top()
	if x.inHeader {
		return
	}
	if isAttachment(f.part, f.wholeMessage) {
		x.ix.Traits |= HasAttachment
	} else if !f.inner {
		x.preview.start(f.part)
	}
	if x.head.none {
		x.body(x.head.mbox)
	}
}

// openMultipart watches for the delimiters of a multipart. Without a usable
// boundary, and beyond the bounds, it has no parts that could be shown.
func (x *Indexer) openMultipart(f *frame) {
	boundary := strings.TrimRight(f.part.Param("boundary"), " \t\r\n")
	switch {
	case boundary == "" || len(boundary)+len("----\r\n") > maxDelimiter:
		f.part.demote("text", "plain")
	case !x.roomForPart():
		f.part.demote("application", "octet-stream")
	default:
		f.boundary = boundary
		f.digest = f.part.Subtype == "digest"
		x.watch++
	}
}

// openMessage begins the message that is the body of a part. One that is
// encoded, which RFC 2046 section 5.2.1 forbids, cannot be looked into.
func (x *Indexer) openMessage(f *frame) {
	if !isIdentity(f.part.Encoding) || !x.roomForPart() {
		f.part.demote("application", "octet-stream")
		return
	}
	if !f.wholeMessage {
		x.ix.Traits |= HasAttachment
	}
	f.part.Envelope = new(Envelope)
	child, parent := new(Part), *f
	f.part.Children = []*Part{child}
	x.push(child, frame{wholeMessage: true, inner: true})
	child.HeaderStart, x.top().firstLine = parent.part.BodyStart, parent.firstLine
}

func isIdentity(encoding string) bool { return encoding != "base64" && encoding != "quoted-printable" }

// demote makes p a part without children, in a way that BODYSTRUCTURE can say.
func (p *Part) demote(typ, subtype string) {
	if p.IsMultipart() && !isIdentity(p.Encoding) {
		p.Encoding = "7bit" // RFC 2045 section 6.4: a multipart is never encoded
	}
	p.Type, p.Subtype, p.Params = typ, subtype, nil
	p.Envelope, p.Children = nil, nil
}

// isAttachment reports whether people would call a part an attachment: it says
// so, or it has a file name and is no picture inside the text.
func isAttachment(p *Part, wholeMessage bool) bool {
	switch {
	case p.IsMultipart() || p.IsMessage():
		return false
	case p.Disposition == "attachment":
		return true
	case wholeMessage:
		return p.Type != "text"
	case p.Type == "text":
		return p.Disposition != "inline" && p.Filename() != ""
	case strings.HasSuffix(p.Subtype, "-signature"): // of OpenPGP and S/MIME
		return false
	}
	return p.ID == "" && (p.Filename() != "" || p.Type == "application")
}
