package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// ErrHeld says that Options.Hold lets nothing be given back for now.
var ErrHeld = errors.New("the room of deleted mail is kept for now")

// Reclaim gives back the room of bodies that no owner needs and whose grace
// time is over, unless Options.Hold says no.
func (e *Engine) Reclaim(ctx context.Context) error {
	if _, err := e.reclaimOlder(ctx, e.grace); !errors.Is(err, ErrHeld) {
		return err
	}
	return nil
}

// ReclaimOlder gives back the room of bodies that no owner needs and that were
// let go of longer ago than grace, and says how many octets those are: it
// punches holes into the log and removes large bodies. It waits for a backup
// that runs. A crash in between means that a hole is punched twice, which does
// no harm.
func (e *Engine) ReclaimOlder(ctx context.Context, grace time.Duration) (octets int64, err error) {
	return e.reclaimOlder(ctx, func() time.Duration { return grace })
}

// reclaimOlder asks for the grace time when it is its turn: the disk may have
// room again then.
func (e *Engine) reclaimOlder(ctx context.Context, grace func() time.Duration) (octets int64, err error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.leave()
	if err := e.reclaiming.Take(ctx); err != nil {
		return 0, err
	}
	defer e.reclaiming.Give()
	if err := e.usable(); err != nil {
		return 0, err
	}
	if e.opts.Hold() {
		return 0, ErrHeld
	}
	before := e.stats.reclaimed.Load()
	err = e.newReclaim(grace()).run(ctx)
	e.disk.Forget()
	if err != nil {
		err = fmt.Errorf("reclaim: %w", err)
	}
	return e.stats.reclaimed.Load() - before, err
}

// reclaim is one run of ReclaimOlder.
type reclaim struct {
	*Engine
	last  int64 // when a body may have been let go of at the latest, in Unix seconds
	ahead int64 // from when on such a time has not come: the clock was wrong then
}

func (e *Engine) newReclaim(grace time.Duration) *reclaim {
	now := e.opts.Now()
	return &reclaim{Engine: e, last: now.Add(-grace).Unix(), ahead: now.Add(aheadMost).Unix()}
}

// isOver reports whether the grace time is over of a body that was let go of at
// a time, in Unix seconds.
func (rc *reclaim) isOver(let int64) bool { return let <= rc.last || let > rc.ahead }

func (rc *reclaim) run(ctx context.Context) error {
	// Recovery may still read what lies behind the low-water mark.
	if rc.log.position() > rc.sys.low() {
		if err := rc.checkpoint(); err != nil && rc.usable() != nil {
			return err
		}
	}
	for after, more := (Ref{}), true; more; {
		var dead deadBodies
		var err error
		if dead, after, more, err = rc.collectDead(ctx, after); err != nil {
			return err
		}
		if err := rc.giveBack(ctx, dead); err != nil {
			return err
		}
	}
	return rc.sweep(ctx)
}

// giveBack gives back those of dead that no owner needs.
func (e *Engine) giveBack(ctx context.Context, dead deadBodies) error {
	free := e.freeBodies(dead)
	if err := e.release(ctx, free); err != nil {
		return err
	}
	return e.forgetDead(free)
}

// deadBody is a body that some owners have let go of.
type deadBody struct {
	ref    Ref
	place  lsn // of the record; for a large body of its file
	length int64
	let    map[Owner]bool // who has let go
}

type deadBodies map[Ref]*deadBody

func (d deadBodies) add(r Ref, id Owner) {
	if d[r] == nil {
		d[r] = &deadBody{ref: r, place: r.place(), let: map[Owner]bool{}}
	}
	d[r].let[id] = true
}

// cut keeps the first n and returns the last of them.
func (d deadBodies) cut(n int) Ref {
	refs := slices.SortedFunc(maps.Keys(d), func(a, b Ref) int { return bytes.Compare(a[:], b[:]) })
	for _, r := range refs[n:] {
		delete(d, r)
	}
	return refs[n-1]
}

