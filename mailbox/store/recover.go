package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// recover reads the log from the low-water mark to its end, gives the records
// to the owners that lack them, cuts off what a crash left half written, and
// applies all of it.
func (e *Engine) recover() error {
	segs, err := e.log.segments()
	if err != nil {
		return err
	}
	low := e.sys.low()
	seen := map[uint32]bool{} // large bodies that the log knows
	for i, seg := range segs {
		if seg < low.seg() {
			continue
		}
		from := int64(0)
		if seg == low.seg() {
			from = low.off()
		}
		if err := e.recoverSegment(seg, from, i == len(segs)-1, seen); err != nil {
			return fmt.Errorf("recover segment %08x: %w", seg, err)
		}
	}
	if e.log.current == nil {
		if err := e.log.begin(low.seg() + 1); err != nil {
			return err
		}
	}
	if err := e.big.recover(e.sys.marks, seen); err != nil {
		return err
	}
	if err := e.recoverStuck(); err != nil {
		return err
	}
	if err := e.applyAll(); err != nil {
		if e.failed.Load() != nil {
			return err
		}
		return nil // told; the log keeps the records of those owners until it can be done
	}
	return e.checkpoint()
}

// recoverSegment gives the records of one segment from a place on to their
// owners. The last segment becomes the current one, until something is written.
func (e *Engine) recoverSegment(seg uint32, from int64, last bool, seen map[uint32]bool) error {
	f, err := e.opts.fs.Open(e.log.name(seg))
	if err != nil {
		return err
	}
	end, gaps, err := e.scan(f, seg, from, func(h header, m *metaBlock) {
		if n, ok := m.big.big(); ok {
			seen[n] = true
		}
		e.requeue(h, m)
	})
	switch {
	case err != nil:
	case last:
		if err = errors.Join(e.fillTorn(f, seg, gaps), f.Truncate(end), e.log.sync(f)); err == nil {
			e.log.inherit(seg, f, end)
			return nil
		}
	default:
		e.tellDamage(seg, gaps)
	}
	return errors.Join(err, f.Close())
}

// gap is a stretch of a segment between records that verify.
type gap struct {
	from, to int64
	err      error // of the record that should be there
}

