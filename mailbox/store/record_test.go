package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
)

func FuzzParseHeader(f *testing.F) {
	for _, h := range []header{
		{seg: 1, off: 0, metaLen: 10, storedLen: 20, metaCRC: 1, bodyCRC: 2},
		{seg: 7, off: 4096, metaLen: 40, storedLen: maxInLog, codec: codecZstd},
		{seg: bigBit | 5, metaLen: 40, storedLen: maxStored},
		{seg: 3, off: 8, back: 8, metaLen: 80, flags: flagBig},
	} {
		b := make([]byte, headerSize)
		h.put(b)
		f.Add(b, h.seg, h.off)
	}
	f.Add(make([]byte, headerSize), uint32(1), int64(0))
	f.Add([]byte(recordMagic), uint32(1), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, seg uint32, off int64) {
		h, err := parseHeader(b, seg, off)
		if err != nil {
			if h != (header{}) || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNoBody) {
				t.Fatalf("%+v, %v", h, err)
			}
			return
		}
		again := make([]byte, headerSize)
		h.put(again)
		if !bytes.Equal(again, b[:headerSize]) {
			t.Fatalf("%x was read as %+v, which is %x", b[:headerSize], h, again)
		}
	})
}

func FuzzParseMeta(f *testing.F) {
	for _, m := range []metaBlock{
		{to: []Recipient{{Owner: 1, Mailbox: 2, Flags: 3, Extra: []byte("extra")}}, size: 5, meta: []byte("meta")},
		{to: []Recipient{{Owner: 1}, {Owner: 1 << 31}}, size: maxStored, big: makeRef(makeLSN(bigBit|9, 0), 33, 1<<30)},
		{},
	} {
		f.Add(appendMeta(nil, &m))
	}
	f.Add([]byte{metaVersion, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeta(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if len(m.to) > len(b)/13 {
			t.Fatalf("%d recipients from %d octets", len(m.to), len(b))
		}
		again, err := parseMeta(appendMeta(nil, &m))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v came back as %+v, %v", m, again, err)
		}
	})
}

// memoryFile is a segment in memory that counts what is read of it.
type memoryFile struct {
	file
	b    []byte
	read int
}

func (m *memoryFile) Size() (int64, error) { return int64(len(m.b)), nil }

func (m *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m.b)) {
		return 0, io.EOF
	}
	n := copy(p, m.b[off:])
	m.read += n
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// segment makes the octets of a segment with these bodies.
func segment(seg uint32, bodies ...string) (b []byte) {
	for i, body := range bodies {
		meta := appendMeta(nil, &metaBlock{to: []Recipient{{Owner: Owner(i)}}, size: int64(len(body)), meta: []byte(body[:min(4, len(body))])})
		h := header{seg: seg, off: int64(len(b)), metaLen: uint32(len(meta)), storedLen: int64(len(body)), metaCRC: checksum(meta), bodyCRC: checksum([]byte(body))}
		at := len(b)
		b = append(b, make([]byte, h.size())...)
		h.put(b[at:])
		copy(b[at+headerSize:], meta)
		copy(b[at+headerSize+len(meta):], body)
	}
	return b
}

// A damaged segment yields no record that was not written, and is read in a
// time that grows with its length only.
func FuzzScan(f *testing.F) {
	bodies := []string{"first", pattern(2, 300), "", pattern(4, 5000), recordMagic + strings.Repeat("\x00", 60), "last"}
	sound := segment(3, bodies...)
	f.Add(uint16(0), []byte{0}, uint16(0), uint16(0))
	f.Add(uint16(20), []byte{1}, uint16(0), uint16(0))
	f.Add(uint16(100), []byte("MSR1"), uint16(0), uint16(3))
	f.Add(uint16(400), bytes.Repeat([]byte("MSR1\x03\x00\x00\x00"), 400), uint16(500), uint16(0))
	f.Add(uint16(0), sound[:600], uint16(56), uint16(1000))
	e := &Engine{opts: quiet()}
	e.opts.setDefaults()
	f.Fuzz(func(t *testing.T, at uint16, flip []byte, shift, cut uint16) {
		b := bytes.Clone(sound)
		for i, c := range flip {
			if j := int(at) + i; j < len(b) {
				b[j] ^= c
			}
		}
		if shift > 0 { // records in another place are not records
			b = append(make([]byte, int(shift)), b...)
		}
		b = b[:max(0, len(b)-int(cut))]
		m := &memoryFile{b: b}
		last := int64(-1)
		end, _, err := e.scan(m, 3, 0, func(h header, block *metaBlock) {
			i := int(block.to[0].Owner)
			stored := b[h.off+headerSize+int64(h.metaLen):][:h.storedLen]
			if h.off <= last || i >= len(bodies) || string(stored) != bodies[i] {
				t.Fatalf("record at %d for owner %d with %d octets is none that was written", h.off, i, len(stored))
			}
			last = h.off
		})
		if err != nil || end > alignUp(int64(len(b))) || end < last {
			t.Fatalf("scan of %d octets ends at %d, %v", len(b), end, err)
		}
		if limit := 8*len(b) + 16*64<<10; m.read > limit {
			t.Errorf("%d octets were read of a segment of %d", m.read, len(b))
		}
	})
}

func TestScanFindsAll(t *testing.T) {
	e := &Engine{opts: quiet()}
	e.opts.setDefaults()
	b := segment(3, "a", "bb", "ccc")
	n := 0
	end, _, err := e.scan(&memoryFile{b: b}, 3, 0, func(header, *metaBlock) { n++ })
	if n != 3 || err != nil || end != int64(len(b)) {
		t.Errorf("%d records, end %d of %d, %v", n, end, len(b), err)
	}
}

// What pages hold, torn as they may be, never ends the process.
func FuzzCheckPages(f *testing.F) {
	f.Add([]byte("x"), uint16(0))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 1}, uint16(8192))
	f.Add(bytes.Repeat([]byte{0xff}, 64), uint16(12288))
	name := f.TempDir() + "/x.db"
	if err := createBolt(name, true); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, flip []byte, at uint16) {
		sound, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range flip {
			if j := int(at) + i; j < len(sound) {
				sound[j] ^= c
			}
		}
		w := pageWalk{f: bytes.NewReader(sound), seen: map[uint64]struct{}{}}
		if root, err := w.meta(); err == nil {
			_ = w.tree(root, 0) // any answer is good
		}
	})
}
