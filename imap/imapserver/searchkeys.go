package imapserver

import (
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// verdict is what a key says of a message.
type verdict uint8

const (
	misses  verdict = iota
	fits            // the message is found
	depends         // on its text, which was not read yet
)

func verdictOf(fit bool) verdict {
	if fit {
		return fits
	}
	return misses
}

// key is a search key. Keys with a lower cost are asked first.
type key interface {
	eval(c *candidate) verdict
	cost() int
}

// Costs of keys, by what has to be read.
const (
	costRow = iota
	costRecord
	costEnvelope
	costText
)

// candidate is a message that is judged: first inside a snapshot, and again
// with the results of reading its text, when msg is no longer valid.
type candidate struct {
	found
	msg  *mailbox.Message
	err  error  // of reading the record
	hits []bool // by needle, once the text was read

	// what keys may ask for, kept by detach
	row      mailbox.Message
	record   *record
	envelope *message.Envelope
	index    *message.Index // nil: the header is all that is looked into
	header   int64          // where it ends
	body     mailbox.BodyRef
}

// record is what searches read of a message's record.
type record struct {
	size            int64
	internal, saved time.Time
	thread          mailbox.ThreadID
}

func (c *candidate) rowOf() *mailbox.Message {
	if c.msg != nil {
		return c.msg
	}
	return &c.row
}

func (c *candidate) recordOf() *record {
	if c.record == nil {
		r := &record{}
		var errs [4]error
		r.size, errs[0] = c.msg.Size()
		r.internal, errs[1] = c.msg.InternalDate()
		r.saved, errs[2] = c.msg.SaveDate()
		r.thread, errs[3] = c.msg.Thread()
		for _, err := range errs {
			c.fail(err)
		}
		c.record = r
	}
	return c.record
}

func (c *candidate) envelopeOf() *message.Envelope {
	if c.envelope == nil {
		env, err := c.msg.Envelope()
		if c.fail(err); err != nil {
			env = &message.Envelope{}
		}
		c.envelope = env
	}
	return c.envelope
}

func (c *candidate) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// detach returns a copy with all that is needed after the snapshot.
func (c *candidate) detach(req *searchRequest) *candidate {
	c.recordOf()
	if req.envelope {
		c.envelopeOf()
	}
	kept := *c
	var err error
	if req.inBody() {
		kept.index, err = c.msg.Index()
	} else {
		kept.header, err = c.msg.BodyStart()
	}
	c.fail(err)
	kept.body, err = c.msg.Body()
	c.fail(err)
	kept.row = mailbox.Message{UID: c.uid, ModSeq: c.modSeq, Flags: c.msg.Flags, Keywords: c.msg.Keywords, Email: c.msg.Email}
	kept.msg = nil
	return &kept
}

// and fits if all of its keys do; an empty one always.
type and []key

func (a and) eval(c *candidate) verdict {
	result := fits
	for _, k := range a {
		switch k.eval(c) {
		case misses:
			return misses
		case depends:
			result = depends
		}
	}
	return result
}

func (a and) cost() int {
	most := costRow
	for _, k := range a {
		most = max(most, k.cost())
	}
	return most
}

// sorted puts the cheap keys first.
func (a and) sorted() key {
	slices.SortStableFunc(a, func(x, y key) int { return x.cost() - y.cost() })
	return a
}

type or struct{ a, b key }

func (o or) eval(c *candidate) verdict {
	a := o.a.eval(c)
	if a == fits {
		return fits
	}
	if b := o.b.eval(c); b != misses {
		return b
	}
	return a
}

func (o or) cost() int { return max(o.a.cost(), o.b.cost()) }

type not struct{ k key }

func (n not) eval(c *candidate) verdict {
	switch n.k.eval(c) {
	case fits:
		return misses
	case misses:
		return fits
	}
	return depends
}

func (n not) cost() int { return n.k.cost() }

type flagKey mailbox.Flags

func (k flagKey) eval(c *candidate) verdict {
	return verdictOf(c.rowOf().Flags&mailbox.Flags(k) != 0)
}
func (flagKey) cost() int { return costRow }

// keywordKey gets its bit in each snapshot.
type keywordKey struct {
	name string
	bit  uint64
}

func (k *keywordKey) eval(c *candidate) verdict { return verdictOf(c.rowOf().Keywords&k.bit != 0) }
func (*keywordKey) cost() int                   { return costRow }

func (r *searchRequest) resolveKeywords(names []string) {
	for _, k := range r.keywords {
		k.bit = 0
		i := slices.IndexFunc(names, func(n string) bool { return n != "" && strings.EqualFold(n, k.name) })
		if i >= 0 {
			k.bit = 1 << i
		}
	}
}

type setKey struct{ uids *mailbox.UIDSet }

func (k setKey) eval(c *candidate) verdict { return verdictOf(k.uids.Contains(c.uid)) }
func (setKey) cost() int                   { return costRow }

type modSeqKey mailbox.ModSeq

func (k modSeqKey) eval(c *candidate) verdict { return verdictOf(c.modSeq >= mailbox.ModSeq(k)) }
func (modSeqKey) cost() int                   { return costRow }

type idKey string

func (k idKey) eval(c *candidate) verdict { return verdictOf(emailID(c.rowOf().Email) == string(k)) }
func (idKey) cost() int                   { return costRow }

type threadKey string

func (k threadKey) eval(c *candidate) verdict {
	return verdictOf(threadID(c.recordOf().thread) == string(k))
}
func (threadKey) cost() int { return costRecord }

type sizeKey struct {
	larger bool
	than   int64
}

func (k sizeKey) eval(c *candidate) verdict {
	n := c.recordOf().size
	return verdictOf(k.larger && n > k.than || !k.larger && n < k.than)
}
func (sizeKey) cost() int { return costRecord }

// ageKey is OLDER and YOUNGER.
type ageKey struct {
	younger bool
	than    time.Time
}

func (k ageKey) eval(c *candidate) verdict {
	t := c.recordOf().internal
	return verdictOf(k.younger && !t.Before(k.than) || !k.younger && !t.After(k.than))
}
func (ageKey) cost() int { return costRecord }

type (
	dateField uint8
	dateOp    uint8
)

const (
	internalDate dateField = iota
	sentDate
	saveDate
)

const (
	before dateOp = iota
	on
	since
)

// dateKey compares days: of the internal and the save date in UTC, as they are
// shown; of the Date field as the author wrote it, without its zone.
type dateKey struct {
	field dateField
	op    dateOp
	day   time.Time
}

func (k dateKey) eval(c *candidate) verdict {
	var t time.Time
	switch k.field {
	case internalDate:
		t = c.recordOf().internal
	case saveDate:
		t = c.recordOf().saved
	case sentDate:
		var ok bool
		if t, ok = message.ParseDate(c.envelopeOf().Date); !ok {
			return misses
		}
	}
	year, month, day := t.Date()
	order := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Compare(k.day)
	switch k.op {
	case before:
		return verdictOf(order < 0)
	case on:
		return verdictOf(order == 0)
	}
	return verdictOf(order >= 0)
}

func (k dateKey) cost() int {
	if k.field == sentDate {
		return costEnvelope
	}
	return costRecord
}

// envelopeKey looks for a text in a field of the envelope, decoded. An empty
// text asks whether the field is there.
type envelopeKey struct{ field, text string }

func (k envelopeKey) eval(c *candidate) verdict {
	env := c.envelopeOf()
	switch k.field {
	case "SUBJECT":
		return verdictOf(env.HasSubject && k.in(env.Subject))
	case "MESSAGE-ID":
		return verdictOf(env.HasMessageID && k.in(env.MessageID))
	case "IN-REPLY-TO":
		return verdictOf(env.HasInReplyTo && k.in(env.InReplyTo))
	case "FROM":
		return k.among(env.From)
	case "TO":
		return k.among(env.To)
	case "CC":
		return k.among(env.Cc)
	}
	return k.among(env.Bcc)
}

func (envelopeKey) cost() int { return costEnvelope }

func (k envelopeKey) in(raw string) bool {
	if k.text == "" {
		return true
	}
	return strings.Contains(string(appendFold(nil, []byte(message.DecodeHeaderText(raw)))), k.text)
}

func (k envelopeKey) among(list []message.Address) verdict {
	return verdictOf(slices.ContainsFunc(list, func(a message.Address) bool {
		if a.Host == "" {
			return k.in(a.Mailbox)
		}
		return k.in(a.Name + " <" + a.Mailbox + "@" + a.Host + ">")
	}))
}
