package admin

import (
	"context"
	"errors"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/clock"
)

// ClockFile is where a server notes the time, in its data folder. The file may
// be deleted while no server runs: then nothing is known of earlier times.
const ClockFile = "clock"

// Clock is how late it is.
type Clock struct {
	Time   time.Time   `json:"time" doc:"By which this server works."`
	System time.Time   `json:"system" doc:"What the clock of the system says."`
	Doubt  *ClockDoubt `json:"doubt,omitempty" doc:"Absent while the clock of the system is believed."`
}

// ClockDoubt is a jump of the clock of the system that is not believed.
type ClockDoubt struct {
	Since   time.Time `json:"since" doc:"When it was noticed, by the time of this server."`
	Seconds int64     `json:"seconds" doc:"How far the system is ahead; negative: behind."`
	Start   bool      `json:"start" doc:"It was so when the server started."`
	Wrong   bool      `json:"wrong" doc:"Who was asked for the time says that the system is wrong."`
}

var errNoClock = &directory.Problem{Kind: ErrUnavailable, Text: "nobody watches the clock here"}

// Clock says how late it is, and whether the clock of the system is believed.
func (a *Admin) Clock(ctx context.Context) (Clock, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Clock{}, err
	}
	if a.opts.Clock == nil {
		return Clock{}, errNoClock
	}
	return a.clock(), nil
}

func (a *Admin) clock() Clock {
	now := a.opts.Clock.Now()
	c := Clock{Time: now.UTC(), System: now.UTC()}
	if d, doubted := a.opts.Clock.Doubt(); doubted {
		c.System = c.Time.Add(d.By)
		c.Doubt = &ClockDoubt{Since: d.Since.UTC(), Seconds: int64(d.By.Round(time.Second) / time.Second), Start: d.Start, Wrong: d.Wrong}
	}
	return c
}

// AcceptClock believes the clock of the system after a jump. What was there
// before is kept as if the jump had not been.
func (a *Admin) AcceptClock(ctx context.Context) (Clock, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Clock{}, err
	}
	if a.opts.Clock == nil {
		return Clock{}, errNoClock
	}
	before := a.clock()
	if _, err := a.opts.Clock.Accept(); errors.Is(err, clock.ErrSure) {
		return before, &directory.Problem{Kind: directory.ErrConflict, Text: "the clock of the system is believed already: there is nothing to accept"}
	} else if err != nil {
		return before, err
	}
	after := a.clock()
	return after, a.opts.Directory.Record(ctx, Actor(ctx), "clock.accept", "clock", before)
}

// AskForTime asks somebody who can prove it for the time.
func (a *Admin) AskForTime(ctx context.Context) (time.Time, error) {
	if a.server == nil {
		return time.Time{}, errNoChecks
	}
	return a.server().ProvenTime(ctx)
}

// LookAtClock runs the check of the clock: its doubt has begun or ended.
func (a *Admin) LookAtClock(ctx context.Context) {
	if a.checks == nil {
		return
	}
	if _, err := a.checks.Run(ctx, "clock"); err != nil && ctx.Err() == nil {
		a.opts.Logger.WarnContext(ctx, "check of the clock", "err", err)
	}
}
