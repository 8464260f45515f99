package webhooks

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/boltfile"
)

var (
	bucketDeliveries = []byte("deliveries")
	bucketDue        = []byte("due")
	bucketEnded      = []byte("ended")
	bucketHealth     = []byte("health")
)

// idLength is the length of a webhook's ID in keys.
const idLength = 10

// State says how far a delivery is.
type State string

const (
	Waiting   State = "waiting"
	Delivered State = "delivered"
	Failed    State = "failed"
)

// Delivery is one event for one webhook.
type Delivery struct {
	Number   uint64          `json:"-"`
	ID       string          `json:"id"` // the webhook-id of its requests
	Type     string          `json:"type"`
	Time     time.Time       `json:"time"`
	Body     json.RawMessage `json:"body"`
	State    State           `json:"state"`
	Attempts []Attempt       `json:"attempts,omitempty"`
	Tries    int             `json:"tries"` // since it was made or replayed
	Next     time.Time       `json:"next,omitzero"`
	Until    time.Time       `json:"until,omitzero"` // then it is given up
	Ended    time.Time       `json:"ended,omitzero"`
}

// Attempt is one request.
type Attempt struct {
	At     time.Time     `json:"at"`
	Status int           `json:"status,omitempty"` // of the answer; 0: there was none
	Text   string        `json:"text"`             // the answer, or what went wrong
	Took   time.Duration `json:"took"`
}

// maxAttempts is how many attempts are kept of a delivery: the last ones.
const maxAttempts = 20

// Health is how a webhook does.
type Health struct {
	Fails   int       `json:"fails,omitempty"`   // requests, one after the other
	Failing time.Time `json:"failing,omitzero"`  // since when none went well
	LastOK  time.Time `json:"lastOk,omitzero"`   //
	Problem string    `json:"problem,omitempty"` // of the last one
	Off     string    `json:"off,omitempty"`     // why it was switched off
	Lost    int       `json:"lost,omitempty"`    // events for which there was no room
	OffAt   time.Time `json:"offSince,omitzero"` //
}

func deliveryKey(hook string, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(hook), n)
}

// timeKey orders rows of a webhook by time.
func timeKey(hook string, at time.Time, n uint64) []byte {
	k := binary.BigEndian.AppendUint64([]byte(hook), uint64(max(at.UnixNano(), 0)))
	return binary.BigEndian.AppendUint64(k, n)
}

// readTimeKey takes a timeKey apart.
func readTimeKey(k []byte) (at time.Time, n uint64) {
	k = k[idLength:]
	return time.Unix(0, int64(binary.BigEndian.Uint64(k))).UTC(), binary.BigEndian.Uint64(k[8:])
}

// read counts what there is, and drops what is left of webhooks that were
// removed.
func (b *Book) read(tx *bolt.Tx) error {
	known := map[string]bool{}
	for _, h := range b.all() {
		known[h.ID] = true
	}
	for _, name := range [][]byte{bucketDue, bucketEnded} {
		c := tx.Bucket(name).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if len(k) != idLength+16 {
				return fmt.Errorf("%w: a key", boltfile.ErrDamaged)
			}
			l := b.line(string(k[:idLength]))
			if bytes.Equal(name, bucketDue) {
				l.waiting++
			} else {
				l.ended++
			}
		}
	}
	err := tx.Bucket(bucketHealth).ForEach(func(k, v []byte) error {
		return json.Unmarshal(v, &b.line(string(k)).Health)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", boltfile.ErrDamaged, err)
	}
	for id := range b.lines {
		if !known[id] {
			if err := dropRows(tx, id); err != nil {
				return err
			}
			delete(b.lines, id)
		}
	}
	return nil
}

// line is the line of a webhook, which is made if there is none; b.mu is held.
func (b *Book) line(hook string) *line {
	l := b.lines[hook]
	if l == nil {
		l = &line{}
		b.lines[hook] = l
	}
	return l
}

// dropRows removes all rows of a webhook.
func dropRows(tx *bolt.Tx, hook string) error {
	for _, name := range [][]byte{bucketDeliveries, bucketDue, bucketEnded} {
		c := tx.Bucket(name).Cursor()
		for k, _ := c.Seek([]byte(hook)); bytes.HasPrefix(k, []byte(hook)); k, _ = c.Seek([]byte(hook)) {
			if err := c.Delete(); err != nil {
				return err
			}
		}
	}
	return tx.Bucket(bucketHealth).Delete([]byte(hook))
}

