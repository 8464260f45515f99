package message

import "iter"

// Section says which octets of a part are meant (RFC 9051 section 6.4.5.1).
type Section uint8

const (
	SectionBody   Section = iota // BODY[1.2]; of the whole message: BODY[]
	SectionHeader                // BODY[HEADER], BODY[1.2.HEADER]: of a message
	SectionText                  // BODY[TEXT], BODY[1.2.TEXT]: of a message
	SectionMIME                  // BODY[1.2.MIME]: the header of the part itself
)

// Find returns the part with an IMAP part number; the empty path is the whole
// message. A message that is no multipart has one part, number 1, which is its
// body, and so has a message/rfc822 part below its own number.
func (ix *Index) Find(path []int) (*Part, bool) {
	p := &ix.Root
	message := true // p stands for a whole message, not for its body
	for _, n := range path {
		if !message && p.IsMessage() {
			p, message = p.Children[0], true
		}
		switch {
		case p.IsMultipart():
			if n < 1 || n > len(p.Children) {
				return nil, false
			}
			p = p.Children[n-1]
		case !message || n != 1:
			return nil, false
		}
		message = false
	}
	return p, true
}

// Section returns where the octets of a section lie in the message. ok is
// false if there is no such section: no such part, MIME of the whole message,
// or HEADER and TEXT of what is no message.
func (ix *Index) Section(path []int, s Section) (start, end int64, ok bool) {
	p, ok := ix.Find(path)
	if !ok {
		return 0, 0, false
	}
	switch {
	case s == SectionBody && len(path) == 0:
		return 0, ix.Size, true
	case s == SectionBody:
		return p.BodyStart, p.BodyEnd, true
	case s == SectionMIME:
		return p.HeaderStart, p.BodyStart, len(path) > 0
	}
	if len(path) > 0 {
		if !p.IsMessage() {
			return 0, 0, false
		}
		p = p.Children[0]
	}
	if s == SectionHeader {
		return p.HeaderStart, p.BodyStart, true
	}
	return p.BodyStart, p.BodyEnd, true
}

// Parts yields the whole message and all parts in it, in their order.
func (ix *Index) Parts() iter.Seq[*Part] { return ix.Root.Parts() }
