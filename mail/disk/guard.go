package disk

import (
	"context"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// askEvery bounds how old an answer about free room may be, and is how often a
// Guard looks by itself.
const askEvery = time.Second

// Options of a Guard; the zero value works.
type Options struct {
	// Ask says how much room there is; nil asks the file system of the folder.
	Ask func() (Room, error)
	// Reserve is what is kept, in octets; it is asked again and again. 0, or nil:
	// as large as the disk says.
	Reserve func() int64
	// Ballast lets the Guard keep a file of this name; "" is none.
	Ballast string
	// Changed is told of a new stage, by whoever finds it: it has to be quick, and
	// must not ask the Guard. It may be nil.
	Changed func(from, to Stage)
	Now     func() time.Time
	Logger  *slog.Logger
}

// Guard says what there still is room for on one disk. A nil Guard allows
// everything. Its methods may be called concurrently.
type Guard struct {
	opts    Options
	ballast ballast

	mu      sync.Mutex
	room    Room // as last asked, less what was taken since
	stage   Stage
	checked time.Time
	err     error // of the last time
}

// New guards the disk of a folder.
func New(dir string, o Options) *Guard {
	if o.Ask == nil {
		o.Ask = func() (Room, error) { return Of(dir) }
	}
	if o.Reserve == nil {
		o.Reserve = func() int64 { return 0 }
	}
	if o.Changed == nil {
		o.Changed = func(Stage, Stage) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Guard{opts: o, ballast: ballast{name: o.Ballast}}
}

// Of asks the file system of a folder.
func Of(dir string) (Room, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Room{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if s.Blocks == 0 { // some have no size, and no end
		return Room{Free: math.MaxInt64 / 2}, nil
	}
	block := int64(s.Frsize)
	if block == 0 {
		block = int64(s.Bsize)
	}
	return Room{Free: int64(s.Bavail) * block, Total: int64(s.Blocks) * block}, nil
}

// Same reports whether two folders lie on the same file system. What is not
// there yet does not.
func Same(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev
}

func (g *Guard) reserve() int64 {
	if r := g.opts.Reserve(); r > 0 {
		return r
	}
	return g.room.Reserve()
}

// Check takes n octets for a use, or returns an *Error, or why the room is not
// known. What is too much for the room there is does not stop what is smaller.
func (g *Guard) Check(u Use, n int64) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.fits(u, n)
	if err == nil && n != 0 {
		g.room.Free -= n
		g.enter(max(g.stage, stageOf(g.room.Free, g.reserve())))
	}
	return err
}

// Fits is Check, but takes nothing: it is for whoever asks before the octets
// come.
func (g *Guard) Fits(u Use, n int64) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fits(u, n)
}

// fits is both; mu is held.
func (g *Guard) fits(u Use, n int64) error {
	if err := g.look(); err != nil {
		return err
	}
	reserve, use := g.reserve(), uses[u]
	if g.stage < use.stopped && g.room.Free-n < reserve*use.quarters/4 {
		if n > reserve/marginShare || u == Owed {
			return &Error{Use: u, Stage: g.stage, Room: g.room, Large: true}
		}
		g.enter(use.stopped)
	}
	if g.stage >= use.stopped {
		return &Error{Use: u, Stage: g.stage, Room: g.room}
	}
	return nil
}

// Stage says how full the disk is. While that cannot be found out it stays what
// it was.
func (g *Guard) Stage() Stage {
	if g == nil {
		return Plenty
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.look()
	return g.stage
}

// Status is how a disk is.
type Status struct {
	Stage   Stage
	Room    Room
	Reserve int64
	Ballast int64 // octets of the file that is removed last; 0: there is none
}

// Status says how the disk is, as far as that can be found out.
func (g *Guard) Status() (Status, error) {
	if g == nil {
		return Status{}, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.look()
	return Status{Stage: g.stage, Room: g.room, Reserve: g.reserve(), Ballast: g.ballast.size}, err
}

// Forget makes the Guard ask anew: somebody has met a full disk, or has made
// room.
func (g *Guard) Forget() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.checked = time.Time{}
}

// look asks for the room, unless that was a moment ago; mu is held.
func (g *Guard) look() error {
	now := g.opts.Now()
	if age := now.Sub(g.checked); age >= 0 && age < askEvery {
		return g.err
	}
	g.checked = now
	if g.err = g.ask(); g.err != nil {
		return g.err
	}
	if changed := g.keepBallast(); changed {
		g.err = g.ask()
	}
	return g.err
}

func (g *Guard) ask() error {
	room, err := g.opts.Ask()
	if err != nil {
		return err
	}
	g.room = room
	g.enter(g.stage.after(room.Free, g.reserve()))
	return nil
}

// enter notes a new stage; mu is held.
func (g *Guard) enter(s Stage) {
	from := g.stage
	if s == from {
		return
	}
	g.stage = s
	level, text := slog.LevelInfo, "the disk has room again"
	switch {
	case s > from && s >= Full:
		level, text = slog.LevelError, s.Says()
	case s > from:
		level, text = slog.LevelWarn, s.Says()
	case s > Plenty:
		text = "the disk has more room: " + s.Says()
	}
	g.opts.Logger.Log(context.Background(), level, text, "stage", s.String(), "before", from.String(), "free", Size(g.room.Free), "reserve", Size(g.reserve()))
	g.opts.Changed(from, s)
}

// Run looks at the disk now and then until ctx is done, so that a new stage is
// told also while nobody asks for room.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		g.Stage()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Await waits until there is room for a use, or ctx is done. waits, if it is
// not nil, is told once if it has to.
func (g *Guard) Await(ctx context.Context, u Use, waits func(error)) error {
	err := g.Check(u, 0)
	if err == nil {
		return nil
	}
	if waits != nil {
		waits(err)
	}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if g.Check(u, 0) == nil {
				return nil
			}
		}
	}
}
