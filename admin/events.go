package admin

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// Topic is what a stream of events can be narrowed to.
type Topic string

const (
	TopicQueue  Topic = "queue"
	TopicTraces Topic = "traces"
	TopicChecks Topic = "checks"
	TopicJobs   Topic = "jobs"
	TopicSetup  Topic = "setup"
	TopicAlerts Topic = "alerts"
)

// Topics returns all topics.
func Topics() []Topic {
	return []Topic{TopicQueue, TopicTraces, TopicChecks, TopicJobs, TopicSetup, TopicAlerts}
}

// maxEvents is how many events can be asked for again.
const maxEvents = 1000

// Event says that something has changed.
type Event struct {
	ID    uint64
	Topic Topic
	Name  string // "trace.changed", "queue.changed", "job.changed", …
	Data  any    // as JSON

	domains []mail.Domain  // of whose admins it may be seen, too
	owner   string         // of a job: who began it
	trace   *trace.Summary // of which Data has what the reader may see; else nil
}

// hub keeps the last events and wakes those who wait for more. Whoever
// publishes never waits for whoever reads.
type hub struct {
	mu     sync.Mutex
	ring   []Event // by ID
	last   uint64
	waiter chan struct{} // closed with the next event
}

// newHub begins to count at the time, so that the IDs of the process before
// are older than all of this one.
func newHub(now time.Time) *hub {
	return &hub{last: uint64(max(now.UnixMilli(), 0)), waiter: make(chan struct{})}
}

func (h *hub) publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	e.ID = h.last
	if len(h.ring) == maxEvents {
		h.ring = append(h.ring[:0], h.ring[maxEvents/10:]...)
	}
	h.ring = append(h.ring, e)
	close(h.waiter)
	h.waiter = make(chan struct{})
}

// since returns the events after an ID, whether some of them are forgotten,
// the ID to go on with, and what is closed with the next event. 0 is now.
func (h *hub) since(id uint64) (list []Event, missed bool, last uint64, more <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id == 0 {
		return nil, false, h.last, h.waiter
	}
	i := len(h.ring)
	for i > 0 && h.ring[i-1].ID > id {
		i--
	}
	missed = id > h.last || i == 0 && id < h.last-uint64(len(h.ring))
	return slices.Clone(h.ring[i:]), missed, h.last, h.waiter
}

// Publish tells those who watch a topic that something has changed. It never
// waits for them.
func (a *Admin) Publish(topic Topic, name string, data any) {
	a.hub.publish(Event{Topic: topic, Name: name, Data: data})
}

// Stream is the events that a principal may see.
type Stream struct {
	admin  *Admin
	who    Principal
	topics []Topic
	last   uint64
}

// Events begins a stream of events of some topics, after the one with an ID; 0
// is from now on.
func (a *Admin) Events(ctx context.Context, topics []Topic, after uint64) (*Stream, error) {
	p := PrincipalOf(ctx)
	if len(topics) == 0 {
		topics = []Topic{TopicQueue, TopicTraces, TopicChecks, TopicJobs}
		if !p.May(SeeFlow) {
			topics = []Topic{TopicJobs}
		}
	}
	for _, topic := range topics {
		if err := authorizeTopic(ctx, topic); err != nil {
			return nil, err
		}
	}
	s := &Stream{admin: a, who: p, topics: topics, last: after}
	if after == 0 {
		_, _, s.last, _ = a.hub.since(0)
	}
	return s, nil
}

func authorizeTopic(ctx context.Context, topic Topic) error {
	switch topic {
	case TopicQueue, TopicTraces, TopicChecks, TopicAlerts:
		_, err := authorize(ctx, SeeFlow)
		return err
	case TopicJobs:
		_, err := authorize(ctx, OwnAccount)
		return err
	case TopicSetup:
		return authorizeSetup(ctx)
	}
	return At("topics", invalid("there is no topic %q; choose from queue, traces, checks, jobs, setup, alerts", topic))
}

// Next waits for events until ctx is done. missed says that there were more
// than are remembered: whoever shows a state reads it anew.
func (s *Stream) Next(ctx context.Context) (list []Event, missed bool, err error) {
	for {
		all, missed, last, more := s.admin.hub.since(s.last)
		s.last = last
		for _, e := range all {
			if s.sees(&e) {
				if e.trace != nil {
					sum := s.who.partOf(e.trace, nil).summary(*e.trace)
					e.Data = describeTrace(&sum)
				}
				list = append(list, e)
			}
		}
		if len(list) > 0 || missed {
			return list, missed, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// sees reports whether an event is wanted, and for the principal's eyes.
func (s *Stream) sees(e *Event) bool {
	if !slices.Contains(s.topics, e.Topic) {
		return false
	}
	switch e.Topic {
	case TopicJobs:
		return e.owner == s.who.owner() || s.who.May(ChangeSystem)
	case TopicTraces, TopicQueue:
		return s.who.May(SeeFlow) && (s.who.allDomains() || slices.ContainsFunc(e.domains, s.who.sees))
	case TopicChecks, TopicAlerts:
		return s.who.May(SeeFlow) && s.who.allDomains()
	}
	return true
}

// authorizeSetup lets in who works on the first-run wizard, and owners.
func authorizeSetup(ctx context.Context) error {
	p := PrincipalOf(ctx)
	if p.Kind == KindSetup || p.May(GiveRoles) {
		return nil
	}
	if p.Kind == "" {
		return &directory.Problem{Kind: ErrSignedOut, Text: "the first set-up needs its code: `mailstead setup` on the server prints a link with a new one"}
	}
	return &directory.Problem{Kind: ErrForbidden, Text: "only owners see the first set-up"}
}
