package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
)

// Bounds of reading ahead. A record larger than aheadLarge is read alone:
// what would be read behind it is seldom whole.
const (
	aheadSize  = 64 << 10
	aheadLarge = aheadSize / 4
)

var aheadBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, aheadSize)
	return &b
}}

// ReadAhead lets bodies that follow each other in the log, as those of one
// mailbox mostly do, be read many at a time. The zero value is ready; it
// belongs to one goroutine, and Release gives its memory back.
type ReadAhead struct {
	buf  *[]byte // what was read from seg at off on
	seg  uint32
	off  int64
	next int64 // in seg: behind the last record that was opened
	body aheadBody
	raw  []byte // of a body that was compressed
}

// aheadBody is a body in the memory of a ReadAhead.
type aheadBody struct{ bytes.Reader }

func (*aheadBody) Close() error { return nil }

// Release gives the memory back; no body that was opened is valid any more.
func (a *ReadAhead) Release() {
	if a.buf != nil && cap(*a.buf) == aheadSize {
		aheadBuffers.Put(a.buf)
	}
	*a = ReadAhead{}
}

// OpenAhead implements Store.
func (e *Engine) OpenAhead(ctx context.Context, r Ref, a *ReadAhead) (Body, error) {
	if _, big := r.big(); big {
		return e.Open(ctx, r)
	}
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	if err := errors.Join(ctx.Err(), checkRef(r)); err != nil {
		return nil, err
	}
	b, ok := a.held(r)
	if !ok {
		var err error
		if b, err = a.read(e, r); err != nil {
			return nil, err
		}
	}
	if err := a.open(r, b); err != nil {
		return nil, err
	}
	return &a.body, nil
}

// held returns a record that was read already.
func (a *ReadAhead) held(r Ref) ([]byte, bool) {
	if a.buf == nil || r.place().seg() != a.seg {
		return nil, false
	}
	at, n := r.place().off()-a.off, recordLen(r)
	if at < 0 || at+n > int64(len(*a.buf)) {
		return nil, false
	}
	return (*a.buf)[at : at+n], true
}

// read reads a record, and what follows it if it lies a little behind the one
// before.
func (a *ReadAhead) read(e *Engine, r Ref) ([]byte, error) {
	place, n := r.place(), recordLen(r)
	want := n
	if gap := place.off() - a.next; a.seg == place.seg() && a.next > 0 && gap >= 0 && gap < aheadSize && n <= aheadLarge {
		want = max(n, min(aheadSize, e.log.published(place)))
	}
	a.room(want)
	a.seg, a.off = place.seg(), place.off()
	s, err := e.log.acquire(a.seg)
	if err != nil {
		return nil, err
	}
	defer e.log.release(s)
	k, err := s.ReadAt((*a.buf)[:want], a.off)
	*a.buf = (*a.buf)[:k]
	if err != nil && err != io.EOF {
		return nil, err
	}
	return (*a.buf)[:min(n, int64(k))], nil
}

// room makes buf empty, with a capacity of n or more.
func (a *ReadAhead) room(n int64) {
	if a.buf == nil {
		a.buf = aheadBuffers.Get().(*[]byte)
	}
	if int64(cap(*a.buf)) < n {
		b := make([]byte, 0, n)
		a.buf = &b
	}
	*a.buf = (*a.buf)[:0]
}

// open makes a.body of a record.
func (a *ReadAhead) open(r Ref, record []byte) error {
	stored, codec, err := verify(record, r)
	if err == nil && codec == codecZstd {
		stored, err = unpack(stored, a.raw[:0])
		a.raw = stored
	}
	if err != nil {
		return err
	}
	a.body.Reset(stored)
	a.next = r.place().off() + recordLen(r)
	return nil
}
