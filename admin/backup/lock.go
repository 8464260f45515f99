package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Times of locks. The clocks of two servers that share a target must not differ
// by more than lockStale less lockRenew.
const (
	lockRenew = 5 * time.Minute
	lockStale = 30 * time.Minute
)

// lock says that somebody writes to a target.
type lock struct {
	Host    string    `json:"host"`
	Process int       `json:"process"`
	Why     string    `json:"why"`
	Renewed time.Time `json:"renewed"`
}

// locked runs fn while no other writer uses the target. Of two that come at
// the same time both may be refused; none overlooks the other, because each
// writes its lock before it looks. fn's ctx ends when the lock cannot be
// renewed.
func (r *repository) locked(ctx context.Context, why string, fn func(ctx context.Context) error) (err error) {
	host, _ := os.Hostname()
	name := lockDir + "/" + strings.ToLower(rand.Text())
	l := lock{Host: host, Process: os.Getpid(), Why: why, Renewed: r.now().UTC()}
	defer r.unlock(ctx, name) // also if it could not be written: it may be there all the same
	if _, err := r.putObject(ctx, name, l); err != nil {
		return err
	}
	if err := r.checkLocks(ctx, name); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		r.renew(ctx, name, l, cancel)
	}()
	defer func() { cancel(nil); <-renewed }()
	if err = fn(ctx); err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// unlock removes a lock, also after ctx has ended. Its name is one that was made
// up for it: no other writer has a lock of that name.
func (r *repository) unlock(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	err := r.target.Delete(ctx, name)
	if err != nil && r.reopen != nil {
		err = r.deleteAnew(ctx, name)
	}
	if err != nil {
		r.log.Warn("a lock in the place for backups may stay; it counts for half an hour", "err", err)
	}
}

// deleteAnew removes an object over a connection of its own: what ends a write
// to an SFTP server closes the connection.
func (r *repository) deleteAnew(ctx context.Context, name string) error {
	t, err := r.reopen(ctx)
	if err != nil {
		return err
	}
	return errors.Join(t.Delete(ctx, name), t.Close())
}

// checkLocks fails with ErrLocked if there is a lock of another that counts.
func (r *repository) checkLocks(ctx context.Context, own string) error {
	list, err := r.list(ctx, lockDir)
	if err != nil {
		return err
	}
	for _, o := range list {
		if o.Name == own {
			continue
		}
		var l lock
		err := r.getObject(ctx, o.Name, &l)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		if err == nil && r.now().Sub(l.Renewed).Abs() < lockStale {
			return &failure{ErrLocked, fmt.Sprintf("the place for backups is in use by process %d on %s (%s, last seen %s); try again when that has ended", l.Process, l.Host, l.Why, l.Renewed.Format(time.RFC3339))}
		}
		if err := r.remove(ctx, o.Name); err != nil {
			return err
		}
	}
	return nil
}

// renew keeps a lock alive until ctx is done, and ends it if that fails for too
// long.
func (r *repository) renew(ctx context.Context, name string, l lock, lost context.CancelCauseFunc) {
	tick := time.NewTicker(lockRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next := l
		next.Renewed = r.now().UTC()
		if _, err := r.putObject(ctx, name, next); err == nil {
			l = next
		} else if r.now().Sub(l.Renewed) > lockStale-2*lockRenew {
			lost(fmt.Errorf("the lock in the place for backups could not be renewed: %w", err))
			return
		}
	}
}
