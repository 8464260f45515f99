package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

// changeGroup is how many items are changed in one transaction.
const changeGroup = 200

// ErrRelay means that what should be a relay is no host:port.
var ErrRelay = errors.New("queue: write the relay as host:port, as in smtp.example.org:587")

// Selection says which recipients are meant: they fit all of it. The zero
// value is all recipients of all messages.
type Selection struct {
	IDs     []ID   // of these messages; nil: of any
	Address string // of the recipient, or of the sender for all recipients; "@example.org" is a whole domain
	State   State
	Cause   string
}

// these selects messages by name. No names select nothing.
func these(ids []ID) Selection { return Selection{IDs: append([]ID{}, ids...)} }

// fits reports whether a recipient is meant.
func (s *Selection) fits(it *item, r *recipient, j *job, state State) bool {
	return (s.State == "" || s.State == state) &&
		(s.Cause == "" || s.Cause == causeOf(j.domain, r)) &&
		(s.Address == "" || matchAddress(s.Address, it.envelope.ReversePath.Key()) || matchAddress(s.Address, r.Path.Key()))
}

// Retry makes the next attempt of items now. Held ones stay held.
func (q *Queue) Retry(ctx context.Context, ids ...ID) error {
	_, err := q.RetryWhere(ctx, these(ids))
	return err
}

// RetryWhere is Retry for what is selected. Like all methods of its kind it
// returns the messages in which something has changed, also with an error, and
// works on the recipients of one domain together: where one is selected, all
// are.
func (q *Queue) RetryWhere(ctx context.Context, sel Selection) ([]ID, error) {
	now := q.opts.Now()
	return q.changeJobs(ctx, sel, "", func(j *job) bool {
		if j.held || j.fresh != 0 {
			return false
		}
		j.next = now
		return true
	})
}

// Hold keeps items from being tried until Release, also beyond the time at
// which they would expire. An attempt under way is not interrupted.
func (q *Queue) Hold(ctx context.Context, ids ...ID) error {
	_, err := q.HoldWhere(ctx, these(ids))
	return err
}

// HoldWhere is Hold for what is selected.
func (q *Queue) HoldWhere(ctx context.Context, sel Selection) ([]ID, error) {
	return q.changeJobs(ctx, sel, "held by the operator", func(j *job) bool {
		changed := !j.held
		j.held = true
		return changed
	})
}

// Release ends Hold; the next attempt is made now.
func (q *Queue) Release(ctx context.Context, ids ...ID) error {
	_, err := q.ReleaseWhere(ctx, these(ids))
	return err
}

// ReleaseWhere is Release for what is selected.
func (q *Queue) ReleaseWhere(ctx context.Context, sel Selection) ([]ID, error) {
	now := q.opts.Now()
	return q.changeJobs(ctx, sel, "released by the operator", func(j *job) bool {
		if !j.held {
			return false
		}
		j.held, j.fresh, j.next = false, 0, now
		return true
	})
}

// Reroute has what is selected sent by a relay (host:port) from now on, until
// it is delivered or given up; an empty relay undoes that. The next attempt is
// made now, unless it is held. Mail for domains of ours stays as it is. It
// fails with [ErrRelay].
func (q *Queue) Reroute(ctx context.Context, relay string, sel Selection) ([]ID, error) {
	text := "to be sent to the servers of its domains again, by the operator's wish"
	if relay != "" {
		if err := checkRelay(relay); err != nil {
			return nil, err
		}
		text = "to be sent by the relay " + relay + ", by the operator's wish"
	}
	now := q.opts.Now()
	return q.changeJobs(ctx, sel, text, func(j *job) bool {
		if _, local := q.transport(j.domain); local || j.relay == relay {
			return false
		}
		if j.relay = relay; j.fresh == 0 {
			j.next = now
		}
		return true
	})
}

func checkRelay(relay string) error {
	host, port, err := net.SplitHostPort(relay)
	n, nerr := strconv.ParseUint(port, 10, 16)
	if err != nil || nerr != nil || n == 0 || host == "" || len(host) > 253 {
		return ErrRelay
	}
	return nil
}

// Cancel removes items without a report to the sender. Reports that are owed
// already are still made. An attempt under way may yet succeed.
func (q *Queue) Cancel(ctx context.Context, ids ...ID) error {
	_, err := q.CancelWhere(ctx, these(ids))
	return err
}

// CancelWhere is Cancel for the recipients that are selected, and no others.
func (q *Queue) CancelWhere(ctx context.Context, sel Selection) ([]ID, error) {
	return q.change(ctx, sel, func(rw store.RW, key string, it *item) (changed, ended bool, err error) {
		err = eachJob(rw, key, func(k string, j *job) error {
			state, all := j.state(q.sched.isActive(k)), len(j.recipients)
			rest := slices.DeleteFunc(slices.Clone(j.recipients), func(r recipient) bool { return sel.fits(it, &r, j, state) })
			if len(rest) == all {
				return nil
			}
			changed = true
			if len(rest) > 0 {
				j.recipients = rest
				return rw.Put(bucketJob, []byte(k), j.encode())
			}
			if err := j.unindex(rw, k); err != nil {
				return err
			}
			if err := rw.Delete(bucketJob, []byte(k)); err != nil {
				return err
			}
			return it.closeOne(rw, key)
		})
		return changed, changed && err == nil && !hasJobs(rw, key), err
	}, func(id ID, ended bool) {
		now := q.opts.Now()
		sum, text := trace.Summary{ID: traceID(string(id)), Last: now}, "some recipients were cancelled by the operator; the sender is not told"
		if ended {
			sum.Outcome, text = "cancelled", "cancelled by the operator; the sender is not told"
		}
		q.opts.Trace.Append(sum, trace.Event{Time: now, Kind: trace.Done, Text: text})
	})
}

