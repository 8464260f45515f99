package mailbox

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
)

// quota remembers what an account may still take, so that a delivery does not
// wait for the rows of those before it.
type quota struct {
	usage Usage
	read  time.Time
}

// quotaFresh is how long a usage that was read is trusted. What is accepted
// meanwhile is added to it.
const quotaFresh = 10 * time.Second

// CheckQuota returns ErrOverQuota if a message of size octets would not fit.
// Mail that was accepted and has no rows yet is counted.
func (b *Boxes) CheckQuota(ctx context.Context, id AccountID, size int64) error {
	u, err := b.usage(ctx, id)
	if err != nil {
		return err
	}
	return u.fits(size, 1)
}

// reserve is CheckQuota, and counts the message if it fits; spend takes that
// back.
func (b *Boxes) reserve(ctx context.Context, id AccountID, size int64) error {
	u, err := b.usage(ctx, id)
	if err == nil {
		err = u.fits(size, 1)
	}
	if err == nil {
		b.spend(id, size, 1)
	}
	return err
}

// fits reports whether n messages of size octets in all fit.
func (u Usage) fits(size, n int64) error {
	if u.LimitBytes > 0 && u.Bytes+size > u.LimitBytes || u.LimitMessages > 0 && u.Messages+n > u.LimitMessages {
		return ErrOverQuota
	}
	return nil
}

func (b *Boxes) usage(ctx context.Context, id AccountID) (Usage, error) {
	now := b.opts.Now()
	b.mu.Lock()
	q := b.quotas[id]
	if q != nil && (q.unlimited() || now.Sub(q.read) < quotaFresh) {
		u := q.usage
		b.mu.Unlock()
		return u, nil
	}
	b.mu.Unlock()
	var u Usage
	err := b.Account(id).View(ctx, func(v *View) error {
		u = v.Usage()
		return nil
	})
	if err != nil {
		return Usage{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.quotas[id] = &quota{usage: u, read: now}
	return u, nil
}

func (q *quota) unlimited() bool { return q.usage.LimitBytes == 0 && q.usage.LimitMessages == 0 }

// spend counts what was just accepted.
func (b *Boxes) spend(id AccountID, size, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.quotas[id]; q != nil {
		q.usage.Bytes += size
		q.usage.Messages += n
	}
}

// SetQuota sets what the account may use; 0 is no limit.
func (a *Account) SetQuota(ctx context.Context, bytes, messages int64) error {
	err := a.update(ctx, func(t *tx) error {
		if err := t.ensureAccount(); err != nil {
			return err
		}
		return t.rw.Put(bucketState, stateQuota, encodePair(bytes, messages))
	})
	a.boxes.mu.Lock()
	delete(a.boxes.quotas, a.id)
	a.boxes.mu.Unlock()
	return err
}

var _ store.Apply = Apply