// scan reads records to the end, and returns where that is: behind it none
// verifies. What does not verify before a later group is damage, since a group
// is written when the one before is durable; it is reported. The gaps that are
// returned are in the last group.
func (e *Engine) scan(f file, seg uint32, off int64, found func(header, *metaBlock)) (end int64, gaps []gap, err error) {
	size, err := f.Size()
	if err != nil {
		return 0, nil, err
	}
	for off < size {
		h, m, err := readRecord(f, seg, off, size)
		if errors.Is(err, ErrNoBody) || errors.Is(err, ErrDamaged) {
			next := nextRecord(f, seg, after(h, off), size)
			if next < 0 {
				return off, gaps, nil
			}
			if errors.Is(err, ErrDamaged) {
				gaps = append(gaps, gap{off, next, err})
			}
			off = next
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		if len(gaps) > 0 && gaps[len(gaps)-1].from < off-h.back {
			e.tellDamage(seg, gaps)
			gaps = nil
		}
		found(h, &m)
		off += h.size()
	}
	return off, gaps, nil
}

func (e *Engine) tellDamage(seg uint32, gaps []gap) {
	for _, g := range gaps {
		e.opts.Logger.Error("damage in the log", "segment", seg, "from", g.from, "to", g.to, "err", g.err)
	}
}

// fillTorn makes holes of the gaps in the last group of the log. Its sync was
// under way when the server stopped, so nothing of it was acknowledged; of its
// records those are kept that reached the disk.
func (e *Engine) fillTorn(f file, seg uint32, gaps []gap) error {
	for _, g := range gaps {
		e.opts.Logger.Warn("what was being written when the server stopped is incomplete, and is left out; it was not acknowledged",
			"segment", seg, "from", g.from, "to", g.to, "err", g.err)
		err := f.Punch(g.from, g.to-g.from)
		if errors.Is(err, errors.ErrUnsupported) {
			err = f.WriteVec(g.from, [][]byte{make([]byte, g.to-g.from)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// after is where to look on behind a record that does not verify. If its header
// does, that is its end: what a body holds must not pass for a record.
func after(h header, off int64) int64 {
	if h == (header{}) {
		return off + alignment
	}
	return off + h.size()
}

// readRecord reads and verifies one record. The header is returned if it is
// sound, whatever is wrong with the rest.
func readRecord(f io.ReaderAt, seg uint32, off, size int64) (header, metaBlock, error) {
	h, meta, err := readMeta(f, seg, off, size)
	if err != nil {
		return h, metaBlock{}, err
	}
	m, err := parseMeta(meta)
	if err != nil {
		return h, metaBlock{}, err
	}
	return h, m, verifyBody(f, &h)
}

// readMeta reads and verifies the header and the meta block. The header is
// returned if it is sound.
func readMeta(f io.ReaderAt, seg uint32, off, size int64) (header, []byte, error) {
	var head [headerSize]byte
	if _, err := f.ReadAt(head[:], off); err == io.EOF {
		return header{}, nil, fmt.Errorf("%w: cut off", ErrDamaged)
	} else if err != nil {
		return header{}, nil, err
	}
	h, err := parseHeader(head[:], seg, off)
	if err != nil {
		return header{}, nil, err
	}
	if off+headerSize+int64(h.metaLen)+h.storedLen > size {
		return h, nil, fmt.Errorf("%w: cut off", ErrDamaged)
	}
	meta := make([]byte, h.metaLen)
	if _, err := f.ReadAt(meta, off+headerSize); err != nil && err != io.EOF {
		return h, nil, err
	}
	if checksum(meta) != h.metaCRC {
		return h, nil, fmt.Errorf("%w: meta of a record", ErrDamaged)
	}
	return h, meta, nil
}

func verifyBody(f io.ReaderAt, h *header) error {
	buf := make([]byte, min(h.storedLen, maxInLog))
	crc, at := uint32(0), h.off+headerSize+int64(h.metaLen)
	for left := h.storedLen; left > 0; {
		n, err := f.ReadAt(buf[:min(left, int64(len(buf)))], at)
		if n == 0 && err != nil {
			if err == io.EOF {
				err = fmt.Errorf("%w: cut off", ErrDamaged)
			}
			return err
		}
		crc = extend(crc, buf[:n])
		at, left = at+int64(n), left-int64(n)
	}
	if crc != h.bodyCRC {
		return fmt.Errorf("%w: body", ErrDamaged)
	}
	return nil
}

// nextRecord finds the next place with a record that verifies; -1 if none.
// Holes read as zeros.
func nextRecord(f io.ReaderAt, seg uint32, off, size int64) int64 {
	buf := make([]byte, 64<<10)
	for off < size {
		n, err := f.ReadAt(buf, off)
		if n < headerSize && err != nil {
			return -1
		}
		for i := 0; i+headerSize <= n; i += alignment {
			if string(buf[i:i+4]) != recordMagic {
				continue
			}
			if _, err := parseHeader(buf[i:], seg, off+int64(i)); err != nil {
				continue
			}
			if _, _, err := readRecord(f, seg, off+int64(i), size); err == nil {
				return off + int64(i)
			}
		}
		step := int64(n-headerSize+alignment) &^ (alignment - 1)
		if err != nil || step <= 0 {
			return -1
		}
		off += step
	}
	return -1
}

// requeue gives a record that was found in the log to its owners. Those whose
// rows have it skip it when they apply.
func (e *Engine) requeue(h header, m *metaBlock) {
	place := makeLSN(h.seg, h.off)
	ref := makeRef(place, h.metaLen, h.storedLen)
	if h.flags&flagBig != 0 {
		ref = m.big
	}
	for i, to := range m.to {
		if place <= e.sys.droppedAt(to.Owner) {
			continue
		}
		e.owner(to.Owner).push(pendingRecord{place: place, block: m, index: i, ref: ref})
	}
}

// recover removes large bodies that never got into the log and finds the next
// number.
func (b *bigBodies) recover(m marks, seen map[uint32]bool) error {
	suspect := map[uint32]bool{}
	for _, n := range m.writing {
		suspect[n] = true
	}
	b.next = m.nextBig
	names, err := filepath.Glob(filepath.Join(b.dir, "??", "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		v, err := strconv.ParseUint(filepath.Base(name), 10, 31)
		if err != nil {
			continue
		}
		n := uint32(v)
		b.next = max(b.next, n+1)
		if (suspect[n] || n >= m.nextBig) && !seen[n] {
			if err := b.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// recoverStuck gives records that were noted for a database set aside to its
// owner, when a good copy of it is in place again, and those that the copy is
// too old to have. They come before those of the log: they are older.
func (e *Engine) recoverStuck() error {
	stuck, err := e.sys.stuck()
	if err != nil {
		return err
	}
	for id := range stuck {
		e.owner(id)
	}
	for _, o := range e.allOwners() {
		if o.aside != nil {
			continue
		}
		missed, err := e.missed(o)
		if errors.Is(err, ErrSetAside) {
			continue // the copy is no good either
		}
		if err != nil {
			return err
		}
		if err := o.catchUp(missed, stuck[o.id]); err != nil {
			return err
		}
	}
	return nil
}

// catchUp applies old records before those that wait already, and forgets the
// notes of them.
func (o *owner) catchUp(missed, stuck []lsn) error {
	places := slices.Concat(missed, stuck)
	if len(places) == 0 {
		return nil
	}
	slices.Sort(places)
	o.prepend(slices.Compact(places))
	if err := o.drain(); err != nil {
		o.e.opts.Logger.Error("mail that waited for a database could not be filed", "owner", o.id, "err", err)
		return nil // it is still noted
	}
	return o.e.sys.clearStuck(o.id, stuck)
}

// missed lists the records before the low-water mark that are newer than the
// database of an owner, where it was put in place of a damaged one. Messages
// deleted since come back if their bodies are still there. The queue is left
// out: what it has sent already would go out again.
func (e *Engine) missed(o *owner) (places []lsn, err error) {
	if damaged, _ := filepath.Glob(o.file() + ".damaged-*"); len(damaged) == 0 || !o.there || o.id == Queue {
		return nil, nil
	}
	from := e.sys.droppedAt(o.id)
	err = o.viewRaw(func(tx *bolt.Tx) error {
		from = max(from, applied(tx))
		return nil
	})
	if err != nil {
		return nil, err
	}
	low := e.sys.low()
	err = e.eachLogged(context.Background(), from.seg(), func(h header, m *metaBlock) {
		place := makeLSN(h.seg, h.off)
		mine := slices.ContainsFunc(m.to, func(to Recipient) bool { return to.Owner == o.id })
		if mine && place > from && place < low && e.hasBody(m) {
			places = append(places, place)
		}
	})
	return places, err
}

// hasBody reports whether the large body of a record, if it has one, is there.
func (e *Engine) hasBody(m *metaBlock) bool {
	n, ok := m.big.big()
	if !ok {
		return true
	}
	_, err := os.Stat(e.big.name(n))
	return err == nil
}

// prepend reads old records from the log and puts them first.
func (o *owner) prepend(places []lsn) {
	var old []pendingRecord
	for _, p := range places {
		h, m, err := o.e.recordAt(p)
		if err != nil {
			o.e.opts.Logger.Error("mail that waited for a database is damaged in the log", "owner", o.id, "err", err)
			continue
		}
		ref := makeRef(p, h.metaLen, h.storedLen)
		if h.flags&flagBig != 0 {
			ref = m.big
		}
		for i, to := range m.to {
			if to.Owner == o.id && p > o.e.sys.droppedAt(o.id) {
				old = append(old, pendingRecord{place: p, block: &m, index: i, ref: ref})
			}
		}
	}
	o.waiting.Lock()
	defer o.waiting.Unlock()
	o.pending = append(old, o.pending...)
}

// recordAt reads the record at a place of the log.
func (e *Engine) recordAt(p lsn) (header, metaBlock, error) {
	s, err := e.log.acquire(p.seg())
	if err != nil {
		return header{}, metaBlock{}, err
	}
	defer e.log.release(s)
	size, err := s.Size()
	if err != nil {
		return header{}, metaBlock{}, err
	}
	return readRecord(s, p.seg(), p.off(), size)
}