// drop removes all of a webhook.
func (b *Book) drop(hook string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.lines, hook)
	return b.db.Update(func(tx *bolt.Tx) error { return dropRows(tx, hook) })
}

func putDelivery(tx *bolt.Tx, hook string, d *Delivery) error {
	v, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketDeliveries).Put(deliveryKey(hook, d.Number), v)
}

func getDelivery(tx *bolt.Tx, hook string, n uint64) (Delivery, error) {
	v := tx.Bucket(bucketDeliveries).Get(deliveryKey(hook, n))
	if v == nil {
		return Delivery{}, ErrNoDelivery
	}
	d := Delivery{Number: n}
	return d, json.Unmarshal(v, &d)
}

// add writes new deliveries. Those for which there is no room are counted.
func (b *Book) add(group []queued) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	added := map[string]int{}
	lost := map[string]int{}
	err := b.db.Update(func(tx *bolt.Tx) error {
		rows := tx.Bucket(bucketDeliveries)
		for i := range group {
			hook, d := group[i].hook, &group[i].d
			if _, err := b.find(hook); err != nil {
				continue // was removed meanwhile
			}
			if b.line(hook).waiting+added[hook] >= maxWaiting {
				lost[hook]++
				continue
			}
			n, err := rows.NextSequence()
			if err != nil {
				return err
			}
			d.Number = n
			if err := putDelivery(tx, hook, d); err != nil {
				return err
			}
			if err := tx.Bucket(bucketDue).Put(timeKey(hook, d.Next, n), nil); err != nil {
				return err
			}
			added[hook]++
		}
		for hook, n := range lost {
			h := b.line(hook).Health
			h.Lost += n
			if err := putHealth(tx, hook, &h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for hook, n := range added {
		b.line(hook).waiting += n
	}
	for hook, n := range lost {
		b.line(hook).Lost += n
	}
	return nil
}

func putHealth(tx *bolt.Tx, hook string, h *Health) error {
	v, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketHealth).Put([]byte(hook), v)
}

// due returns up to n deliveries of a webhook whose time has come, the oldest
// first.
func (b *Book) due(hook string, now time.Time, n int) (list []Delivery, err error) {
	err = b.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketDue).Cursor()
		for k, _ := c.Seek([]byte(hook)); bytes.HasPrefix(k, []byte(hook)) && len(list) < n; k, _ = c.Next() {
			at, number := readTimeKey(k)
			if notYet(at, now) {
				return nil
			}
			d, err := getDelivery(tx, hook, number)
			if err != nil {
				return fmt.Errorf("webhook %s, delivery %d: %w", hook, number, err)
			}
			list = append(list, d)
		}
		return nil
	})
	return list, err
}

// notYet reports whether a time is still to come. One beyond the longest wait
// is not: the clock was set back.
func notYet(at, now time.Time) bool {
	wait := at.Sub(now)
	return wait > 0 && wait <= max(waitMost, slices.Max(delays))
}

// next is when the first delivery of a webhook is due.
func (b *Book) next(hook string) (at time.Time, ok bool) {
	b.db.View(func(tx *bolt.Tx) error {
		k, _ := tx.Bucket(bucketDue).Cursor().Seek([]byte(hook))
		if ok = bytes.HasPrefix(k, []byte(hook)); ok {
			at, _ = readTimeKey(k)
		}
		return nil
	})
	return at, ok
}

