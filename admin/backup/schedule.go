package backup

import (
	"context"
	"errors"
	"time"

	"github.com/mailstead/mailstead/admin/backup/plan"
)

// scheduleTick is how often Watch looks whether a backup is due.
const scheduleTick = time.Minute

// Watch makes backups when they are due, until ctx is done. After one that
// failed, or was cancelled, it waits an hour.
func (s *Service) Watch(ctx context.Context, run func(context.Context)) error {
	tick := time.NewTicker(scheduleTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		due, err := s.due(ctx)
		if err != nil {
			s.opts.Logger.WarnContext(ctx, "schedule of backups", "err", err)
		}
		if due {
			run(ctx)
		}
	}
}

// retryAfter is how long a backup that failed, or was cancelled, is left alone.
const retryAfter = time.Hour

func (s *Service) due(ctx context.Context) (bool, error) {
	next, err := s.Next(ctx)
	return err == nil && !next.IsZero() && !next.After(s.now()), err
}

// now is the time on the wall. Compared by the monotonic clock, no time would be
// one to come after the clock was set back.
func (s *Service) now() time.Time { return s.opts.Now().Round(0) }

// Next is when the next backup is due; the zero time if none is planned. What
// was cancelled does not count as made: who cancels puts the next one off, and
// no longer than a failure does.
func (s *Service) Next(ctx context.Context) (time.Time, error) {
	schedule, now := s.opts.Settings().Schedule, s.now()
	sch, err := plan.ParseSchedule(schedule)
	if err != nil {
		return time.Time{}, err
	}
	l, err := s.runs(ctx)
	if err != nil {
		return time.Time{}, err
	}
	since, declined := s.followed(schedule, now)
	var next time.Time
	if begun := l.lastGood(); begun.IsZero() {
		next = sch.First(since)
	} else {
		next = sch.Next(s.counted(begun, now))
	}
	if next.IsZero() {
		return next, nil
	}
	for _, ended := range []time.Time{l.lastFailed(), l.lastCancelled(), declined} {
		if until := ended.Add(retryAfter); !ended.After(now) && next.Before(until) {
			next = until
		}
	}
	return next, nil
}

// counted is when the last good backup was begun, for the next one. If the clock
// was set back since, that is when it was noticed: nobody needs another one now,
// nor wants to wait until that time comes again.
func (s *Service) counted(begun, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !begun.After(now) {
		s.setBack = time.Time{}
		return begun.In(now.Location())
	}
	if s.setBack.IsZero() || s.setBack.After(now) {
		s.setBack = now
	}
	return s.setBack
}

// followed says since when a schedule is followed, and when a backup last ended
// that is not remembered: most of them were cancelled while they waited for their
// turn.
func (s *Service) followed(schedule string, now time.Time) (since, declined time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schedule != schedule || s.since.After(now) { // or the clock was set back
		s.schedule, s.since = schedule, now
	}
	return s.since, s.declined
}

// decline notes that a backup was cancelled before it began. It is no run, but
// the schedule must not start it again at once.
func (s *Service) decline(ctx context.Context) {
	if !errors.Is(context.Cause(ctx), ErrCancelled) {
		return
	}
	s.putOff()
}

// putOff lets the schedule wait after a backup of which nothing is remembered.
func (s *Service) putOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.declined = s.now()
}
