package junk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/boltfile"
	"github.com/mailstead/mailstead/mailbox"
)

var (
	bucketMeta    = []byte("meta")
	bucketTotals  = []byte("totals")
	bucketWords   = []byte("words")
	bucketSenders = []byte("senders")
	bucketLearned = []byte("learned")
	bucketCursor  = []byte("cursor")

	buckets = [][]byte{bucketMeta, bucketTotals, bucketWords, bucketSenders, bucketLearned, bucketCursor}

	keyHash    = []byte("hash-key")
	keyTouched = []byte("touched")
)

// shared is the account whose words are everybody's.
const shared mailbox.AccountID = 0

// errRow means that a row does not say what this version writes.
var errRow = errors.New("junk: a row is damaged")

// openFile opens the file, or makes it: mail does not wait for what was learned
// of it.
func openFile(path string, opts Options) (*bolt.DB, hashKey, error) {
	var key hashKey
	db, err := boltfile.Open(path, boltfile.Options{
		What: "what was learned about junk", Buckets: buckets, Logger: opts.Logger,
		Init: func(tx *bolt.Tx) (err error) {
			key, err = ensureKey(tx.Bucket(bucketMeta), opts.Rand)
			return err
		},
	})
	return db, key, err
}

// ensureKey reads the key of the hashes, or makes it.
func ensureKey(b *bolt.Bucket, random io.Reader) (hashKey, error) {
	v := b.Get(keyHash)
	if v == nil {
		v = make([]byte, 16)
		if _, err := io.ReadFull(random, v); err != nil {
			return hashKey{}, err
		}
		return newHashKey(v), b.Put(keyHash, v)
	}
	if len(v) != 16 {
		return hashKey{}, fmt.Errorf("%w: key", boltfile.ErrDamaged)
	}
	return newHashKey(v), nil
}

func accountKey(id mailbox.AccountID) []byte { return binary.BigEndian.AppendUint32(nil, uint32(id)) }

// rowKey is the place of what an account has under a number.
func rowKey(id mailbox.AccountID, n uint64) []byte {
	return binary.BigEndian.AppendUint64(accountKey(id), n)
}

// day is the unit of time in rows: days since 1970.
func day(t time.Time) uint16 { return uint16(max(t.Unix()/(24*60*60), 0)) }

func encodeTotals(t totals) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, t.Junk), t.Good)
}

// decodeTotals takes a damaged row as none: what is counted is only a guess.
func decodeTotals(v []byte) totals {
	if len(v) != 8 {
		return totals{}
	}
	return totals{binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])}
}

func appendCount(b []byte, c count, d uint16) []byte {
	b = binary.BigEndian.AppendUint32(b, c.junk)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, c.good), d)
}

func decodeCount(v []byte) (count, uint16) {
	if len(v) != 10 {
		return count{}, 0
	}
	return count{binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])}, binary.BigEndian.Uint16(v[8:])
}

// history is what an account did with mail of one sender.
type history struct {
	good    uint32 // points: 1 for mail that was read and kept, 2 for more
	bad     uint32 // messages that are junk
	written uint32 // messages sent there
}

func encodeHistory(h history, d uint16) []byte {
	b := binary.BigEndian.AppendUint32(nil, h.good)
	b = binary.BigEndian.AppendUint32(b, h.bad)
	b = binary.BigEndian.AppendUint32(b, h.written)
	return binary.BigEndian.AppendUint16(b, d)
}

func decodeHistory(v []byte) (history, uint16) {
	if len(v) != 14 {
		return history{}, 0
	}
	be := binary.BigEndian
	return history{be.Uint32(v), be.Uint32(v[4:]), be.Uint32(v[8:])}, be.Uint16(v[12:])
}

// lesson is what was learned of one email, and all that is needed to undo it.
type lesson struct {
	class   Class
	derived Class    // what the mailboxes said when class was told by hand
	told    bool     // class was told by hand
	base    bool     // its tokens count in the base, too
	tokens  []uint64 // counted as words; none if the class counts for the sender alone
	senders []uint64 // identities it counts for
	day     uint16
}

const lessonVersion = 1

const (
	lessonTold = 1 << iota
	lessonBase
)

func (n *lesson) encode() []byte {
	flags := byte(0)
	if n.told {
		flags |= lessonTold
	}
	if n.base {
		flags |= lessonBase
	}
	b := []byte{lessonVersion, byte(n.class), byte(n.derived), flags}
	b = binary.BigEndian.AppendUint16(b, n.day)
	b = append(b, byte(len(n.senders)))
	for _, list := range [][]uint64{n.senders, n.tokens} {
		for _, h := range list {
			b = binary.BigEndian.AppendUint64(b, h)
		}
	}
	return b
}

func decodeLesson(v []byte) (lesson, error) {
	const head = 7
	if len(v) < head || v[0] != lessonVersion || (len(v)-head)%8 != 0 || (len(v)-head)/8 < int(v[6]) {
		return lesson{}, fmt.Errorf("%w: lesson", errRow)
	}
	n := lesson{class: Class(v[1]), derived: Class(v[2]), told: v[3]&lessonTold != 0, base: v[3]&lessonBase != 0, day: binary.BigEndian.Uint16(v[4:])}
	list := make([]uint64, 0, (len(v)-head)/8)
	for rest := v[head:]; len(rest) > 0; rest = rest[8:] {
		list = append(list, binary.BigEndian.Uint64(rest))
	}
	n.senders, n.tokens = list[:v[6]], list[v[6]:]
	return n, nil
}

// Backup writes a consistent copy of junk.db.
func (c *Classifier) Backup(w io.Writer) error { return boltfile.Copy(c.db, w) }
