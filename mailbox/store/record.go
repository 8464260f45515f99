package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A record of the log, little endian, at a multiple of 8:
//
//	magic 4 · segment 4 · offset 4 · back 4 · metaLen 4 · storedLen 8 · crc(meta) 4 ·
//	crc(stored body) 4 · codec 1 · cipher 1 · flags 2 · key id 4 · crc(these) 4
//	meta · stored body · zeros up to a multiple of 8
//
// A record knows its own place, so one that was misplaced, or is left from an
// earlier use of the file, never verifies. back is how far before it, in units
// of 8, the group begins that one sync has made durable; recovery tells by it
// what a power cut left half written from damage. cipher and key id are 0 in
// this version; another value is refused.
const (
	recordMagic = "MSR1"
	headerSize  = 48
	alignment   = 8
)

// Codecs of a stored body.
const (
	codecRaw  = 0
	codecZstd = 1
)

// Flags of a record.
const flagBig = 1 // the body is in big/, the place in the meta

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// header is the fixed part of a record.
type header struct {
	seg       uint32
	off       int64
	back      int64 // from off to the begin of the group
	metaLen   uint32
	storedLen int64
	metaCRC   uint32
	bodyCRC   uint32
	codec     uint8
	flags     uint16
}

// put writes h into b, which has headerSize octets.
func (h *header) put(b []byte) {
	copy(b, recordMagic)
	le := binary.LittleEndian
	le.PutUint32(b[4:], h.seg)
	le.PutUint32(b[8:], uint32(h.off))
	le.PutUint32(b[12:], uint32(h.back/alignment))
	le.PutUint32(b[16:], h.metaLen)
	le.PutUint64(b[20:], uint64(h.storedLen))
	le.PutUint32(b[28:], h.metaCRC)
	le.PutUint32(b[32:], h.bodyCRC)
	b[36], b[37] = h.codec, 0
	le.PutUint16(b[38:], h.flags)
	le.PutUint32(b[40:], 0)
	le.PutUint32(b[44:], checksum(b[:44]))
}

