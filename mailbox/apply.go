package mailbox

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox/store"
)

const metaVersion = 1

// EncodeMeta makes the part of an accepted record that all recipients share.
func EncodeMeta(ix *message.Index, received time.Time) ([]byte, error) {
	b := binary.AppendVarint([]byte{metaVersion}, received.UnixMilli())
	return ix.AppendBinary(b)
}

// DecodeMeta reads what EncodeMeta made.
func DecodeMeta(meta []byte) (ix *message.Index, received time.Time, err error) {
	index, received, err := splitMeta(meta)
	if err != nil {
		return nil, time.Time{}, err
	}
	ix, err = message.Decode(index)
	return ix, received, err
}

func splitMeta(meta []byte) (index []byte, received time.Time, err error) {
	c := coder{b: meta}
	c.version(metaVersion)
	received = time.UnixMilli(c.varint()).UTC()
	return c.b, received, c.err("record")
}

// Apply is the store.Apply of accounts: it files an accepted message and tells
// its UID. A mailbox that was deleted meanwhile is replaced by INBOX, unless the
// message is for that mailbox only: then it is let go of, and the UID is 0. So
// is one that was imported before. An account that has nothing yet begins here.
func Apply(rw store.RW, a store.Accepted) error {
	index, received, err := splitMeta(a.Meta)
	if err != nil {
		return err
	}
	x, err := decodeExtra(a.To.Extra)
	if err != nil {
		return err
	}
	t := newTx(rw, received)
	if err := t.ensureAccount(); err != nil {
		return err
	}
	e := emailRow{ref: a.Ref, size: a.Size, internal: x.internal.Unix(), header: x.header, index: index}
	id, err := t.addEmail(&e)
	if err != nil {
		return err
	}
	switch {
	case x.group != 0:
		err = t.stage(x.group, id)
	case x.only && t.rw.Get(bucketMailbox, key32(a.To.Mailbox)) == nil, t.has(x.origin):
		*a.Told, err = 0, t.forget(id, &e)
	default:
		*a.Told, err = t.file(a.To, &x, id, &e)
		if err == nil {
			err = t.note(x.origin, a.To, *a.Told)
		}
	}
	if err != nil {
		return err
	}
	return t.finish()
}

// addEmail writes the immutable part of a new message.
func (t *tx) addEmail(e *emailRow) (EmailID, error) {
	n, err := t.counter(stateNextEmail, 1)
	if err != nil {
		return 0, err
	}
	id := EmailID(n)
	if e.thread, err = t.thread(id, e); err != nil {
		return 0, err
	}
	v := e.encode()
	if len(v) > store.MaxValue {
		return 0, fmt.Errorf("mailbox: record of a message has %d octets", len(v))
	}
	return id, t.rw.Put(bucketEmail, key64(n), v)
}

// file puts a delivered message where it belongs, and returns its UID.
func (t *tx) file(to store.Recipient, x *extra, id EmailID, e *emailRow) (uint64, error) {
	m, err := t.destination(ID(to.Mailbox), x.role)
	if err != nil {
		return 0, err
	}
	keywords, err := t.keywordBits(x.keywords)
	if err != nil {
		keywords = 0 // a delivery does not fail because an account has too many keywords
	}
	uid, err := t.place(m, id, e.clientSize(), Flags(to.Flags), keywords)
	return uint64(uid), err
}

// destination finds the mailbox of a delivery: the one named, the one of the
// role, or INBOX.
func (t *tx) destination(id ID, role Role) (*Mailbox, error) {
	if id != 0 {
		if m, err := t.box(id); err == nil {
			return m, nil
		}
	}
	if role != NoRole && id == 0 {
		return t.roleBox(role)
	}
	return t.box(Inbox)
}
