package mailbox

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox/store"
)

// View is a consistent snapshot of an account; it implements [Reader]. It is
// valid inside the function given to [Account.View].
type View struct{ tx store.Tx }

var _ Reader = (*View)(nil)

// Mailbox returns a mailbox or ErrNotFound.
func (v *View) Mailbox(id ID) (Mailbox, error) {
	row := v.tx.Get(bucketMailbox, key32(uint32(id)))
	if row == nil {
		return Mailbox{}, ErrNotFound
	}
	m, err := decodeMailbox(id, row)
	if err == nil {
		m.Subscribed = v.subscribed(m.Name)
	}
	return m, err
}

func (v *View) subscribed(name string) bool { return v.tx.Get(bucketSubscribed, []byte(name)) != nil }

// MailboxByName finds a mailbox; INBOX in any case.
func (v *View) MailboxByName(name string) (Mailbox, error) {
	clean, err := CleanName(name)
	if err != nil {
		return Mailbox{}, ErrNotFound
	}
	id := v.tx.Get(bucketName, []byte(clean))
	if len(id) != 4 {
		return Mailbox{}, ErrNotFound
	}
	return v.Mailbox(ID(binary.BigEndian.Uint32(id)))
}

// MailboxByRole finds the mailbox with a role.
func (v *View) MailboxByRole(role Role) (Mailbox, error) {
	if role == NoRole {
		return Mailbox{}, ErrNotFound
	}
	for k, row := range v.tx.Scan(bucketMailbox, nil, nil) {
		if len(row) > 1 && row[1] == byte(role) && len(k) == 4 {
			return v.Mailbox(ID(binary.BigEndian.Uint32(k)))
		}
	}
	return Mailbox{}, ErrNotFound
}

// Mailboxes returns the mailboxes that clients see, sorted by name, INBOX
// first.
func (v *View) Mailboxes() ([]Mailbox, error) {
	all, err := v.allMailboxes()
	return slices.DeleteFunc(all, func(m Mailbox) bool { return m.Role == RoleQuarantine }), err
}

