package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Open implements Store. A body of the log is read whole and verified; of a
// large one the header is verified here and the octets by Scrub.
func (e *Engine) Open(ctx context.Context, r Ref) (Body, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if n, ok := r.big(); ok {
		return e.openBig(n, r)
	}
	s, err := e.log.acquire(r.place().seg())
	if err != nil {
		return nil, err
	}
	defer e.log.release(s)
	return readSmall(s, r)
}

// readSmall reads a record in one go: its Ref says how long it is.
func readSmall(f io.ReaderAt, r Ref) (Body, error) {
	if err := checkRef(r); err != nil {
		return nil, err
	}
	buf := make([]byte, recordLen(r))
	if _, err := f.ReadAt(buf, r.place().off()); err != nil && err != io.EOF {
		return nil, err
	}
	stored, codec, err := verify(buf, r)
	if err == nil && codec == codecZstd {
		stored, err = unpack(stored, nil)
	}
	if err != nil {
		return nil, err
	}
	return memoryBody{bytes.NewReader(stored)}, nil
}

// checkRef bounds what is read for a Ref of the log.
func checkRef(r Ref) error {
	if r.metaLen() > maxMetaBlock || r.storedLen() > 2*maxInLog {
		return fmt.Errorf("%w: reference to a body", ErrDamaged)
	}
	return nil
}

// recordLen is how long the record of a Ref is, without its padding.
func recordLen(r Ref) int64 { return headerSize + int64(r.metaLen()) + r.storedLen() }

// verify returns the stored body of a record that was read.
func verify(record []byte, r Ref) (stored []byte, codec uint8, err error) {
	h, err := parseHeader(record, r.place().seg(), r.place().off())
	if err != nil {
		return nil, 0, err
	}
	if h.metaLen != r.metaLen() || h.storedLen != r.storedLen() || int64(len(record)) < recordLen(r) {
		return nil, 0, fmt.Errorf("%w: reference to a body", ErrDamaged)
	}
	if stored = record[headerSize+int64(h.metaLen):]; checksum(stored) != h.bodyCRC {
		return nil, 0, fmt.Errorf("%w: body", ErrDamaged)
	}
	return stored, h.codec, nil
}

// unpack appends what was compressed to b.
func unpack(stored, b []byte) ([]byte, error) {
	raw, err := unpacker().DecodeAll(stored, b)
	if err != nil {
		return nil, fmt.Errorf("%w: compressed body: %w", ErrDamaged, err)
	}
	return raw, nil
}

type memoryBody struct{ *bytes.Reader }

func (memoryBody) Close() error { return nil }

// bigBody is an open file of big/.
type bigBody struct {
	f     file
	start int64
	size  int64
}

func (e *Engine) openBig(n uint32, r Ref) (Body, error) {
	f, err := e.opts.fs.Open(e.big.name(n))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoBody
	}
	if err != nil {
		return nil, err
	}
	var head [headerSize]byte
	_, err = f.ReadAt(head[:], 0)
	if err == nil {
		var h header
		if h, err = parseHeader(head[:], bigBit|n, 0); err == nil && h.storedLen == r.storedLen() && h.metaLen == r.metaLen() {
			return &bigBody{f: f, start: headerSize + int64(h.metaLen), size: h.storedLen}, nil
		}
	}
	if err == nil || err == io.EOF {
		err = fmt.Errorf("%w: large body", ErrDamaged)
	}
	return nil, errors.Join(err, f.Close())
}

func (b *bigBody) Size() int64  { return b.size }
func (b *bigBody) Close() error { return b.f.Close() }

func (b *bigBody) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("store: negative offset")
	}
	if off >= b.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > b.size-off
	if short {
		p = p[:b.size-off]
	}
	n, err := b.f.ReadAt(p, b.start+off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}
