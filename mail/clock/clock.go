package clock

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Times of a Clock.
const (
	// Most is how far the clock of the system may be from where it should be.
	// Daylight saving does not count: time has no zone.
	Most = 5 * time.Minute
	// restDefault is how long a server may have been off before its clock is
	// doubted: machines are off for weeks.
	restDefault = 30 * 24 * time.Hour

	watchEvery = 5 * time.Second // the course is not older than that
	noteEvery  = time.Minute
	askFirst   = time.Minute // between questions for the time, and twice that next
	askMost    = 10 * time.Minute
)

// ErrSure says that there is nothing to accept.
var ErrSure = errors.New("clock: the clock is not in doubt")

// Options of a Clock. The zero value works, and notes nothing.
type Options struct {
	File string        // where the time is noted; "" is nowhere
	Rest time.Duration // that the server may have been off; 30 days if 0

	// Changed is told when a doubt begins or ends. It must not wait for the
	// Clock's Run.
	Changed func()
	Logger  *slog.Logger

	// What the system says; nil is the real one.
	System  func() time.Time
	Elapsed func() time.Duration // since some moment, whatever is set
	Slept   func() time.Duration // that Elapsed did not count
}

// Ask asks somebody for the time.
type Ask func(ctx context.Context) (time.Time, error)

// Clock is the time of a server. Its methods may be called concurrently.
type Clock struct {
	opts Options
	mark atomic.Pointer[mark]

	mu     sync.Mutex // of whoever changes mark, and of what follows
	jumps  []Jump
	noted  time.Duration // Elapsed of the last note
	unable bool          // to note
	askAt  time.Duration
	pause  time.Duration
}

// mark is a moment from which the course goes on.
type mark struct {
	at      time.Time // with the monotonic clock, but from a file
	elapsed time.Duration
	slept   time.Duration
	doubt   *doubt // nil: sure
}

// doubt is kept in a mark.
type doubt struct {
	since  time.Time
	start  bool
	behind bool // at the start, the system was before it
	wrong  bool
}

// Doubt is a jump that is not believed.
type Doubt struct {
	Since time.Time     // by Now
	By    time.Duration // that the system is ahead of Now; < 0: behind
	Start bool          // it was there when the program started
	Wrong bool          // who was asked for the time agrees with Now
}

// Jump is one that came true.
type Jump struct {
	At time.Time     `json:"at"` // the time after it
	By time.Duration `json:"by"`
}

