package mailbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/mailstead/mailstead/mailbox/store"
)

// MaxImportKey bounds the key of an imported message.
const MaxImportKey = 64

// HashSize is the octets of a [Hash].
const HashSize = 16

// Hash is the beginning of a SHA-256 of the octets of a message.
type Hash [HashSize]byte

// Incoming is a message that is brought in from another mail system.
type Incoming struct {
	NewMessage
	// Key says which message of which place this is. An account takes one of
	// each key, also when its copy was expunged since.
	Key []byte
	// Hash of the body, which is kept so that it can be verified later.
	Hash Hash
	// Mark stands for the flags that the message had there.
	Mark uint64
}

// Imported is what is remembered of a message that was brought in.
type Imported struct {
	Key     []byte
	Mailbox ID
	UID     UID
	Hash    Hash
	Mark    uint64
}

// origin is the part of an extra that Import adds.
type origin struct {
	key  []byte
	hash Hash
	mark uint64
}

const importedRowSize = 4 + 4 + originSize
const originSize = HashSize + 8

func (o *origin) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(append(b, o.hash[:]...), o.mark)
}

func (c *coder) origin() *origin {
	o := &origin{key: c.bytes()}
	if b := c.take(originSize); len(b) == originSize {
		copy(o.hash[:], b)
		o.mark = binary.BigEndian.Uint64(b[HashSize:])
	}
	return o
}

// Import adds messages to a mailbox, each unless the account has had one of
// its key. When it returns all are on stable storage; when it fails some of the
// first may be. It fails with ErrOverQuota before it takes any. Messages for a
// mailbox that is deleted meanwhile are let go of, without a trace of their
// keys. A message whose keywords would be too many for the account has none.
func (a *Account) Import(ctx context.Context, box ID, msgs []*Incoming) error {
	size := int64(0)
	records := make([]*store.Message, len(msgs))
	for i, m := range msgs {
		if len(m.Key) == 0 || len(m.Key) > MaxImportKey {
			return fmt.Errorf("import to mailbox %d: key of %d octets", box, len(m.Key))
		}
		meta, err := EncodeMeta(m.Index, a.boxes.opts.Now())
		if err != nil {
			return fmt.Errorf("import to mailbox %d: %w", box, err)
		}
		x := extra{internal: a.boxes.received(&m.NewMessage), keywords: m.Keywords, origin: &origin{m.Key, m.Hash, m.Mark}}
		to := store.Recipient{Owner: a.id, Mailbox: uint32(box), Flags: uint32(m.Flags), Extra: x.encode()}
		records[i] = &store.Message{To: []store.Recipient{to}, Meta: meta, Body: m.Body, Size: m.Size}
		size += m.Size
	}
	u, err := a.boxes.usage(ctx, a.id)
	if err == nil {
		err = u.fits(size, int64(len(msgs)))
	}
	if err == nil {
		err = a.boxes.eng.AcceptAll(ctx, records)
	}
	if err != nil {
		return fmt.Errorf("import to mailbox %d: %w", box, err)
	}
	a.boxes.spend(a.id, size, int64(len(msgs)))
	return nil
}

// has reports whether a message of this origin was imported; nil has none.
func (t *tx) has(o *origin) bool { return o != nil && t.rw.Get(bucketImported, o.key) != nil }

// note remembers where a message of an origin went.
func (t *tx) note(o *origin, to store.Recipient, uid uint64) error {
	if o == nil {
		return nil
	}
	b := binary.BigEndian.AppendUint32(key32(to.Mailbox), uint32(uid))
	return t.rw.Put(bucketImported, o.key, o.append(b))
}

func decodeImported(k, v []byte) (Imported, error) {
	if len(v) != importedRowSize {
		return Imported{}, fmt.Errorf("%w: imported", errRow)
	}
	be := binary.BigEndian
	m := Imported{Key: k, Mailbox: ID(be.Uint32(v)), UID: UID(be.Uint32(v[4:])), Mark: be.Uint64(v[8+HashSize:])}
	copy(m.Hash[:], v[8:])
	return m, nil
}

// Imported returns what is remembered of the message with a key.
func (v *View) Imported(key []byte) (m Imported, ok bool, err error) {
	row := v.tx.Get(bucketImported, key)
	if row == nil {
		return Imported{}, false, nil
	}
	m, err = decodeImported(key, row)
	return m, err == nil, err
}

// AllImported yields what is remembered of the messages whose keys begin with
// prefix, from a key on (nil: from the first), in the order of keys. A Key is
// valid until the View ends.
func (v *View) AllImported(prefix, from []byte) iter.Seq2[Imported, error] {
	return func(yield func(Imported, error) bool) {
		if from == nil {
			from = prefix
		}
		for k, row := range v.tx.Scan(bucketImported, from, nil) {
			if !bytes.HasPrefix(k, prefix) {
				return
			}
			if m, err := decodeImported(k, row); !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// ImportedChange says what has become of a message at the place it was brought
// in from.
type ImportedChange struct {
	Key      []byte
	Gone     bool // it is there no longer
	Flags    Flags
	Keywords []string
	Mark     uint64
}

// ChangeImported does with imported messages what was done with them where
// they came from, and returns with how many it did. Those that are no longer in
// the mailbox they were brought to are left alone.
func (a *Account) ChangeImported(ctx context.Context, changes []ImportedChange) (changed int, err error) {
	for part := range slices.Chunk(changes, chunk) {
		n := 0
		err := a.update(ctx, func(t *tx) error {
			n = 0
			for i := range part {
				did, err := t.changeImported(&part[i])
				if err != nil {
					return err
				}
				if did {
					n++
				}
			}
			return nil
		})
		if err != nil {
			return changed, fmt.Errorf("change imported messages: %w", err)
		}
		changed += n
	}
	return changed, nil
}

func (t *tx) changeImported(c *ImportedChange) (changed bool, err error) {
	known, ok, err := t.Imported(c.Key)
	if err != nil || !ok {
		return false, err
	}
	if c.Gone {
		err = t.rw.Delete(bucketImported, c.Key)
	} else {
		o := origin{c.Key, known.Hash, c.Mark}
		err = t.note(&o, store.Recipient{Mailbox: uint32(known.Mailbox)}, uint64(known.UID))
	}
	if err != nil {
		return false, err
	}
	m, err := t.box(known.Mailbox)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	v := t.rw.Get(bucketMessage, messageKey(known.Mailbox, known.UID))
	if err != nil || v == nil {
		return false, err
	}
	row, err := decodeMessageRow(v)
	if err != nil {
		return false, err
	}
	if c.Gone {
		return true, t.remove(m, known.UID, row)
	}
	keywords, err := t.keywordBits(c.Keywords)
	if errors.Is(err, ErrTooManyKeywords) {
		keywords, err = row.keywords, nil
	}
	if err != nil {
		return false, err
	}
	return true, t.setFlags(m, known.UID, row, c.Flags, keywords)
}

// Trim takes the rows of the account out of the memory of this process, where
// the engine can do that. Work that has read all of them once calls it.
func (a *Account) Trim() error {
	if t, ok := a.boxes.eng.(interface{ Trim(store.Owner) error }); ok {
		return t.Trim(a.id)
	}
	return nil
}
