package deliverability

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/explain"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Bounds of a Book, whoever is written to.
const (
	maxOperators  = 100 // told apart on one day
	maxDayDomains = 10  // of an operator and day
	maxDayReplies = 3   // of an operator and day
	maxReply      = 300 // octets
	keepDays      = 90
	saveEvery     = time.Minute
	day           = 24 * time.Hour
)

// Days is where a Book is kept; *metrics.Days.
type Days interface {
	Put(day time.Time, value []byte) error
	All(ctx context.Context, give func(day time.Time, value []byte) error) error
}

// Counts are those of one operator on one day.
type Counts struct {
	Name     string         `json:"name"`
	Sent     int            `json:"sent,omitempty"`     // recipients that were tried for the first time
	Accepted int            `json:"accepted,omitempty"` // recipients
	TLS      int            `json:"tls,omitempty"`      // of Accepted
	Deferred int            `json:"deferred,omitempty"` // recipients that were put off at their first attempt
	Slowed   int            `json:"slowed,omitempty"`   // of Deferred, for what speaks against us
	Refused  int            `json:"refused,omitempty"`  // recipients, for what speaks against us
	Unknown  int            `json:"unknown,omitempty"`  // recipients that do not exist there
	Inbox    int            `json:"inbox,omitempty"`    // messages that people have found in the inbox there
	Junk     int            `json:"junk,omitempty"`     // messages that people have found in the junk folder
	Causes   map[string]int `json:"causes,omitempty"`   // of Deferred and Refused, by explain.Cause
	Domains  []string       `json:"domains,omitempty"`  // of recipients, some
	Replies  []Reply        `json:"replies,omitempty"`  // that were no acceptance, the last ones, oldest first
}

// Reply is what a provider said.
type Reply struct {
	Time   time.Time `json:"time"`
	Domain string    `json:"domain"` // of the recipient
	Code   int       `json:"code,omitempty"`
	Text   string    `json:"text"` // the whole reply, without addresses
	Cause  string    `json:"cause"`
}

// Options of a Book; the zero value works.
type Options struct {
	Now    func() time.Time
	Logger *slog.Logger
}

// Book counts what came of attempts.
type Book struct {
	opts Options
	days Days

	mu    sync.Mutex
	byDay map[time.Time]map[string]*Counts // by the operator's ID
	dirty map[time.Time]bool
}

// Open reads what was kept. A day that cannot be read is left out.
func Open(ctx context.Context, days Days, o Options) (*Book, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Book{opts: o, days: days, byDay: map[time.Time]map[string]*Counts{}, dirty: map[time.Time]bool{}}
	err := days.All(ctx, func(day time.Time, value []byte) error {
		var counts map[string]*Counts
		if err := json.Unmarshal(value, &counts); err != nil || slices.Contains(values(counts), nil) {
			o.Logger.Warn("deliverability of a day cannot be read", "day", day, "err", err)
			return nil
		}
		b.byDay[day] = counts
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read deliverability: %w", err)
	}
	return b, nil
}

func values(m map[string]*Counts) (all []*Counts) {
	for _, c := range m {
		all = append(all, c)
	}
	return all
}

// Observe counts one recipient of an attempt. Mail for domains of ours does
// not count, nor what no server has answered to.
func (b *Book) Observe(o queue.Observation) {
	if o.Local || o.MX == "" || o.Reply == "" {
		return
	}
	var cause explain.Cause
	if o.Outcome != "delivered" {
		cause = explain.Explain(explain.Failure{Reply: o.Reply, Status: o.Status, Domain: o.To.Domain, MX: o.MX})
	}
	today := o.Time.UTC().Truncate(day)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty[today] = true
	c := b.counts(today, operatorOf(o.MX))
	c.count(&o, cause)
}

// counts returns those of an operator; b.mu is held.
func (b *Book) counts(today time.Time, p explain.Provider) *Counts {
	operators := b.byDay[today]
	if operators == nil {
		operators = map[string]*Counts{}
		b.byDay[today] = operators
	}
	c := operators[p.ID]
	if c == nil && len(operators) >= maxOperators {
		p = explain.Others
		c = operators[p.ID]
	}
	if c == nil {
		c = &Counts{Name: p.Name, Causes: map[string]int{}}
		operators[p.ID] = c
	}
	if c.Causes == nil { // it was read
		c.Causes = map[string]int{}
	}
	return c
}

// notOurs are causes that say nothing about us.
var notOurs = []string{"no-such-user", "mailbox-full", "mailbox-disabled", "no-mail", "no-domain", "relay-denied", "too-large"}

// passing are causes for which mail is put off without anything being wrong.
var passing = []string{"greylisted", "remote-trouble", "connection-lost", "mailbox-full", "mailbox-disabled", "no-such-user", "other", "dns", "no-answer"}

func (c *Counts) count(o *queue.Observation, cause explain.Cause) {
	if o.Attempt == 1 {
		c.Sent++
	}
	if name := string(o.To.Domain); len(c.Domains) < maxDayDomains && !slices.Contains(c.Domains, name) {
		c.Domains = append(c.Domains, name)
	}
	switch {
	case o.Outcome == "delivered":
		c.Accepted++
		if o.TLS != "" {
			c.TLS++
		}
		return
	case o.Outcome == "deferred" && o.Attempt == 1:
		c.Deferred++
		c.Causes[cause.Name]++
		if !slices.Contains(passing, cause.Name) {
			c.Slowed++
		}
	case o.Outcome == "bounced" && slices.Contains(notOurs, cause.Name):
		c.Unknown++
	case o.Outcome == "bounced":
		c.Refused++
		c.Causes[cause.Name]++
	}
	c.Replies = append(c.Replies, Reply{Time: o.Time.UTC(), Domain: string(o.To.Domain), Code: explain.ParseReply(o.Reply).Code,
		Text: withoutAddresses(o.Reply), Cause: cause.Name})
	if n := len(c.Replies); n > maxDayReplies {
		c.Replies = slices.Delete(c.Replies, 0, n-maxDayReplies)
	}
}

// withoutAddresses keeps what a provider said, and to whom it was said to
// itself.
func withoutAddresses(reply string) string {
	words := strings.Fields(reply)
	for i, w := range words {
		if strings.Contains(w, "@") {
			words[i] = "[address]"
		}
	}
	s := strings.Join(words, " ")
	if len(s) > maxReply {
		s = s[:maxReply] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Run writes down what was counted, once a minute if there is something, until
// ctx is done, and then once more.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			b.logged(b.Save())
			return nil
		case <-tick.C:
			b.logged(b.Save())
		}
	}
}

func (b *Book) logged(err error) {
	if err != nil { // it stays in memory, and is written next time
		b.opts.Logger.Error("write deliverability", "err", err)
	}
}

// Save writes down the days that have changed, and forgets the old ones.
func (b *Book) Save() error {
	b.mu.Lock()
	changed := map[time.Time][]byte{}
	for d := range b.dirty {
		value, err := json.Marshal(b.byDay[d])
		if err != nil {
			b.mu.Unlock()
			return err
		}
		changed[d] = value
	}
	clear(b.dirty)
	oldest := b.opts.Now().UTC().Truncate(day).AddDate(0, 0, -keepDays)
	for d := range b.byDay {
		if d.Before(oldest) {
			delete(b.byDay, d)
		}
	}
	b.mu.Unlock()
	for d, value := range changed {
		if err := b.days.Put(d, value); err != nil {
			b.mu.Lock()
			for d := range changed {
				b.dirty[d] = true
			}
			b.mu.Unlock()
			return err
		}
	}
	return nil
}
