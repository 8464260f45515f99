package message

import (
	"encoding/binary"
	"strings"
	"time"
)

// Decode reads the record that [Index.AppendBinary] wrote. It fails with
// [ErrRecord] and never makes more of a damaged record than its octets allow.
func Decode(b []byte) (*Index, error) {
	d := decoder{s: string(b), room: min(len(b)/minPart+1, MaxParts)} // all strings are parts of s
	d.room--
	if !d.version() {
		return nil, ErrRecord
	}
	ix := new(Index)
	d.envelope(&ix.Envelope)
	ix.Size = d.size()
	ix.Traits = Traits(d.uvarint())
	ix.Hops = int(min(d.uvarint(), 1<<31-1))
	ix.Preview = d.str()
	ix.MessageID = d.str()
	ix.References = d.strs()
	ix.Date = d.date()
	d.part(&ix.Root, 0, ix.Size, 0)
	if d.bad || ix.Root.HeaderStart != 0 || ix.Root.BodyEnd != ix.Size {
		return nil, ErrRecord
	}
	return ix, nil
}

// DecodeEnvelope reads the envelope alone, which comes first in a record.
func DecodeEnvelope(b []byte) (*Envelope, error) {
	n, ok := envelopeLength(b)
	if !ok {
		return nil, ErrRecord
	}
	d := decoder{s: string(b[:n])}
	e := new(Envelope)
	if !d.version() || !d.envelope(e) {
		return nil, ErrRecord
	}
	return e, nil
}

// envelopeLength walks over the envelope, so that no more than it is copied.
func envelopeLength(b []byte) (int, bool) {
	if len(b) < 2 {
		return 0, false
	}
	flags, pos := b[1], 2
	skip := func(n uint64) bool {
		for ; n > 0; n-- {
			v, w := binary.Uvarint(b[pos:])
			if w <= 0 || v > uint64(len(b)-pos-w) {
				return false
			}
			pos += w + int(v)
		}
		return true
	}
	if !skip(4) { // date, subject, in-reply-to, message-id
		return 0, false
	}
	lists := 6
	if flags&envSenderIsFrom != 0 {
		lists--
	}
	if flags&envReplyToIsFrom != 0 {
		lists--
	}
	for range lists {
		n, w := binary.Uvarint(b[pos:])
		if w <= 0 || n > uint64(len(b)) {
			return 0, false
		}
		if pos += w; !skip(3 * n) {
			return 0, false
		}
	}
	return pos, true
}

// decoder reads a record from its front. After the first fault it reads zeros.
type decoder struct {
	s    string
	bad  bool
	room int // parts that may still come
}

func (d *decoder) version() bool {
	return d.uint8() == recordVersion && !d.bad
}

func (d *decoder) fail() { d.bad, d.s = true, "" }

func (d *decoder) uint8() byte {
	if d.s == "" {
		d.fail()
		return 0
	}
	c := d.s[0]
	d.s = d.s[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := d.uint8()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// size reads a number of octets or lines; sums of a few cannot overflow.
func (d *decoder) size() int64 {
	v := d.uvarint()
	if v > 1<<56 {
		d.fail()
		return 0
	}
	return int64(v)
}

// count reads how many items of at least each octets follow.
func (d *decoder) count(each int) int {
	v := d.uvarint()
	if v > uint64(len(d.s)/each) {
		d.fail()
		return 0
	}
	return int(v)
}

func (d *decoder) str() string {
	n := d.count(1)
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *decoder) strs() []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = d.str()
	}
	return list
}

func (d *decoder) addresses() []Address {
	n := d.count(3)
	if n == 0 {
		return nil
	}
	list := make([]Address, n)
	for i := range list {
		list[i] = Address{Name: d.str(), Mailbox: d.str(), Host: d.str()}
	}
	return list
}

func (d *decoder) params() []Param {
	n := d.count(2)
	if n == 0 {
		return nil
	}
	list := make([]Param, n)
	for i := range list {
		list[i] = Param{Name: d.str(), Value: d.str()}
	}
	return list
}

func (d *decoder) envelope(e *Envelope) bool {
	flags := d.uint8()
	e.HasDate, e.HasSubject = flags&envDate != 0, flags&envSubject != 0
	e.HasInReplyTo, e.HasMessageID = flags&envInReplyTo != 0, flags&envMessageID != 0
	e.Date, e.Subject, e.InReplyTo, e.MessageID = d.str(), d.str(), d.str(), d.str()
	e.From = d.addresses()
	e.Sender, e.ReplyTo = e.From, e.From
	if flags&envSenderIsFrom == 0 {
		e.Sender = d.addresses()
	}
	if flags&envReplyToIsFrom == 0 {
		e.ReplyTo = d.addresses()
	}
	e.To, e.Cc, e.Bcc = d.addresses(), d.addresses(), d.addresses()
	return !d.bad
}

func (d *decoder) date() time.Time {
	if d.uint8() == 0 {
		return time.Time{}
	}
	t := time.Unix(d.varint(), 0).UTC()
	if zone := d.varint(); zone != 0 && zone > -2*24*60 && zone < 2*24*60 {
		t = t.In(time.FixedZone("", int(zone)*60))
	}
	return t
}

// minPart is the least a part takes: type, encoding, flags, three lengths,
// lines.
const minPart = 7

// part reads a part that lies between from and to.
func (d *decoder) part(p *Part, from, to int64, depth int) {
	if depth > MaxDepth {
		d.fail()
	}
	d.mediaType(p)
	d.partFields(p)
	p.HeaderStart = from + d.size()
	p.BodyStart = p.HeaderStart + d.size()
	p.BodyEnd = p.BodyStart + d.size()
	p.Lines = d.size()
	if p.BodyEnd > to {
		d.fail()
	}
	n := 0
	switch {
	case p.IsMessage():
		n = 1
		p.Envelope = new(Envelope)
		d.envelope(p.Envelope)
	case p.IsMultipart():
		if n = d.count(minPart); n == 0 {
			d.fail()
		}
	}
	if d.room -= n; d.room < 0 {
		d.fail()
	}
	if n == 0 || d.bad {
		return
	}
	children := make([]Part, n)
	p.Children = make([]*Part, n)
	from = p.BodyStart
	for i := range children {
		p.Children[i] = &children[i]
		d.part(p.Children[i], from, p.BodyEnd, depth+1)
		if d.bad {
			return
		}
		from = children[i].BodyEnd
	}
}

func (d *decoder) mediaType(p *Part) {
	switch code := d.uvarint(); {
	case code == 0:
		p.Type, p.Subtype = d.str(), d.str()
	case code <= uint64(len(mediaTypes)):
		p.Type, p.Subtype, _ = strings.Cut(mediaTypes[code-1], "/")
	default:
		d.fail()
	}
	switch code := d.uvarint(); {
	case code == 0:
		p.Encoding = d.str()
	case code <= uint64(len(encodings)):
		p.Encoding = encodings[code-1]
	default:
		d.fail()
	}
}

func (d *decoder) partFields(p *Part) {
	flags := d.uint8()
	if flags&partParams != 0 {
		p.Params = d.params()
	}
	if flags&partID != 0 {
		p.ID = d.str()
	}
	if flags&partDescription != 0 {
		p.Description = d.str()
	}
	if flags&partMD5 != 0 {
		p.MD5 = d.str()
	}
	if flags&partDisposition != 0 {
		p.Disposition, p.DispositionParams = d.str(), d.params()
	}
	if flags&partLanguage != 0 {
		p.Language = d.strs()
	}
	if flags&partLocation != 0 {
		p.Location = d.str()
	}
}
