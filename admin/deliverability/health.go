package deliverability

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mailstead/mailstead/admin/explain"
)

const (
	// Enough is how many messages are something to judge by.
	Enough = 20
	// window is how far back is looked.
	window = 30 * day

	maxShownDomains = 10
	maxShownReplies = 5
)

// State is how something stands.
type State string

const (
	OK      State = "ok"
	Warn    State = "warn"
	Fail    State = "fail"
	Unknown State = "unknown"
)

// Health is how mail of the last 30 days arrived at one operator.
type Health struct {
	ID string
	Counts
	AcceptedShare float64 // of accepted and refused; 0 if there was neither
	TLSShare      float64 // of accepted
	State         State
	Text          string  // a sentence
	Fix           string  // what to do; empty: nothing
	LastReplies   []Reply // that were no acceptance, the newest first
}

// decided is how many recipients were accepted or refused.
func (c *Counts) decided() int { return c.Accepted + c.Refused }

// add adds the counts of another day or operator.
func (c *Counts) add(other *Counts) {
	c.Sent += other.Sent
	c.Accepted += other.Accepted
	c.TLS += other.TLS
	c.Deferred += other.Deferred
	c.Slowed += other.Slowed
	c.Refused += other.Refused
	c.Unknown += other.Unknown
	c.Inbox += other.Inbox
	c.Junk += other.Junk
	for name, n := range other.Causes {
		c.Causes[name] += n
	}
	for _, d := range other.Domains {
		if len(c.Domains) < maxShownDomains && !slices.Contains(c.Domains, d) {
			c.Domains = append(c.Domains, d)
		}
	}
	c.Replies = append(c.Replies, other.Replies...)
}

// Providers tells of each operator that got mail in the last 30 days, those
// with most of it first. The large ones always stand for themselves; the
// others do if there is enough to judge by, and else are one.
func (b *Book) Providers() []Health {
	sums := b.sums(b.opts.Now().Add(-window))
	large := map[string]bool{}
	for _, p := range explain.Providers() {
		large[p.ID] = true
	}
	rest := &Counts{Name: explain.Others.Name, Causes: map[string]int{}}
	if c := sums[explain.Others.ID]; c != nil {
		rest.add(c)
	}
	delete(sums, explain.Others.ID)
	var list []Health
	for _, id := range slices.Sorted(maps.Keys(sums)) {
		if c := sums[id]; large[id] || c.decided() >= Enough {
			list = append(list, judge(id, c))
		} else {
			rest.add(c)
		}
	}
	slices.SortStableFunc(list, func(a, b Health) int { return cmp.Compare(b.Sent, a.Sent) })
	if rest.Sent+rest.decided()+rest.Inbox+rest.Junk > 0 {
		list = append(list, judge(explain.Others.ID, rest))
	}
	return list
}

// sums adds up the days since a time by operator.
func (b *Book) sums(since time.Time) map[string]*Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	sums := map[string]*Counts{}
	for _, d := range slices.SortedFunc(maps.Keys(b.byDay), time.Time.Compare) {
		if d.Add(day).Before(since) {
			continue
		}
		for id, c := range b.byDay[d] {
			if sums[id] == nil {
				sums[id] = &Counts{Name: c.Name, Causes: map[string]int{}}
			}
			sums[id].add(c)
		}
	}
	return sums
}

// Bounds of what is good.
const (
	goodShare = 0.98
	poorShare = 0.90
	// slowShare is the part of recipients that may be put off for what speaks
	// against us.
	slowShare = 0.05
)

// judge says how an operator likes us.
func judge(id string, c *Counts) Health {
	h := Health{ID: id, Counts: *c}
	slices.SortFunc(h.Replies, func(a, b Reply) int { return b.Time.Compare(a.Time) })
	h.LastReplies = h.Replies[:min(len(h.Replies), maxShownReplies)]
	h.Counts.Replies = nil
	if n := c.decided(); n > 0 {
		h.AcceptedShare = float64(c.Accepted) / float64(n)
	}
	if c.Accepted > 0 {
		h.TLSShare = float64(c.TLS) / float64(c.Accepted)
	}
	worst, bad := c.worst()
	switch {
	case c.decided() < Enough && bad < Enough:
		h.State = Unknown
		h.Text = fmt.Sprintf("Not enough mail to say: %d recipients in 30 days, %d are needed.", c.decided(), Enough)
	case c.decided() > 0 && h.AcceptedShare < poorShare:
		h.State, h.Text = Fail, fmt.Sprintf("Refuses %d of %d.", c.Refused, c.decided())
	case c.decided() > 0 && h.AcceptedShare < goodShare:
		h.State, h.Text = Warn, fmt.Sprintf("Refuses %d of %d.", c.Refused, c.decided())
	case float64(c.Slowed) > slowShare*float64(max(c.Sent, 1)):
		h.State, h.Text = Warn, fmt.Sprintf("Slows %d of %d down.", c.Slowed, c.Sent)
	default:
		h.State, h.Text = OK, fmt.Sprintf("Accepts %d of %d.", c.Accepted, c.decided())
	}
	if worst.Name != "" && h.State != OK {
		cause := worst.For(h.Name)
		h.Text += " " + cause.Title + ". " + cause.Explain
		h.Fix = cause.Fix
	}
	return h
}

// worst is the most frequent cause that speaks against us, and how often any
// did.
func (c *Counts) worst() (worst explain.Cause, all int) {
	most := 0
	for _, cause := range explain.Causes() {
		n := c.Causes[cause.Name]
		if slices.Contains(passing, cause.Name) {
			continue
		}
		if all += n; n > most {
			worst, most = cause, n
		}
	}
	return worst, all
}
