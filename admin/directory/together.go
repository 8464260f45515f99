package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Together lets fn make many changes as one: all of them or, when it fails, is
// interrupted or a rehearsal, none. fn gets a directory of its own, in which what it has
// changed counts already, and which must not be used after it. A change there
// that is refused leaves the others as they are. Sorted lists and what is not
// in memory are those of before. All other changes wait meanwhile, so fn calls
// nothing that waits for somebody who may be making one, and after
// [Options.LongestTogether] all is taken back: [ErrTooLong].
func (d *Directory) Together(ctx context.Context, fn func(*Directory) error) error {
	if d.within != nil {
		return fn(d) // are parts of that already
	}
	return d.commit(ctx, func(c *change) error {
		c.until, c.next.led = time.Now().Add(d.opts.LongestTogether), newLed(c.next)
		own := &Directory{opts: d.opts, db: d.db, secret: d.secret, hasher: d.hasher, throttle: d.throttle, journal: d.journal, within: c}
		own.current.Store(c.next)
		err := fn(own)
		if late := c.late(); late != nil {
			return late // also if fn has a reason of its own: it may be this one
		}
		if err != nil {
			return err
		}
		return errors.Join(c.torn, ctx.Err())
	})
}

// late is an error when others have waited long enough.
func (c *change) late() error {
	if time.Now().Before(c.until) {
		return nil
	}
	return &Problem{ErrTooLong, "there is too much to change in one step, so that nothing was changed"}
}

// part runs one of the changes of Together.
func (c *change) part(actor string, fn func(*change) error) error {
	if err := c.late(); err != nil {
		return err
	}
	rows := c.rows
	c.actor = actor
	err := fn(c)
	if refused := new(Problem); err != nil && (c.rows != rows || !errors.As(err, &refused)) {
		c.torn = errors.Join(c.torn, fmt.Errorf("a change was left half done: %w", err))
	}
	return err
}

// transact runs fn in a transaction of its own, or in that of Together.
func (d *Directory) transact(fn func(*bolt.Tx) error) error {
	if d.within != nil {
		return fn(d.within.tx)
	}
	return d.db.Update(fn)
}