// collectDead reads what owners have let go of long enough ago: the first part
// of it after a body, and where the next one begins.
func (rc *reclaim) collectDead(ctx context.Context, after Ref) (dead deadBodies, last Ref, more bool, err error) {
	dead = deadBodies{}
	part := rc.opts.reclaimPart
	for _, o := range rc.allOwners() {
		if err := rc.going(ctx); err != nil {
			return nil, last, false, err
		}
		err := o.eachDead(after, rc.isOver, func(r Ref) bool {
			if more && bytes.Compare(r[:], last[:]) > 0 {
				return false // belongs to a later part
			}
			if dead.add(r, o.id); len(dead) == 2*part {
				last, more = dead.cut(part), true
			}
			return true
		})
		if err != nil && !errors.Is(err, ErrSetAside) {
			return nil, last, false, err
		}
	}
	if len(dead) > part {
		last, more = dead.cut(part), true
	}
	return dead, last, more, nil
}

// eachDead calls fn, until it returns false, for what the owner has let go of
// and whose time is over, in the order of Refs.
func (o *owner) eachDead(after Ref, over func(let int64) bool, fn func(Ref) bool) error {
	low := o.e.sys.low()
	return o.viewRaw(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketDead)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, v := c.Seek(after[:]); k != nil; k, v = c.Next() {
			if len(k) != len(Ref{}) || bytes.Equal(k, after[:]) || !over(int64(uint64Of(v))) {
				continue
			}
			r := Ref(k)
			if _, big := r.big(); !big && r.place() >= low {
				continue // recovery may still read it
			}
			if !fn(r) {
				break
			}
		}
		return nil
	})
}

// viewRaw reads the engine's own buckets, without applying what is pending.
func (o *owner) viewRaw(fn func(*bolt.Tx) error) error {
	db, err := o.acquire(false)
	if err != nil || db == nil {
		return err
	}
	defer o.release()
	return o.guarded(func() error { return db.View(fn) })
}

// freeBodies returns those that no owner needs: each owner named in the
// record has let go of it, or is gone. Holes are left out of length.
func (e *Engine) freeBodies(dead deadBodies) []*deadBody {
	var free []*deadBody
	for _, d := range dead {
		h, m, err := e.readPlace(d.ref)
		if errors.Is(err, ErrNoBody) { // punched before a crash
			free = append(free, d)
			continue
		}
		if err != nil {
			e.opts.Logger.Error("a deleted body cannot be read; its room is not given back", "err", err)
			continue
		}
		d.length = h.size()
		if e.unneeded(d, m.to) {
			free = append(free, d)
		}
	}
	slices.SortFunc(free, func(a, b *deadBody) int {
		if a.place < b.place {
			return -1
		}
		return 1
	})
	return free
}

func (e *Engine) unneeded(d *deadBody, to []Recipient) bool {
	for _, r := range to {
		if !d.let[r.Owner] && !e.gone(r.Owner, d.ref) {
			return false
		}
	}
	return true
}

// gone reports whether an owner was dropped after a body was accepted for it.
// A large body does not know when that was, so it is kept for an owner of the
// same number that came later.
func (e *Engine) gone(id Owner, r Ref) bool {
	at := e.sys.droppedAt(id)
	if at == 0 {
		return false
	}
	if _, big := r.big(); big {
		return !e.owner(id).inUse()
	}
	return r.place() <= at
}

// readPlace reads header and owners of a body.
func (e *Engine) readPlace(r Ref) (header, metaBlock, error) {
	f, seg, done, err := e.fileOf(r)
	if err != nil {
		return header{}, metaBlock{}, err
	}
	defer done()
	size, err := f.Size()
	if err != nil {
		return header{}, metaBlock{}, err
	}
	h, meta, err := readMeta(f, seg, r.place().off(), size)
	if err != nil {
		return header{}, metaBlock{}, err
	}
	m, err := parseMeta(meta)
	return h, m, err
}

