package junk

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mailbox"
)

// How words are forgotten.
const (
	expireEvery = 6 * time.Hour
	expireGroup = 5_000 // rows removed in one transaction
	youngDays   = 14    // days a rare token may take to come again
	lessonDays  = 365   // days after which a message can no longer be undone
)

// expire forgets rare old tokens where there are too many, senders that did not
// come again, and lessons that nobody will undo.
func (c *Classifier) expire() error {
	c.study.Lock()
	defer c.study.Unlock()
	ids, err := c.accounts()
	if err != nil {
		return err
	}
	today := day(c.opts.Now())
	for _, id := range append(ids, shared) {
		if id != shared && !c.opts.Exists(id) {
			if err := c.forgetAccount(id); err != nil {
				return err
			}
			continue
		}
		limit := maxOwnTokens
		if id == shared {
			limit = maxBaseTokens
		}
		if err := c.expireRows(bucketWords, id, limit, wordWorth(today)); err != nil {
			return err
		}
		if err := c.expireRows(bucketSenders, id, maxHistory, senderWorth); err != nil {
			return err
		}
		if err := c.expireRows(bucketLearned, id, maxLessons, lessonWorth(today)); err != nil {
			return err
		}
	}
	return nil
}

// forgetAccount removes all that was kept for an account. What it gave to the
// base stays: that tells nothing of it.
func (c *Classifier) forgetAccount(id mailbox.AccountID) error {
	return c.forgetRows(id, bucketWords, bucketSenders, bucketLearned, bucketTotals, bucketCursor)
}

func (c *Classifier) forgetRows(id mailbox.AccountID, buckets ...[]byte) error {
	for _, bucket := range buckets {
		if err := c.removeRows(bucket, id, math.MaxInt, func([]byte) bool { return true }); err != nil {
			return err
		}
	}
	return c.db.View(func(tx *bolt.Tx) error {
		c.layers.mu.Lock()
		defer c.layers.mu.Unlock()
		c.layers.last = max(c.layers.last, tx.ID()) // who has read before, reads again
		c.layers.drop(id)
		return nil
	})
}

// accounts returns those that have learned something.
func (c *Classifier) accounts() (ids []mailbox.AccountID, err error) {
	err = c.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketCursor).ForEach(func(k, _ []byte) error {
			if len(k) == 4 {
				ids = append(ids, mailbox.AccountID(binary.BigEndian.Uint32(k)))
			}
			return nil
		})
	})
	return ids, err
}

// worth says how much a row is worth keeping; 0 is nothing.
type worth func(v []byte) int

// maxWorth bounds the classes of worth.
const maxWorth = 1 << 16

// wordWorth: what many messages had, and what is young, stays longest.
func wordWorth(today uint16) worth {
	return func(v []byte) int {
		c, seen := decodeCount(v)
		n := min(int(c.junk+c.good), 1000)
		if int(today)-int(seen) < youngDays {
			n += 3
		}
		return 1 + n
	}
}

// senderWorth: the last seen stay longest, and longer those written to.
func senderWorth(v []byte) int {
	h, seen := decodeHistory(v)
	n := int(seen)
	if h.written > 0 {
		n += 365
	}
	return min(1+n, maxWorth-1)
}

func lessonWorth(today uint16) worth {
	return func(v []byte) int {
		n, err := decodeLesson(v)
		if err != nil || int(today)-int(n.day) > lessonDays {
			return 0
		}
		return min(1+int(n.day), maxWorth-1)
	}
}

// expireRows removes rows worth nothing, and if there are more than limit, the
// least worth of them until nine tenths of limit are left.
func (c *Classifier) expireRows(bucket []byte, id mailbox.AccountID, limit int, of worth) error {
	counts := make([]int, maxWorth)
	total := 0
	err := c.db.View(func(tx *bolt.Tx) error {
		eachRow(tx.Bucket(bucket), id, nil, func(_, v []byte) bool {
			counts[of(v)]++
			total++
			return true
		})
		return nil
	})
	if err != nil {
		return err
	}
	least, drop := 1, counts[0] // rows worth less than least may go, and drop of them do
	if total > limit {
		goal := max(total-(limit-limit/10), drop)
		for ; drop < goal && least < maxWorth; least++ {
			drop += counts[least]
		}
		drop = goal
	}
	if drop == 0 {
		return nil
	}
	err = c.removeRows(bucket, id, drop, func(v []byte) bool { return of(v) < least })
	if string(bucket) == string(bucketWords) {
		c.layers.mu.Lock()
		c.layers.drop(id)
		c.layers.mu.Unlock()
	}
	return err
}

// removeRows removes up to n rows of an account that old says may go, in
// transactions of bounded size.
func (c *Classifier) removeRows(bucket []byte, id mailbox.AccountID, n int, old func(v []byte) bool) error {
	var from []byte
	for n > 0 {
		var keys [][]byte
		err := c.db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucket)
			keys = keys[:0]
			eachRow(b, id, from, func(k, v []byte) bool {
				if old(v) {
					keys = append(keys, bytes.Clone(k))
				}
				return len(keys) < min(n, expireGroup)
			})
			for _, k := range keys {
				if err := b.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		from = keys[len(keys)-1]
		n -= len(keys)
	}
	return nil
}

// eachRow yields the rows of an account from a key on.
func eachRow(b *bolt.Bucket, id mailbox.AccountID, from []byte, yield func(k, v []byte) bool) {
	prefix := accountKey(id)
	if from == nil {
		from = prefix
	}
	c := b.Cursor()
	for k, v := c.Seek(from); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if !yield(k, v) {
			return
		}
	}
}
