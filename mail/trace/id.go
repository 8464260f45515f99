package trace

import (
	"encoding/base32"
	"encoding/binary"
	"io"
	"time"
)

// alphabet keeps the order of the numbers it encodes and leaves out letters
// that people misread.
var alphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// idLength is the length of an ID: 6 octets of time and 4 of chance.
const idLength = 16

// NewID makes the ID of a message that came in at now. random is
// crypto/rand.Reader outside of tests.
func NewID(now time.Time, random io.Reader) ID {
	var b [8 + 4]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli()))
	if _, err := io.ReadFull(random, b[8:]); err != nil {
		panic("trace: no random numbers: " + err.Error()) // crypto/rand never fails
	}
	return ID(alphabet.EncodeToString(b[2:]))
}

// valid reports whether id can have come from NewID.
func (id ID) valid() bool {
	if len(id) != idLength {
		return false
	}
	_, err := alphabet.DecodeString(string(id))
	return err == nil
}

// after is the first ID that NewID can give at t; IDs sort by time.
func after(t time.Time) ID {
	var b [10]byte
	ms := max(t.UnixMilli(), 0)
	var full [8]byte
	binary.BigEndian.PutUint64(full[:], uint64(ms))
	copy(b[:6], full[2:])
	return ID(alphabet.EncodeToString(b[:]))
}
