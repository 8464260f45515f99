package mailbox

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
)

// Names in bucket s.
var (
	stateModSeq      = []byte("modseq")
	stateNextEmail   = []byte("nextEmail")
	stateNextBox     = []byte("nextBox")
	stateUIDValidity = []byte("uidvalidity")
	stateUsed        = []byte("used")
	stateQuota       = []byte("quota")
	stateFloor       = []byte("floor")
)

// tx is a transaction that changes an account. modseq is taken when the first
// change needs it; mailboxes that were changed are written once, by finish.
type tx struct {
	View
	rw     store.RW
	now    time.Time
	taken  bool
	modseq ModSeq
	boxes  map[ID]*Mailbox
	used   usage
	spent  bool // used was changed
}

type usage struct{ bytes, messages int64 }

func newTx(rw store.RW, now time.Time) *tx {
	t := &tx{View: View{tx: rw}, rw: rw, now: now, boxes: map[ID]*Mailbox{}}
	t.used.bytes, t.used.messages = pair(rw.Get(bucketState, stateUsed))
	return t
}

func pair(v []byte) (a, b int64) {
	if len(v) != 16 {
		return 0, 0
	}
	return int64(binary.BigEndian.Uint64(v)), int64(binary.BigEndian.Uint64(v[8:]))
}

func encodePair(a, b int64) []byte {
	return binary.BigEndian.AppendUint64(key64(uint64(a)), uint64(b))
}

// next takes the mod-sequence of this transaction.
func (t *tx) next() ModSeq {
	if !t.taken {
		t.taken, t.modseq = true, t.ModSeq()+1
	}
	return t.modseq
}

// counter takes the next value of a counter in bucket s; the first is first.
func (t *tx) counter(name []byte, first uint64) (uint64, error) {
	n := number(t.rw.Get(bucketState, name), first)
	return n, t.rw.Put(bucketState, name, key64(n+1))
}

func number(v []byte, zero uint64) uint64 {
	if len(v) != 8 {
		return zero
	}
	return binary.BigEndian.Uint64(v)
}

// box returns a mailbox to be changed.
func (t *tx) box(id ID) (*Mailbox, error) {
	if m := t.boxes[id]; m != nil {
		return m, nil
	}
	v := t.rw.Get(bucketMailbox, key32(uint32(id)))
	if v == nil {
		return nil, ErrNotFound
	}
	m, err := decodeMailbox(id, v)
	if err != nil {
		return nil, err
	}
	t.boxes[id] = &m
	return &m, nil
}

// finish writes what was collected.
func (t *tx) finish() error {
	for id, m := range t.boxes {
		if err := t.rw.Put(bucketMailbox, key32(uint32(id)), encodeMailbox(m)); err != nil {
			return err
		}
	}
	if t.spent {
		if err := t.rw.Put(bucketState, stateUsed, encodePair(t.used.bytes, t.used.messages)); err != nil {
			return err
		}
	}
	if t.taken {
		return t.rw.Put(bucketState, stateModSeq, key64(uint64(t.modseq)))
	}
	return nil
}

// makeBox makes a mailbox. Its name is clean and not taken.
func (t *tx) makeBox(name string, role Role) (*Mailbox, error) {
	n, err := t.counter(stateNextBox, uint64(Inbox))
	if err != nil {
		return nil, err
	}
	if n > maxMailboxes*100 {
		return nil, ErrTooManyBoxes
	}
	validity, err := t.newUIDValidity()
	if err != nil {
		return nil, err
	}
	m := &Mailbox{ID: ID(n), Name: name, Role: role, UIDValidity: validity, UIDNext: 1, HighestModSeq: t.next()}
	m.ObjectID = fmt.Sprintf("F%d-%d", m.UIDValidity, m.ID)
	t.boxes[m.ID] = m
	if err := t.rw.Put(bucketMailbox, key32(uint32(n)), encodeMailbox(m)); err != nil {
		return nil, err
	}
	return m, t.rw.Put(bucketName, []byte(name), key32(uint32(n)))
}

// farUIDValidity bounds what a clock that is wrong can use up of the 32 bits:
// there is room for mailboxes that come after it.
const farUIDValidity = 1 << 32 * 15 / 16

// newUIDValidity is the time, and more than any before it: a name that comes
// again does so with a higher one (RFC 9051 section 2.3.1.1).
func (t *tx) newUIDValidity() (UIDValidity, error) {
	last := number(t.rw.Get(bucketState, stateUIDValidity), 0)
	v := max(uint64(min(max(t.now.Unix(), 1), farUIDValidity)), last+1)
	return UIDValidity(v), t.rw.Put(bucketState, stateUIDValidity, key64(v))
}

// ensureAccount makes the mailboxes every account begins with.
func (t *tx) ensureAccount() error {
	if t.rw.Get(bucketState, stateNextBox) != nil {
		return nil
	}
	for _, s := range specialUse {
		if _, err := t.makeBox(s.name, s.role); err != nil {
			return err
		}
		if err := t.rw.Put(bucketSubscribed, []byte(s.name), nil); err != nil {
			return err
		}
	}
	return nil
}

