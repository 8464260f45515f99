package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

const (
	listDefault = 100
	listMost    = 10_000
	maxCauses   = 1_000
	changeGroup = 200 // items changed in one transaction
)

// List returns items, oldest first.
func (q *Queue) List(ctx context.Context, f Filter) ([]Item, error) {
	limit := min(orDefault(f.Limit, listDefault), listMost)
	var items []Item
	err := q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		items = nil
		return q.eachItem(ctx, tx, f.After, func(it Item) bool {
			if f.matches(&it) {
				items = append(items, it)
			}
			return len(items) < limit
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list queue: %w", err)
	}
	return items, nil
}

// Show returns one item; [ErrNotFound] if it is not there.
func (q *Queue) Show(ctx context.Context, id ID) (item Item, err error) {
	err = q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		row, err := getItem(tx, string(id))
		if err != nil {
			return err
		}
		if row == nil {
			return ErrNotFound
		}
		item, err = q.describeItem(tx, string(id), row)
		return err
	})
	return item, err
}

// Size returns how many messages are in the queue, and when the oldest came;
// zero if there is none. It reads keys alone, so it can be asked often.
func (q *Queue) Size(ctx context.Context) (messages int, oldest time.Time, err error) {
	err = q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		messages, oldest = 0, time.Time{}
		for _, v := range tx.Scan(bucketItem, nil, nil) { // by ID, and so by time
			if messages++; messages > 1 {
				continue
			}
			it, err := decodeItem(v)
			if err != nil {
				return err
			}
			oldest = it.created
		}
		return ctx.Err()
	})
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("measure queue: %w", err)
	}
	return messages, oldest, nil
}

// Stats counts what is in the queue, by cause.
func (q *Queue) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	causes := map[string]*Cause{}
	err := q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		s = Stats{States: map[State]int{}}
		clear(causes)
		return q.eachItem(ctx, tx, "", func(it Item) bool {
			s.count(&it, causes)
			return true
		})
	})
	if err != nil {
		return Stats{}, fmt.Errorf("count queue: %w", err)
	}
	for _, c := range causes {
		s.Causes = append(s.Causes, *c)
	}
	slices.SortFunc(s.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Cause, b.Cause))
	})
	return s, nil
}

func (s *Stats) count(it *Item, causes map[string]*Cause) {
	s.Messages++
	s.Recipients += len(it.Recipients)
	if s.Oldest.IsZero() || it.Created.Before(s.Oldest) {
		s.Oldest = it.Created
	}
	seen := map[string]bool{}
	for i := range it.Recipients {
		r := &it.Recipients[i]
		s.States[r.State]++
		key := string(r.State) + " " + r.Cause
		c := causes[key]
		if c == nil {
			if len(causes) >= maxCauses {
				continue
			}
			c = &Cause{Cause: r.Cause, State: r.State, Reply: r.Reply, Oldest: it.Created}
			causes[key] = c
		}
		if !seen[key] {
			seen[key] = true
			c.Messages++
		}
		if it.Created.Before(c.Oldest) {
			c.Oldest = it.Created
		}
	}
}

// eachItem hands out the items behind after until fn returns false.
func (q *Queue) eachItem(ctx context.Context, tx store.Tx, after ID, fn func(Item) bool) error {
	from := []byte(nil)
	if after != "" {
		from = append([]byte(after), 0)
	}
	for k, v := range tx.Scan(bucketItem, from, nil) {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := decodeItem(v)
		if err != nil {
			return fmt.Errorf("item %s: %w", k, err)
		}
		it, err := q.describeItem(tx, string(k), row)
		if err != nil {
			return err
		}
		if !fn(it) {
			return nil
		}
	}
	return nil
}

// describeItem makes an Item of its rows.
func (q *Queue) describeItem(tx store.Tx, key string, row *item) (Item, error) {
	it := Item{
		ID:          ID(key),
		ReversePath: row.envelope.ReversePath,
		Created:     row.created,
		Expires:     row.created.Add(q.opts.Expire),
		Size:        row.size,
	}
	from, to := subKeys(key)
	for k, v := range tx.Scan(bucketJob, from, to) {
		j, err := decodeJob(v)
		if err != nil {
			return Item{}, fmt.Errorf("job %q: %w", k, err)
		}
		state := j.state(q.sched.isActive(string(k)))
		for i := range j.recipients {
			r := &j.recipients[i]
			d := Recipient{Path: r.Path, State: state, Attempts: j.attempts, Last: j.last, Status: r.status, Reply: r.reply, MX: r.mx}
			d.Cause = causeOf(j.domain, r)
			switch {
			case j.fresh != 0 && state != Held:
				d.Next = row.created
			case state != Held:
				d.Next = j.next
			}
			it.Recipients = append(it.Recipients, d)
		}
	}
	return it, nil
}