// allMailboxes has hidden ones, too.
func (v *View) allMailboxes() ([]Mailbox, error) {
	var all []Mailbox
	for k, row := range v.tx.Scan(bucketMailbox, nil, nil) {
		if len(k) != 4 {
			return nil, fmt.Errorf("%w: mailbox", errRow)
		}
		m, err := decodeMailbox(ID(binary.BigEndian.Uint32(k)), row)
		if err != nil {
			return nil, err
		}
		m.Subscribed = v.subscribed(m.Name)
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Mailbox) int {
		switch {
		case a.ID == Inbox:
			return -1
		case b.ID == Inbox:
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all, nil
}

// Subscriptions returns subscribed names, also of mailboxes that are gone.
func (v *View) Subscriptions() ([]string, error) {
	var names []string
	for k := range v.tx.Scan(bucketSubscribed, nil, nil) {
		names = append(names, string(k))
	}
	return names, nil
}

// ModSeq returns the account's mod-sequence; 1 before the first change
// (RFC 7162 section 3.1.1: it is positive).
func (v *View) ModSeq() ModSeq { return ModSeq(number(v.tx.Get(bucketState, stateModSeq), 1)) }

// Floor returns the oldest mod-sequence from which Changes is complete.
func (v *View) Floor() ModSeq { return ModSeq(number(v.tx.Get(bucketState, stateFloor), 0)) }

// Keywords returns the account's keywords by bit; "" where a bit is free.
func (v *View) Keywords() []string {
	var names []string
	for k, name := range v.tx.Scan(bucketKeyword, nil, nil) {
		if len(k) != 1 || k[0] >= maxKeywords {
			continue
		}
		for len(names) <= int(k[0]) {
			names = append(names, "")
		}
		names[k[0]] = string(name)
	}
	return names
}

// KeywordNames returns the names of bits.
func (v *View) KeywordNames(bits uint64) []string {
	if bits == 0 {
		return nil
	}
	var names []string
	for i, name := range v.Keywords() {
		if bits&(1<<i) != 0 && name != "" {
			names = append(names, name)
		}
	}
	return names
}

// UIDs appends the UIDs of a mailbox in order.
func (v *View) UIDs(box ID, to []UID) []UID {
	for k := range v.tx.Scan(bucketMessage, key32(uint32(box)), key32(uint32(box)+1)) {
		to = append(to, UID(binary.BigEndian.Uint32(k[4:])))
	}
	return to
}

// Messages walks the messages of a mailbox whose UIDs are in set (nil: all),
// in order, from a UID on. Gaps of set are jumped over.
func (v *View) Messages(box ID, set *UIDSet, from UID) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		m := &Message{view: v, Mailbox: box}
		for r := range rangesFrom(set, from) {
			for k, row := range v.tx.Scan(bucketMessage, messageKey(box, r.First), afterUID(box, r.Last)) {
				if err := m.set(k, row); err != nil {
					yield(nil, err)
					return
				}
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// MessagesBack walks the messages of a mailbox whose UIDs are below one (0:
// all), the newest first.
func (v *View) MessagesBack(box ID, below UID) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		to := key32(uint32(box) + 1)
		if below != 0 {
			to = messageKey(box, below)
		}
		m := &Message{view: v, Mailbox: box}
		for k, row := range v.tx.ScanBack(bucketMessage, key32(uint32(box)), to) {
			if err := m.set(k, row); err != nil {
				yield(nil, err)
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// rangesFrom yields the ranges of set from a UID on; all UIDs for nil.
func rangesFrom(set *UIDSet, from UID) iter.Seq[UIDRange] {
	return func(yield func(UIDRange) bool) {
		from = max(from, 1)
		if set == nil {
			yield(UIDRange{from, ^UID(0)})
			return
		}
		for r := range set.Ranges() {
			if r.Last < from {
				continue
			}
			if !yield(UIDRange{max(r.First, from), r.Last}) {
				return
			}
		}
	}
}

// Message returns one message or ErrNoMessage.
func (v *View) Message(box ID, uid UID) (*Message, error) {
	k := messageKey(box, uid)
	row := v.tx.Get(bucketMessage, k)
	if row == nil {
		return nil, ErrNoMessage
	}
	m := &Message{view: v, Mailbox: box}
	return m, m.set(k, row)
}

// Changes yields what happened in a mailbox (0: in any) after since, oldest
// first, each message once with its newest change.
func (v *View) Changes(box ID, since ModSeq) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		if since == ^ModSeq(0) {
			return
		}
		for k, row := range v.tx.Scan(bucketFeed, key64(uint64(since)+1), nil) {
			c, _, err := decodeFeed(k, row)
			if err == nil && box != 0 && c.Mailbox != box {
				continue
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Usage returns what the account uses and may use.
func (v *View) Usage() Usage {
	var u Usage
	u.Bytes, u.Messages = pair(v.tx.Get(bucketState, stateUsed))
	u.LimitBytes, u.LimitMessages = pair(v.tx.Get(bucketState, stateQuota))
	return u
}

// email reads the immutable part of a message.
func (v *View) email(id EmailID) (emailRow, error) {
	row := v.tx.Get(bucketEmail, key64(uint64(id)))
	if row == nil {
		return emailRow{}, fmt.Errorf("%w: email %d is missing", errRow, id)
	}
	return decodeEmail(row)
}

// clientSize is the size that clients see.
func (e *emailRow) clientSize() int64 { return e.size + int64(len(e.header)) }

// Message is one message of a mailbox inside a View. It is valid until the
// next step of the iteration that gave it. What is asked for by methods is
// read when first asked for; all are cheap but Index, which decodes the
// structure.
type Message struct {
	Mailbox  ID
	UID      UID
	ModSeq   ModSeq
	Flags    Flags
	Keywords uint64 // bits; View.KeywordNames resolves them
	Email    EmailID

	view *View
	row  messageRow
	read bool
	data emailRow
}

func (m *Message) set(k, v []byte) error {
	row, err := decodeMessageRow(v)
	if err != nil || len(k) != 8 {
		return fmt.Errorf("%w: message", errRow)
	}
	m.UID, m.ModSeq, m.Flags, m.Keywords, m.Email = UID(binary.BigEndian.Uint32(k[4:])), row.modseq, row.flags, row.keywords, row.email
	m.row, m.read = row, false
	return nil
}

func (m *Message) load() error {
	if m.read {
		return nil
	}
	var err error
	m.data, err = m.view.email(m.Email)
	m.read = err == nil
	return err
}

// Size returns the octets that clients see.
func (m *Message) Size() (int64, error) {
	err := m.load()
	return m.data.clientSize(), err
}

// InternalDate returns when the message was received, to the second.
func (m *Message) InternalDate() (time.Time, error) {
	err := m.load()
	return time.Unix(m.data.internal, 0).UTC(), err
}

// SaveDate returns when the message came into this mailbox (RFC 8514).
func (m *Message) SaveDate() (time.Time, error) { return time.Unix(m.row.saved, 0).UTC(), nil }

// Thread returns the conversation the message belongs to.
func (m *Message) Thread() (ThreadID, error) {
	err := m.load()
	return m.data.thread, err
}

// Envelope returns the envelope without decoding the structure.
func (m *Message) Envelope() (*message.Envelope, error) {
	if err := m.load(); err != nil {
		return nil, err
	}
	return message.DecodeEnvelope(m.data.index)
}

// Index returns the index; offsets count the account's own header.
func (m *Message) Index() (*message.Index, error) {
	if err := m.load(); err != nil {
		return nil, err
	}
	ix, err := message.Decode(m.data.index)
	if err == nil && len(m.data.header) > 0 {
		ix.Prepend(m.data.header)
	}
	return ix, err
}

// BodyStart returns where the header of the message ends and its body begins.
func (m *Message) BodyStart() (int64, error) {
	if err := m.load(); err != nil {
		return 0, err
	}
	n, err := message.DecodeBodyStart(m.data.index)
	return n + int64(len(m.data.header)), err
}

// Body returns where the octets are, to be opened after the View has ended.
func (m *Message) Body() (BodyRef, error) {
	err := m.load()
	return BodyRef{Ref: m.data.ref, Header: slices.Clone(m.data.header), Size: m.data.clientSize()}, err
}
