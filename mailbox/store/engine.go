package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/turns"
)

// Defaults of Options.
const (
	defaultSegment    = 64 << 20
	defaultApplyDelay = time.Second
	defaultGrace      = 24 * time.Hour
	defaultMaxOpen    = 1024

	defaultReclaimPart = 50_000
	reclaimEvery       = time.Hour

	maxSegment = 2 << 30 // with its last group an offset stays within 32 bits
)

// maxInLog is the largest body that goes into the log; a larger one would keep
// the others waiting and gets a file of its own.
const maxInLog = 256 << 10

// Options of an Engine; only Apply is needed.
type Options struct {
	Apply Apply

	// Zstd says whether bodies of the log are compressed where that saves a
	// tenth. It is asked for each; nil is no.
	Zstd func() bool
	// Hold says that nothing may be given back for now. It is asked before each
	// Reclaim; nil is no.
	Hold func() bool
	// SegmentSize is where the log goes on in a new file; 64 MiB if 0.
	SegmentSize int64
	// ApplyDelay is how long rows may lag behind the log while nobody looks at
	// them; 1 s if 0.
	ApplyDelay time.Duration
	// Grace is how long a released body stays readable; 24 h if 0. It is shorter
	// while the disk is low.
	Grace time.Duration
	// Disk says whether there is room on the disk; nil: the store looks itself,
	// with a reserve of Reserve octets, and with none if that is negative.
	Disk    *disk.Guard
	Reserve int64
	// MaxOpen is how many owners' databases are kept open. It is asked each time
	// one is opened; nil is 1024.
	MaxOpen func() int

	Now    func() time.Time
	Logger *slog.Logger

	fs       fsys                            // tests only
	onCommit func(file string) (done func()) // tests only: around a commit of a bbolt file
	noSync   bool                            // tests only: the negative control
	// reclaimPart is how many bodies Reclaim looks at together: what it has in
	// memory does not depend on how much was deleted. Tests have it smaller.
	reclaimPart int
}

