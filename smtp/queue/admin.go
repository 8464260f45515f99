package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
)

const (
	listDefault = 100
	listMost    = 10_000
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
		Expires:     row.created.Add(q.current().Expire),
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
			d := Recipient{Path: r.Path, State: state, Attempts: j.attempts, Last: j.last, Status: r.status, Reply: r.reply, MX: r.mx, Relay: j.relay}
			d.Cause = causeOf(j.domain, r)
			d.Next = j.due(row.created, state)
			it.Recipients = append(it.Recipients, d)
		}
	}
	return it, nil
}

// due is when the next attempt is made; zero if it is held.
func (j *job) due(created time.Time, state State) time.Time {
	switch {
	case state == Held:
		return time.Time{}
	case j.fresh != 0:
		return created
	}
	return j.next
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