// roleBox returns the mailbox of a role, made if it is not there.
func (t *tx) roleBox(r Role) (*Mailbox, error) {
	have, err := t.MailboxByRole(r)
	if err == nil {
		return t.box(have.ID)
	}
	name := nameOf(r)
	if name == "" {
		return t.box(Inbox)
	}
	if v := t.rw.Get(bucketName, []byte(name)); len(v) == 4 { // a mailbox of that name without the role gets it
		m, err := t.box(ID(binary.BigEndian.Uint32(v)))
		if err == nil && m.Role == NoRole {
			m.Role = r
		}
		return m, err
	}
	return t.makeBox(name, r)
}

// place puts an email into a mailbox as a new message.
func (t *tx) place(m *Mailbox, email EmailID, size int64, flags Flags, keywords uint64) (UID, error) {
	if m.UIDNext == 0 {
		return 0, fmt.Errorf("mailbox: no UIDs are left in mailbox %d", m.ID)
	}
	uid := m.UIDNext
	m.UIDNext++
	row := messageRow{email: email, modseq: t.next(), flags: flags, keywords: keywords, saved: t.now.Unix()}
	if err := t.putMessage(m.ID, uid, &row); err != nil {
		return 0, err
	}
	if err := t.rw.Put(bucketWhere, whereKey(email, m.ID, uid), nil); err != nil {
		return 0, err
	}
	t.count(m, flags, size, 1)
	return uid, nil
}

// putMessage writes a row and its place in the feed.
func (t *tx) putMessage(box ID, uid UID, row *messageRow) error {
	if err := t.rw.Put(bucketMessage, messageKey(box, uid), row.encode()); err != nil {
		return err
	}
	feed := feedRow{kind: Changed, email: row.email, when: t.now.Unix()}
	return t.rw.Put(bucketFeed, feedKey(row.modseq, box, uid), feed.encode())
}

// count adds n messages with flags to the counts of a mailbox.
func (t *tx) count(m *Mailbox, flags Flags, size int64, n int) {
	m.Exists += uint32(n)
	m.Size += size * int64(n)
	if flags&Seen == 0 {
		m.Unseen += uint32(n)
	}
	if flags&Deleted != 0 {
		m.Deleted += uint32(n)
	}
	m.HighestModSeq = t.next()
	t.used.bytes += size * int64(n)
	t.used.messages += int64(n)
	t.spent = true
}

// setFlags changes the flags of one message.
func (t *tx) setFlags(m *Mailbox, uid UID, row messageRow, flags Flags, keywords uint64) error {
	if row.flags == flags && row.keywords == keywords {
		return nil
	}
	if err := t.rw.Delete(bucketFeed, feedKey(row.modseq, m.ID, uid)); err != nil {
		return err
	}
	if was, is := row.flags&Seen == 0, flags&Seen == 0; was != is {
		m.Unseen += change(is)
	}
	if was, is := row.flags&Deleted != 0, flags&Deleted != 0; was != is {
		m.Deleted += change(is)
	}
	m.HighestModSeq = t.next()
	row.flags, row.keywords, row.modseq = flags, keywords, t.next()
	return t.putMessage(m.ID, uid, &row)
}

func change(more bool) uint32 {
	if more {
		return 1
	}
	return ^uint32(0)
}

// remove takes a message out of its mailbox; with the last one of its email
// the body is let go of.
func (t *tx) remove(m *Mailbox, uid UID, row messageRow) error {
	e, err := t.email(row.email)
	if err != nil {
		return err
	}
	if err := t.rw.Delete(bucketMessage, messageKey(m.ID, uid)); err != nil {
		return err
	}
	if err := t.rw.Delete(bucketWhere, whereKey(row.email, m.ID, uid)); err != nil {
		return err
	}
	if err := t.rw.Delete(bucketFeed, feedKey(row.modseq, m.ID, uid)); err != nil {
		return err
	}
	t.count(m, row.flags, e.clientSize(), -1)
	gone := feedRow{kind: Expunged, email: row.email, when: t.now.Unix()}
	if err := t.rw.Put(bucketFeed, feedKey(t.next(), m.ID, uid), gone.encode()); err != nil {
		return err
	}
	for range t.rw.Scan(bucketWhere, key64(uint64(row.email)), key64(uint64(row.email)+1)) {
		return nil // there is another copy
	}
	return t.forget(row.email, &e)
}

// forget removes an email that is in no mailbox.
func (t *tx) forget(id EmailID, e *emailRow) error {
	t.rw.Release(e.ref)
	if err := t.unthread(id, e); err != nil {
		return err
	}
	return t.rw.Delete(bucketEmail, key64(uint64(id)))
}

// keywordBits returns the bits of names, which are given out when new.
func (t *tx) keywordBits(names []string) (uint64, error) {
	if len(names) == 0 {
		return 0, nil
	}
	known := t.Keywords()
	var set, used uint64
	for i, n := range known {
		if n != "" {
			used |= 1 << i
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		if i < 0 {
			if name == "" || len(name) > maxKeywordName {
				return 0, fmt.Errorf("%w: keyword of %d octets", ErrName, len(name))
			}
			i = bits.TrailingZeros64(^used)
			if i >= maxKeywords {
				return 0, ErrTooManyKeywords
			}
			if err := t.rw.Put(bucketKeyword, []byte{byte(i)}, []byte(name)); err != nil {
				return 0, err
			}
			for len(known) <= i {
				known = append(known, "")
			}
			known[i], used = name, used|1<<i
		}
		set |= 1 << i
	}
	return set, nil
}
