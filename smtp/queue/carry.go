package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Export is a message of the queue with what is left to be done, in a form that
// another program reads: Entry is what the log has for a new message.
type Export struct {
	ID         ID
	Recipients []mail.Path // that are not done
	Owed       bool        // a report to its sender is owed and not made yet
	Entry      []byte
	Body       store.Ref
	Size       int64
}

// Export hands out all messages, the oldest first, until fn fails. fn must not
// use the queue.
func (q *Queue) Export(ctx context.Context, fn func(Export) error) error {
	var all []Export
	err := q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		all = nil
		for k, v := range tx.Scan(bucketItem, nil, nil) {
			it, err := decodeItem(v)
			if err != nil {
				return fmt.Errorf("item %s: %w", k, err)
			}
			x, err := export(tx, string(k), it)
			if err != nil {
				return err
			}
			all = append(all, x)
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("export queue: %w", err)
	}
	for _, x := range all {
		if err := fn(x); err != nil {
			return err
		}
	}
	return nil
}

func export(tx store.Tx, key string, it *item) (Export, error) {
	x := Export{ID: ID(key), Body: it.ref, Size: it.size}
	t := entry{id: ID(key), created: it.created, double: it.double, envelope: it.envelope}
	from, to := subKeys(key)
	for k, v := range tx.Scan(bucketJob, from, to) {
		j, err := decodeJob(v)
		if err != nil {
			return Export{}, fmt.Errorf("job %q: %w", k, err)
		}
		if j.taken() {
			continue
		}
		for _, r := range j.recipients {
			x.Recipients = append(x.Recipients, r.Path)
			t.envelope.Recipients = append(t.envelope.Recipients, r.Recipient)
		}
	}
	for range tx.Scan(bucketOwed, from, to) {
		x.Owed = true
		break
	}
	x.Entry = t.encode()
	return x, nil
}

// Import queues what Export has given. When it returns nil, stable storage owns
// the message.
func (q *Queue) Import(ctx context.Context, entry []byte, body io.Reader, size int64) error {
	if _, err := decodeEntry(entry); err != nil {
		return fmt.Errorf("import into the queue: %w", err)
	}
	to := store.Recipient{Owner: store.Queue, Extra: entry}
	if _, err := q.eng.Accept(ctx, &store.Message{To: []store.Recipient{to}, Body: body, Size: size}); err != nil {
		return fmt.Errorf("import into the queue: %w", err)
	}
	return nil
}

// Keep strikes out all recipients of a message but those that still wait, by
// their keys, and returns how many those were: another program is done with
// them. Nobody is told.
func (q *Queue) Keep(ctx context.Context, id ID, waits map[string]bool) (struck int, err error) {
	_, err = q.change(ctx, these([]ID{id}), func(rw store.RW, key string, it *item) (changed, ended bool, err error) {
		struck = 0
		err = eachJob(rw, key, func(k string, j *job) error {
			all := len(j.recipients)
			j.recipients = slices.DeleteFunc(j.recipients, func(r recipient) bool { return !waits[r.Path.Key()] })
			gone := all - len(j.recipients)
			struck += gone
			switch {
			case gone == 0:
				return nil
			case len(j.recipients) > 0:
				return rw.Put(bucketJob, []byte(k), j.encode())
			}
			if err := errors.Join(j.unindex(rw, k), rw.Delete(bucketJob, []byte(k))); err != nil {
				return err
			}
			return it.closeOne(rw, key)
		})
		return struck > 0, struck > 0 && err == nil && !hasJobs(rw, key), err
	}, func(ID, bool) {})
	return struck, err
}
