package store

import (
	"context"
	"errors"
	"slices"
	"time"
)

// applyLoop brings the rows of owners up to the log: at once for those that
// somebody watches, for all others every ApplyDelay. After a full round it
// moves the low-water mark.
func (e *Engine) applyLoop(ctx context.Context) {
	tick := time.NewTicker(e.opts.ApplyDelay)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-e.kick:
			if o == nil {
				e.closeIdle()
				continue
			}
			e.applyOne(o)
		case <-tick.C:
			e.applyRound()
		}
	}
}

func (e *Engine) applyOne(o *owner) {
	if err := o.drain(); err != nil && e.failed.Load() == nil && !errors.Is(err, ErrSetAside) {
		e.opts.Logger.Error("rows of accepted mail could not be written; they are tried again", "owner", o.id, "err", err)
	}
}

// checkpointEvery is how much log may come in before the low-water mark is
// written again: it bounds what recovery reads.
const checkpointEvery = 32 << 20

// applyRound drains all owners and moves the low-water mark now and then.
func (e *Engine) applyRound() {
	if e.usable() != nil {
		return
	}
	if err := e.applyAll(); err != nil {
		return // told by applyOne; the mark stays
	}
	if e.log.position() > e.sys.low()+checkpointEvery/alignment {
		if err := e.checkpoint(); err != nil && e.usable() == nil {
			e.opts.Logger.Error("low-water mark of the log could not be written", "err", err)
		}
	}
}

// applyAll drains every owner; those set aside have their records noted in
// sys.db instead.
func (e *Engine) applyAll() error {
	e.applying.Lock()
	defer e.applying.Unlock()
	var all error
	for _, o := range e.allOwners() {
		err := o.drain()
		if errors.Is(err, ErrSetAside) {
			err = o.noteStuck()
		}
		if err != nil {
			e.opts.Logger.Error("rows of accepted mail could not be written", "owner", o.id, "err", err)
		}
		all = errors.Join(all, err)
		if e.manyOpen() {
			e.closeIdle()
		}
	}
	return all
}

// checkpoint makes the place durable before which no owner needs the log to
// recover. The end and the large bodies under way are read at one moment, so
// that a large body is either known to be under way or its record is before
// the end.
func (e *Engine) checkpoint() error {
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	e.log.mu.Lock()
	end := e.log.end
	next, writing := e.big.marks()
	e.log.mu.Unlock()
	if err := e.applyAll(); err != nil {
		return err
	}
	return e.sys.setMarks(marks{low: end, nextBig: next, writing: writing})
}

// noteStuck writes the places of records that wait for an owner whose database
// is set aside into sys.db, so that the low-water mark can move on.
func (o *owner) noteStuck() error {
	o.hold() // against Drop
	defer o.release()
	o.waiting.Lock()
	pending := slices.Clone(o.pending)
	o.waiting.Unlock()
	if len(pending) == 0 {
		return nil
	}
	places := make([]lsn, len(pending))
	for i, p := range pending {
		places[i] = p.place
	}
	if err := o.e.sys.addStuck(o.id, places); err != nil {
		return err
	}
	o.applied(len(pending))
	return nil
}

// byUse returns owners, those used longest ago first.
func (e *Engine) byUse() []*owner {
	all := e.allOwners()
	when := make(map[*owner]time.Time, len(all))
	for _, o := range all {
		o.mu.Lock()
		when[o] = o.used
		o.mu.Unlock()
	}
	slices.SortStableFunc(all, func(a, b *owner) int { return when[a].Compare(when[b]) })
	return all
}
