package message

import "slices"

// fit makes the record of ix no longer than limit. It first cuts strings and
// lists, more and more of them, then leaves out parts.
func (ix *Index) fit(limit int) {
	if ix.estimate() <= limit || len(ix.append(nil)) <= limit {
		return
	}
	ix.Traits |= BoundHit
	for length := maxString / 2; length >= 32; length /= 2 {
		ix.shorten(length)
		if len(ix.append(nil)) <= limit {
			return
		}
	}
	n := 0
	for range ix.Parts() {
		n++
	}
	for n > 1 && len(ix.append(nil)) > limit {
		n = n * 7 / 8
		ix.Root.keepFirst(n)
	}
}

// estimate is at least the length of the record, and cheap.
func (ix *Index) estimate() int {
	const (
		fixed  = 80 // lengths of strings and numbers of a part or envelope
		number = 3  // length before a string; none is longer than 16 KiB here
	)
	n := 2*fixed + len(ix.Preview) + len(ix.MessageID) + ix.Envelope.estimate()
	for _, s := range ix.References {
		n += number + len(s)
	}
	for p := range ix.Parts() {
		n += fixed + len(p.Type) + len(p.Subtype) + len(p.Encoding) + len(p.ID) + len(p.Description) + len(p.MD5) +
			len(p.Disposition) + len(p.Location)
		for _, list := range [][]Param{p.Params, p.DispositionParams} {
			for _, v := range list {
				n += 2*number + len(v.Name) + len(v.Value)
			}
		}
		for _, s := range p.Language {
			n += number + len(s)
		}
		if p.Envelope != nil {
			n += fixed + p.Envelope.estimate()
		}
	}
	return n
}

func (e *Envelope) estimate() int {
	n := len(e.Date) + len(e.Subject) + len(e.InReplyTo) + len(e.MessageID)
	for _, list := range [][]Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		for _, a := range list {
			n += 9 + len(a.Name) + len(a.Mailbox) + len(a.Host)
		}
	}
	return n
}

// shorten cuts strings to length octets and lists in proportion.
func (ix *Index) shorten(length int) {
	ix.Envelope.shorten(length)
	ix.MessageID = cut(ix.MessageID, max(length, 256))
	if n, most := len(ix.References), max(length/32, 8); n > most {
		ix.References = append(ix.References[:1:1], ix.References[n-most+1:]...)
	}
	for i := range ix.References {
		ix.References[i] = cut(ix.References[i], max(length, 256))
	}
	for p := range ix.Parts() {
		for _, s := range []*string{&p.Type, &p.Subtype, &p.Encoding, &p.ID, &p.Description, &p.MD5, &p.Disposition, &p.Location} {
			*s = cut(*s, length)
		}
		p.Params, p.DispositionParams = shortenParams(p.Params, length), shortenParams(p.DispositionParams, length)
		p.Language = p.Language[:min(len(p.Language), max(length/64, 2))]
		for i := range p.Language {
			p.Language[i] = cut(p.Language[i], length)
		}
		if p.Envelope != nil {
			p.Envelope.shorten(length)
		}
	}
}

func shortenParams(list []Param, length int) []Param {
	list = list[:min(len(list), max(length/64, 4))]
	for i := range list {
		list[i] = Param{cut(list[i].Name, length), cut(list[i].Value, length)}
	}
	return list
}

func (e *Envelope) shorten(length int) {
	for _, s := range []*string{&e.Date, &e.Subject, &e.InReplyTo, &e.MessageID} {
		*s = cut(*s, length)
	}
	sender, replyTo := slices.Equal(e.Sender, e.From), slices.Equal(e.ReplyTo, e.From)
	e.From = shortenAddresses(e.From, length)
	if sender {
		e.Sender = e.From
	} else {
		e.Sender = shortenAddresses(e.Sender, length)
	}
	if replyTo {
		e.ReplyTo = e.From
	} else {
		e.ReplyTo = shortenAddresses(e.ReplyTo, length)
	}
	e.To, e.Cc, e.Bcc = shortenAddresses(e.To, length), shortenAddresses(e.Cc, length), shortenAddresses(e.Bcc, length)
}

func shortenAddresses(list []Address, length int) []Address {
	most := max(length/2, 16)
	if len(list) > most {
		list = closeGroup(list[:most:most])
	}
	for i, a := range list {
		list[i] = Address{cut(a.Name, length), cut(a.Mailbox, length), cut(a.Host, length)}
	}
	return list
}

// keepFirst keeps the n outermost and, on one level, first parts. A part that
// loses all its children becomes one that has none; of one that loses some,
// the octets are still there but in no child.
func (p *Part) keepFirst(n int) {
	level := []*Part{p}
	for n--; len(level) > 0; {
		var next []*Part
		for _, p := range level {
			keep := min(n, len(p.Children))
			n -= keep
			switch {
			case keep == 0 && len(p.Children) > 0:
				p.demote("application", "octet-stream")
			case keep < len(p.Children):
				p.Children = p.Children[:keep:keep]
			}
			next = append(next, p.Children...)
		}
		level = next
	}
}

// clone copies what fit changes.
func (ix *Index) clone() *Index {
	c := *ix
	c.Envelope = ix.Envelope.clone()
	c.References = slices.Clone(ix.References)
	c.Root = *ix.Root.clone()
	return &c
}

func (e *Envelope) clone() Envelope {
	c := *e
	for _, list := range []*[]Address{&c.From, &c.Sender, &c.ReplyTo, &c.To, &c.Cc, &c.Bcc} {
		*list = slices.Clone(*list)
	}
	return c
}

func (p *Part) clone() *Part {
	c := *p
	c.Params, c.DispositionParams = slices.Clone(p.Params), slices.Clone(p.DispositionParams)
	c.Language, c.Children = slices.Clone(p.Language), slices.Clone(p.Children)
	if p.Envelope != nil {
		e := p.Envelope.clone()
		c.Envelope = &e
	}
	for i := range c.Children {
		c.Children[i] = c.Children[i].clone()
	}
	return &c
}
