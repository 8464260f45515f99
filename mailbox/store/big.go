package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// bigBodies keeps each body above maxInLog in a file of its own, big/xx/n: a
// segment with one record. It is written and synced before its record goes
// into the log, by whoever accepts it, so that small messages do not wait.
type bigBodies struct {
	e   *Engine
	dir string

	mu sync.Mutex
	// next is the next number; writing are those whose record is not in the
	// log yet: they are removed at start if the log does not know them.
	next    uint32
	writing map[uint32]struct{}
	durable [256]bool // folders whose names are on stable storage
}

func newBigBodies(e *Engine) *bigBodies {
	return &bigBodies{e: e, dir: filepath.Join(e.dir, "big"), writing: map[uint32]struct{}{}}
}

func (b *bigBodies) name(n uint32) string {
	return filepath.Join(b.dir, fmt.Sprintf("%02x", n&0xff), strconv.FormatUint(uint64(n), 10))
}

// take gives out a number.
func (b *bigBodies) take() uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.next
	b.next++
	b.writing[n] = struct{}{}
	return n
}

// committed is told by the committer, before the end of the log moves on.
func (b *bigBodies) committed(n uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.writing, n)
}

// abandon removes a body that did not get into the log. Where that is not
// known because a sync failed, it stays.
func (b *bigBodies) abandon(n uint32) {
	if b.e.failed.Load() != nil {
		return
	}
	if err := b.remove(b.name(n)); err != nil {
		b.e.opts.Logger.Warn("a large body that was not accepted stays until restart", "err", err)
		return
	}
	b.committed(n)
}

// remove removes a body that no record names, for good: after the next
// checkpoint nobody would look for it.
func (b *bigBodies) remove(name string) error {
	err := b.e.opts.fs.Remove(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return b.e.log.syncDir(filepath.Dir(name))
}

// marks returns what a checkpoint remembers.
func (b *bigBodies) marks() (next uint32, writing []uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := range b.writing {
		writing = append(writing, n)
	}
	return b.next, writing
}

// prepareBig streams a large body, of which start was read already, into a
// file of its own and makes the record that names it.
func (e *Engine) prepareBig(ctx context.Context, r *request, m *Message, start []byte) error {
	n := e.big.take()
	if err := e.big.write(ctx, n, r, m, start); err != nil {
		e.big.abandon(n)
		return err
	}
	r.header.flags = flagBig
	return nil
}

func (b *bigBodies) write(ctx context.Context, n uint32, r *request, m *Message, start []byte) error {
	dir := filepath.Dir(b.name(n))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return b.e.passingError(err)
	}
	f, err := b.e.opts.fs.Create(b.name(n))
	if err != nil {
		return b.e.passingError(err)
	}
	defer f.Close()
	// The owners come first, so that reclaiming finds them in the file too.
	meta := appendMeta(nil, &metaBlock{to: withoutExtra(m.To)})
	h := header{seg: bigBit | n, metaLen: uint32(len(meta)), metaCRC: checksum(meta)}
	size, err := b.copyBody(ctx, f, headerSize+int64(len(meta)), &h, m, start)
	if err != nil {
		return err
	}
	var head [headerSize]byte
	h.put(head[:])
	if err := f.WriteVec(0, [][]byte{head[:], meta}); err != nil { // the header last: without it the file is nothing
		return b.e.storageError(err)
	}
	if err := errors.Join(b.e.log.sync(f), b.e.log.syncDir(dir), b.syncFolder(n)); err != nil {
		return b.e.fail(err)
	}
	r.block.size = size
	r.block.big = makeRef(makeLSN(h.seg, 0), h.metaLen, h.storedLen)
	b.e.stats.bigBytes.Add(size)
	return nil
}

// syncFolder makes the name of a body's folder durable, once a process.
func (b *bigBodies) syncFolder(n uint32) error {
	b.mu.Lock()
	done := b.durable[n&0xff]
	b.mu.Unlock()
	if done {
		return nil
	}
	if err := b.e.log.syncDir(b.dir); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.durable[n&0xff] = true
	return nil
}

func withoutExtra(to []Recipient) []Recipient {
	plain := make([]Recipient, len(to))
	for i, r := range to {
		plain[i] = Recipient{Owner: r.Owner, Mailbox: r.Mailbox, Flags: r.Flags}
	}
	return plain
}

// copyBody writes start and the rest of the body from off on, a chunk at a
// time. Large bodies are stored as they are: most are attachments that no
// longer shrink, and parts of them are read at random.
func (b *bigBodies) copyBody(ctx context.Context, f file, off int64, h *header, m *Message, start []byte) (int64, error) {
	chunk := start
	buf := make([]byte, maxInLog)
	for {
		if len(chunk) > 0 {
			more := int64(len(chunk))
			if m.Size >= 0 {
				more = 0 // was asked for at once
			}
			if err := b.e.room(m.use(), more); err != nil {
				return 0, err
			}
			if err := f.WriteVec(off+h.storedLen, [][]byte{chunk}); err != nil {
				return 0, b.e.storageError(err)
			}
			h.bodyCRC = extend(h.bodyCRC, chunk)
			h.storedLen += int64(len(chunk))
		}
		if h.storedLen > maxStored {
			return 0, fmt.Errorf("store: body is larger than %d octets", int64(maxStored))
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := fill(m.Body, buf)
		chunk = buf[:n]
		if err == io.EOF && n == 0 {
			return h.storedLen, checkSize(m, h.storedLen)
		}
		if err != nil && err != io.EOF {
			return 0, err
		}
	}
}

// fill reads until buf is full or r ends. Unlike io.ReadFull it does not make
// the end of r look like io.ErrUnexpectedEOF, which is what a transfer that
// was cut off says.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	return n, err
}
