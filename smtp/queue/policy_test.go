package queue

import (
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox/store/memstore"
)

// What an operator changes counts from the next decision on.
func TestPolicyIsAskedAgain(t *testing.T) {
	p := Policy{Schedule: []time.Duration{time.Minute}, Expire: time.Hour, DelayNotice: -1, Parallel: 1, PerDomain: 1}
	q := New(memstore.New(Apply), nil, Options{Hostname: "mx.example.org", Policy: func() Policy { return p }, Rand: func() float64 { return 0.5 }})
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	it := &item{created: now.Add(-30 * time.Minute)}
	next := func() time.Duration { return q.current().nextAttempt(it, &job{}, 1, now).Sub(now) }
	if got := next(); got != time.Minute {
		t.Errorf("next attempt after %v", got)
	}
	p.Schedule = []time.Duration{10 * time.Minute}
	if got := next(); got != 10*time.Minute {
		t.Errorf("with another schedule after %v", got)
	}
	if q.current().expired(it, now) {
		t.Error("expired before its time")
	}
	if p.Expire = 20 * time.Minute; !q.current().expired(it, now) {
		t.Error("not expired when the time is shorter")
	}
	if p.DelayNotice = 0; q.current().DelayNotice != delayNoticeDefault {
		t.Error("no default of the delay notice")
	}
	// Jobs of one domain wait for each other, until more may run.
	for _, key := range []string{"a", "b", "c"} {
		q.sched.mu.Lock()
		q.sched.add(key, "far.example")
		q.sched.mu.Unlock()
	}
	if first, second := q.sched.start(), q.sched.start(); first != "a" || second != "" {
		t.Errorf("with room for one %q and %q start", first, second)
	}
	p.Parallel, p.PerDomain = 2, 2
	q.sched.mu.Lock()
	q.sched.add("d", "far.example") // the next event
	q.sched.mu.Unlock()
	if second, third := q.sched.start(), q.sched.start(); second != "b" || third != "" {
		t.Errorf("with room for two %q and %q start", second, third)
	}
}