// move writes a delivery that was waiting for before, as it is now; l counts.
func move(tx *bolt.Tx, hook string, before time.Time, d *Delivery, l *line) error {
	if err := tx.Bucket(bucketDue).Delete(timeKey(hook, before, d.Number)); err != nil {
		return err
	}
	if d.State == Waiting {
		if err := tx.Bucket(bucketDue).Put(timeKey(hook, d.Next, d.Number), nil); err != nil {
			return err
		}
		return putDelivery(tx, hook, d)
	}
	l.waiting--
	l.ended++
	if err := tx.Bucket(bucketEnded).Put(timeKey(hook, d.Ended, d.Number), nil); err != nil {
		return err
	}
	if err := putDelivery(tx, hook, d); err != nil {
		return err
	}
	c := tx.Bucket(bucketEnded).Cursor()
	for k, _ := c.Seek([]byte(hook)); l.ended > maxEnded && bytes.HasPrefix(k, []byte(hook)); k, _ = c.Seek([]byte(hook)) {
		_, n := readTimeKey(k)
		if err := c.Delete(); err != nil {
			return err
		}
		if err := tx.Bucket(bucketDeliveries).Delete(deliveryKey(hook, n)); err != nil {
			return err
		}
		l.ended--
	}
	return nil
}

// Page is a part of the deliveries of a webhook.
type Page struct {
	Items []Delivery
	Next  uint64 // Before of the page that follows; 0: this is the last
}

// Deliveries returns deliveries of a webhook, the newest first, those before a
// number; 0 is from the newest.
func (b *Book) Deliveries(ctx context.Context, hook string, before uint64, limit int) (Page, error) {
	if _, err := b.find(hook); err != nil {
		return Page{}, err
	}
	b.flush()
	if before == 0 {
		before = 1 << 63
	}
	p := Page{Items: []Delivery{}}
	err := b.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketDeliveries).Cursor()
		last := c.Prev
		if k, _ := c.Seek(deliveryKey(hook, before)); k == nil {
			last = c.Last
		}
		k, v := last()
		for ; bytes.HasPrefix(k, []byte(hook)); k, v = c.Prev() {
			if len(p.Items) == limit {
				p.Next = p.Items[len(p.Items)-1].Number
				return nil
			}
			d := Delivery{Number: binary.BigEndian.Uint64(k[idLength:])}
			if err := json.Unmarshal(v, &d); err != nil {
				return err
			}
			p.Items = append(p.Items, d)
		}
		return ctx.Err()
	})
	return p, err
}

// replayed makes a delivery one that has never been sent.
func (d *Delivery) replay(now time.Time) {
	d.State, d.Tries, d.Next, d.Until, d.Ended = Waiting, 0, now, now.Add(giveUp), time.Time{}
}

// Replay sends deliveries of a webhook again: the one with an ID, or all that
// have failed if it is "". It returns how many.
func (b *Book) Replay(ctx context.Context, hook, id string) (n int, err error) {
	if _, err := b.find(hook); err != nil {
		return 0, err
	}
	b.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	l := *b.line(hook)
	now := b.opts.Now().UTC()
	err = b.db.Update(func(tx *bolt.Tx) error {
		n = 0
		next := l
		var again []Delivery
		var was []time.Time
		c := tx.Bucket(bucketDeliveries).Cursor()
		for k, v := c.Seek([]byte(hook)); bytes.HasPrefix(k, []byte(hook)); k, v = c.Next() {
			d := Delivery{Number: binary.BigEndian.Uint64(k[idLength:])}
			if err := json.Unmarshal(v, &d); err != nil {
				return err
			}
			if id == d.ID || id == "" && d.State == Failed {
				again, was = append(again, d), append(was, d.Next)
			}
		}
		for i := range again {
			d := &again[i]
			if d.State == Waiting {
				if err := tx.Bucket(bucketDue).Delete(timeKey(hook, was[i], d.Number)); err != nil {
					return err
				}
			} else {
				if err := tx.Bucket(bucketEnded).Delete(timeKey(hook, d.Ended, d.Number)); err != nil {
					return err
				}
				next.ended--
				next.waiting++
			}
			d.replay(now)
			if err := tx.Bucket(bucketDue).Put(timeKey(hook, now, d.Number), nil); err != nil {
				return err
			}
			if err := putDelivery(tx, hook, d); err != nil {
				return err
			}
			n++
		}
		l = next
		return ctx.Err()
	})
	if err != nil {
		return 0, err
	}
	if n == 0 && id != "" {
		return 0, ErrNoDelivery
	}
	own := b.line(hook)
	own.ended, own.waiting, own.notBefore = l.ended, l.waiting, time.Time{}
	b.rouse()
	return n, nil
}