// changeJobs applies fn to the jobs in which a recipient is selected; fn
// reports whether it changed one. text is for the trace; empty: nothing.
func (q *Queue) changeJobs(ctx context.Context, sel Selection, text string, fn func(*job) bool) ([]ID, error) {
	return q.change(ctx, sel, func(rw store.RW, key string, it *item) (changed, ended bool, err error) {
		err = eachJob(rw, key, func(k string, j *job) error {
			state := j.state(q.sched.isActive(k))
			if !slices.ContainsFunc(j.recipients, func(r recipient) bool { return sel.fits(it, &r, j, state) }) {
				return nil
			}
			before := *j
			if !fn(j) {
				return nil
			}
			changed = true
			if err := before.unindex(rw, k); err != nil {
				return err
			}
			if err := rw.Put(bucketJob, []byte(k), j.encode()); err != nil {
				return err
			}
			return j.index(rw, k)
		})
		return changed, false, err
	}, func(id ID, _ bool) {
		if now := q.opts.Now(); text != "" {
			q.opts.Trace.Append(trace.Summary{ID: traceID(string(id)), Last: now}, trace.Event{Time: now, Kind: trace.Queued, Text: text})
		}
	})
}

// eachJob runs fn on the jobs of an item, which it may change or delete.
func eachJob(rw store.RW, itemKey string, fn func(key string, j *job) error) error {
	var keys []string
	var jobs []*job
	from, to := subKeys(itemKey)
	for k, v := range rw.Scan(bucketJob, from, to) {
		j, err := decodeJob(v)
		if err != nil {
			return fmt.Errorf("job %q: %w", k, err)
		}
		keys, jobs = append(keys, string(k)), append(jobs, j)
	}
	for i, j := range jobs {
		if err := fn(keys[i], j); err != nil {
			return err
		}
	}
	return nil
}

// change runs fn on items, some at a time in one transaction, and told for
// each that has changed when that is written. Named ones that are not there
// make it return [ErrNotFound] in the end.
func (q *Queue) change(ctx context.Context, sel Selection, fn func(rw store.RW, key string, it *item) (changed, ended bool, err error), told func(id ID, ended bool)) ([]ID, error) {
	ids, err := sel.IDs, error(nil)
	if ids == nil {
		if ids, err = q.matching(ctx, sel); err != nil {
			return nil, fmt.Errorf("find in queue: %w", err)
		}
	}
	defer q.sched.rewind()
	var all, missing []ID
	for ids := range slices.Chunk(ids, changeGroup) {
		var absent, changed []ID
		ended := map[ID]bool{}
		err := q.eng.Update(ctx, store.Queue, func(rw store.RW) error {
			absent, changed = nil, nil
			clear(ended)
			for _, id := range ids {
				it, err := getItem(rw, string(id))
				if err != nil {
					return err
				}
				if it == nil {
					absent = append(absent, id)
					continue
				}
				did, end, err := fn(rw, string(id), it)
				if err != nil {
					return err
				}
				if did {
					changed, ended[id] = append(changed, id), end
				}
			}
			return nil
		})
		if err != nil {
			return all, fmt.Errorf("change queue: %w", err)
		}
		for _, id := range changed {
			told(id, ended[id])
		}
		all, missing = append(all, changed...), append(missing, absent...)
	}
	if len(missing) > 0 && sel.IDs != nil {
		return all, fmt.Errorf("%w: %v", ErrNotFound, missing)
	}
	return all, nil
}

// matching returns the messages that have a selected recipient.
func (q *Queue) matching(ctx context.Context, sel Selection) (ids []ID, err error) {
	err = q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		ids = []ID{}
		var it *item
		itemKey := ""
		for k, v := range tx.Scan(bucketJob, nil, nil) {
			if err := ctx.Err(); err != nil {
				return err
			}
			key := string(k)
			if id := itemKeyOf(key); id != itemKey {
				if it, err = getItem(tx, id); err != nil {
					return err
				}
				itemKey = id
			} else if len(ids) > 0 && ids[len(ids)-1] == ID(id) {
				continue // it is among them already
			}
			j, err := decodeJob(v)
			if err != nil {
				return fmt.Errorf("job %q: %w", k, err)
			}
			state := j.state(q.sched.isActive(key))
			if it != nil && slices.ContainsFunc(j.recipients, func(r recipient) bool { return sel.fits(it, &r, j, state) }) {
				ids = append(ids, ID(itemKey))
			}
		}
		return nil
	})
	return ids, err
}