func (o *Options) setDefaults() {
	setDefault(&o.SegmentSize, defaultSegment)
	o.SegmentSize = min(o.SegmentSize, maxSegment)
	setDefault(&o.ApplyDelay, defaultApplyDelay)
	setDefault(&o.Grace, defaultGrace)
	setDefault(&o.reclaimPart, defaultReclaimPart)
	if o.Zstd == nil {
		o.Zstd = func() bool { return false }
	}
	if o.MaxOpen == nil {
		o.MaxOpen = func() int { return defaultMaxOpen }
	}
	if o.Hold == nil {
		o.Hold = func() bool { return false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.fs == nil {
		o.fs = osFS{}
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Engine is the embedded store: a shared log and one bbolt file an owner.
type Engine struct {
	dir     string
	opts    Options
	lock    *os.File
	sys     *sysDB
	log     *appendLog
	big     *bigBodies
	disk    *disk.Guard
	squeeze squeeze

	mu     sync.Mutex // guards owners, open and closed
	owners map[Owner]*owner
	open   int // databases that are open
	closed bool
	inside sync.WaitGroup // calls under way; Close waits for them
	failed atomic.Pointer[error]

	// Taken in this order.
	reclaiming    *turns.Turns // one, of Reclaim, Scrub and Backup
	checkpointing sync.Mutex   // so that the low-water mark does not go back
	applying      sync.Mutex   // held by applyAll
	kick          chan *owner
	stop          context.CancelFunc
	background    sync.WaitGroup
	stats         counters
}

// Open opens or creates the store in dir and brings all owners that have mail
// waiting in the log to where they were. Another process must not have it
// open.
func Open(dir string, opts Options) (*Engine, error) {
	opts.setDefaults()
	if opts.Apply == nil {
		return nil, errors.New("store: Options.Apply is missing")
	}
	e := &Engine{dir: dir, opts: opts, owners: map[Owner]*owner{}, kick: make(chan *owner, 1024), reclaiming: turns.New(1), squeeze: squeeze{wake: make(chan struct{}, 1)}}
	if err := e.prepare(); err != nil {
		e.abandon()
		return nil, fmt.Errorf("open store: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.background.Go(e.log.run)
	e.background.Go(func() { e.applyLoop(ctx) })
	e.background.Go(func() { e.reclaimLoop(ctx) })
	return e, nil
}

func (e *Engine) prepare() (err error) {
	if err := makeDirs(e.opts.fs, e.dir); err != nil {
		return err
	}
	if e.lock, err = lockDir(e.dir); err != nil {
		return err
	}
	if e.disk = e.opts.Disk; e.disk == nil {
		e.disk = newGuard(e.opts.fs, e.dir, e.opts.Reserve)
	}
	if e.sys, err = openSys(e); err != nil {
		return err
	}
	e.big = newBigBodies(e)
	e.log = newAppendLog(e)
	if err := e.finishDrops(); err != nil {
		return err
	}
	if err := e.findOwners(); err != nil {
		return err
	}
	return e.recover()
}

// abandon lets go of what prepare has opened.
func (e *Engine) abandon() {
	if e.log != nil {
		e.log.closeFiles()
	}
	for _, o := range e.allOwners() {
		o.close()
	}
	if e.sys != nil {
		e.sys.close()
	}
	if e.lock != nil {
		e.lock.Close()
	}
}

// lockDir keeps a second process out.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is in use by another process; stop it first", dir)
	}
	return f, nil
}

// findOwners learns the owners that have a folder.
func (e *Engine) findOwners() error {
	entries, err := os.ReadDir(filepath.Join(e.dir, "acct"))
	if err != nil {
		return err
	}
	for _, d := range entries {
		id, err := strconv.ParseUint(d.Name(), 10, 32)
		if err != nil || id == uint64(Queue) {
			continue
		}
		e.owners[Owner(id)] = newOwner(e, Owner(id))
	}
	e.owners[Queue] = newOwner(e, Queue)
	for _, o := range e.owners {
		o.find()
	}
	return nil
}

// owner returns an owner, known or new.
func (e *Engine) owner(id Owner) *owner {
	e.mu.Lock()
	defer e.mu.Unlock()
	o := e.owners[id]
	if o == nil {
		o = newOwner(e, id)
		e.owners[id] = o
	}
	return o
}

// allOwners returns a snapshot, in order.
func (e *Engine) allOwners() []*owner {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*owner, 0, len(e.owners))
	for _, o := range e.owners {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *owner) int { return int(int64(a.id) - int64(b.id)) })
	return all
}

// fail makes the store take nothing more. What a failed write or sync has left
// on the disk is not known until the log is read again.
func (e *Engine) fail(err error) error {
	wrapped := fmt.Errorf("%w (%w)", ErrFailed, err)
	if e.failed.CompareAndSwap(nil, &wrapped) {
		e.opts.Logger.Error("the store takes no more mail until restart", "err", err)
	}
	return *e.failed.Load()
}

// usable returns why the store takes no changes, if so.
func (e *Engine) usable() error {
	if err := e.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// enter begins a call that needs the store open; leave ends it.
func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.inside.Add(1)
	return nil
}

func (e *Engine) leave() { e.inside.Done() }

// going returns why a long job must end, if so.
func (e *Engine) going(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	return ctx.Err()
}

// passingError sorts an error that leaves nothing half done: a full disk has
// its own name.
func (e *Engine) passingError(err error) error {
	if noRoom(err) || fullAtGrowing(err) {
		e.disk.Forget()
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return err
}

func noRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// storageError sorts a failed change of a file: a disk that was full at a write
// passes. Everything else ends the store, also one that was found to be full
// by a sync: nobody knows what that has written.
func (e *Engine) storageError(err error) error {
	var write *os.PathError // bbolt's syncs return bare numbers
	if errors.As(err, &write) || fullAtGrowing(err) {
		if err := e.passingError(err); errors.Is(err, ErrFull) {
			return err
		}
	}
	return e.fail(err)
}

// fullAtGrowing reports whether a bbolt file had no room to grow; bbolt says
// so in words only.
func fullAtGrowing(err error) bool {
	s := err.Error()
	return strings.HasPrefix(s, "file resize error: ") && (strings.HasSuffix(s, unix.ENOSPC.Error()) || strings.HasSuffix(s, unix.EDQUOT.Error()))
}

// Owners implements Store.
func (e *Engine) Owners(context.Context) iter.Seq2[Owner, error] {
	return func(yield func(Owner, error) bool) {
		for _, o := range e.allOwners() {
			if o.inUse() && !yield(o.id, nil) {
				return
			}
		}
	}
}

// Watch implements Store.
func (e *Engine) Watch(id Owner) (<-chan struct{}, func()) {
	return e.owner(id).watch()
}

// View implements Store.
func (e *Engine) View(ctx context.Context, id Owner, fn func(Tx) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.owner(id).look(fn)
}

// Peek implements Store.
func (e *Engine) Peek(ctx context.Context, id Owner, fn func(Tx) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.owner(id).peek(fn)
}

// Update implements Store.
func (e *Engine) Update(ctx context.Context, id Owner, fn func(RW) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := errors.Join(e.usable(), ctx.Err()); err != nil {
		return err
	}
	if err := e.room(disk.Rows, 0); err != nil {
		return err
	}
	return e.owner(id).update(fn)
}

// Close implements Store. It waits for calls that are under way; long jobs
// end early, with [ErrClosed].
func (e *Engine) Close() error {
	e.mu.Lock()
	again := e.closed
	e.closed = true
	e.mu.Unlock()
	if again {
		return nil
	}
	e.inside.Wait()
	e.stop()
	close(e.log.requests)
	e.background.Wait()
	err := e.applyAll()
	if e.failed.Load() == nil {
		err = errors.Join(err, e.checkpoint())
	}
	for _, o := range e.allOwners() {
		err = errors.Join(err, o.close())
	}
	e.log.closeFiles()
	return errors.Join(err, e.sys.close(), e.lock.Close())
}

var _ Store = (*Engine)(nil)
var _ io.Closer = (*Engine)(nil)
