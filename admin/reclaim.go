package admin

import (
	"context"
	"errors"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Bounds of how long ago mail was deleted whose room is given back. Who reads a
// message right then is told that it is gone.
const (
	ReclaimLeast   = 2 * time.Second
	ReclaimDefault = 10 * time.Minute
	ReclaimMost    = 30 * 24 * time.Hour
)

const jobReclaim = "reclaim"

// Reclaimer gives back the room of deleted mail; *store.Engine.
type Reclaimer interface {
	ReclaimOlder(ctx context.Context, grace time.Duration) (octets int64, err error)
}

// Reclaimed is the result of the job that gives back the room of deleted mail.
type Reclaimed struct {
	Bytes int64 `json:"bytes" doc:"Given back to the disk."`
}

// CheckReclaim refuses what Reclaim cannot do.
func CheckReclaim(olderThan time.Duration) error {
	if olderThan < ReclaimLeast || olderThan > ReclaimMost {
		return At("olderThanSeconds", invalid("mail that was deleted %v ago: say between %v and %v", olderThan, ReclaimLeast, ReclaimMost))
	}
	return nil
}

// Reclaim begins to give back the room of mail that was deleted longer ago than
// olderThan. The server does that by itself after a day, and sooner when its
// disk gets low.
func (a *Admin) Reclaim(ctx context.Context, olderThan time.Duration) (Job, error) {
	p, err := authorize(ctx, ChangeSystem)
	if err != nil {
		return Job{}, err
	}
	if a.opts.Store == nil {
		return Job{}, &directory.Problem{Kind: ErrUnavailable, Text: "there is no mail here"}
	}
	if err := CheckReclaim(olderThan); err != nil {
		return Job{}, err
	}
	if a.runningJob(jobReclaim) != "" {
		return Job{}, errJobRuns
	}
	return a.start(p, jobReclaim, func(ctx context.Context, p *Progress) (any, error) {
		if a.runningJob(jobBackup) != "" {
			p.Log("waiting until the backup is made: it may read what was deleted")
		}
		n, err := a.opts.Store.ReclaimOlder(ctx, olderThan)
		a.storage.forget()
		if errors.Is(err, store.ErrHeld) {
			err = &directory.Problem{Kind: directory.ErrInUse, Text: "what was deleted is kept until the upgrade is known to work, so that the way back is open; see `mailstead upgrade status`"}
		}
		if err == nil || n > 0 {
			err = errors.Join(err, a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), "storage.reclaim", "storage", Reclaimed{n}))
		}
		return Reclaimed{n}, err
	})
}
