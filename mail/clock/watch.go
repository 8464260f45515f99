package clock

import (
	"context"
	"time"
)

// Run watches the clock of the system and notes the time, until ctx is done.
// While there is a doubt it asks for the time; ask may be nil.
func (c *Clock) Run(ctx context.Context, ask Ask) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		c.watch(ctx, ask)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Close notes the time.
func (c *Clock) Close() error {
	if c == nil {
		return nil
	}
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeNote(now)
}

// watch is one look.
func (c *Clock) watch(ctx context.Context, ask Ask) {
	now := c.Now()
	if c.mark.Load().doubt != nil {
		c.adopt(c.plausible)
	} else {
		c.follow()
	}
	if ask != nil && c.mayAsk() {
		c.ask(ctx, ask)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opts.Elapsed()-c.noted >= noteEvery {
		c.note(now)
	}
}

// plausible reports whether the clock of the system is where it was. One that
// was behind when the program started, as on a computer without a battery, may
// be ahead as far as it may at a start.
func (c *Clock) plausible(m *mark, t time.Time, elapsed time.Duration) bool {
	off := m.skew(t, elapsed)
	return off.Abs() <= Most || m.doubt.behind && off > 0 && off <= c.opts.Rest
}

// follow takes the clock of the system for the course: it is corrected by
// little all the time.
func (c *Clock) follow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, elapsed := c.opts.System(), c.opts.Elapsed()
	if m := c.mark.Load(); m.doubt == nil && m.skew(t, elapsed).Abs() <= Most {
		c.mark.Store(&mark{at: t, elapsed: elapsed, slept: c.opts.Slept()})
	}
}

// mayAsk reports whether it is time to ask for the time.
func (c *Clock) mayAsk() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	elapsed := c.opts.Elapsed()
	if c.mark.Load().doubt == nil || elapsed < c.askAt {
		return false
	}
	c.askAt, c.pause = elapsed+c.pause, min(2*c.pause, askMost)
	return true
}

// ask believes the system if somebody else says that it is right.
func (c *Clock) ask(ctx context.Context, ask Ask) {
	theirs, err := ask(ctx)
	if err != nil {
		c.opts.Logger.Debug("nobody could be asked for the time", "err", err)
		return
	}
	near := func(t time.Time) bool { return t.Sub(theirs).Abs() <= Most }
	if _, ok := c.adopt(func(_ *mark, t time.Time, _ time.Duration) bool { return near(t.Round(0)) }); ok {
		return
	}
	c.mu.Lock()
	m := c.mark.Load()
	wrong := m.doubt != nil && near(m.course(c.opts.Elapsed()).Round(0))
	changed := m.doubt != nil && m.doubt.wrong != wrong
	if changed {
		d := *m.doubt
		d.wrong = wrong
		c.mark.Store(&mark{m.at, m.elapsed, m.slept, &d})
	}
	c.mu.Unlock()
	if changed {
		c.opts.Changed()
	}
}