func (j *job) state(active bool) State {
	switch {
	case active:
		return Trying
	case j.held:
		return Held
	case j.attempts == 0:
		return Waiting
	}
	return Retry
}

// matches reports whether f lets it through, and drops the recipients that f
// does not ask for.
func (f *Filter) matches(it *Item) bool {
	if f.Address != "" && !matchAddress(f.Address, it.ReversePath.Key()) {
		if !slices.ContainsFunc(it.Recipients, func(r Recipient) bool { return matchAddress(f.Address, r.Path.Key()) }) {
			return false
		}
	}
	if f.State == "" && f.Cause == "" {
		return true
	}
	it.Recipients = slices.DeleteFunc(it.Recipients, func(r Recipient) bool {
		return f.State != "" && r.State != f.State || f.Cause != "" && r.Cause != f.Cause
	})
	return len(it.Recipients) > 0
}

// matchAddress compares an address with a key of mail.Path; "@example.org"
// stands for all addresses of the domain.
func matchAddress(pattern, key string) bool {
	pattern = strings.ToLower(pattern)
	return pattern == key || strings.HasPrefix(pattern, "@") && strings.HasSuffix(key, pattern)
}

// Retry makes the next attempt of items now. Held ones stay held.
func (q *Queue) Retry(ctx context.Context, ids ...ID) error {
	now := q.opts.Now()
	return q.change(ctx, ids, func(j *job) bool {
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
	return q.change(ctx, ids, func(j *job) bool {
		changed := !j.held
		j.held = true
		return changed
	})
}

// Release ends Hold; the next attempt is made now.
func (q *Queue) Release(ctx context.Context, ids ...ID) error {
	now := q.opts.Now()
	return q.change(ctx, ids, func(j *job) bool {
		if !j.held {
			return false
		}
		j.held, j.fresh, j.next = false, 0, now
		return true
	})
}

// change applies fn to the jobs of items; fn reports whether it changed one.
func (q *Queue) change(ctx context.Context, ids []ID, fn func(*job) bool) error {
	return q.eachGroup(ctx, ids, func(rw store.RW, key string, _ *item) error {
		return eachJob(rw, key, func(k string, j *job) error {
			before := *j
			if !fn(j) {
				return nil
			}
			if err := before.unindex(rw, k); err != nil {
				return err
			}
			if err := rw.Put(bucketJob, []byte(k), j.encode()); err != nil {
				return err
			}
			return j.index(rw, k)
		})
	})
}

// Cancel removes items without a report to the sender. Reports that are owed
// already are still made. An attempt under way may yet succeed.
func (q *Queue) Cancel(ctx context.Context, ids ...ID) error {
	err := q.eachGroup(ctx, ids, func(rw store.RW, key string, it *item) error {
		return eachJob(rw, key, func(k string, j *job) error {
			if err := j.unindex(rw, k); err != nil {
				return err
			}
			if err := rw.Delete(bucketJob, []byte(k)); err != nil {
				return err
			}
			return it.closeOne(rw, key)
		})
	})
	now := q.opts.Now()
	for _, id := range ids {
		q.opts.Trace.Append(trace.Summary{ID: traceID(string(id)), Last: now, Outcome: "cancelled"},
			trace.Event{Time: now, Kind: trace.Done, Text: "cancelled by the operator; the sender is not told"})
	}
	return err
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

// eachGroup runs fn on items, some at a time in one transaction. Those that
// are not there make it return [ErrNotFound] in the end.
func (q *Queue) eachGroup(ctx context.Context, ids []ID, fn func(rw store.RW, key string, it *item) error) error {
	var missing []ID
	for group := range slices.Chunk(ids, changeGroup) {
		var absent []ID
		err := q.eng.Update(ctx, store.Queue, func(rw store.RW) error {
			absent = nil
			for _, id := range group {
				it, err := getItem(rw, string(id))
				if err != nil {
					return err
				}
				if it == nil {
					absent = append(absent, id)
				} else if err := fn(rw, string(id), it); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("change queue: %w", err)
		}
		missing = append(missing, absent...)
	}
	q.sched.rewind()
	if len(missing) > 0 {
		return fmt.Errorf("%w: %v", ErrNotFound, missing)
	}
	return nil
}
