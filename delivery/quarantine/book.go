package quarantine

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// Defaults of Options.
const (
	keepDefault = 30 * 24 * time.Hour
	expireEvery = time.Hour
)

// Options are what a Book works with. Boxes and Accounts are needed.
type Options struct {
	Boxes    *mailbox.Boxes
	Accounts func() []mailbox.AccountID // all there are
	Keep     func() time.Duration       // how long mail waits; nil: 30 days
	Now      func() time.Time
	Logger   *slog.Logger
}

// Book knows what is in quarantine. Its methods may be called concurrently.
type Book struct {
	opts Options

	mu    sync.Mutex
	known map[mailbox.AccountID]*shelf // those that have, or had, something
}

// shelf is what an account has, as of a change of its mailbox.
type shelf struct {
	modseq mailbox.ModSeq
	items  []Key // the oldest first
}

// Key names a message in quarantine.
type Key struct {
	Account  mailbox.AccountID
	UID      mailbox.UID
	Received time.Time
}

// Compare orders keys, the newest first.
func (k Key) Compare(other Key) int {
	return cmp.Or(other.Received.Compare(k.Received), cmp.Compare(k.Account, other.Account), cmp.Compare(other.UID, k.UID))
}

// New makes a Book that knows of nothing before Run.
func New(opts Options) *Book {
	if opts.Keep == nil {
		opts.Keep = func() time.Duration { return keepDefault }
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Book{opts: opts, known: map[mailbox.AccountID]*shelf{}}
}

// Added says that an account has got mail into quarantine. It is quick.
func (b *Book) Added(id mailbox.AccountID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[id] == nil {
		b.known[id] = &shelf{}
	}
}

// Run finds what is in quarantine already, and moves to \Junk what has waited
// long enough, now and then, until ctx is done.
func (b *Book) Run(ctx context.Context) error {
	for _, id := range b.opts.Accounts() {
		if ctx.Err() != nil {
			return nil
		}
		if _, err := b.keys(ctx, id); err != nil && ctx.Err() == nil {
			b.opts.Logger.Error("look for quarantined mail", "account", id, "err", err)
		}
	}
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		if _, err := b.Expire(ctx); err != nil && ctx.Err() == nil {
			b.opts.Logger.Error("expire quarantined mail", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// keys returns what an account has in quarantine, the oldest first, and
// remembers it until its mailbox changes.
func (b *Book) keys(ctx context.Context, id mailbox.AccountID) ([]Key, error) {
	b.mu.Lock()
	s := b.known[id]
	b.mu.Unlock()
	var found shelf
	err := b.opts.Boxes.Account(id).View(ctx, func(v *mailbox.View) error {
		found = shelf{}
		box, err := v.MailboxByRole(mailbox.RoleQuarantine)
		if errors.Is(err, mailbox.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if found.modseq = box.HighestModSeq; s != nil && s.modseq == found.modseq {
			found.items = s.items
			return nil
		}
		for m, err := range v.Messages(box.ID, nil, 1) {
			if err != nil {
				return err
			}
			date, err := m.InternalDate()
			if err != nil {
				return err
			}
			found.items = append(found.items, Key{id, m.UID, date})
		}
		return nil
	})
	if errors.Is(err, mailbox.ErrNoAccount) {
		found, err = shelf{}, nil
	}
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(found.items) > 0 || s != nil && found.modseq > 0 {
		b.known[id] = &found
	}
	return found.items, nil
}

// Keys returns what is in quarantine, the newest first: of some accounts, or
// with nil of all.
func (b *Book) Keys(ctx context.Context, of []mailbox.AccountID) ([]Key, error) {
	if of == nil {
		b.mu.Lock()
		of = slices.Collect(maps.Keys(b.known))
		b.mu.Unlock()
	}
	var all []Key
	for _, id := range of {
		keys, err := b.keys(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	slices.SortFunc(all, Key.Compare)
	return all, nil
}

// Expire moves to \Junk what has waited longer than Options.Keep, and returns
// how much.
func (b *Book) Expire(ctx context.Context) (int, error) {
	keys, err := b.Keys(ctx, nil)
	if err != nil {
		return 0, err
	}
	old := map[mailbox.AccountID][]mailbox.UID{}
	limit := b.opts.Now().Add(-b.opts.Keep())
	for _, k := range keys {
		if k.Received.Before(limit) {
			old[k.Account] = append(old[k.Account], k.UID)
		}
	}
	n := 0
	for id, uids := range old {
		moved, err := b.move(ctx, id, uids, mailbox.RoleJunk)
		n += len(moved)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Release moves messages to INBOX and returns what they are called there, in
// the order of uids. What is not there any more is left out.
func (b *Book) Release(ctx context.Context, id mailbox.AccountID, uids []mailbox.UID) ([]Released, error) {
	return b.move(ctx, id, uids, mailbox.RoleInbox)
}

// Released is a message that has left the quarantine.
type Released struct {
	UID   mailbox.UID // in quarantine
	Email mailbox.EmailID
}

func (b *Book) move(ctx context.Context, id mailbox.AccountID, uids []mailbox.UID, to mailbox.Role) ([]Released, error) {
	acct := b.opts.Boxes.Account(id)
	from, target, err := b.places(ctx, acct, to)
	if err != nil {
		return nil, err
	}
	emails := map[mailbox.UID]mailbox.EmailID{}
	err = acct.View(ctx, func(v *mailbox.View) error {
		clear(emails)
		for m, err := range v.Messages(from, mailbox.NewUIDSet(uids...), 1) {
			if err != nil {
				return err
			}
			emails[m.UID] = m.Email
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	result, err := acct.Move(ctx, from, mailbox.NewUIDSet(uids...), target)
	if err != nil {
		return nil, err
	}
	released := make([]Released, 0, len(result.Source))
	for _, uid := range result.Source {
		released = append(released, Released{uid, emails[uid]})
	}
	return released, nil
}

// Delete removes messages for good and returns how many.
func (b *Book) Delete(ctx context.Context, id mailbox.AccountID, uids []mailbox.UID) (int, error) {
	acct := b.opts.Boxes.Account(id)
	from, _, err := b.places(ctx, acct, mailbox.RoleInbox)
	if err != nil {
		return 0, err
	}
	set := mailbox.NewUIDSet(uids...)
	if _, err := acct.StoreFlags(ctx, from, set, mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Deleted}, mailbox.AnyModSeq); err != nil {
		return 0, err
	}
	gone, err := acct.Expunge(ctx, from, set)
	if err != nil {
		return 0, err
	}
	return gone.UIDs.Len(), nil
}

// places returns the mailbox of the quarantine and the one of a role, or INBOX
// if there is none: nothing is dropped.
func (b *Book) places(ctx context.Context, acct *mailbox.Account, role mailbox.Role) (from, to mailbox.ID, err error) {
	err = acct.View(ctx, func(v *mailbox.View) error {
		box, err := v.MailboxByRole(mailbox.RoleQuarantine)
		if err != nil {
			return err
		}
		from, to = box.ID, mailbox.Inbox
		if role == mailbox.RoleInbox {
			return nil
		}
		box, err = v.MailboxByRole(role)
		if err == nil {
			to = box.ID
		} else if errors.Is(err, mailbox.ErrNotFound) {
			err = nil
		}
		return err
	})
	return from, to, err
}
