package store

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// sweep looks through the whole log for bodies of owners that were dropped:
// their rows, which knew the bodies, are gone. It reads headers only, and
// remembers the owners whose bodies need not be looked for again.
func (rc *reclaim) sweep(ctx context.Context) error {
	wanted, err := rc.sys.sweepWanted()
	if err != nil || len(wanted) == 0 {
		return err
	}
	low := rc.sys.low()
	var done []Owner
	for _, id := range wanted {
		if rc.sys.droppedAt(id) < low { // else some are behind the mark
			done = append(done, id)
		}
	}
	if err := errors.Join(rc.sweepLog(ctx), rc.sweepBig(ctx)); err != nil || len(done) == 0 {
		return err
	}
	return rc.sys.sweepDone(done)
}

// ownerGone adds a body to dead if one of its owners was dropped.
func (rc *reclaim) ownerGone(dead deadBodies, r Ref, m *metaBlock) {
	if slices.ContainsFunc(m.to, func(to Recipient) bool { return rc.gone(to.Owner, r) }) {
		dead[r] = &deadBody{ref: r, place: r.place(), let: rc.lettersGo(r, m.to)}
	}
}

// lettersGo returns which owners have let go of a body long enough ago.
func (rc *reclaim) lettersGo(r Ref, to []Recipient) map[Owner]bool {
	let := map[Owner]bool{}
	for _, t := range to {
		err := rc.owner(t.Owner).viewRaw(func(tx *bolt.Tx) error {
			if b := tx.Bucket(bucketDead); b != nil {
				if v := b.Get(r[:]); v != nil && rc.isOver(int64(uint64Of(v))) {
					let[t.Owner] = true
				}
			}
			return nil
		})
		if err != nil {
			return let
		}
	}
	return let
}

// sweepLog gives back segment by segment.
func (rc *reclaim) sweepLog(ctx context.Context) error {
	segs, err := rc.log.segments()
	if err != nil {
		return err
	}
	low := rc.sys.low()
	for _, seg := range segs {
		if err := rc.going(ctx); err != nil {
			return err
		}
		dead := deadBodies{}
		err := rc.eachIn(seg, func(h header, m *metaBlock) {
			if place := makeLSN(h.seg, h.off); place < low && h.flags&flagBig == 0 {
				rc.ownerGone(dead, makeRef(place, h.metaLen, h.storedLen), m)
			}
		})
		if err == nil {
			err = rc.giveBack(ctx, dead)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepBig gives back large bodies; there are few.
func (rc *reclaim) sweepBig(ctx context.Context) error {
	dead := deadBodies{}
	if err := rc.eachBig(ctx, func(r Ref, m *metaBlock) { rc.ownerGone(dead, r, m) }); err != nil {
		return err
	}
	return rc.giveBack(ctx, dead)
}

// eachBig calls fn for each large body that can be read.
func (e *Engine) eachBig(ctx context.Context, fn func(Ref, *metaBlock)) error {
	names, err := filepath.Glob(filepath.Join(e.big.dir, "??", "*"))
	if err != nil {
		return err
	}
	_, writing := e.big.marks()
	for _, name := range names {
		n, err := strconv.ParseUint(filepath.Base(name), 10, 31)
		if err != nil || slices.Contains(writing, uint32(n)) {
			continue
		}
		if err := e.going(ctx); err != nil {
			return err
		}
		place := makeLSN(bigBit|uint32(n), 0)
		if h, m, err := e.readPlace(makeRef(place, 0, 0)); err == nil {
			fn(makeRef(place, h.metaLen, h.storedLen), &m)
		}
	}
	return nil
}

// eachLogged walks headers and meta blocks of the log, from a segment on.
func (e *Engine) eachLogged(ctx context.Context, from uint32, fn func(header, *metaBlock)) error {
	segs, err := e.log.segments()
	if err != nil {
		return err
	}
	for _, seg := range segs {
		if seg < from {
			continue
		}
		if err := e.going(ctx); err != nil {
			return err
		}
		if err := e.eachIn(seg, fn); err != nil {
			return err
		}
	}
	return nil
}

// eachIn walks those of one segment.
func (e *Engine) eachIn(seg uint32, fn func(header, *metaBlock)) error {
	s, err := e.log.acquire(seg)
	if err != nil {
		return err
	}
	defer e.log.release(s)
	return eachRecord(s, seg, fn)
}

// eachRecord walks a segment's headers and meta blocks, over holes.
func eachRecord(f file, seg uint32, fn func(header, *metaBlock)) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	for off := int64(0); off < size; {
		h, meta, err := readMeta(f, seg, off, size)
		if err == nil {
			if m, err := parseMeta(meta); err == nil {
				fn(h, &m)
			}
			off += h.size()
			continue
		}
		if !errors.Is(err, ErrNoBody) && !errors.Is(err, ErrDamaged) {
			return err
		}
		if off = nextRecord(f, seg, after(h, off), size); off < 0 {
			return nil
		}
	}
	return nil
}
