package queue

import (
	"slices"
	"time"

	"github.com/mailstead/mailstead/mail"
)

const (
	jitter = 0.1             // of an interval, up and down: mail that failed together comes apart
	minGap = 1 * time.Second // between two attempts, whatever the schedule says
)

// nextAttempt is when to try again after the n-th attempt failed at now. An
// attempt is also made at the moment of the delay notice and at the end, so
// that what the sender is told is fresh.
func (o *Options) nextAttempt(it *item, j *job, n int, now time.Time) time.Time {
	gap := o.Schedule[min(n, len(o.Schedule))-1]
	gap += time.Duration(float64(gap) * jitter * (2*o.Rand() - 1))
	next := now.Add(max(gap, minGap))
	if t := it.created.Add(o.DelayNotice); o.DelayNotice > 0 && !j.noticed && t.After(now) && t.Before(next) {
		next = t
	}
	if t := it.created.Add(o.Expire); t.Before(next) {
		next = t
	}
	return next
}

// longest is how long a job waits for its next attempt at most. One that would
// wait longer is due: the clock was set back.
func (o *Options) longest() time.Duration {
	gap := slices.Max(o.Schedule)
	return max(gap+time.Duration(float64(gap)*jitter), minGap)
}

// expired reports whether an attempt that failed at now was the last one.
func (o *Options) expired(it *item, now time.Time) bool {
	return !now.Before(it.created.Add(o.Expire))
}

// late reports whether the sender should hear that the mail is delayed.
func (o *Options) late(it *item, j *job, now time.Time) bool {
	return o.DelayNotice > 0 && !j.noticed && !now.Before(it.created.Add(o.DelayNotice))
}

// outcome sorts the recipients of one attempt.
type outcome struct {
	done, failed, deferred []recipient
	relayed                []recipient // of done: the next hop reports nothing itself
}

// sort says what became of each recipient, and writes the results into them.
func (o *Options) sort(it *item, recipients []recipient, results []Result, now time.Time) outcome {
	var out outcome
	for i, r := range recipients {
		res := &results[i]
		r.status, r.reply, r.mx = statusOf(res), replyOf(res), res.RemoteName
		switch {
		case res.Err == nil:
			out.done = append(out.done, r)
			if !res.RelaysDSN {
				out.relayed = append(out.relayed, r)
			}
		case r.status.Permanent():
			out.failed = append(out.failed, r)
		case o.expired(it, now):
			r.status = mail.StatusExpired
			out.failed = append(out.failed, r)
		default:
			out.deferred = append(out.deferred, r)
		}
	}
	return out
}
