package queue

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox/store"
)

// maxProblems bounds what Check returns.
const maxProblems = 100

// Check compares all rows of the queue with each other and opens every body.
// It returns what is wrong, in sentences; err says that it could not look.
func (q *Queue) Check(ctx context.Context) (problems []string, err error) {
	var refs map[string]store.Ref
	err = q.eng.View(ctx, store.Queue, func(tx store.Tx) error {
		c := &checker{tx: tx, open: map[string]uint64{}, refs: map[string]store.Ref{}}
		c.jobs()
		c.owed()
		c.items()
		c.fresh()
		c.next()
		problems, refs = c.problems, c.refs
		return nil
	})
	for key, ref := range refs {
		if len(problems) >= maxProblems || err != nil {
			break
		}
		body, oerr := q.eng.Open(ctx, ref)
		if oerr != nil {
			problems = append(problems, fmt.Sprintf("the body of %s cannot be opened: %v", key, oerr))
			continue
		}
		err = body.Close()
	}
	return problems, err
}

// checker looks at the rows of one snapshot.
type checker struct {
	tx       store.Tx
	problems []string
	open     map[string]uint64 // jobs and owed reports by item key
	refs     map[string]store.Ref
	indexed  int // jobs that need a row in fresh or next
}

func (c *checker) wrong(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// jobs checks each job, and that the scheduler can find it.
func (c *checker) jobs() {
	for k, v := range c.tx.Scan(bucketJob, nil, nil) {
		key := string(k)
		c.open[itemKeyOf(key)]++
		j, err := decodeJob(v)
		if err != nil {
			c.wrong("job %q: %v", key, err)
			continue
		}
		if len(j.recipients) == 0 {
			c.wrong("job %q has no recipients", key)
		}
		if j.held {
			continue
		}
		c.indexed++
		if j.fresh != 0 && c.tx.Get(bucketFresh, freshKey(j.fresh)) == nil {
			c.wrong("job %q is not in fresh at %d", key, j.fresh)
		}
		if j.fresh == 0 && c.tx.Get(bucketNext, nextKey(j.next, key)) == nil {
			c.wrong("job %q is not in next at %v", key, j.next)
		}
	}
}

func (c *checker) owed() {
	for k, v := range c.tx.Scan(bucketOwed, nil, nil) {
		c.open[itemKeyOf(string(k))]++
		if _, err := decodeReport(v); err != nil {
			c.wrong("owed report %q: %v", k, err)
		}
	}
}

// items checks that each item has as many jobs and reports as it counts.
func (c *checker) items() {
	for k, v := range c.tx.Scan(bucketItem, nil, nil) {
		key := string(k)
		it, err := decodeItem(v)
		if err != nil {
			c.wrong("item %s: %v", key, err)
			continue
		}
		c.refs[key] = it.ref
		if it.open != c.open[key] || it.open == 0 {
			c.wrong("item %s counts %d jobs and owed reports, there are %d", key, it.open, c.open[key])
		}
		delete(c.open, key)
	}
	for key := range c.open {
		c.wrong("item %s is missing", key)
	}
}

// fresh and next check that each row of theirs leads to a job that knows it;
// both together that no job has a second one.
func (c *checker) fresh() {
	last := uint64(0)
	if b := c.tx.Get(bucketState, keyFresh); len(b) == 8 {
		last = binary.BigEndian.Uint64(b)
	}
	for k, v := range c.tx.Scan(bucketFresh, nil, nil) {
		c.indexed--
		d := decoder{b: v}
		key, domain := d.string(), mail.Domain(d.string())
		j, err := getJob(c.tx, key)
		if err != nil || j == nil || j.held || string(freshKey(j.fresh)) != string(k) || j.domain != domain {
			c.wrong("row %x of fresh leads to job %q of %s, which is %+v (%v)", k, key, domain, j, err)
		} else if j.fresh > last {
			c.wrong("job %q has sequence %d, the last is %d", key, j.fresh, last)
		}
	}
}

func (c *checker) next() {
	for k, v := range c.tx.Scan(bucketNext, nil, nil) {
		c.indexed--
		_, key := timeOfNext(k)
		j, err := getJob(c.tx, key)
		if err != nil || j == nil || j.held || j.fresh != 0 || string(nextKey(j.next, key)) != string(k) || j.domain != mail.Domain(v) {
			c.wrong("row %x of next leads to job %q of %s, which is %+v (%v)", k, key, v, j, err)
		}
	}
	if c.indexed != 0 {
		c.wrong("fresh and next have %+d rows against the jobs that are to be tried", -c.indexed)
	}
}
