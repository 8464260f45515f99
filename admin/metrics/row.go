package metrics

import (
	"encoding/binary"
	"errors"
	"math"
)

// rowVersion begins each row.
const rowVersion = 1

// Bounds of what is believed of a row; the file may be damaged.
const (
	maxSeries  = 4_096
	maxClasses = 256
)

var errRow = errors.New("metrics: row cannot be read; was it written by a newer version?")

// appendSample adds a sample of the series id to a row: the number, the kind,
// and the value.
func appendSample(b []byte, id uint16, s sample) []byte {
	b = binary.AppendUvarint(b, uint64(id))
	b = append(b, byte(s.kind))
	switch s.kind {
	case counterKind:
		b = binary.AppendUvarint(b, uint64(max(s.count, 0)))
	case gaugeKind:
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(s.value))
	case histogramKind:
		b = binary.AppendUvarint(b, uint64(len(s.counts)))
		for _, n := range s.counts {
			b = binary.AppendUvarint(b, uint64(max(n, 0)))
		}
	}
	return b
}

// readRow hands out the samples of a row for which want is true.
func readRow(b []byte, want func(id uint16) bool, give func(id uint16, s sample)) error {
	if len(b) == 0 || b[0] != rowVersion {
		return errRow
	}
	d := rowDecoder{b: b[1:]}
	for len(d.b) > 0 {
		id := d.uint(maxSeries)
		s := d.sample()
		if d.bad {
			return errRow
		}
		if want(uint16(id)) {
			give(uint16(id), s)
		}
	}
	return nil
}

// rowDecoder reads a row; after the first mistake it reads nothing more.
type rowDecoder struct {
	b   []byte
	bad bool
}

func (d *rowDecoder) fail() { d.b, d.bad = nil, true }

func (d *rowDecoder) uint(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > most {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *rowDecoder) sample() sample {
	if len(d.b) == 0 {
		d.fail()
		return sample{}
	}
	s := sample{kind: kind(d.b[0])}
	d.b = d.b[1:]
	switch s.kind {
	case counterKind:
		s.count = int64(d.uint(math.MaxInt64))
	case gaugeKind:
		if len(d.b) < 8 {
			d.fail()
			return s
		}
		s.value = math.Float64frombits(binary.BigEndian.Uint64(d.b))
		d.b = d.b[8:]
	case histogramKind:
		n := d.uint(maxClasses)
		for range n {
			s.counts = append(s.counts, int64(d.uint(math.MaxInt64)))
		}
	default:
		d.fail()
	}
	return s
}