// Open makes a Clock, from what is noted in Options.File if that is there.
func Open(o Options) *Clock {
	if o.Rest == 0 {
		o.Rest = restDefault
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.System == nil {
		o.System = time.Now
	}
	if o.Elapsed == nil {
		start := time.Now()
		o.Elapsed = func() time.Duration { return time.Since(start) }
	}
	if o.Slept == nil {
		o.Slept = slept
	}
	c := &Clock{opts: o, pause: askFirst}
	c.noted = c.opts.Elapsed() - noteEvery // the first look notes
	c.mark.Store(c.begin())
	return c
}

// begin is the mark to start with.
func (c *Clock) begin() *mark {
	m := &mark{at: c.opts.System(), elapsed: c.opts.Elapsed(), slept: c.opts.Slept()}
	last, ok := c.readNote()
	if !ok {
		return m
	}
	c.jumps = last.Jumps
	off := m.at.Sub(last.At)
	if off >= -Most && (off <= Most || off <= c.opts.Rest && !last.Doubt) {
		return m
	}
	c.opts.Logger.Error("the system clock is not believed", "system", m.at.UTC(), "last", last.At.UTC())
	m.at = last.At
	m.doubt = &doubt{since: last.At, start: true, behind: off < -Most}
	return m
}

// Now is the time. Times of one process are right to each other, whatever
// happens to the clock of the system, as those of time.Now are.
func (c *Clock) Now() time.Time {
	t, elapsed := c.opts.System(), c.opts.Elapsed()
	m := c.mark.Load()
	switch {
	case m.doubt != nil:
		return m.course(elapsed)
	case m.skew(t, elapsed).Abs() > Most:
		return c.suspect()
	}
	return t
}

// course is where the clock should be.
func (m *mark) course(elapsed time.Duration) time.Time { return m.at.Add(elapsed - m.elapsed) }

// skew is how far a time of the system is ahead of the course.
func (m *mark) skew(t time.Time, elapsed time.Duration) time.Duration {
	return t.Round(0).Sub(m.course(elapsed).Round(0)) // by what clocks on the wall say
}

// suspect begins a doubt, unless the machine has slept.
func (c *Clock) suspect() time.Time {
	now, t, begun := c.judge()
	if begun {
		c.opts.Logger.Error("the system clock has jumped and is not believed", "system", t.UTC(), "time", now.UTC())
		c.opts.Changed()
	}
	return now
}

// judge looks again while nobody changes the mark: a time from before another
// one was made says nothing.
func (c *Clock) judge() (now, t time.Time, begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, elapsed := c.opts.System(), c.opts.Elapsed()
	m, asleep := c.mark.Load(), c.opts.Slept()
	switch off := m.skew(t, elapsed); {
	case m.doubt != nil:
		return m.course(elapsed), t, false
	case off.Abs() <= Most:
		return t, t, false
	case (off - (asleep - m.slept)).Abs() <= Most:
		c.mark.Store(&mark{at: t, elapsed: elapsed, slept: asleep})
		return t, t, false
	}
	now = m.course(elapsed)
	c.mark.Store(&mark{at: m.at, elapsed: m.elapsed, slept: m.slept, doubt: &doubt{since: now.Round(0)}})
	c.askAt, c.pause = 0, askFirst
	return now, t, true
}

// Doubt returns the jump that is not believed now, if there is one.
func (c *Clock) Doubt() (Doubt, bool) {
	c.Now() // notices
	m := c.mark.Load()
	if m.doubt == nil {
		return Doubt{}, false
	}
	return Doubt{Since: m.doubt.since, By: m.skew(c.opts.System(), c.opts.Elapsed()), Start: m.doubt.start, Wrong: m.doubt.wrong}, true
}

// Accept believes the clock of the system from now on. It fails with [ErrSure]
// where nobody doubts it.
func (c *Clock) Accept() (Jump, error) {
	j, ok := c.adopt(func(*mark, time.Time, time.Duration) bool { return true })
	if !ok {
		return Jump{}, ErrSure
	}
	return j, nil
}

// adopt ends a doubt with the time of the system, if agreed says so.
func (c *Clock) adopt(agreed func(*mark, time.Time, time.Duration) bool) (Jump, bool) {
	j, ok := c.settle(agreed)
	if ok {
		c.opts.Logger.Warn("the system clock is believed again", "jump", j.By.Round(time.Second))
		c.opts.Changed()
	}
	return j, ok
}

func (c *Clock) settle(agreed func(*mark, time.Time, time.Duration) bool) (Jump, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, elapsed := c.opts.System(), c.opts.Elapsed()
	m := c.mark.Load()
	if m.doubt == nil || !agreed(m, t, elapsed) {
		return Jump{}, false
	}
	j := Jump{At: t.UTC(), By: m.skew(t, elapsed)}
	if j.By.Abs() > Most {
		c.jumps = append(c.jumps, j)
		c.jumps = c.jumps[max(0, len(c.jumps)-maxJumps):]
	}
	c.mark.Store(&mark{at: t, elapsed: elapsed, slept: c.opts.Slept()})
	c.note(t)
	return j, true
}

// Keep is for how long things are kept that are to be kept for a time: as much
// longer as the clock was set forward within it. What came before the jump is
// not older by it, then.
func (c *Clock) Keep(d time.Duration) time.Duration {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.jumps) - 1; i >= 0; i-- {
		j := c.jumps[i]
		if now.Sub(j.At) > d {
			break
		}
		if j.By > math.MaxInt64-d {
			return math.MaxInt64
		}
		d += max(j.By, 0)
	}
	return d
}
