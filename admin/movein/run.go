package movein

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/mail/disk"
)

// tellEvery bounds how often progress is told.
const tellEvery = 250 * time.Millisecond

// run is one Run.
type run struct {
	o Options

	mu       sync.Mutex
	report   Report
	told     time.Time
	keywords keywords
}

// all reads all folders: those that others show as well first.
func (r *run) all(ctx context.Context) error {
	folders, bad, err := r.o.Source.Folders(ctx, r.waiting)
	if err != nil {
		return err
	}
	r.change(func(rep *Report) {
		rep.AllFolders = len(folders)
		for _, f := range folders {
			rep.AllMessages += f.Messages
			rep.AllOctets += f.Octets
		}
		for _, p := range bad {
			rep.trouble(p)
		}
	})
	targets, err := r.targets(ctx, folders)
	if err != nil {
		return err
	}
	for _, last := range []bool{false, true} {
		if err := r.some(ctx, folders, targets, last); err != nil {
			return err
		}
	}
	return nil
}

// some reads the folders that are last, or the others, several at a time.
func (r *run) some(ctx context.Context, folders []Folder, targets []target, last bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(r.o.Source.Workers(), 1))
	for i := range folders {
		if folders[i].Last != last {
			continue
		}
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.folder(ctx, &folders[i], targets[i]); err != nil {
				return fmt.Errorf("%s: %w", folders[i].Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// folder brings in one folder and verifies it.
func (r *run) folder(ctx context.Context, f *Folder, to target) error {
	r.change(func(rep *Report) { rep.Folder = f.Name })
	b := &batch{run: r, to: to, known: &Known{Account: r.o.Account, Prefix: prefix(r.o.Source.Name(), f.ID, r.o.Into), Told: r.waiting}}
	b.rep.Name, b.rep.Mailbox = f.Name, to.name
	defer b.release()
	var err error
	if b.before, err = b.known.taken(ctx); err == nil {
		err = b.fill(ctx, f)
	}
	if err == nil && !r.o.DryRun {
		err = r.verify(ctx, b)
	}
	b.account()
	if err == nil {
		r.complete(b)
	}
	r.change(func(rep *Report) {
		rep.Folders++
		rep.Reports = append(rep.Reports, b.rep)
	})
	return err
}

// room waits until the disk has room for what is brought in.
func (r *run) room(ctx context.Context) error {
	if r.o.DryRun {
		return nil
	}
	waits := false
	err := r.o.Disk.Await(ctx, disk.Bulk, func(full error) {
		waits = true
		r.waiting(full.Error(), 0)
	})
	if waits {
		r.waiting("", 0)
	}
	return err
}

// waiting says why and for how long the run waits; 0: that is not known.
func (r *run) waiting(why string, most time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Waiting, r.report.WaitingUntil = why, time.Time{}
	if most > 0 {
		r.report.WaitingUntil = r.o.Now().Add(most).UTC()
	}
	r.o.Told(r.report.Progress)
}

// change changes the report, and tells of it now and then.
func (r *run) change(fn func(*Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(&r.report)
	now := r.o.Now()
	if now.Sub(r.told) < tellEvery {
		return
	}
	r.told = now
	r.report.estimate(now)
	r.o.Told(r.report.Progress)
}

// trouble notes a problem.
func (rep *Report) trouble(p Problem) {
	if len(rep.Problems) < maxProblems {
		rep.Problems = append(rep.Problems, p)
	}
}

// ErrOverQuota means that the account has no room for what is brought in.
var ErrOverQuota = errors.New("the account has too little room: raise its quota, then resume")
