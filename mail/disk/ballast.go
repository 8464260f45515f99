package disk

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ballast is a file that takes room, to be removed when there is none.
type ballast struct {
	name string // "": there is none
	size int64  // that it takes; 0: it is not there
	none bool   // it could not be made, or removed: not tried again
	seen bool   // that of an earlier process was looked for
}

// keepBallast makes or removes the file, as the stage says, and reports whether
// it did; mu is held.
func (g *Guard) keepBallast() (changed bool) {
	b := &g.ballast
	if b.name == "" {
		return false
	}
	b.find()
	size := g.reserve() / 2
	switch {
	case b.none:
	case b.size > 0 && (g.stage == Plenty || g.stage == Exhausted):
		return g.logged(b.remove())
	case b.size > 0 || g.stage != Low && g.stage != Lower:
	case g.room.Free-size > Full.begins(g.reserve())+2*g.reserve()/marginShare: // it must not stop mail
		return g.logged(b.make(size))
	}
	return false
}

// logged reports whether something was done.
func (g *Guard) logged(err error) bool {
	if err != nil {
		g.ballast.none = true
		g.opts.Logger.Warn("the file that keeps room for deleting mail", "err", err)
	}
	return err == nil
}

// find takes over the file of an earlier process.
func (b *ballast) find() {
	if b.seen {
		return
	}
	b.seen = true
	var s unix.Stat_t
	if unix.Stat(b.name, &s) == nil {
		b.size = max(s.Blocks*512, 1) // whatever it is, it has to go some day
	}
}

func (b *ballast) make(size int64) error {
	f, err := os.OpenFile(b.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, size), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(b.name))
	}
	b.size = size
	return nil
}

func (b *ballast) remove() error {
	if err := os.Remove(b.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.size = 0
	return nil
}