// parseHeader reads the header of the record that must lie at off of seg. It
// fails with ErrNoBody where a hole was punched, else with ErrDamaged.
func parseHeader(b []byte, seg uint32, off int64) (header, error) {
	if len(b) < headerSize {
		return header{}, fmt.Errorf("%w: short record header", ErrDamaged)
	}
	if allZero(b[:headerSize]) {
		return header{}, ErrNoBody
	}
	le := binary.LittleEndian
	h := header{
		seg: le.Uint32(b[4:]), off: int64(le.Uint32(b[8:])), back: int64(le.Uint32(b[12:])) * alignment, metaLen: le.Uint32(b[16:]), storedLen: int64(le.Uint64(b[20:])),
		metaCRC: le.Uint32(b[28:]), bodyCRC: le.Uint32(b[32:]), codec: b[36], flags: le.Uint16(b[38:]),
	}
	switch {
	case string(b[:4]) != recordMagic || le.Uint32(b[44:]) != checksum(b[:44]):
		return header{}, fmt.Errorf("%w: record header", ErrDamaged)
	case h.seg != seg || h.off != off || h.back > off:
		return header{}, fmt.Errorf("%w: record of another place", ErrDamaged)
	case b[37] != 0 || le.Uint32(b[40:]) != 0 || h.codec > codecZstd || h.flags > flagBig:
		return header{}, fmt.Errorf("%w: record of a newer version", ErrDamaged)
	case h.metaLen > maxMetaBlock || h.storedLen < 0 || h.storedLen > maxStored || seg&bigBit == 0 && h.storedLen > maxInLog:
		return header{}, fmt.Errorf("%w: lengths of a record", ErrDamaged)
	}
	return h, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// size is the record's length with its padding.
func (h *header) size() int64 { return alignUp(headerSize + int64(h.metaLen) + h.storedLen) }

func alignUp(n int64) int64 { return (n + alignment - 1) &^ (alignment - 1) }

// Bounds of one record.
const (
	maxStored    = 1<<32 - 1 // a Ref has 32 bits for it
	maxMetaBlock = MaxMeta + MaxRecipients*32 + MaxExtra*4
)

// lsn is the place of a record in the log: segment ‖ offset / 8.
type lsn uint64

func makeLSN(seg uint32, off int64) lsn { return lsn(uint64(seg)<<32 | uint64(off/alignment)) }

func (l lsn) seg() uint32 { return uint32(l >> 32) }
func (l lsn) off() int64  { return int64(uint32(l)) * alignment }

// bigBit in the segment of a Ref says that it is the number of a file in big/.
const bigBit = 1 << 31

// makeRef makes the Ref of a body: lsn ‖ metaLen ‖ storedLen, big endian.
func makeRef(place lsn, metaLen uint32, storedLen int64) Ref {
	var r Ref
	binary.BigEndian.PutUint64(r[:], uint64(place))
	binary.BigEndian.PutUint32(r[8:], metaLen)
	binary.BigEndian.PutUint32(r[12:], uint32(storedLen))
	return r
}

func (r Ref) place() lsn       { return lsn(binary.BigEndian.Uint64(r[:])) }
func (r Ref) metaLen() uint32  { return binary.BigEndian.Uint32(r[8:]) }
func (r Ref) storedLen() int64 { return int64(binary.BigEndian.Uint32(r[12:])) }

// big returns the number of the file in big/, if the body is there.
func (r Ref) big() (uint32, bool) {
	seg := r.place().seg()
	return seg &^ bigBit, seg&bigBit != 0
}

// metaBlock is what stands between header and body of a record.
type metaBlock struct {
	to   []Recipient
	size int64  // of the body before compression
	big  Ref    // where a large body is, with flagBig
	meta []byte // the caller's
	told uint64 // by Apply; not in the record
}

const metaVersion = 1

// appendMeta encodes m; it is decoded by parseMeta.
func appendMeta(b []byte, m *metaBlock) []byte {
	b = append(b, metaVersion)
	b = binary.AppendUvarint(b, uint64(len(m.to)))
	for _, r := range m.to {
		b = binary.LittleEndian.AppendUint32(b, uint32(r.Owner))
		b = binary.LittleEndian.AppendUint32(b, r.Mailbox)
		b = binary.LittleEndian.AppendUint32(b, r.Flags)
		b = binary.AppendUvarint(b, uint64(len(r.Extra)))
		b = append(b, r.Extra...)
	}
	b = binary.AppendUvarint(b, uint64(m.size))
	b = append(b, m.big[:]...)
	return append(b, m.meta...)
}

// parseMeta decodes a meta block. What it returns shares b's memory.
func parseMeta(b []byte) (metaBlock, error) {
	d := decoder{b: b}
	if d.byte() != metaVersion {
		d.bad = true
	}
	n := d.uvarint(MaxRecipients)
	m := metaBlock{to: make([]Recipient, 0, min(n, 64))}
	for range n {
		if d.bad {
			break
		}
		m.to = append(m.to, Recipient{Owner: Owner(d.uint32()), Mailbox: d.uint32(), Flags: d.uint32(), Extra: d.bytes(d.uvarint(MaxExtra))})
	}
	m.size = int64(d.uvarint(maxStored))
	copy(m.big[:], d.bytes(len(m.big)))
	m.meta = d.b
	if d.bad {
		return metaBlock{}, fmt.Errorf("%w: meta of a record", ErrDamaged)
	}
	return m, nil
}

// decoder reads a meta block; bad sticks.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.bad, n = true, 0
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if v := d.bytes(1); len(v) == 1 {
		return v[0]
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if v := d.bytes(4); len(v) == 4 {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) uvarint(limit uint64) int {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return int(v)
}

// extend continues a checksum.
func extend(crc uint32, b []byte) uint32 { return crc32.Update(crc, castagnoli, b) }
