package reports

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// When things are done.
const (
	flushEvery   = time.Minute
	expireEvery  = time.Hour
	sendAfter    = 30 * time.Minute // after midnight
	sendJitter   = time.Hour        // so that not all servers report at once
	sendRetry    = time.Hour        // after trouble
	sendBack     = 2                // days that reports are sent for at the latest
	keepSent     = 90 * day
	keepSeen     = 4 * day
	expireGroup  = 500 // rows removed in one transaction
	keepArrivals = 2 * day
)

// Run writes down what was counted, sends reports, looks names up and drops
// what is old, until ctx is done.
func (b *Book) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { b.findNames(ctx) })
	defer wg.Wait()
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	jitter := rand.N(sendJitter)
	var expired, tried time.Time
	for {
		now := b.opts.Now()
		if now.Sub(expired).Abs() >= expireEvery {
			b.logged("drop old reports", b.expire(ctx, now))
			expired = now
		}
		if now.Sub(dayOf(now)) >= sendAfter+jitter && now.Sub(tried).Abs() >= sendRetry {
			b.sendDue(ctx, now)
			tried = now
		}
		select {
		case <-ctx.Done():
			b.logged("write what was seen", b.flush())
			return nil
		case <-flush.C:
			b.logged("write what was seen", b.flush())
		}
	}
}

func (b *Book) logged(what string, err error) {
	if err != nil {
		b.opts.Logger.Error(what, "err", err)
	}
}

// expire drops what is too old.
func (b *Book) expire(ctx context.Context, now time.Time) error {
	keep := now.Add(-b.opts.Keep())
	for _, e := range []struct {
		bucket []byte
		before time.Time
	}{{bucketReport, keep}, {bucketTLS, keep}, {bucketDay, keep}, {bucketArrived, now.Add(-keepArrivals)}} {
		for from := []byte(nil); ; {
			var more bool
			err := b.db.Update(func(tx *bolt.Tx) (err error) {
				from, more, err = expireByDomain(tx, e.bucket, from, e.before)
				return err
			})
			if err != nil || ctx.Err() != nil {
				return err
			}
			if !more {
				break
			}
		}
	}
	for _, e := range []struct {
		bucket []byte
		before time.Time
	}{{bucketSent, now.Add(-keepSent)}, {bucketSeen, now.Add(-keepSeen)}, {bucketPolicy, now.Add(-keepSeen)}} {
		for more := true; more && ctx.Err() == nil; {
			err := b.db.Update(func(tx *bolt.Tx) (err error) {
				more, err = expireByTime(tx.Bucket(e.bucket), e.before)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return b.expireNames(now)
}

// expireByDomain removes the old rows of each domain, from a key on, at most a
// group of them.
func expireByDomain(tx *bolt.Tx, bucket, from []byte, before time.Time) (rest []byte, more bool, err error) {
	rows := tx.Bucket(bucket)
	ids := tx.Bucket(bucketID)
	c := rows.Cursor()
	k, _ := c.Seek(from)
	for n := 0; k != nil; {
		_, at := cutDomain(k)
		if !timeAt(k, at).Before(before) {
			k, _ = c.Seek(next(k[:at]))
			continue
		}
		if n++; n > expireGroup {
			return bytes.Clone(k), true, nil
		}
		key := bytes.Clone(k)
		if i := key[min(at+8, len(key)):]; len(i) == len(id{}) {
			if err := ids.Delete(i); err != nil {
				return nil, false, err
			}
		}
		if err := rows.Delete(key); err != nil {
			return nil, false, err
		}
		k, _ = c.Seek(key)
	}
	return nil, false, nil
}

// expireByTime removes old rows whose keys begin with a time, at most a group
// of them.
func expireByTime(rows *bolt.Bucket, before time.Time) (more bool, err error) {
	c := rows.Cursor()
	for n := 0; n < expireGroup; n++ {
		k, _ := c.First()
		if k == nil || !timeAt(k, 0).Before(before) {
			return false, nil
		}
		if err := c.Delete(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// expireNames drops names that nobody has asked for anew for long.
func (b *Book) expireNames(now time.Time) error {
	return b.db.Update(func(tx *bolt.Tx) error {
		names := tx.Bucket(bucketName)
		var old [][]byte
		err := names.ForEach(func(k, v []byte) error {
			var n named
			if len(old) < expireGroup && (decode(v, &n) != nil || now.Sub(n.At) > b.opts.Keep()) {
				old = append(old, bytes.Clone(k))
			}
			return nil
		})
		for _, k := range old {
			if err == nil {
				err = names.Delete(k)
			}
		}
		return err
	})
}