// fileOf opens the file that a body is in.
func (e *Engine) fileOf(r Ref) (f file, seg uint32, done func(), err error) {
	if n, ok := r.big(); ok {
		f, err := e.opts.fs.Open(e.big.name(n))
		if errors.Is(err, os.ErrNotExist) {
			err = ErrNoBody
		}
		if err != nil {
			return nil, 0, nil, err
		}
		return f, bigBit | n, func() { f.Close() }, nil
	}
	s, err := e.log.acquire(r.place().seg())
	if err != nil {
		return nil, 0, nil, err
	}
	return s, r.place().seg(), func() { e.log.release(s) }, nil
}

// release punches the holes, neighbours in one, and removes files of which
// nothing is left.
func (e *Engine) release(ctx context.Context, free []*deadBody) error {
	folders := map[string]bool{}
	for i := 0; i < len(free); {
		if err := e.going(ctx); err != nil {
			return err
		}
		if n, ok := free[i].ref.big(); ok {
			name := e.big.name(n)
			if err := e.opts.fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			folders[filepath.Dir(name)] = true
			e.stats.reclaimed.Add(free[i].length)
			i++
			continue
		}
		j := i
		for j < len(free) && free[j].place.seg() == free[i].place.seg() {
			j++
		}
		if err := e.punch(free[i].place.seg(), free[i:j]); err != nil {
			return err
		}
		i = j
	}
	for name := range folders { // the rows that lead to these files go next
		if err := e.log.syncDir(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return e.fail(err)
		}
	}
	return nil
}

// punch gives back the records of one segment.
func (e *Engine) punch(seg uint32, free []*deadBody) error {
	s, err := e.log.acquire(seg)
	if errors.Is(err, ErrNoBody) {
		return nil
	}
	if err != nil {
		return err
	}
	err = e.punchRanges(s, free)
	empty := false
	if err == nil && seg != e.currentSegment() {
		empty, err = isEmpty(s)
	}
	e.log.release(s)
	if err != nil || !empty {
		return err
	}
	if err := e.log.drop(seg); err != nil && !errors.Is(err, errInUse) {
		return err
	}
	return nil
}

func (e *Engine) currentSegment() uint32 {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	return e.log.seg
}

func (e *Engine) punchRanges(f file, free []*deadBody) error {
	for i := 0; i < len(free); {
		from, to := free[i].place.off(), free[i].place.off()+free[i].length
		for i++; i < len(free) && free[i].place.off() == to; i++ {
			to += free[i].length
		}
		if to == from {
			continue
		}
		if err := f.Punch(from, to-from); errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("this file system cannot give back parts of a file: %w", err)
		} else if err != nil {
			return err
		}
		e.stats.reclaimed.Add(to - from)
	}
	if err := e.log.sync(f); err != nil {
		return e.fail(err)
	}
	return nil
}

// isEmpty reports whether all of a sealed segment reads as zeros. It looks
// only where the file takes so little room that it can be.
func isEmpty(f file) (bool, error) {
	blocks, err := f.Blocks()
	if err != nil {
		return false, err
	}
	size, err := f.Size()
	if err != nil || blocks > size/8 {
		return false, err
	}
	buf := make([]byte, 64<<10)
	for off := int64(0); off < size; off += int64(len(buf)) {
		n, err := f.ReadAt(buf, off)
		if !allZero(buf[:n]) {
			return false, nil
		}
		if err != nil && err != io.EOF {
			return false, err
		}
	}
	return true, nil
}

// forgetDead removes the rows of what was given back, after the holes are
// durable.
func (e *Engine) forgetDead(free []*deadBody) error {
	byOwner := map[Owner][]Ref{}
	for _, d := range free {
		for id := range d.let {
			byOwner[id] = append(byOwner[id], d.ref)
		}
	}
	for id, refs := range byOwner {
		for chunk := range slices.Chunk(refs, 10_000) {
			err := e.owner(id).update(func(rw RW) error {
				dead := rw.(*boltTx).tx.Bucket(bucketDead)
				if dead == nil {
					return nil
				}
				for _, r := range chunk {
					if err := dead.Delete(r[:]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil && !errors.Is(err, ErrSetAside) {
				return err
			}
		}
	}
	return nil
}
