package store

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Drop implements Store. Bodies are given back by the next Reclaim. Mail that
// comes in for the owner afterwards begins it anew.
func (e *Engine) Drop(ctx context.Context, id Owner) error {
	if err := e.usable(); err != nil {
		return err
	}
	if id == Queue {
		return errors.New("store: the outbound queue cannot be dropped")
	}
	o := e.owner(id)
	end, err := o.shut(e)
	for errors.Is(err, errInUse) {
		if err := ctx.Err(); err != nil {
			return err
		}
		o.waitIdle()
		end, err = o.shut(e)
	}
	if err != nil {
		return err
	}
	// Once this is durable, no record up to now counts for the owner.
	if err := e.sys.setDropped(id, end); err != nil {
		return err
	}
	if err := os.RemoveAll(o.dir()); err != nil {
		return fmt.Errorf("store: remove owner %d: %w", id, err)
	}
	return e.log.syncDir(e.dir + "/acct")
}

// shut takes an owner out of the table, so that the next use makes a new one.
func (o *owner) shut(e *Engine) (lsn, error) {
	e.log.mu.Lock() // no record becomes known meanwhile
	defer e.log.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users > 0 || o.busy {
		return 0, errInUse
	}
	if o.db != nil {
		if err := o.db.Close(); err != nil {
			return 0, err
		}
		o.db = nil
		e.mu.Lock()
		e.open--
		e.mu.Unlock()
	}
	o.pending, o.there = nil, false
	o.aside = nil
	return e.log.end - 1, nil
}

// Check verifies the structure of an owner's database, page by page.
func (e *Engine) Check(ctx context.Context, id Owner) error {
	var problems error
	err := e.owner(id).view(func(tx Tx) error {
		b, ok := tx.(*boltTx)
		if !ok {
			return nil
		}
		for err := range b.tx.Check() {
			problems = errors.Join(problems, err)
		}
		return ctx.Err()
	})
	return errors.Join(err, problems)
}

// Scrub reads every stored octet and reports what fails its checksum.
func (e *Engine) Scrub(ctx context.Context, report func(problem string)) error {
	e.reclaiming.Lock()
	defer e.reclaiming.Unlock()
	segs, err := e.log.segments()
	if err != nil {
		return err
	}
	end := e.log.position()
	for _, seg := range segs {
		if err := e.scrubSegment(ctx, seg, end, report); err != nil {
			return err
		}
	}
	return e.scrubBig(ctx, report)
}

func (e *Engine) scrubSegment(ctx context.Context, seg uint32, end lsn, report func(string)) error {
	s, err := e.log.acquire(seg)
	if err != nil {
		return err
	}
	defer e.log.release(s)
	size, err := s.Size()
	if err != nil {
		return err
	}
	if seg == end.seg() {
		size = end.off()
	}
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, _, err := readRecord(s, seg, off, size)
		if err == nil {
			off += h.size()
			continue
		}
		if errors.Is(err, ErrDamaged) {
			report(fmt.Sprintf("log segment %08x, offset %d: %v", seg, off, err))
		} else if !errors.Is(err, ErrNoBody) {
			return err
		}
		if off = nextRecord(s, seg, off+alignment, size); off < 0 {
			return nil
		}
	}
	return nil
}

func (e *Engine) scrubBig(ctx context.Context, report func(string)) error {
	return e.sweepBig(ctx, func(r Ref, _ *metaBlock) {
		n, _ := r.big()
		f, err := e.opts.fs.Open(e.big.name(n))
		if err != nil {
			report(fmt.Sprintf("large body %d: %v", n, err))
			return
		}
		defer f.Close()
		size, err := f.Size()
		if err == nil {
			_, _, err = readRecord(f, bigBit|n, 0, size)
		}
		if err != nil {
			report(fmt.Sprintf("large body %d: %v", n, err))
		}
	})
}
