package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Drop implements Store. Bodies are given back by the next Reclaim. Mail that
// comes in for the owner afterwards begins it anew.
func (e *Engine) Drop(ctx context.Context, id Owner) error {
	if id == Queue {
		return errors.New("store: the outbound queue cannot be dropped")
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := errors.Join(e.usable(), ctx.Err()); err != nil {
		return err
	}
	o := e.owner(id)
	if err := o.beginDrop(ctx); err != nil {
		return err
	}
	defer o.endDrop()
	// Once this is durable, no record before end counts for the owner, and the
	// next start removes the folder if this one does not get to it.
	end := e.log.position()
	if err := e.sys.setDropped(id, end-1); err != nil {
		return err
	}
	o.forget(end)
	if err := e.removeOwner(id, o.dir()); err != nil {
		o.mu.Lock()
		o.aside = fmt.Errorf("%w (%w)", ErrSetAside, err) // what comes for it now must not go into what is to be removed
		o.mu.Unlock()
		return fmt.Errorf("store: remove owner %d: %w", id, err)
	}
	return nil
}

// beginDrop waits until nobody uses the owner and keeps others out.
func (o *owner) beginDrop(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.idle.Broadcast()
	})
	defer stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.users > 0 || o.busy || o.dropping {
		if err := ctx.Err(); err != nil {
			return err
		}
		o.idle.Wait()
	}
	if err := o.closeDB(); err != nil {
		return err
	}
	o.dropping = true
	return nil
}

func (o *owner) endDrop() {
	o.mu.Lock()
	o.dropping = false
	o.idle.Broadcast()
	o.mu.Unlock()
	o.wake()
}

// forget drops what was known of the owner and accepted for it before end.
func (o *owner) forget(end lsn) {
	o.mu.Lock()
	o.there, o.aside = false, nil
	o.mu.Unlock()
	o.waiting.Lock()
	defer o.waiting.Unlock()
	o.pending = slices.DeleteFunc(o.pending, func(p pendingRecord) bool { return p.place < end })
}

// removeOwner removes the folder of an owner that was dropped.
func (e *Engine) removeOwner(id Owner, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := e.log.syncDir(filepath.Join(e.dir, "acct")); err != nil {
		return e.fail(err)
	}
	return e.sys.removed(id)
}

// finishDrops removes the folders that a crash has left.
func (e *Engine) finishDrops() error {
	ids, err := e.sys.removing()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := e.removeOwner(id, newOwner(e, id).dir()); err != nil {
			return fmt.Errorf("remove owner %d: %w", id, err)
		}
	}
	return nil
}

// Check verifies the structure of an owner's database, page by page.
func (e *Engine) Check(ctx context.Context, id Owner) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
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
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := e.reclaiming.Take(ctx); err != nil {
		return err
	}
	defer e.reclaiming.Give()
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
		if err := e.going(ctx); err != nil {
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
		if off = nextRecord(s, seg, after(h, off), size); off < 0 {
			return nil
		}
	}
	return nil
}

func (e *Engine) scrubBig(ctx context.Context, report func(string)) error {
	return e.eachBig(ctx, func(r Ref, _ *metaBlock) {
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
