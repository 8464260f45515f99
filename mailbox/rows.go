package mailbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
)

const (
	bucketState      store.Bucket = 's'
	bucketMailbox    store.Bucket = 'b'
	bucketName       store.Bucket = 'n'
	bucketSubscribed store.Bucket = 'l'
	bucketMessage    store.Bucket = 'u'
	bucketEmail      store.Bucket = 'e'
	bucketWhere      store.Bucket = 'x'
	bucketFeed       store.Bucket = 'c'
	bucketThread     store.Bucket = 't'
	bucketKeyword    store.Bucket = 'k'
	bucketStaged     store.Bucket = 'g'
	bucketImported   store.Bucket = 'i'
)

// errRow means that a row does not say what this version writes.
var errRow = errors.New("mailbox: a row is damaged")

func key32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func key64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// messageKey is the place of a message in bucket u.
func messageKey(box ID, uid UID) []byte {
	return binary.BigEndian.AppendUint32(key32(uint32(box)), uint32(uid))
}

// afterUID is the key behind the message with uid.
func afterUID(box ID, uid UID) []byte {
	if uid == ^UID(0) {
		return key32(uint32(box) + 1)
	}
	return messageKey(box, uid+1)
}

func whereKey(email EmailID, box ID, uid UID) []byte {
	return append(key64(uint64(email)), messageKey(box, uid)...)
}

func feedKey(m ModSeq, box ID, uid UID) []byte {
	return append(key64(uint64(m)), messageKey(box, uid)...)
}

// messageRow is a row of bucket u: the small part that changes.
type messageRow struct {
	email    EmailID
	modseq   ModSeq
	flags    Flags
	keywords uint64
	saved    int64 // unix seconds
}

const messageRowSize = 8 + 8 + 4 + 8 + 8

func (r *messageRow) encode() []byte {
	b := make([]byte, 0, messageRowSize)
	b = binary.BigEndian.AppendUint64(b, uint64(r.email))
	b = binary.BigEndian.AppendUint64(b, uint64(r.modseq))
	b = binary.BigEndian.AppendUint32(b, uint32(r.flags))
	b = binary.BigEndian.AppendUint64(b, r.keywords)
	return binary.BigEndian.AppendUint64(b, uint64(r.saved))
}

func decodeMessageRow(b []byte) (messageRow, error) {
	if len(b) != messageRowSize {
		return messageRow{}, fmt.Errorf("%w: message", errRow)
	}
	be := binary.BigEndian
	return messageRow{EmailID(be.Uint64(b)), ModSeq(be.Uint64(b[8:])), Flags(be.Uint32(b[16:])), be.Uint64(b[20:]), int64(be.Uint64(b[28:]))}, nil
}

// feedRow is a row of bucket c.
type feedRow struct {
	kind  ChangeKind
	email EmailID
	when  int64 // unix seconds; for Expunged, to forget it some day
}

const feedRowSize = 1 + 8 + 8

func (r *feedRow) encode() []byte {
	b := append(make([]byte, 0, feedRowSize), byte(r.kind))
	b = binary.BigEndian.AppendUint64(b, uint64(r.email))
	return binary.BigEndian.AppendUint64(b, uint64(r.when))
}

func decodeFeedRow(b []byte) (feedRow, error) {
	if len(b) != feedRowSize || b[0] != byte(Changed) && b[0] != byte(Expunged) {
		return feedRow{}, fmt.Errorf("%w: feed", errRow)
	}
	return feedRow{ChangeKind(b[0]), EmailID(binary.BigEndian.Uint64(b[1:])), int64(binary.BigEndian.Uint64(b[9:]))}, nil
}

func decodeFeed(k, v []byte) (Change, feedRow, error) {
	r, err := decodeFeedRow(v)
	if err != nil || len(k) != 16 {
		return Change{}, feedRow{}, fmt.Errorf("%w: feed", errRow)
	}
	be := binary.BigEndian
	return Change{ModSeq: ModSeq(be.Uint64(k)), Mailbox: ID(be.Uint32(k[8:])), UID: UID(be.Uint32(k[12:])), Kind: r.kind, Email: r.email}, r, nil
}

// coder reads the parts of a value of variable size; bad sticks.
type coder struct {
	b   []byte
	bad bool
}

func (c *coder) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *coder) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *coder) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *coder) bytes() []byte  { return c.take(c.uvarint()) }
func (c *coder) string() string { return string(c.bytes()) }

