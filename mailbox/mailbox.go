package mailbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
)

// Options of Boxes; the zero value works.
type Options struct {
	Now func() time.Time
	// KeepExpunged is how long the feed remembers what was expunged; it is
	// asked again and again, and nil is 30 days. A client that was away longer
	// has to look at all UIDs again.
	KeepExpunged func() time.Duration
	// Touched is told after a client has appended, copied or moved messages of
	// an account, or changed flags; a delivery is not told. It may be called
	// concurrently and has to be quick.
	Touched func(AccountID)
	Logger  *slog.Logger
}

// Boxes are the accounts of a store.
type Boxes struct {
	eng  store.Store
	opts Options

	mu     sync.Mutex
	quotas map[AccountID]*quota
}

// Open returns the accounts of an engine that was opened with [Apply] for its
// accounts. Whoever opened the engine closes it.
func Open(eng store.Store, opts Options) *Boxes {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.KeepExpunged == nil {
		opts.KeepExpunged = func() time.Duration { return 30 * 24 * time.Hour }
	}
	if opts.Touched == nil {
		opts.Touched = func(AccountID) {}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Boxes{eng: eng, opts: opts, quotas: map[AccountID]*quota{}}
}

// Account returns an account; whether it is there shows when it is used.
func (b *Boxes) Account(id AccountID) *Account { return &Account{boxes: b, id: id} }

// CreateAccount makes INBOX and the special-use mailboxes. It does nothing for
// an account that has them.
func (b *Boxes) CreateAccount(ctx context.Context, id AccountID) error {
	if id == store.Queue {
		return fmt.Errorf("create account %d: %w", id, ErrNoAccount)
	}
	return b.Account(id).update(ctx, (*tx).ensureAccount)
}

// DropAccount removes an account with all its mail.
func (b *Boxes) DropAccount(ctx context.Context, id AccountID) error {
	if id == store.Queue {
		return fmt.Errorf("drop account %d: %w", id, ErrNoAccount)
	}
	b.mu.Lock()
	delete(b.quotas, id)
	b.mu.Unlock()
	return b.eng.Drop(ctx, id)
}

// Account is one account. It holds nothing and may be made and used anywhere.
type Account struct {
	boxes *Boxes
	id    AccountID
}

// ID returns the account's number.
func (a *Account) ID() AccountID { return a.id }

// View runs fn on a snapshot that has all mail accepted so far.
func (a *Account) View(ctx context.Context, fn func(*View) error) error {
	return a.boxes.eng.View(ctx, a.id, func(tx store.Tx) error { return fn(&View{tx: tx}) })
}

// Peek is View without the mail that was accepted a moment ago. It waits for no
// commit.
func (a *Account) Peek(ctx context.Context, fn func(*View) error) error {
	return a.boxes.eng.Peek(ctx, a.id, func(tx store.Tx) error { return fn(&View{tx: tx}) })
}

// Watch returns a channel that gets a value after something may have changed;
// signals coalesce.
func (a *Account) Watch() (changed <-chan struct{}, stop func()) { return a.boxes.eng.Watch(a.id) }

// update runs fn in a transaction; fn may run again.
func (a *Account) update(ctx context.Context, fn func(*tx) error) error {
	now := a.boxes.opts.Now()
	return a.boxes.eng.Update(ctx, a.id, func(rw store.RW) error {
		t := newTx(rw, now)
		if err := fn(t); err != nil {
			return err
		}
		return t.finish()
	})
}

// OpenBody opens the octets of a message, the account's own header first.
func (b *Boxes) OpenBody(ctx context.Context, r BodyRef) (store.Body, error) {
	body, err := b.eng.Open(ctx, r.Ref)
	return r.prefix(body, err)
}

// OpenBodyAhead opens bodies one after the other, as store.OpenAhead does.
func (b *Boxes) OpenBodyAhead(ctx context.Context, r BodyRef, a *store.ReadAhead) (store.Body, error) {
	body, err := b.eng.OpenAhead(ctx, r.Ref, a)
	return r.prefix(body, err)
}

// prefix puts the account's own header before a body that was opened.
func (r *BodyRef) prefix(body store.Body, err error) (store.Body, error) {
	if err != nil || len(r.Header) == 0 {
		return body, err
	}
	return &prefixed{header: r.Header, body: body}, nil
}

// prefixed is a body with a header before it.
type prefixed struct {
	header []byte
	body   store.Body
}

func (p *prefixed) Size() int64  { return int64(len(p.header)) + p.body.Size() }
func (p *prefixed) Close() error { return p.body.Close() }

func (p *prefixed) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("mailbox: negative offset")
	}
	n := 0
	if off < int64(len(p.header)) {
		n = copy(b, p.header[off:])
		if n == len(b) {
			return n, nil
		}
		off = int64(len(p.header))
	}
	k, err := p.body.ReadAt(b[n:], off-int64(len(p.header)))
	if err == io.EOF && n+k == len(b) {
		err = nil
	}
	return n + k, err
}
