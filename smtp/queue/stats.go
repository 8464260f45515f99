package queue

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Bounds of Stats, whatever is in the queue.
const (
	maxCauses       = 1_000
	maxSenders      = 1_000 // told apart in a cause
	maxCauseDomains = 1_000 // counted in a cause
	maxShownDomains = 20
)

// Stats counts what is in the queue, by cause; where domains are named, only
// recipients in one of them or of a sender there. It goes through all of it,
// but keeps no more than the counts.
func (q *Queue) Stats(ctx context.Context, domains ...mail.Domain) (Stats, error) {
	var c *counter
	err := q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		c = &counter{q: q, tx: tx, domains: domains, stats: Stats{States: map[State]int{}}, groups: map[groupKey]*group{}, causes: map[causeKey]string{}}
		for k, v := range tx.Scan(bucketJob, nil, nil) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.add(string(k), v); err != nil {
				return fmt.Errorf("job %q: %w", k, err)
			}
		}
		return nil
	})
	if err != nil {
		return Stats{}, fmt.Errorf("count queue: %w", err)
	}
	return c.end(), nil
}

// counter counts the jobs of one snapshot, which come in the order of their
// items.
type counter struct {
	q       *Queue
	tx      store.Tx
	stats   Stats
	groups  map[groupKey]*group
	causes  map[causeKey]string // what causeOf said
	domains []mail.Domain       // that count; none: all
	itemKey string
	item    *item
	counted string // item that is among stats.Messages
}

// groupKey is what the recipients of a group have in common.
type groupKey struct {
	state State
	cause string
}

// causeKey is what causeOf looks at.
type causeKey struct {
	domain    mail.Domain
	mx, reply string
	status    mail.Status
}

// group is a Cause that is being counted.
type group struct {
	Cause
	last    string // item that was counted last
	senders map[string]struct{}
	domains map[mail.Domain]int
}

func (c *counter) add(key string, row []byte) error {
	j, err := decodeJob(row)
	if err != nil {
		return err
	}
	if itemKey := itemKeyOf(key); itemKey != c.itemKey {
		if c.item, err = getItem(c.tx, itemKey); err != nil {
			return err
		}
		c.itemKey = itemKey
	}
	if c.item == nil || !c.wanted(j) { // Check tells of items that are missing
		return nil
	}
	if c.counted != c.itemKey {
		c.counted = c.itemKey
		c.stats.Messages++
	}
	if c.stats.Oldest.IsZero() || c.item.created.Before(c.stats.Oldest) {
		c.stats.Oldest = c.item.created
	}
	state := j.state(c.q.sched.isActive(key))
	for i := range j.recipients {
		c.stats.Recipients++
		c.stats.States[state]++
		if g := c.group(j, &j.recipients[i], state); g != nil {
			c.count(g, j, state)
		}
	}
	return nil
}

// wanted reports whether a job counts.
func (c *counter) wanted(j *job) bool {
	return len(c.domains) == 0 || slices.Contains(c.domains, j.domain) || slices.Contains(c.domains, c.item.envelope.ReversePath.Domain)
}

// group returns the group of a recipient; nil if there are too many.
func (c *counter) group(j *job, r *recipient, state State) *group {
	k := causeKey{j.domain, r.mx, r.reply, r.status}
	cause, ok := c.causes[k]
	if !ok {
		if len(c.causes) >= maxCauses {
			clear(c.causes)
		}
		cause = causeOf(j.domain, r)
		c.causes[k] = cause
	}
	g := c.groups[groupKey{state, cause}]
	if g == nil && len(c.groups) < maxCauses {
		g = &group{senders: map[string]struct{}{}, domains: map[mail.Domain]int{},
			Cause: Cause{Cause: cause, State: state, Reply: r.reply, Status: r.status, MX: r.mx, Domain: j.domain}}
		c.groups[groupKey{state, cause}] = g
	}
	return g
}

func (c *counter) count(g *group, j *job, state State) {
	if len(g.domains) < maxCauseDomains || g.domains[j.domain] > 0 {
		g.domains[j.domain]++
	}
	earliest(&g.Next, j.due(c.item.created, state))
	if g.last == c.itemKey {
		return
	}
	g.last = c.itemKey
	g.Messages++
	if len(g.senders) < maxSenders {
		g.senders[c.item.envelope.ReversePath.Key()] = struct{}{}
	}
	earliest(&g.Oldest, c.item.created)
	earliest(&g.Expires, c.item.created.Add(c.q.current().Expire))
}

// earliest keeps the earlier of two times; a zero one is none.
func earliest(t *time.Time, other time.Time) {
	if t.IsZero() || !other.IsZero() && other.Before(*t) {
		*t = other
	}
}

// end puts the groups in order.
func (c *counter) end() Stats {
	for _, g := range c.groups {
		g.Senders = len(g.senders)
		domains := slices.SortedFunc(maps.Keys(g.domains), func(a, b mail.Domain) int {
			return cmp.Or(cmp.Compare(g.domains[b], g.domains[a]), cmp.Compare(a, b))
		})
		g.Domains = domains[:min(len(domains), maxShownDomains)]
		c.stats.Causes = append(c.stats.Causes, g.Cause)
	}
	slices.SortFunc(c.stats.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.State, b.State))
	})
	return c.stats
}
