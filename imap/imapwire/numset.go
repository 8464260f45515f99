package imapwire

import (
	"github.com/emersion/go-imap/v2"
)

// SeqSet takes a set of sequence numbers, or "$" (see [imap.SearchRes]). "*"
// is 0, and comes last in a range; ranges
// are otherwise as they were written.
func (d *Decoder) SeqSet() imap.NumSet {
	if d.Try('$') {
		return imap.SearchRes()
	}
	var s imap.SeqSet
	d.ranges(func(first, last uint32) { s = append(s, imap.SeqRange{Start: first, Stop: last}) })
	return s
}

// UIDSet takes a set of UIDs like SeqSet.
func (d *Decoder) UIDSet() imap.NumSet {
	if d.Try('$') {
		return imap.SearchRes()
	}
	var s imap.UIDSet
	d.ranges(func(first, last uint32) {
		s = append(s, imap.UIDRange{Start: imap.UID(first), Stop: imap.UID(last)})
	})
	return s
}

func (d *Decoder) ranges(add func(first, last uint32)) {
	for {
		first := d.setNumber()
		last := first
		if d.Try(':') {
			last = d.setNumber()
		}
		if first == 0 { // "*:4" is "4:*"
			first, last = last, first
		}
		if d.err != nil {
			return
		}
		add(first, last)
		if !d.Try(',') {
			return
		}
	}
}

// setNumber takes a number of a set; 0 stands for "*".
func (d *Decoder) setNumber() uint32 {
	if d.Try('*') {
		return 0
	}
	n := d.Number()
	if n == 0 {
		d.Fail("Expected a number above 0")
	}
	return n
}