func (c *coder) version(newest byte) {
	if v := c.take(1); len(v) == 1 && (v[0] == 0 || v[0] > newest) {
		c.bad = true
	}
}

func (c *coder) err(what string) error {
	if c.bad {
		return fmt.Errorf("%w: %s", errRow, what)
	}
	return nil
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

const mailboxVersion = 1

func encodeMailbox(m *Mailbox) []byte {
	b := []byte{mailboxVersion, byte(m.Role)}
	b = appendBytes(b, []byte(m.Name))
	for _, v := range []uint64{uint64(m.UIDValidity), uint64(m.UIDNext), uint64(m.HighestModSeq), uint64(m.Exists), uint64(m.Unseen), uint64(m.Deleted), uint64(m.Size)} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func decodeMailbox(id ID, v []byte) (Mailbox, error) {
	c := coder{b: v}
	c.version(mailboxVersion)
	m := Mailbox{ID: id}
	if r := c.take(1); len(r) == 1 {
		m.Role = Role(r[0])
	}
	m.Name = c.string()
	m.UIDValidity, m.UIDNext, m.HighestModSeq = UIDValidity(c.uvarint()), UID(c.uvarint()), ModSeq(c.uvarint())
	m.Exists, m.Unseen, m.Deleted, m.Size = uint32(c.uvarint()), uint32(c.uvarint()), uint32(c.uvarint()), int64(c.uvarint())
	m.ObjectID = fmt.Sprintf("F%d-%d", m.UIDValidity, id)
	return m, c.err("mailbox")
}

// emailRow is a row of bucket e: what never changes of a message.
type emailRow struct {
	ref      store.Ref
	size     int64 // of the body in the store, without header
	internal int64 // unix seconds
	thread   ThreadID
	header   []byte // put before the body for this account
	index    []byte // message.Index as message.Decode reads it, without header
}

const emailVersion = 1

func (r *emailRow) encode() []byte {
	b := make([]byte, 0, 64+len(r.header)+len(r.index))
	b = append(append(b, emailVersion), r.ref[:]...)
	b = binary.AppendUvarint(b, uint64(r.size))
	b = binary.AppendVarint(b, r.internal)
	b = binary.AppendUvarint(b, uint64(r.thread))
	b = appendBytes(b, r.header)
	return append(b, r.index...)
}

// decodeEmail shares v's memory.
func decodeEmail(v []byte) (emailRow, error) {
	c := coder{b: v}
	c.version(emailVersion)
	var r emailRow
	copy(r.ref[:], c.take(uint64(len(r.ref))))
	r.size, r.internal, r.thread = int64(c.uvarint()), c.varint(), ThreadID(c.uvarint())
	r.header = c.bytes()
	r.index = c.b
	return r, c.err("email")
}

// extra is what a record of the log says for one account alone.
type extra struct {
	role     Role
	group    uint64 // not 0: staged until Append places it
	internal time.Time
	keywords []string
	header   []byte
	only     bool // for the mailbox named and for no other
	origin   *origin
}

// Flags at the end of an extra; what has none ends before them.
const (
	extraVersion = 1
	extraOnly    = 1
	extraOrigin  = 2 // the origin follows
)

func (x *extra) encode() []byte {
	b := []byte{extraVersion, byte(x.role)}
	b = binary.AppendUvarint(b, x.group)
	b = binary.AppendVarint(b, x.internal.Unix())
	b = appendBytes(b, x.header)
	b = binary.AppendUvarint(b, uint64(len(x.keywords)))
	for _, k := range x.keywords {
		b = appendBytes(b, []byte(k))
	}
	switch {
	case x.origin != nil:
		b = append(b, extraOnly|extraOrigin)
		b = appendBytes(b, x.origin.key)
		b = x.origin.append(b)
	case x.only:
		b = append(b, extraOnly)
	}
	return b
}

func decodeExtra(v []byte) (extra, error) {
	c := coder{b: v}
	c.version(extraVersion)
	var x extra
	if r := c.take(1); len(r) == 1 {
		x.role = Role(r[0])
	}
	x.group = c.uvarint()
	x.internal = time.Unix(c.varint(), 0).UTC()
	x.header = c.bytes()
	for n := c.uvarint(); n > 0 && !c.bad; n-- {
		x.keywords = append(x.keywords, c.string())
	}
	if len(c.b) > 0 {
		flags := c.take(1)[0]
		x.only = flags&extraOnly != 0
		if flags&extraOrigin != 0 {
			x.origin = c.origin()
		}
	}
	return x, c.err("record of an account")
}
